package app_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/store"
)

// TestACheckRunThatWasNotExpected has GitHub show a green that the server does not know of, as of a write on which GitHub acted when nobody waited
// for it any more. A sweep finds it and takes it back, and ends the run that it took the place of.
func TestACheckRunThatWasNotExpected(t *testing.T) {
	w := start(t)
	pull, err := w.sim.As("alice").OpenPull("acme/shop", githubsim.PullOptions{
		Title: "Say hello", Files: map[string]string{"docs/hello.md": "Hello\n"},
	})
	must(t, err)
	w.settle(t)
	w.stop()
	green := github.CheckRunWrite{
		Head: change.SHA(pull.Head), ExternalID: "late", Output: plan.Output{Status: plan.Completed, Conclusion: plan.Success, Title: "Standard: approved by bob"},
	}
	_, err = w.github.Installation(w.installation).CreateCheckRun(context.Background(), w.shop(t), green)
	must(t, err)

	w.clock = func() time.Time { return time.Now().Add(time.Minute) }
	w.serve(t)
	var runs []github.CheckRun
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if runs = w.checkRuns(t, pull.Head); len(runs) == 3 && runs[0].Status == "in_progress" {
			break
		}
	}
	if len(runs) != 3 || runs[0].Status != "in_progress" || runs[1].Conclusion != "success" || runs[2].Conclusion != "cancelled" || runs[2].Title != "Replaced" {
		t.Errorf("GitHub shows %+v, want one in progress over the green, and the first run replaced", runs)
	}
}

// TestAnInstallationThatNoDeliveryToldOf has the App installed and removed while GitHub tells nobody, as it is after days without a server.
func TestAnInstallationThatNoDeliveryToldOf(t *testing.T) {
	w := prepare(t, func(*githubsim.Sim) {})
	w.level = zerolog.InfoLevel
	w.sim.Intercept(func(githubsim.Delivery) githubsim.Fate { return githubsim.Lose })
	w.serve(t)
	pull, err := w.sim.As("alice").OpenPull("acme/shop", githubsim.PullOptions{
		Title: "Say hello", Files: map[string]string{"docs/hello.md": "Hello\n"},
	})
	must(t, err)
	restart := func(until func() bool) {
		t.Helper()
		w.stop()
		w.serve(t)
		for end := time.Now().Add(time.Minute); !until(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it is not found out\n%s", w.log.String())
			}
		}
	}
	restart(func() bool { return len(w.checkRuns(t, pull.Head)) == 1 })

	must(t, w.registered.Uninstall("acme"))
	restart(func() bool { return strings.Contains(w.log.String(), `"left":1`) })
	w.stop()
	s, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + w.database, Clock: time.Now})
	must(t, err)
	defer s.Close()
	if known, err := s.Repositories(t.Context()); err != nil || len(known) > 0 {
		t.Errorf("of what was removed it still knows %v, %v", known, err)
	}
}

// TestAnInstallationThatWasNeverListed has the App installed and removed while no sweep runs, the latter while GitHub tells nobody. That it was the
// App's is known by what it read there.
func TestAnInstallationThatWasNeverListed(t *testing.T) {
	w := prepare(t, func(*githubsim.Sim) {})
	w.level, w.noSweeps = zerolog.InfoLevel, true
	w.serve(t)
	w.settle(t)
	w.stop()
	w.sim.Intercept(func(githubsim.Delivery) githubsim.Fate { return githubsim.Lose })
	must(t, w.registered.Uninstall("acme"))
	w.noSweeps = false
	w.serve(t)
	for end := time.Now().Add(time.Minute); !strings.Contains(w.log.String(), `"left":1`); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is kept for good\n%s", w.log.String())
		}
	}
	w.stop()
}

// TestAnotherAppGivesUpNothing starts the server as another App on the same database, of whose installations GitHub answers as of ones that are gone.
func TestAnotherAppGivesUpNothing(t *testing.T) {
	w := start(t)
	w.settle(t)
	w.stop()
	another, err := w.sim.RegisterApp(githubsim.AppOptions{Slug: "staging", WebhookSecret: secret, Permissions: map[string]string{"metadata": "read"}})
	must(t, err)
	w.env["GITHUB_APP_INTEGRATION_ID"], w.env["GITHUB_APP_PRIVATE_KEY"] = fmt.Sprint(another.ID), string(another.PrivateKey)
	w.serve(t)
	for end := time.Now().Add(time.Minute); !strings.Contains(w.log.String(), "an installation is not this App's"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is not found out\n%s", w.log.String())
		}
	}
	w.stop()
	s, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + w.database, Clock: time.Now})
	must(t, err)
	defer s.Close()
	if known, err := s.Repositories(t.Context()); err != nil || len(known) != 1 {
		t.Errorf("it knows %v, %v", known, err)
	}
}
