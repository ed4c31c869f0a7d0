package app_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/githubsim"
)

// Whoever has a delivery's identifier, from GitHub's page of recent deliveries, finds in the log what became of it: what was decided, and which
// check run was written.
func TestADeliveryIsFollowedToItsCheckRun(t *testing.T) {
	w := prepare(t, func(*githubsim.Sim) {})
	w.level = zerolog.DebugLevel
	w.serve(t)
	pull, err := w.sim.As("alice").OpenPull("acme/shop", githubsim.PullOptions{Title: "Say hello", Files: map[string]string{"docs/hello.md": "Hello\n"}})
	must(t, err)
	w.settle(t)
	must(t, w.sim.As("bob").Approve(pull))
	w.settle(t)

	type line struct {
		Message, Delivery, Event, Trace, Pull, Outcome, Head, Conclusion, Verdict string
		Traces                                                                    []string
		CheckRun                                                                  int64 `json:"check_run"`
	}
	var lines []line
	for text := range strings.Lines(w.log.String()) {
		var l line
		must(t, json.Unmarshal([]byte(text), &l))
		lines = append(lines, l)
	}
	var review line
	for _, l := range lines {
		if l.Message == "a delivery was taken" && l.Event == "pull_request_review" {
			review = l
		}
	}
	if len(review.Traces) != 1 || review.Traces[0] != review.Delivery {
		t.Fatalf("the review's delivery is logged as %+v", review)
	}
	said := map[string]line{}
	for _, l := range lines {
		if l.Trace == review.Delivery {
			said[l.Message] = l
		}
	}
	if l := said["decision changed"]; l.Verdict != "satisfied" || l.Pull == "" || l.Head != pull.Head {
		t.Errorf("the decision is logged as %+v", l)
	}
	if l := said["the check run was written"]; l.Conclusion != "success" || l.CheckRun == 0 || l.Head != pull.Head {
		t.Errorf("the check run is logged as %+v", l)
	}
	if said["GitHub answered"].Message == "" {
		t.Error("no call to GitHub is logged")
	}
	if l := said["a run ended"]; l.Outcome != "done" {
		t.Errorf("the run's end is logged as %+v", l)
	}
	if t.Failed() {
		t.Log(w.log.String())
	}
	if strings.Contains(w.log.String(), "Say hello") {
		t.Error("a title is in the log")
	}
}
