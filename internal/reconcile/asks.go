package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/store"
)

// asksAgainAfter is how long after GitHub refused to ask somebody that is tried again though nothing tells that they were given access since.
const asksAgainAfter = 24 * time.Hour

// asks returns the reviews that the decisions ask for, and what became of the requests for them so far, by plan.AskKey. What GitHub refused is tried
// again if something tells that people were given access, and once a day. Person says that somebody asked for a fresh look at the main pull request.
func (r *run) asks(
	ctx context.Context, subjects []*subject, person bool,
) (asks map[change.PullKey][]change.Ask, asked map[string]plan.Asked, err error) {
	asks, asked = map[change.PullKey][]change.Ask{}, map[string]plan.Asked{}
	for _, s := range subjects {
		if len(s.decision.Asks) == 0 {
			continue
		}
		asks[s.work.Key] = s.decision.Asks
		effects, err := r.Store.EffectsOf(ctx, s.work.Key)
		if err != nil {
			return nil, nil, err
		}
		told := s == r.main && (person || s.work.Concerns.Has(change.ConcernPeople))
		for _, ask := range s.decision.Asks {
			key := plan.AskKey(s.work.Key, ask)
			a, refusedAt, err := askedBefore(effects, key)
			if err != nil {
				return nil, nil, err
			}
			a.Again = a.Again || told || !r.began.Before(refusedAt.Add(asksAgainAfter))
			asked[key] = a
			if saysOtherwise(s, ask, a.IsRefused(ask) && !a.Again) {
				r.lookAt = r.github.Now()
			}
		}
	}
	return asks, asked, nil
}

// saysOtherwise says whether the decision on a pull request is to be made anew, because it was made as if GitHub had refused an ask, or had not. The
// facts have that for the asks of the decision before.
func saysOtherwise(s *subject, ask change.Ask, refused bool) bool {
	round, said := s.facts.AsksRefused[ask.Role]
	if said && round == ask.Round {
		return !refused
	}
	before := s.work.Decision
	return refused && (before == nil || !slices.ContainsFunc(before.Asks, func(a change.Ask) bool { return a.Role == ask.Role }))
}

// askedBefore returns what became of the requests for an ask, among the effects of its pull request, and when the last of them was refused.
func askedBefore(effects []store.Effect, key string) (a plan.Asked, refusedAt time.Time, err error) {
	for {
		i := slices.IndexFunc(effects, func(e store.Effect) bool { return e.Key == plan.RequestKey(key, a.Ended+1) })
		if i < 0 {
			return a, refusedAt, nil
		}
		if effects[i].State == store.EffectIntended {
			a.Again = true // an earlier run began to
			return a, refusedAt, nil
		}
		e := new(plan.Effect)
		if err := json.Unmarshal(effects[i].Body, e); err != nil {
			return a, refusedAt, fmt.Errorf("reading the effect %s: %w", effects[i].Key, err)
		}
		a.Ended, a.Refused, refusedAt = a.Ended+1, nil, time.Time{}
		if effects[i].State == store.EffectFailed {
			a.Refused, refusedAt = e, effects[i].EndedAt
			continue
		}
		a.Teams, a.Users = append(a.Teams, e.Teams...), append(a.Users, e.Users...)
	}
}

// asksRefused returns which asks of the decision before GitHub refused to make, by role the round.
func (r *run) asksRefused(ctx context.Context, w *store.Work) (refused map[string]int, err error) {
	if w.Decision == nil || len(w.Decision.Asks) == 0 {
		return nil, nil
	}
	effects, err := r.Store.EffectsOf(ctx, w.Key)
	if err != nil {
		return nil, err
	}
	refused = map[string]int{}
	for _, ask := range w.Decision.Asks {
		a, _, err := askedBefore(effects, plan.AskKey(w.Key, ask))
		if err != nil {
			return nil, err
		}
		if a.IsRefused(ask) {
			refused[ask.Role] = ask.Round
		}
	}
	return refused, nil
}
