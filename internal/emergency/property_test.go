package emergency

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/change"
)

// Whatever happens, and in whatever order it is seen, everything is said once and in an order that makes sense, nobody is reminded of what
// is done, and a debt is settled by writing or withdrawing and by nothing else.
func TestAnyHistory(t *testing.T) {
	acts := map[string]act{
		"declare carol": declare(carol), "declare dave": declare(dave), "declare approved": declareApproved, "push": push, "unlabel": unlabel,
		"review": review, "unreadable": unreadable, "close issue": closeIssue, "delete issue": deleteIssue, "write": write, "write a part": writePart,
		"refuse": refuse, "allow": allow,
		"merge": func(w *world) {
			if w.f.Pull.State == change.Open {
				merge(w)
			}
		},
		"close": func(w *world) {
			if w.f.Pull.State == change.Open {
				closePull(w)
			}
		},
		"reopen": func(w *world) {
			if w.f.Pull.State == change.Closed {
				reopenPull(w)
			}
		},
		"reopen issue": func(w *world) {
			if w.issue != nil {
				w.issue.Open = true
			}
		},
	}
	var names []string
	for name := range acts {
		names = append(names, name)
	}
	slices.Sort(names)
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		var all []string
		reminded := 0
		for range rapid.IntRange(1, 25).Draw(t, "acts") {
			for range rapid.IntRange(1, 3).Draw(t, "unseen") {
				acts[rapid.SampledFrom(names).Draw(t, "act")](w)
				w.f.Now = w.f.Now.Add(time.Duration(rapid.IntRange(0, 6*60).Draw(t, "minutes")) * time.Minute)
			}
			w.steps = nil
			before, issueWas := w.m, w.issue
			wasOpen := issueWas != nil && issueWas.Open
			wasWritten := len(Empty(w.text...)) == 0
			w.look(t)
			for _, s := range w.steps {
				if strings.HasPrefix(s, "announce") && slices.Contains(all, s) {
					t.Fatalf("%q twice", s)
				}
				if strings.HasPrefix(s, "write open") && wasOpen && before.Issue != 0 {
					t.Fatalf("%q while one is open", s)
				}
				if s == "write remind" {
					reminded++
					if w.issue == nil || !w.issue.Open || !w.m.owes() {
						t.Fatal("a reminder of what is closed")
					}
				}
				all = append(all, s)
			}
			// What settled it, and what did not.
			if before.owes() && !w.m.owes() && !w.m.Withdrawn && !wasWritten {
				t.Fatal("settled without being written")
			}
			if before.Merged && w.m.Withdrawn {
				t.Fatal("withdrawn after the merge")
			}
			if before.Episode == w.m.Episode && !before.Settled.IsZero() && before.Settled != w.m.Settled {
				t.Fatal("settled twice")
			}
			if before.Episode == w.m.Episode && !before.Settled.IsZero() && before.Overdue != w.m.Overdue {
				t.Fatal("late after it was settled")
			}
			w.steps = nil
			if w.look(t); w.steps != nil {
				t.Fatalf("a second look takes the steps %q", w.steps)
			}
		}
		checkOrder(t, all)
		if reminded > 1 || count(all, "write reopen") > 1 {
			t.Fatalf("reminded or reopened more than once: %q", all)
		}
		for i, s := range all {
			if first := i == 0; first != (s == "announce declared") {
				t.Fatalf("%q at place %d: %q", s, i, all)
			}
		}
		for key, a := range w.said {
			if a.Opens != (key == "declared") || a.Broadcast != strings.Contains(key, "overdue") {
				t.Fatalf("%s opens the thread: %t, is broadcast: %t", key, a.Opens, a.Broadcast)
			}
		}
	})
}

// checkOrder says that each step comes after those that it presupposes.
func checkOrder(t *rapid.T, all []string) {
	for i, s := range all {
		for what, after := range map[string]string{
			"announce reviewed": "announce merged", "announce reviews-overdue": "announce merged", "write tell": "announce merged",
			"write reopen": "write open:1", "write remind": "write open:1", "announce empty": "write reopen", "announce withdrawn:1": "announce declared",
			"announce withdrawn:2": "announce declared:2", "announce declared:3": "announce declared:2", "announce closed:2": "announce declared:2",
			"write withdraw:1": "announce withdrawn:1", "write resume:2": "announce declared:2", "announce overdue:2": "announce declared:2",
			"announce lost:2": "announce lost:1",
		} {
			if s == what && !slices.Contains(all[:i], after) {
				t.Fatalf("%q before %q: %q", what, after, all)
			}
		}
		if s == "announce reviews-overdue" && slices.Contains(all[:i], "announce reviewed") {
			t.Fatalf("reviews are late after they were given: %q", all)
		}
	}
}

func count(all []string, s string) (n int) {
	for _, o := range all {
		if o == s {
			n++
		}
	}
	return n
}
