package emergency

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
)

var update = flag.Bool("update", false, "write the file that the texts are compared with")

// Every text that people get is in one file, to be read as they read it.
func TestTexts(t *testing.T) {
	const file = "testdata/texts.txt"
	var b strings.Builder
	for _, acts := range [][]act{
		{
			func(w *world) {
				w.f.Pushes = []change.Push{{After: "aaaaaaaaaa", By: alice}, {Before: "aaaaaaaaaa", After: "dddddddddd", By: bob, At: start.Add(-1)}}
			},
			at(0), declare(carol), at(1), merge, closeIssue, at(20), at(24), review, closeIssue, at(25), write,
		},
		{at(0), declareApproved, at(1), unlabel, at(2), declare(dave), deleteIssue, later, at(3), merge, refuse, deleteIssue, later, at(30)},
		{at(0), declare(carol), at(1), write, at(20), closeIssue},
		{at(0), declare(carol), at(1), push, at(2), merge},
		{at(0), func(w *world) {
			declare(carol)(w)
			w.decide(w.f.Decision.Declaration, append(owed(), change.Requirement{Kind: change.KindDraft, Short: change.Words("draft"), State: change.Awaited})...)
		}},
		{at(0), func(w *world) {
			declare(carol)(w)
			event := func(label string, added bool, by change.Account, minutes int) change.LabelEvent {
				return change.LabelEvent{Label: label, Added: added, By: by, At: start.Add(time.Duration(minutes) * time.Minute)}
			}
			w.f.Decision.Labels = []change.LabelEvent{
				event("emergency", true, bob, -20), event("emergency", false, bob, -10), event("emergency", true, carol, 0), event("bug", true, dave, -5),
			}
			opinion := func(state change.ReviewState, by change.Account, counts bool, minutes int) change.Opinion {
				return change.Opinion{By: by, State: state, SHA: "aaaaaaaaaa", Counts: counts, At: start.Add(time.Duration(minutes) * time.Minute)}
			}
			w.f.Decision.Opinions = []change.Opinion{
				opinion(change.Approved, sec, true, -15), opinion(change.Approved, dave, false, -14), opinion(change.ChangesRequested, bob, true, -13),
			}
		}},
	} {
		w := newWorld()
		for _, a := range acts {
			w.steps = nil
			a(w)
			w.look(t)
			for _, s := range w.steps {
				w.print(&b, s)
			}
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Error(diff)
	}
}

func (w *world) print(b *strings.Builder, step string) {
	kind, key, _ := strings.Cut(step, " ")
	switch kind {
	case "announce":
		a := w.said[key]
		fmt.Fprintf(b, "-- %s --\n%s\n", step, a.Text)
		for _, d := range a.Details {
			fmt.Fprintf(b, "  %s\n", d)
		}
		for _, l := range a.Links {
			fmt.Fprintf(b, "  %s: %s\n", l.Text, l.URL)
		}
	case "write":
		text := w.wrote[key]
		fmt.Fprintf(b, "-- %s --\n", step)
		if text.Title != "" {
			fmt.Fprintf(b, "# %s\n\n", text.Title)
		}
		fmt.Fprintln(b, text.Body)
	}
}
