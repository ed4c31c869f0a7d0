package deployment

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/release"
	"github.com/changegate/changegate/internal/store"
)

// begin returns a run as far as reading needs one.
func (r *rig) begin() *run {
	return &run{
		Deployer: r.Deployer, errand: r.errand(), repo: shop, github: r.Session(shop.Installation), rules: r.policies.Rules, log: r.Log,
		state: state{State: release.State{Tracks: map[string]*release.Track{}}},
	}
}

func (r *rig) batch(from, to change.SHA) release.Batch {
	r.t.Helper()
	b, err := r.begin().batch(r.t.Context(), release.Span{From: from, To: to})
	r.must(err)
	return b
}

// shown writes changes in short: the number, the category, and whether it was green.
func shown(list []release.Change) (short []string) {
	for _, c := range list {
		text := fmt.Sprintf("#%d %s", c.Number, c.Category)
		if c.Green {
			text += " green"
		}
		short = append(short, text)
	}
	return short
}

func TestWhatWasReadIsNotAskedForAgain(t *testing.T) {
	r := newRig(t)
	run := r.begin()
	needs := release.Needs{Commits: []change.SHA{r.branches["main"]}}
	r.must(run.read(t.Context(), needs))
	if err := run.read(t.Context(), needs); err == nil {
		t.Error("a core that asks for the same for ever is read to for ever")
	}
}

func TestBatches(t *testing.T) {
	r := newRig(t)
	start := r.branches["main"]
	r.merge(change.Normal)
	second, _ := r.merge(change.Standard)
	// A rebase: three commits of one pull request, none of which is its head.
	rebased := r.rebase(start)
	// One that nobody decided, one through no pull request, and one merged into a branch that is not governed.
	r.merge(change.Uncategorized)
	direct := r.commit(r.branches["main"])
	elsewhere := r.commit(direct)
	r.branches["main"] = elsewhere
	r.pulls[9] = change.Pull{Number: 9, State: change.Merged, MergeCommit: elsewhere, Base: change.Branch{Name: "topic"}}
	r.brings[elsewhere] = []change.Number{9}

	got := r.batch(start, elsewhere)
	want := []string{"#1 normal green", "#2 standard green", "#3 high-risk green", "#4 high-risk", "#0 high-risk", "#0 high-risk"}
	if diff := cmp.Diff(want, shown(got.Changes)); diff != "" || got.Cut || got.Contained {
		t.Errorf("%+v (-want +got):\n%s", got, diff)
	}
	if c := got.Changes[1]; c.Title != second.Title || c.Commit != second.MergeCommit || len(c.Contributors) != 1 {
		t.Errorf("the second is %+v", c)
	}
	for i, by := range map[int]change.Account{3: alice, 4: carol} {
		if c := got.Changes[i]; !slices.Equal(c.Contributors, []change.AccountID{by.ID}) {
			t.Errorf("of what nobody decided %v are the contributors, want %s", c.Contributors, by.Login)
		}
	}
	if c := got.Changes[2]; c.Commit != rebased.MergeCommit {
		t.Errorf("the rebased one ends at %s", c.Commit)
	}

	if got := r.batch("", second.MergeCommit); fmt.Sprint(shown(got.Changes)) != "[#2 standard green]" || got.Cut {
		t.Errorf("of the first deployment: %+v", got)
	}
	if got := r.batch(elsewhere, second.MergeCommit); !got.Contained {
		t.Errorf("what is there already: %+v", got)
	}
	if got := r.batch(start, start); !got.Contained {
		t.Errorf("the same: %+v", got)
	}
	side := r.commit(second.MergeCommit)
	if got := r.batch(side, elsewhere); !got.Cut || len(got.Changes) != 4 {
		t.Errorf("of another history: %+v", got)
	}
	if got := r.batch(sha("gone"), second.MergeCommit); !got.Cut || fmt.Sprint(shown(got.Changes)) != "[#2 standard green]" {
		t.Errorf("from a commit that is gone: %+v", got)
	}
	for range maxLine + 1 {
		r.branches["main"] = r.commit(r.branches["main"])
	}
	if got := r.batch(elsewhere, r.branches["main"]); !got.Cut || len(got.Changes) != maxLine {
		t.Errorf("of too many: %d, cut: %v", len(got.Changes), got.Cut)
	}
}

// TestWhatWasDecidedAtTheMergeCounts has a decision change after the merge.
func TestWhatWasDecidedAtTheMergeCounts(t *testing.T) {
	r := newRig(t)
	start := r.branches["main"]
	p, _ := r.merge(change.Uncategorized)
	r.decide(p, change.Decision{
		Category: change.Emergency, Underlying: change.Normal, Verdict: change.Waiting, Scheduled: "2026-09-06",
		Opinions: []change.Opinion{
			{By: bob, State: change.Approved, Counts: true}, {By: alice, State: change.Approved}, {By: carol, State: change.ChangesRequested, Counts: true},
		},
	})
	// A day has no zone: there it begins at one o'clock.
	santiago, err := time.LoadLocation("America/Santiago")
	r.must(err)
	r.policies.Environments[1].Hours[0].Zone = santiago
	r.policies.Environments[0].Hours = nil
	r.now = r.now.Add(time.Hour)
	r.decide(p, change.Decision{Category: change.Normal, Verdict: change.Satisfied})

	got := r.batch(start, p.MergeCommit).Changes[0]
	want := release.Change{
		Number: 1, Commit: p.MergeCommit, Title: p.Title, Category: change.Emergency, Underlying: change.Normal,
		Scheduled: time.Date(2026, 9, 6, 0, 0, 0, 0, time.UTC), Contributors: []change.AccountID{alice.ID}, Approvers: []string{"bob"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	observed, _ := r.merge(change.Uncategorized)
	r.decide(observed, change.Decision{Category: change.Normal, Verdict: change.Failing, Observing: true})
	if got := shown(r.batch(p.MergeCommit, observed.MergeCommit).Changes); got[0] != "#2 normal green" {
		t.Errorf("where the policy only observes: %s", got)
	}
}

// TestWhatWasDecidedOfAnotherHeadLendsNothing merges what was pushed after the decision, or for another base.
func TestWhatWasDecidedOfAnotherHeadLendsNothing(t *testing.T) {
	for _, decided := range []change.Decision{{Head: sha("before")}, {Base: "release/1"}} {
		r := newRig(t)
		start := r.branches["main"]
		p, _ := r.merge(change.Uncategorized)
		p.Author = bob
		r.pulls[1] = p
		decided.Category, decided.Underlying, decided.Verdict, decided.Scheduled = change.Emergency, change.Standard, change.Satisfied, "2026-02-01"
		decided.Opinions = []change.Opinion{{By: carol, State: change.Approved, Counts: true}}
		r.decide(p, decided)

		got := r.batch(start, p.MergeCommit).Changes[0]
		want := release.Change{
			Number: 1, Commit: p.MergeCommit, Title: p.Title, Category: change.HighRisk,
			Scheduled: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), Contributors: []change.AccountID{bob.ID, alice.ID},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestWhatWasDeployedBeforeIsNotReadAgain counts calls.
func TestWhatWasDeployedBeforeIsNotReadAgain(t *testing.T) {
	r := newRig(t)
	start := r.branches["main"]
	r.merge(change.Normal)
	p, note := r.merge(change.Normal)
	run := r.begin()
	run.state.Tracks["staging"] = &release.Track{Deployments: []*release.Deployment{{
		Commit: "x", Shipment: release.Shipment{Changes: []release.Change{{Number: 1, Commit: r.pulls[1].MergeCommit, Category: change.Standard}}},
	}}}
	run.seen.land(*note.Landed)
	b, err := run.batch(t.Context(), release.Span{From: start, To: p.MergeCommit})
	r.must(err)
	if got, want := fmt.Sprint(shown(b.Changes)), "[#1 standard #2 normal green]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := r.since(), "1 range, 2 seen"; got != want { // of the second, what landed and what was decided
		t.Errorf("calls: %s, want %s", got, want)
	}
}

// rebase merges a pull request as three commits, none of which is its head.
func (r *rig) rebase(from change.SHA) change.Pull {
	r.t.Helper()
	at, n, head := r.branches["main"], change.Number(len(r.pulls)+1), r.commit(from)
	for i := range 3 {
		at = r.commit(at)
		r.edits[at] = map[string]change.SHA{fmt.Sprint("part ", i): head}
		r.edits[head][fmt.Sprint("part ", i)] = head
		if i < 2 {
			r.brings[at] = []change.Number{n}
		}
	}
	delete(r.edits[head], fmt.Sprintf("file %d", r.order[head]))
	p, _ := r.mergeAs(change.HighRisk, head, at)
	return p
}

// TestWhatLandedOtherwiseThanDecidedIsNotGreen merges pull requests that were decided green, with something else.
func TestWhatLandedOtherwiseThanDecidedIsNotGreen(t *testing.T) {
	undecided := release.Change{Number: 2, Category: change.HighRisk, Contributors: []change.AccountID{alice.ID, bob.ID, carol.ID}}
	merge := func(r *rig) change.SHA {
		p, _ := r.merge(change.Emergency)
		return p.MergeCommit
	}
	for _, tt := range []struct {
		name   string
		land   func(r *rig) change.SHA
		green  bool
		first  bool // nothing was deployed before
		refuse string
	}{
		{name: "as it was decided", land: merge, green: true},
		{name: "as it was decided, and nothing was deployed before", land: merge, green: true, first: true},
		{name: "on a base that went on elsewhere", green: true, land: func(r *rig) change.SHA {
			head := r.commit(r.branches["main"])
			as := r.commit(r.commit(r.branches["main"]), head)
			p, _ := r.mergeAs(change.Emergency, head, as)
			return p.MergeCommit
		}},
		{name: "rebased", green: true, land: func(r *rig) change.SHA { return r.rebase(r.branches["main"]).MergeCommit }},
		{name: "with another file", land: func(r *rig) change.SHA {
			as := merge(r)
			r.edits[as] = map[string]change.SHA{"evil": as}
			return as
		}},
		{name: "with another file, and nothing was deployed before", first: true, land: func(r *rig) change.SHA {
			as := merge(r)
			r.edits[as] = map[string]change.SHA{"evil": as}
			return as
		}},
		{name: "with a file changed again", land: func(r *rig) change.SHA {
			as := merge(r)
			for path := range r.edits[r.pulls[2].Head.SHA] {
				r.edits[as] = map[string]change.SHA{path: as}
			}
			return as
		}},
		{name: "rebased, with another file in between", land: func(r *rig) change.SHA {
			as := r.rebase(r.branches["main"]).MergeCommit
			r.edits[r.commits[as][0]]["evil"] = as
			return as
		}},
		{name: "cannot be compared", refuse: "seen", land: merge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.merge(change.Normal)
			start := r.branches["main"]
			as := tt.land(r)
			p := r.pulls[2]
			p.MergedBy = bob
			r.pulls[2] = p
			_, err := r.store.SavePull(t.Context(), change.PullKey{Repository: shop.ID, Number: 2}, p)
			r.must(err)
			span := release.Span{From: start, To: as}
			if tt.first {
				span.From = ""
			}
			run := r.begin()
			run.seen.land(change.Landed{Number: 2, Commit: as})
			if tt.refuse != "" {
				r.refuse[tt.refuse] = &github.Unavailable{}
				if _, err := run.batch(t.Context(), span); err == nil {
					t.Error("what is not known is taken for decided")
				}
				return
			}
			b, err := run.batch(t.Context(), span)
			r.must(err)
			got := b.Changes[len(b.Changes)-1]
			if tt.green {
				if !got.Green || got.Category == change.Uncategorized {
					t.Errorf("it is %+v", got)
				}
				return
			}
			want := undecided
			want.Commit, want.Title = as, p.Title
			if tt.first {
				want.Contributors = want.Contributors[:2] // of a commit alone it is not read who made it
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCommits(t *testing.T) {
	r := newRig(t)
	p, note := r.merge(change.Normal)
	unknown, onRelease, onTopic, onOld := r.commit(), r.commit(), r.commit(), r.commit()
	r.branches["release/1"], r.branches["topic"] = onRelease, onTopic
	r.policies.governed = append(r.policies.governed, "release/1", "old")
	for branch, state := range map[string]string{
		"main": `{"known":"x"}`, "release/1": `{"known":"x"}`, "topic": `{"known":"x"}`, "old": `{"known":"x"}`, "left": `{"known":"x","left":true}`,
	} {
		e := change.Errand{Kind: change.ErrandBranch, Repository: shop.ID, Name: branch}
		r.must(r.store.Write(t.Context(), func(tx store.Tx) error {
			r.must(r.store.RaiseErrands(t.Context(), tx, []change.Raised{{Errand: e}}))
			return r.store.SaveErrand(t.Context(), tx, e, store.ErrandSave{State: jsonText(state)})
		}))
	}
	head := r.commit(p.MergeCommit)
	r.branches["main"] = head
	for _, tt := range []struct {
		name string
		sha  change.SHA
		want release.Commit
	}{
		{"merged", p.MergeCommit, release.Commit{Known: true, Number: 1}},
		{"pushed", head, release.Commit{Known: true}},
		{"on another governed branch", onRelease, release.Commit{Known: true}},
		{"on a branch that is not governed", onTopic, release.Commit{}},
		{"on one that is gone", onOld, release.Commit{}},
		{"on none", unknown, release.Commit{}},
	} {
		got, err := r.begin().commit(t.Context(), tt.sha)
		r.must(err)
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}

	// With several pull requests a commit came with the one that became it, or whose head it was, or else with the newest.
	for _, tt := range []struct{ became, head, want change.Number }{{20, 0, 20}, {0, 21, 21}, {0, 0, 22}} {
		at := r.commit(r.branches["main"])
		r.branches["main"] = at
		for n := change.Number(20); n <= 22; n++ {
			pull := change.Pull{Number: n, State: change.Merged, Base: change.Branch{Name: "main"}}
			if n == tt.became {
				pull.MergeCommit = at
			}
			if n == tt.head {
				pull.Head.SHA = at
			}
			r.pulls[n], r.brings[at] = pull, append(r.brings[at], n)
		}
		got, err := r.begin().commit(t.Context(), at)
		r.must(err)
		if got != (release.Commit{Known: true, Number: tt.want}) {
			t.Errorf("that #%d became, with the head of #%d: %+v, want #%d", tt.became, tt.head, got, tt.want)
		}
	}

	// GitHub tells of a merge before it shows it everywhere.
	r.branches["main"] = r.commits[p.MergeCommit][0]
	run := r.begin()
	run.seen.land(*note.Landed)
	if got, err := run.commit(t.Context(), p.MergeCommit); err != nil || !got.Unread || !run.again.Equal(r.now.Add(lookSoon)) {
		t.Errorf("not shown yet: %+v, %v, again at %s", got, err, run.again)
	}
	r.now = r.now.Add(patience)
	if got, err := run.commit(t.Context(), p.MergeCommit); err != nil || got.Unread || got.Known {
		t.Errorf("never shown: %+v, %v", got, err)
	}

	// A default branch that is not shown is no reason to refuse anything.
	delete(r.branches, "main")
	if got, err := r.begin().commit(t.Context(), p.MergeCommit); err == nil {
		t.Errorf("the default branch is not shown: %+v", got)
	}
}

type jsonText string

func (j jsonText) MarshalJSON() ([]byte, error) { return []byte(j), nil }

func TestChecksOfACommitThatIsGone(t *testing.T) {
	r := newRig(t)
	r.refuse["checks"] = &github.NotFound{Message: "commit"}
	run := r.begin()
	needs := release.Needs{Checks: []change.SHA{"x"}}
	if err := run.read(t.Context(), needs); err != nil || len(run.facts.Checks) != 1 {
		t.Errorf("%v, %v", err, run.facts)
	}
	if err := run.read(t.Context(), needs); err == nil {
		t.Error("a core that never has enough is asked for ever")
	}
}

func TestWhoHoldsTheRolesOfReleaseApprovals(t *testing.T) {
	r := newRig(t)
	r.policies.Environments[0].Release = []release.Slot{{Role: "qa", Count: 1}}
	r.policies.Environments[1].Release = []release.Slot{{Role: "release-manager", Count: 2}, {Role: "qa", Count: 1}}
	r.policies.roles[bob.ID] = []string{"release-manager", "other"}
	run := r.begin()
	run.rules = r.policies.Rules
	needs := release.Needs{Holders: []change.Account{bob}}
	if err := run.read(t.Context(), needs); err != nil || !slices.Equal(run.facts.Holders[bob.ID].Roles, []string{"release-manager"}) {
		t.Errorf("%v, %+v", err, run.facts.Holders)
	}
	if err := run.read(t.Context(), needs); err == nil {
		t.Error("who holds what is read again within a run")
	}
	for _, unread := range []bool{false, true} {
		run, r.policies.unread = r.begin(), unread
		r.must(run.read(t.Context(), needs))
		if got := run.facts.Holders[bob.ID].Unread; got != unread {
			t.Errorf("that a role cannot be read is said: %v, want %v", got, unread)
		}
	}
}
