package app_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store/pgtest"
)

// becomes waits until the server says something of its readiness.
func (w *world) becomes(t *testing.T, want string) {
	t.Helper()
	said := ""
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if said = w.ready(t); said == want {
			return
		}
	}
	t.Fatalf("the server goes on saying %s, and not %s", said, want)
}

const ready, withoutStore = `{"ready":true}`, `{"ready":false,"missing":["store"]}`

// A database that can be read and not written, as when its disk is full, takes no deliveries.
func TestADatabaseThatTakesNoWrites(t *testing.T) {
	w := start(t)
	w.becomes(t, ready)
	w.sql(t, `CREATE TRIGGER disk_full BEFORE INSERT ON leases BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`)
	w.becomes(t, withoutStore)
	w.sql(t, `DROP TRIGGER disk_full`)
	w.becomes(t, ready)
}

// serveOn starts the server on a database of PostgreSQL's.
func (w *world) serveOn(t *testing.T, url string) {
	t.Helper()
	_, _, err := ledger.LoadKey(w.database+".key", "test")
	must(t, err)
	w.env["CHANGEGATE_DATABASE_URL"], w.env["CHANGEGATE_LEDGER_KEY_FILE"] = url, w.database+".key"
	w.serve(t)
}

func TestADatabaseThatIsAway(t *testing.T) {
	database := pgtest.Start(t)
	w := prepare(t, func(*githubsim.Sim) {})
	w.serveOn(t, database.Database(t))
	w.becomes(t, ready)
	database.Stop()
	w.becomes(t, withoutStore)
	must(t, database.Restart())
	w.becomes(t, ready)
}

// A server whose database neither answers nor closes its connections says so, shows its metrics, ends in time when it is told to, and goes on if it is not.
func TestADatabaseThatHangs(t *testing.T) {
	t.Parallel()
	w := prepare(t, func(*githubsim.Sim) {})
	w.level = zerolog.Disabled // what it could not end may say so once the test is over
	between := relayTo(t, pgtest.Start(t).Database(t))
	w.serveOn(t, between.url)
	w.becomes(t, ready)
	between.hang(true)
	w.becomes(t, withoutStore)
	response, err := http.Get(w.base + "/metrics")
	must(t, err)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("/metrics answers %d", response.StatusCode)
	}
	between.hang(false)
	w.becomes(t, ready)

	between.hang(true)
	w.becomes(t, withoutStore)
	w.cutOff = true
	told := time.Now()
	w.stop()
	if took := time.Since(told); took > 10*time.Second {
		t.Errorf("it took %s to end", took)
	}
}

// A server that is told to end while there is much to do ends in good order and in time, even if GitHub answers nothing any more; and what is
// left over is done at the next start.
func TestTheEndUnderLoad(t *testing.T) {
	w := start(t)
	var pulls []githubsim.Pull
	for n := range 20 {
		pull, err := w.sim.As("alice").OpenPull("acme/shop", githubsim.PullOptions{
			Title: fmt.Sprint("Change ", n), Files: map[string]string{fmt.Sprintf("docs/%d.md", n): "Hello\n"},
		})
		must(t, err)
		pulls = append(pulls, pull)
	}
	w.settle(t)
	struck := make(chan struct{}, 1)
	remove := w.sim.Inject(githubsim.Fault{Times: -1, Latency: time.Minute, Match: func(*http.Request) bool {
		select {
		case struck <- struct{}{}:
		default:
		}
		return true
	}})
	for _, pull := range pulls {
		must(t, w.sim.As("bob").Approve(pull))
	}
	flush, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, w.sim.Flush(flush)) // each delivery was taken
	select {
	case <-struck: // runs are under way, and wait for GitHub
	case <-time.After(time.Minute):
		t.Fatal("no run begins")
	}
	w.stop() // an error of the server's end fails the test: it is one if the time was up
	remove()
	w.serve(t)
	w.settle(t)
	for _, pull := range pulls {
		if runs := w.checkRuns(t, pull.Head); len(runs) != 1 || runs[0].Conclusion != "success" {
			t.Errorf("#%d: %+v", pull.Number, runs)
		}
	}
}
