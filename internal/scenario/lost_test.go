package scenario_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/scenario/worldtest"
	"github.com/changegate/changegate/internal/store"
)

// TestAWriteLostAtTheEnd has the answer to a check run's last write be lost, and the pull request end, or get another head, before it is looked
// for: the record says all the same what came of it.
func TestAWriteLostAtTheEnd(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	type end func(*githubsim.Person, githubsim.Pull) error
	merged := func(erin *githubsim.Person, p githubsim.Pull) error {
		return erin.Merge(p, githubsim.MergeOptions{Bypass: true})
	}
	pushed := func(erin *githubsim.Person, p githubsim.Pull) error {
		_, err := erin.Push(p, githubsim.Commit{Files: map[string]string{"src/more.go": "package p\n"}})
		return err
	}
	for name, lost := range map[string]struct {
		fault githubsim.Fault
		end   end
		kind  ledger.Kind
	}{
		"it was made, and merged":          {githubsim.Fault{ActThenLose: true}, merged, ledger.EffectDone},
		"it was not made, and merged":      {githubsim.Fault{CutConnection: true}, merged, ledger.EffectFailed},
		"it was made, and pushed over":     {githubsim.Fault{ActThenLose: true}, pushed, ledger.EffectDone},
		"it was not made, and pushed over": {githubsim.Fault{CutConnection: true}, pushed, ledger.EffectFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w := worldtest.Begin(t, worldtest.Options{Dir: t.TempDir(), Policy: worldtest.OwnPolicy})
			pull, err := w.Sim.As("alice").OpenPull(w.Repo, githubsim.PullOptions{Title: "Change it", Body: worldtest.FullRecord, Branch: "topic", Files: files("src")})
			must(err)
			must(w.Sim.As("bob").Approve(pull))
			must(w.Quiet())
			f := lost.fault
			f.Method, f.Route = http.MethodPatch, "/repos/{owner}/{repo}/check-runs/{check_run_id}"
			f.Meanwhile = func() { must(lost.end(w.Sim.As("erin"), pull)) }
			w.Sim.Inject(f)
			must(w.Sim.As("carol").Approve(pull))
			must(w.Quiet())
			w.Forward(time.Minute)
			must(w.Server.Elapse(t.Context()))
			must(w.Quiet())
			must(w.Stop())

			s, err := store.Open(t.Context(), store.Config{URL: w.Data.URL()})
			must(err)
			defer s.Close()
			entries, err := s.Ledger(t.Context(), ledger.Page{})
			must(err)
			_, open, err := s.EffectsOn(t.Context(), change.RepositoryID(entries[len(entries)-1].Subject.Repository), change.SHA(pull.Head),
				string(plan.CreateCheckRun), string(plan.UpdateCheckRun))
			must(err)
			if last := lastOf(entries, "check:", pull.Head); len(open) > 0 || last != lost.kind {
				t.Errorf("%d writes of the check run are open, and the last thing that is recorded of them is %q, not %q", len(open), last, lost.kind)
			}
		})
	}
}

// lastOf is the kind of the last entry about an effect on a head whose key begins so.
func lastOf(entries []ledger.Entry, key, head string) (kind ledger.Kind) {
	for _, e := range entries {
		var body struct{ Key string }
		if e.Subject.SHA == head && json.Unmarshal(e.Body, &body) == nil && strings.HasPrefix(body.Key, key) {
			kind = e.Kind
		}
	}
	return kind
}
