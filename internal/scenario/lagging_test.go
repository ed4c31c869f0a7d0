package scenario_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/scenario/worldtest"
	"github.com/changegate/changegate/internal/store"
)

// TestALabelThatIsListedLateIsRecordedOnce has somebody declare an emergency while what GitHub lists lags behind: the ledger says once that the
// label was set, and by whom.
func TestALabelThatIsListedLateIsRecordedOnce(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w := worldtest.Begin(t, worldtest.Options{Dir: t.TempDir(), Policy: worldtest.OwnPolicy})
	later := func(d time.Duration) {
		t.Helper()
		w.Forward(d)
		must(w.Server.Elapse(t.Context()))
		must(w.Quiet())
	}
	pull, err := w.Sim.As("carol").OpenPull(w.Repo, githubsim.PullOptions{Title: "Stop the outage", Body: worldtest.FullRecord, Branch: "topic", Files: files("src")})
	must(err)
	must(w.Quiet())
	heal := w.Sim.Inject(githubsim.Fault{Method: http.MethodGet, Route: "/repos/{owner}/{repo}/issues/{issue_number}/timeline", Stale: true, Times: -1})
	w.Forward(worldtest.Pace)
	_, err = w.Sim.As("alice").Comment(pull, "/change refresh")
	must(err)
	must(w.Quiet())
	w.Forward(worldtest.Pace)
	must(w.Sim.As("carol").AddLabel(pull, "EMERGENCY"))
	must(w.Quiet())
	later(15 * time.Second)
	// What is not about labels has it decided by what is held, and that may not be verified again.
	must(w.Sim.As("alice").RequestChanges(pull, "Not so."))
	must(w.Quiet())
	later(15 * time.Second)
	heal()
	later(time.Minute)
	must(w.Stop())

	s, err := store.Open(t.Context(), store.Config{URL: w.Data.URL()})
	must(err)
	defer s.Close()
	entries, err := s.Ledger(t.Context(), ledger.Page{})
	must(err)
	var by []string
	for _, e := range entries {
		if e.Kind == ledger.LabelOfConsequence {
			var body struct{ By struct{ Login string } }
			must(json.Unmarshal(e.Body, &body))
			by = append(by, body.By.Login)
		}
	}
	if diff := cmp.Diff([]string{"carol"}, by); diff != "" {
		t.Errorf("who is recorded to have set the label (-want +got):\n%s", diff)
	}
}
