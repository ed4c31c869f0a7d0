package reconcile

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/change"
)

var mallory = change.Account{ID: 9, Login: "mallory", Kind: change.KindUser}

// pushed reads "bob a>b": bob pushed b where a was; "a!b" was forced.
func pushed(told ...string) []change.Push {
	who := map[string]change.Account{"alice": alice, "bob": bob, "mallory": mallory}
	var pushes []change.Push
	for i, t := range told {
		by, what, _ := strings.Cut(t, " ")
		before, after, ok := strings.Cut(what, ">")
		if !ok {
			before, after, _ = strings.Cut(what, "!")
		}
		pushes = append(pushes, change.Push{Before: change.SHA(before), After: change.SHA(after), By: who[by], At: at(float64(i)), Forced: !ok})
	}
	return pushes
}

func TestWhoBroughtWhatAPullRequestWasOpenedWith(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		branch   []string // oldest first
		opened   string
		head     string // now
		commits  string // its own now, oldest first
		roots    string // those that were kept
		by       string
		found    string // roots
		complete bool
	}{
		{"made and opened", []string{"alice >c1"}, "c1", "c1", "c1", "", "alice", "", true},
		{"one pushed, another opens", []string{"mallory >c1", "alice c1>c2"}, "c2", "c2", "c1 c2", "", "mallory alice", "", true},
		{"what was pushed beside", []string{"mallory >x1", "alice >c1"}, "c1", "c1", "c1", "", "alice", "", true},
		{"nobody told", nil, "c1", "c1", "c1", "", "", "", false},
		{"the first push is missing", []string{"alice c1>c2"}, "c2", "c2", "c1 c2", "", "alice", "", false},
		{"one between is missing", []string{"mallory >c1", "alice c2>c3"}, "c3", "c3", "c1 c2 c3", "", "alice", "", false},
		{"made at the tip of the base", []string{"bob >b0", "alice b0>c1"}, "c1", "c1", "c1", "", "alice", "b0", true},
		{"what the base has no push is asked of", []string{"mallory >a1", "bob a1>b0", "alice b0>c1"}, "c1", "c1", "c1", "", "alice", "b0", true},
		{"the base has it, though the push before is not known", []string{"alice b0>c1"}, "c1", "c1", "c1", "", "alice", "b0", true},
		{"nothing of its own", []string{"alice >c1"}, "c1", "c1", "", "", "", "c1", true},
		{"replaced", []string{"mallory >x1", "alice x1!c1"}, "c1", "c1", "c1", "", "mallory alice", "", true},
		{"replaced: the base need not have what it was", []string{"alice x1!c1"}, "c1", "c1", "c1", "", "alice", "", false},
		{"replaced by the base, and begun anew", []string{"mallory >x1", "alice x1!b0", "alice b0>c1"}, "c1", "c1", "c1", "", "alice", "b0", true},
		{"replaced, and pushed on top", []string{"mallory >x1", "alice x1!c1", "bob c1>c2"}, "c2", "c2", "c1 c2", "", "mallory alice bob", "", true},
		{"deleted and restored by another", []string{"mallory >c1", "alice >c1"}, "c1", "c1", "c1", "", "mallory alice", "", true},
		{"deleted, and what was on it before is not known", []string{"mallory c0>c1", "alice >c1"}, "c1", "c1", "c0 c1", "", "mallory alice", "", false},
		{"to and fro", []string{"mallory >c1", "alice c1>c2", "bob c2!c1"}, "c1", "c1", "c1", "", "mallory alice bob", "", true},
		{"a head that was pushed since", []string{"mallory >c1", "alice c1>c2"}, "c2", "c3", "c1 c2 c3", "", "mallory alice", "", true},
		{"rebased since: its commits tell nothing of what it was", []string{"mallory b0>c1"}, "c1", "d1", "d1", "", "mallory", "", false},
		{"rebased since, and found out before", []string{"mallory b0>c1"}, "c1", "d1", "d1", "b0", "mallory", "b0", true},
		{"into a base that has less", []string{"bob b0>b1", "alice b1>c1"}, "c1", "c1", "b1 c1", "b1", "bob alice", "b0", true},
		{"too many commits to know", []string{"alice b0>c1"}, "c1", "c1", "cut c1", "", "alice", "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			content := change.Content{Head: change.SHA(row.head)}
			for _, sha := range strings.Fields(row.commits) {
				content.CommitsCut = content.CommitsCut || sha == "cut"
				content.Commits = append(content.Commits, change.Commit{SHA: change.SHA(sha)})
			}
			var kept []change.SHA
			for _, sha := range strings.Fields(row.roots) {
				kept = append(kept, change.SHA(sha))
			}
			opened := []change.SHA{change.SHA(row.opened)}
			got := walkBack(opened, pushed(row.branch...), commitsOf(change.SHA(row.head), content, opened).roots(kept))
			var by, found []string
			for _, p := range got.pushes {
				by = append(by, p.By.Login)
			}
			for _, sha := range got.roots {
				found = append(found, string(sha))
			}
			if diff := cmp.Diff([]any{row.by, row.found, row.complete}, []any{strings.Join(by, " "), strings.Join(found, " "), got.complete}); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestOriginInAnyOrder walks branches of all sorts: the order in which pushes are told changes nothing, nor does one that is told twice, and
// where one is not told at all that is noticed, unless another had brought the same.
func TestOriginInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"", "c1", "c2", "c3", "c4", "c5"}
		var branch []change.Push
		before, people := "", []string{"alice", "bob", "mallory"}
		for range rapid.IntRange(1, 9).Draw(t, "pushes") {
			after := rapid.SampledFrom(names[1:]).Draw(t, "after")
			sign := rapid.SampledFrom([]string{">", "!"}).Draw(t, "forced")
			if rapid.IntRange(0, 9).Draw(t, "deleted") == 0 {
				before = ""
			}
			if before == "" {
				sign = ">"
			}
			branch = append(branch, pushed(rapid.SampledFrom(people).Draw(t, "by") + " " + before + sign + after)[0])
			branch[len(branch)-1].At = at(float64(len(branch)))
			before = after
		}
		opened := []change.SHA{change.SHA(before)}
		none := func(change.SHA, bool) bool { return false }
		whole := walkBack(opened, branch, none)
		if !whole.complete {
			t.Fatalf("all is told, and %+v", whole)
		}
		// Whoever pushed since the branch was last made is found.
		for i := len(branch) - 1; i >= 0; i-- {
			if !slices.ContainsFunc(whole.pushes, func(p change.Push) bool { return isSamePush(p, branch[i]) }) {
				t.Fatalf("%+v is not found", branch[i])
			}
			if branch[i].Before == "" {
				break
			}
		}
		told := rapid.Permutation(slices.Concat(branch, branch)).Draw(t, "told")
		shuffled := walkBack(opened, told, none)
		who := func(found trail) map[change.Push]bool {
			all := map[change.Push]bool{}
			for _, p := range found.pushes {
				p.At = time.Time{}
				all[p] = true
			}
			return all
		}
		if diff := cmp.Diff(who(whole), who(shuffled)); diff != "" || !shuffled.complete {
			t.Fatalf("in another order (-want +got)\n%s", diff)
		}
		lost := rapid.SampledFrom(branch).Draw(t, "lost")
		rest := slices.DeleteFunc(slices.Clone(branch), func(p change.Push) bool { return isSamePush(p, lost) })
		without := walkBack(opened, rest, none)
		reached := func(sha change.SHA) bool {
			return slices.ContainsFunc(rest, func(p change.Push) bool { return p.After == sha })
		}
		if without.complete && who(whole)[change.Push{Before: lost.Before, After: lost.After, By: lost.By, Forced: lost.Forced}] && !reached(lost.After) {
			t.Fatalf("%+v was not told, and all is said to be known: %+v", lost, without)
		}
	})
}
