package storetest

import (
	"testing"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// owing has a repository go away and come back in which some owe something: they come back whatever became of them, and the others do not.
func owing(t *testing.T, f *fixture) {
	ctx := t.Context()
	ended := func(n int, state change.PullState) change.Delivery {
		d := f.described(n, "h", at(1))
		d.Pull.State = state
		return d
	}
	f.accept(t, ended(1, change.Merged), ended(2, change.Merged), ended(3, change.Merged), f.described(4, "h4", at(1)), f.described(5, "h5", at(1)))
	owes := func(n int, settled bool) change.Debt {
		d := change.Debt{Pull: key(n), Kind: change.DebtReview, Owner: 5, Due: at(60)}
		if settled {
			d.Settled = at(50)
		}
		return d
	}
	retrospective := owes(1, false)
	retrospective.Kind = change.DebtRetrospective
	must(t, f.SaveDecision(ctx, change.Decision{Pull: key(1), Head: "h"}, "digest", store.Consequences{
		Debts: []change.Debt{owes(1, true), retrospective, owes(2, true), owes(4, false)},
	}))
	first, fourth := errand(change.ErrandRetrospective, "1"), errand(change.ErrandRetrospective, "4")
	forgotten := func() (keys []change.PullKey, followers []change.Raised) {
		f.write(t, func(tx store.Tx) (err error) {
			keys, followers, err = f.OwingAndGone(ctx, tx)
			return err
		})
		return keys, followers
	}
	of := func(repo change.RepositoryID) (keys []change.PullKey) {
		f.write(t, func(tx store.Tx) (err error) {
			keys, _, err = f.OwingIn(ctx, tx, repo)
			return err
		})
		return keys
	}
	equal(t, "owing", of(shop.ID), []change.PullKey{key(1), key(4)})
	equal(t, "owing elsewhere", of(8), []change.PullKey(nil))

	away := f.about(0)
	away.Event, away.Action, away.Key, away.Gone, away.Concerns = "repository", "archived", change.PullKey{}, true, 0
	f.accept(t, away)
	keys, _ := forgotten()
	equal(t, "to be looked at while it is away", append(keys, of(shop.ID)...), []change.PullKey(nil))

	back := f.about(0)
	back.Event, back.Action, back.Key, back.Base, back.Concerns = "repository", "unarchived", change.PullKey{}, "*", change.ConcernPull|change.ConcernVerify
	a := f.acceptBy(t, back)
	equal(t, "raised by its return", a.Raised, []change.PullKey{key(1), key(4), key(5)})
	equal(t, "because of", a.By.Pulls, map[change.PullKey][]string{key(1): {back.ID}, key(4): {back.ID}, key(5): {back.ID}})
	equal(t, "errands", a.Errands, []change.Errand{first, fourth})
	equal(t, "what errands are raised by", a.By.Errands, map[change.Errand][]string{first: {back.ID}, fourth: {back.ID}})
	equal(t, "unsettled errands", f.unsettledErrands(t), []change.Errand{first, fourth})
	for n, gone := range map[int]bool{1: false, 2: true, 3: true, 4: false, 5: false} {
		equal(t, key(n).String()+" is gone", f.begin(t, n).Gone, gone)
	}
	equal(t, "concerns", f.begin(t, 1).Concerns, change.ConcernVerify)
	equal(t, "the delivery", len(back.Raised), 0)

	// GitHub did not find it once.
	must(t, f.SaveGone(ctx, key(1)))
	keys, followers := forgotten()
	equal(t, "forgotten", keys, []change.PullKey{key(1)})
	equal(t, "what follows it", followers, []change.Raised{{Errand: first}})

	// Of its return nothing was told but what happened in it.
	away.ID += "-2"
	f.accept(t, away)
	f.accept(t, f.about(5))
	keys, _ = forgotten()
	equal(t, "forgotten, those that nothing was told of", keys, []change.PullKey{key(1), key(4)})
	f.write(t, func(tx store.Tx) error { return f.Raise(ctx, tx, keys, change.ConcernVerify) })
	keys, _ = forgotten()
	equal(t, "forgotten once they are raised", keys, []change.PullKey(nil))
}
