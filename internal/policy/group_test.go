package policy

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/change"
)

func stateOf(d change.Decision) string { return d.Verdict.String() }

// member returns a member of a group that may merge, and changes the files, each with a blob named after it and the member.
func member(n change.Number, paths ...string) change.GroupMember {
	m := change.GroupMember{Number: n, Queued: "aaa", Decision: change.Decision{Head: "aaa", Governed: true, Verdict: change.Satisfied}}
	for _, p := range paths {
		m.Files = append(m.Files, change.File{Path: p, Status: change.FileModified, Blob: change.SHA(fmt.Sprintf("%s by %d", p, n)), Mode: change.ModeRegular})
	}
	return m
}

// groupOf returns a group of members that changes what they change.
func groupOf(members ...change.GroupMember) change.Group {
	g := change.Group{Members: members, MembersKnown: true, ModesKnown: true, Ahead: change.Satisfied}
	for _, m := range members {
		g.Content.Files = append(g.Content.Files, m.Files...)
	}
	return g
}

func TestGroups(t *testing.T) {
	waiting := func(kind change.RequirementKind) change.Decision {
		return change.Decision{Head: "aaa", Governed: true, Verdict: change.Waiting, Requirements: []change.Requirement{
			{Kind: change.KindApprovals, State: change.Met}, {Kind: kind, State: change.Awaited},
		}}
	}
	for _, row := range []struct {
		name   string
		change func(g *change.Group)
		want   change.Verdict
		says   string
	}{
		{"two that may merge", func(*change.Group) {}, change.Satisfied, ""},
		{"one of them waits for people", func(g *change.Group) { g.Members[1].Decision = waiting(change.KindApprovals) }, change.Failing, ""},
		{"one of them waits for the end of a freeze", func(g *change.Group) { g.Members[1].Decision = waiting(change.KindFreeze) }, change.Failing, ""},
		{"one of them waits for its checks", func(g *change.Group) { g.Members[1].Decision = waiting(change.KindChecks) }, change.Waiting, ""},
		{"one of them is red", func(g *change.Group) { g.Members[0].Decision.Verdict = change.Failing }, change.Failing, ""},
		{"one of them has another head by now", func(g *change.Group) { g.Members[0].Decision.Head = "bbb" }, change.Failing, "its head is now bbb"},
		{"one of them is not governed", func(g *change.Group) { g.Members[0].Decision.Governed = false }, change.Failing, ""},
		{"of one of them nothing is decided", func(g *change.Group) { g.Members[0].Decision.Verdict = change.Undecided }, change.Failing, ""},
		{"one of them was closed meanwhile", func(g *change.Group) {
			g.Members[0].Decision = change.Decision{Head: "aaa", State: change.Closed, Verdict: change.Failing}
		}, change.Failing, "it is already closed"},
		{"one of them was merged meanwhile", func(g *change.Group) {
			g.Members[0].Decision = change.Decision{Head: "aaa", State: change.Merged, Verdict: change.Failing}
		}, change.Failing, "it is already merged"},
		{"no members", func(g *change.Group) { g.Members = nil }, change.Failing, "GitHub does not say which pull requests are in this group. Queue them again"},
		{"the group ahead is red", func(g *change.Group) { g.Ahead = change.Failing }, change.Failing, ""},
		{"the group ahead waits", func(g *change.Group) { g.Ahead = change.Waiting }, change.Waiting, ""},
		{"it changes a file of nobody's", func(g *change.Group) {
			g.Content.Files = append(g.Content.Files, change.File{Path: "c", Blob: "x"})
		}, change.Failing, "by no pull request of this group"},
		{"it changes a file of another's, and the members are not known", func(g *change.Group) {
			g.MembersKnown = false
			g.Content.Files = append(g.Content.Files, change.File{Path: "c", Blob: "x"})
		}, change.Failing, "by another pull request"},
		{"the members are not known, and the named one explains it all", func(g *change.Group) { g.MembersKnown = false }, change.Satisfied, ""},
		{"a file became another", func(g *change.Group) { g.Content.Files[0].Blob = "x" }, change.Failing, "not what was decided for #1"},
		{"a file became executable", func(g *change.Group) { g.Content.Files[0].Mode = change.ModeExecutable }, change.Failing, "not what was decided for #1"},
		{"one member makes executable what the other edits", func(g *change.Group) {
			g.Members[1].Files[0].Path, g.Members[1].Files[0].Mode = "a", change.ModeExecutable
			g.Content.Files = []change.File{{Path: "a", Status: change.FileModified, Blob: "a by 1", Mode: change.ModeExecutable}}
		}, change.Failing, "by #1 and by #2"},
		{"modes that GitHub does not show", func(g *change.Group) { g.ModesKnown = false }, change.Failing, "has so many. Merge its pull requests one at a time."},
		{"modes that GitHub does not show, of a group of one", func(g *change.Group) {
			g.Members, g.Content.Files, g.ModesKnown = g.Members[:1], g.Content.Files[:1], false
		}, change.Failing, "has so many. Split its pull request."},
		{"a file was removed instead", func(g *change.Group) { g.Content.Files[0].Status = change.FileRemoved }, change.Failing, "not what was decided for #1"},
		{"two change one file", func(g *change.Group) {
			g.Members[1].Files[0].Path, g.Content.Files[1].Path = "a", "a"
			g.Content.Files = []change.File{{Path: "a", Blob: "x"}}
		}, change.Failing, "by #1 and by #2"},
		{"a file that the branch has by now", func(g *change.Group) { g.Content.Files = g.Content.Files[:1] }, change.Satisfied, ""},
		{"files that GitHub does not list", func(g *change.Group) { g.Content.FilesCut = true }, change.Failing, "them all. Merge its pull requests one at a time."},
		{"files that GitHub does not list, of a group of one", func(g *change.Group) { g.Members, g.Content.FilesCut = g.Members[:1], true }, change.Failing, "them all. Split its pull request."},
		{"commits that GitHub does not have", func(g *change.Group) { g.Content.Gone = true }, change.Failing, "does not show what this group changes. Queue its pull requests again"},
	} {
		g := groupOf(member(1, "a"), member(2, "b"))
		row.change(&g)
		d := DecideGroup(g, stateOf)
		var said []string
		for _, p := range d.Problems {
			said = append(said, p.String())
		}
		for _, m := range d.Members {
			said = append(said, m.Title)
		}
		if d.Verdict != row.want || !strings.Contains(strings.Join(said, "\n"), row.says) {
			t.Errorf("%s: %s %q, want %s %q", row.name, d.Verdict, said, row.want, row.says)
		}
	}
}

func TestAGroupOnlyObservesIfAllDo(t *testing.T) {
	g := groupOf(member(1, "a"), member(2, "b"))
	g.Members[0].Decision.Observing = true
	if DecideGroup(g, stateOf).Observing {
		t.Error("one of two observes, and the group does")
	}
	g.Members[1].Decision.Observing = true
	if !DecideGroup(g, stateOf).Observing {
		t.Error("both observe, and the group does not")
	}
	if DecideGroup(groupOf(), stateOf).Observing {
		t.Error("nobody is in it, and it observes")
	}
}

// TestAGroupIsNoMoreThanItsMembers holds that a group is never green if a member is not, or if it changes a file otherwise than every
// member that does.
func TestAGroupIsNoMoreThanItsMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var members []change.GroupMember
		for n := range rapid.IntRange(0, 4).Draw(t, "members") {
			m := member(change.Number(n+1), rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 0, 3, rapid.ID[string]).Draw(t, "paths")...)
			m.Decision.Verdict = rapid.SampledFrom([]change.Verdict{change.Undecided, change.Satisfied, change.Satisfied, change.Satisfied, change.Waiting, change.Failing}).Draw(t, "verdict")
			members = append(members, m)
		}
		g := change.Group{Members: members, MembersKnown: rapid.Bool().Draw(t, "known"), ModesKnown: rapid.Bool().Draw(t, "modes known"), Ahead: change.Satisfied}
		explained := true
		for _, path := range []string{"a", "b", "c", "d"} {
			if !rapid.Bool().Draw(t, "changes "+path) {
				continue
			}
			blob := change.SHA(path + rapid.SampledFrom([]string{" by 1", " by 2", " by 3", " otherwise"}).Draw(t, "blob"))
			mode := rapid.SampledFrom([]change.Mode{change.ModeRegular, change.ModeRegular, change.ModeExecutable}).Draw(t, "mode")
			g.Content.Files = append(g.Content.Files, change.File{Path: path, Status: change.FileModified, Blob: blob, Mode: mode})
			found := false
			for _, m := range members {
				for _, f := range m.Files {
					found = found || f.Path == path && f.Blob == blob && f.Mode == mode
				}
			}
			explained = explained && found
		}
		green := DecideGroup(g, stateOf).Verdict == change.Satisfied
		for _, m := range members {
			if green && m.Decision.Verdict != change.Satisfied {
				t.Fatalf("green, and #%d is %s", m.Number, m.Decision.Verdict)
			}
		}
		if green && (!explained || !g.ModesKnown || len(members) == 0) {
			t.Fatal("green, and some content of it was not decided")
		}
	})
}
