package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// involvement is the first reason for which someone is a contributor, and so cannot approve.
type involvement struct {
	account change.Account
	how     how
	sha     change.SHA
}

// how is a way to contribute, in the order in which it is told.
type how int

const (
	isAuthor how = iota
	wrote
	committed
	coauthored
	pushed
	ownsFork
)

// text says how someone contributed, as in "alice (author)".
func (i involvement) text() change.Text {
	verb := [...]string{"author", "wrote ", "committed ", "co-authored ", "pushed ", "owns the fork"}[i.how]
	if i.how == isAuthor || i.how == ownsFork {
		return change.Words(verb)
	}
	return change.Say(change.Words(verb), change.Code(i.sha.Short()))
}

// isGitHub says whether a commit was made by GitHub itself, on somebody's behalf who is its author: a merge or an edit on the web.
// Anyone can write GitHub's name into a commit, so it needs a signature that GitHub verified.
func isGitHub(c *change.Commit) bool { return c.Verified && claimsGitHub(c) }

func claimsGitHub(c *change.Commit) bool {
	return strings.EqualFold(c.Committer.Account.Login, "web-flow") || !c.Committer.Account.Known() && strings.EqualFold(c.Committer.Email, "noreply@github.com")
}

// findContributors gathers everyone who had a hand in the content: the author of the pull request; author, committer and co-authors
// of each of its commits; and everyone whose push changed the content while any of it remains. Whoever only merged the base into it or
// rebased it, and left the content what it was, is none. Nobody tells who pushed to a fork before the pull request was opened: its owner may have.
func (q *inquiry) findContributors() {
	f := q.facts
	q.contributors = make(map[change.AccountID]involvement, 8)
	add := func(a change.Account, h how, sha change.SHA) {
		if !a.Known() {
			return
		}
		if old, ok := q.contributors[a.ID]; !ok || h < old.how {
			q.contributors[a.ID] = involvement{a, h, sha}
		}
	}
	add(f.Pull.Author, isAuthor, "")
	add(f.Pull.HeadOwner, ownsFork, "")
	// What may have been no more than a merge or a rebase.
	var maybe []involvement
	for i := range f.Content.Commits {
		c := &f.Content.Commits[i]
		if len(c.Parents) > 1 {
			maybe = append(maybe, involvement{c.Author.Account, wrote, c.SHA})
		} else {
			add(c.Author.Account, wrote, c.SHA)
		}
		if !claimsGitHub(c) {
			maybe = append(maybe, involvement{c.Committer.Account, committed, c.SHA})
		}
		for _, s := range q.coAuthors(c) {
			add(s.Account, coauthored, c.SHA)
		}
	}
	for _, p := range f.Pushes {
		maybe = append(maybe, involvement{p.By, pushed, p.After})
	}
	unchanged := map[change.AccountID]bool{} // whose pushes, if any, are known to have left nothing
	for _, i := range maybe {
		id := i.account.ID
		if _, certain := q.contributors[id]; certain || !i.account.Known() {
			continue
		}
		if _, asked := unchanged[id]; !asked {
			unchanged[id] = q.leftNothing(i.account)
		}
	}
	for _, i := range maybe {
		if unchanged[i.account.ID] && (i.how == pushed || q.cameUnchanged(i)) {
			continue
		}
		add(i.account, i.how, i.sha)
	}
}

// leftNothing says whether the present content is known to have nothing left of what somebody's pushes changed. Who pushed nothing left nothing.
func (q *inquiry) leftNothing(a change.Account) bool {
	if !q.facts.PushesKnown || q.facts.Pull.Draft || a.IsBot() {
		return false
	}
	for _, p := range slices.Backward(q.facts.Pushes) {
		if p.By.ID == a.ID && q.lasts(p) {
			return false
		}
	}
	return true
}

// beforeAndAfter returns what a push found and what it made of it, nil where that has yet to be read.
func (q *inquiry) beforeAndAfter(p change.Push) (before, after *shown) {
	from := viewOf(p.Before, "", "")
	for _, earlier := range q.facts.Pushes {
		if earlier.After == p.Before && earlier.At.Before(p.At) {
			from = viewOf(earlier.After, earlier.Base, earlier.MergeBase)
		}
	}
	return q.look(from), q.look(viewOf(p.After, p.Base, p.MergeBase))
}

// lasts says whether any of what a push changed is in the present content, or that cannot be known.
func (q *inquiry) lasts(p change.Push) bool {
	if p.Before == "" {
		return true // it brought all there was
	}
	before, after := q.beforeAndAfter(p)
	did := q.compare(before, after, false)
	if did.isNone() {
		return false
	}
	if before == nil || after == nil || !did.known {
		return true
	}
	remains := func(did, since difference) bool {
		return q.standsThere(did, since, after) || q.mayHaveMoved(did, since, after)
	}
	since := q.compare(before, q.present(), false)
	if since.isNone() {
		return false
	}
	if !since.known || remains(did, since) {
		return true
	}
	did, since = q.compare(before, after, true), q.compare(before, q.present(), true)
	return !did.known || !since.known || remains(did, since)
}

// standsThere says whether something of a push stands where the push put it: some path that it changed is not again as the push found it and, if the
// content was changed there after the push, is changed there still. Did is what the push changed, since is how the present content differs from what
// the push found, and after is what the push made of that.
func (q *inquiry) standsThere(did, since difference, after *shown) bool {
	return slices.ContainsFunc(did.paths, func(path string) bool {
		_, brought := after.files[path]
		_, there := q.present().files[path]
		return slices.Contains(since.paths, path) && (there || !brought)
	})
}

// mayHaveMoved says whether a file that a push brought may be at another path by now: some file has its content, or was renamed from its path, or came
// after the push from nobody knows where. The arguments are those of standsThere.
func (q *inquiry) mayHaveMoved(did, since difference, after *shown) bool {
	var brought []change.SHA
	for _, path := range did.paths {
		if f, ok := after.files[path]; ok && f.Status != change.FileRemoved {
			brought = append(brought, f.Blob)
		}
	}
	return len(brought) > 0 && slices.ContainsFunc(since.paths, func(path string) bool {
		f, there := q.present().files[path]
		if !there || f.Status == change.FileRemoved {
			return false
		}
		_, old := after.files[path]
		return !old || slices.Contains(brought, f.Blob) || slices.Contains(did.paths, f.PreviousPath)
	})
}

// cameUnchanged says whether a commit came with a push of whoever merged or committed it that left the content what it was.
func (q *inquiry) cameUnchanged(i involvement) bool {
	for _, p := range q.facts.Pushes {
		if p.By.ID != i.account.ID || p.Before == "" {
			continue
		}
		before, after := q.beforeAndAfter(p)
		if q.compare(before, after, false).isNone() && !before.commitsCut && !after.commitsCut &&
			slices.Contains(after.commits, i.sha) && !slices.Contains(before.commits, i.sha) {
			return true
		}
	}
	return false
}

// coAuthors returns the co-authors of a commit who contributed. GitHub itself commits an accepted suggestion, with whoever made it as
// the co-author. That person does not contribute if the policy says so; if there are two policies, both must.
func (q *inquiry) coAuthors(c *change.Commit) []change.Signature {
	if isGitHub(c) && !q.any(q.countsSuggestions) {
		return nil
	}
	return c.CoAuthors
}

// countsSuggestions says whether the co-author of an accepted suggestion is a contributor.
func (q *inquiry) countsSuggestions() bool { return q.policy.Suggestions != "allow" }

// contributorIDs returns everyone who contributed, ordered by id.
func (q *inquiry) contributorIDs() []change.AccountID {
	ids := make([]change.AccountID, 0, len(q.contributors))
	for id := range q.contributors {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// inOrder returns the contributors by how they contributed, then by name.
func (q *inquiry) inOrder() []involvement {
	return slices.SortedFunc(maps.Values(q.contributors), func(a, b involvement) int {
		return cmp.Or(cmp.Compare(a.how, b.how), strings.Compare(strings.ToLower(a.account.Login), strings.ToLower(b.account.Login)), cmp.Compare(a.account.ID, b.account.ID))
	})
}

// unattributed returns the contributions by nobody known, each with what would mend it.
func (q *inquiry) unattributed() (found, mends []change.Text) {
	f := q.facts
	relink := change.Words("link its e-mail address to a GitHub account, or write the commit anew with one that is linked")
	for i := range f.Content.Commits {
		c := &f.Content.Commits[i]
		switch {
		case !c.Author.Account.Known():
			found = append(found, change.Say(change.Code(c.SHA.Short()), change.Words(" was written by "), signature(c.Author)))
			mends = append(mends, relink)
		case claimsGitHub(c) && !c.Verified:
			found = append(found, change.Say(change.Code(c.SHA.Short()), change.Words(" claims to be made by GitHub, whose signature it does not have")))
			mends = append(mends, change.Words("write the commit anew under your own name"))
		case !c.Committer.Account.Known() && !claimsGitHub(c):
			found = append(found, change.Say(change.Code(c.SHA.Short()), change.Words(" was committed by "), signature(c.Committer)))
			mends = append(mends, relink)
		}
		for _, s := range q.coAuthors(c) {
			if !s.Account.Known() {
				found = append(found, change.Say(change.Code(c.SHA.Short()), change.Words(" was co-authored by "), signature(s)))
				mends = append(mends, relink)
			}
		}
	}
	unknownPush := false
	for _, p := range f.Pushes {
		unknownPush = unknownPush || !p.By.Known()
	}
	if !f.PushesKnown || unknownPush {
		found = append(found, change.Words("it is not known who made every push"))
		mends = append(mends, change.Words("push the same commits to a new branch and open a pull request from that: who pushes there is known from the start, by GitHub's push deliveries or else its /repos/OWNER/REPO/activity"))
	}
	return found, mends
}

func signature(s change.Signature) change.Text {
	who := strings.TrimSpace(s.Name + " <" + s.Email + ">")
	if s.Unresolved {
		return change.Say(change.Quote(who), change.Words(", whose account was not looked up"))
	}
	return change.Say(change.Quote(who), change.Words(", who has no GitHub account"))
}

// attribution requires that everyone who contributed is known, or remarks who is not.
func (q *inquiry) attribution() {
	found, mends := q.unattributed()
	if len(found) == 0 {
		return
	}
	if q.declaration != nil || !q.any(q.blocksUnattributed) {
		for _, f := range found {
			q.remark(f, change.Words(": nobody can tell whether that person also approved."))
		}
		return
	}
	const shown = 3
	found = abridged(found, shown)
	// The same mend twice is one mend.
	var unique []change.Text
	for _, m := range mends {
		if !slices.ContainsFunc(unique, func(u change.Text) bool { return u.String() == m.String() }) {
			unique = append(unique, m)
		}
	}
	q.require(change.Requirement{
		Kind: change.KindAttribution, State: change.Missing,
		Name: change.Words("Known contributors"), Short: change.Words("contributor unknown"),
		Found: change.Join("; ", found), Next: change.Join("; ", unique),
	})
}

// blocksUnattributed says whether the category is blocked by contributions of nobody known.
func (q *inquiry) blocksUnattributed() bool {
	c := q.policy.Categories[q.category]
	return c != nil && c.Unattributed == "block"
}

// abridged returns at most n texts, the last saying how many more there are.
func abridged(texts []change.Text, n int) []change.Text {
	if len(texts) <= n {
		return texts
	}
	return append(slices.Clone(texts[:n]), change.Words(grouped(len(texts)-n)+" more"))
}
