package scenario_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// TestEvidenceIsRecordedOnce has a run be unable to decide between two decisions: what the ledger has of labels and edits by the first one is not
// recorded again by the second, nor at the merge or after it.
func TestEvidenceIsRecordedOnce(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const path = ".github/change-policy.yml"
	for name, undecidable := range map[string]struct {
		begin, end func(*worldtest.World, githubsim.Pull) error
	}{
		"the policy cannot be used": {
			func(w *worldtest.World, _ githubsim.Pull) error {
				_, err := w.Sim.As("erin").PushBranch(w.Repo, "main", githubsim.Commit{Files: map[string]string{path: "version: none\n"}})
				return err
			},
			func(w *worldtest.World, _ githubsim.Pull) error {
				_, err := w.Sim.As("erin").PushBranch(w.Repo, "main", githubsim.Commit{Files: map[string]string{path: worldtest.OwnPolicy}})
				return err
			},
		},
		"GitHub refuses to show the change": {
			func(w *worldtest.World, p githubsim.Pull) error {
				if err := w.Gate.AcceptPermissions("acme", map[string]string{"contents": ""}); err != nil {
					return err
				}
				_, err := w.Sim.As("alice").Push(p, githubsim.Commit{Files: map[string]string{"src/more.go": "package p\n"}})
				return err
			},
			func(w *worldtest.World, p githubsim.Pull) error {
				if err := w.Gate.AcceptPermissions("acme", map[string]string{"contents": "read"}); err != nil {
					return err
				}
				_, err := w.Sim.As("alice").Comment(p, "/change refresh")
				return err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := worldtest.Begin(t, worldtest.Options{Dir: t.TempDir(), Policy: worldtest.OwnPolicy})
			pull, err := w.Sim.As("alice").OpenPull(w.Repo, githubsim.PullOptions{Title: "Change it", Body: worldtest.FullRecord, Branch: "topic", Files: files("src")})
			must(err)
			for _, do := range []func() error{
				func() error { return w.Sim.As("alice").AddLabel(pull, "high-risk") },
				func() error { return w.Sim.As("bob").Approve(pull) },
				func() error { return w.Sim.As("alice").EditBody(pull, worldtest.FullRecord+"\nAnd more.\n") },
				func() error { return undecidable.begin(w, pull) },
				func() error { return undecidable.end(w, pull) },
				func() error { return w.Sim.As("erin").Merge(pull, githubsim.MergeOptions{Bypass: true}) },
				func() error { return w.Sim.As("alice").AddLabel(pull, "unheard-of") },
			} {
				w.Forward(2 * time.Minute)
				must(do())
				must(w.Quiet())
			}
			entries, err := w.Ledger(pull.Number)
			must(err)
			recorded, categories := map[ledger.Kind]int{}, []change.Category{}
			for _, e := range entries {
				if recorded[e.Kind]++; e.Kind == ledger.DecisionChanged {
					var d change.Decision
					must(json.Unmarshal(e.Body, &d))
					categories = append(categories, d.Category)
				}
			}
			if recorded[ledger.LabelOfConsequence] != 1 || recorded[ledger.RecordEdited] != 1 {
				t.Errorf("recorded are %v", recorded)
			}
			if between := []change.Category{change.Uncategorized, change.HighRisk}; !slices.Equal(categories[max(0, len(categories)-2):], between) {
				t.Errorf("the decisions were %v", categories)
			}
		})
	}
}
