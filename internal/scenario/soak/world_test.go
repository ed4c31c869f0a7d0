//go:build unix

package soak_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/scenario/worldtest"
	"github.com/changegate/changegate/internal/store"
)

// patience is how long anything may take before a test is given up. Nothing is timed by it. What was missed is asked for some hundreds a
// minute.
func patience() time.Duration { return 3*time.Minute + time.Duration(*count)*5*time.Second }

// town is a world whose server is a fleet, and the test's own look at their database.
type town struct {
	*worldtest.World
	*wire
	*fleet
	t     testing.TB
	store *store.Store
	queue *queue.Queue // raises and waits, and works on nothing
	told  int          // how many deliveries were there before the database was
}

func found(t testing.TB, database worldtest.Database, size int) *town {
	t.Helper()
	w := worldtest.Begin(t, worldtest.Options{
		Dir: t.TempDir(), Database: database, Policy: policy(), Elsewhere: true,
		Files: map[string]string{githubsim.DeployWorkflowPath: "name: Deploy\n"},
	})
	must(t, w.Sim.DeployWorkflow(w.Repo, githubsim.Workflow{OnDeployment: true}))
	x := &town{World: w, t: t, wire: &wire{next: w.Sim}}
	w.HTTP.Config.Handler = x.wire
	x.open()
	x.fleet = launch(t, w, size, 0)
	fleet := x.fleet
	t.Cleanup(func() {
		if *logs != "" {
			must(t, os.WriteFile(filepath.Join(*logs, filepath.Base(t.Name())+".log"), []byte(fleet.logs()), 0o600))
		}
	})
	return x
}

// open opens the database beside the fleet.
func (x *town) open() {
	x.t.Helper()
	var err error
	x.store, err = store.Open(x.t.Context(), store.Config{URL: x.Data.URL(), Clock: x.Now})
	must(x.t, err)
	x.t.Cleanup(func() { x.store.Close() })
	x.queue, err = queue.New(queue.Config{Store: x.store, Clock: x.Now})
	must(x.t, err)
	x.told = len(x.Gate.Deliveries())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until returns when a condition holds.
func (x *town) until(what string, holds func() (bool, error)) {
	x.t.Helper()
	end := time.Now().Add(patience())
	for {
		ok, err := holds()
		if ok {
			return
		}
		if time.Now().After(end) {
			for _, r := range x.replicas() {
				x.t.Logf("%s logged:\n%s", r.name, x.tail(r.name))
			}
			x.t.Fatalf("waiting until %s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// settle returns when all that GitHub told has arrived and was dealt with.
func (x *town) settle() {
	x.t.Helper()
	calm := 0
	x.until("everything is dealt with", func() (bool, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := x.Sim.Flush(ctx)
		if err == nil {
			_, err = x.Sim.RunWorkflows()
		}
		if err == nil {
			err = x.queue.Quiet(ctx)
		}
		if err == nil {
			err = x.lacking()
		}
		if d, wrong := x.queue.Depth(ctx); err == nil && (wrong != nil || d.Unsettled > 0) {
			err = fmt.Errorf("%d are unsettled, %v", d.Unsettled, wrong)
		}
		if calm++; err != nil || !x.Sim.Idle() {
			calm = 0
		}
		return calm == 3, err
	})
}

// lacking says whether there are deliveries that the server neither acknowledged nor has: one that died in between has what GitHub takes
// for lost.
func (x *town) lacking() error {
	missing := map[string]string{}
	deliveries := x.Gate.Deliveries()[x.told:]
	for _, d := range deliveries {
		missing[d.GUID] = fmt.Sprintf("%s %s of %s: %d", d.Event, d.Action, d.At.Format(time.TimeOnly), d.StatusCode)
	}
	for _, d := range deliveries {
		if d.StatusCode/100 == 2 {
			delete(missing, d.GUID)
		}
	}
	for guid, what := range missing {
		accepted := false
		err := x.store.Read(context.Background(), func(tx store.Tx) error {
			return tx.Query(context.Background(), `SELECT 1 FROM deliveries WHERE id = $1`, []any{guid}, func(func(...any) error) error {
				accepted = true
				return nil
			})
		})
		if err != nil {
			return err
		}
		if accepted {
			continue
		}
		return fmt.Errorf("%d deliveries never arrived, one of them %s", len(missing), what)
	}
	return nil
}

// face is what an open pull request shows.
type face struct {
	Says  string // the outcome and the title of its check run
	whole string // all that there is to see, to explain a difference
}

// shown is what the open pull requests show, by number.
func (x *town) shown(heads map[int][]string) map[int]face {
	x.t.Helper()
	all := map[int]face{}
	for n := range heads {
		v, err := x.Sim.PullView(x.Repo, n)
		must(x.t, err)
		if v.State != "open" {
			continue
		}
		c, ok := worldtest.OurCheck(v)
		if !ok {
			x.t.Errorf("#%d has no check run:\n%s", n, x.Whole(v))
		}
		all[n] = face{Says: worldtest.Outcome(c) + ": " + c.Title, whole: fmt.Sprintf("%s\n%s\n%s", v.Head, c.Summary, c.Text)}
	}
	return all
}

// agree checks that the same is shown as before.
func (x *town) agree(what string, now, before map[int]face) {
	x.t.Helper()
	for n, was := range before {
		if is := now[n]; is.Says != was.Says {
			x.t.Errorf("%s, #%d shows %s, and it showed %s.\nNow:\n%s\nBefore:\n%s\n%s", what, n, is.Says, was.Says, is.whole, was.whole, x.history(n))
		}
	}
	if len(now) != len(before) {
		x.t.Errorf("%s, %d show something, and %d did", what, len(now), len(before))
	}
}

// history is what happened to a pull request.
func (x *town) history(n int) string {
	v, err := x.Sim.PullView(x.Repo, n)
	must(x.t, err)
	var b strings.Builder
	for _, e := range v.Events {
		fmt.Fprintf(&b, "%+v\n", e)
	}
	return b.String()
}

var marker = regexp.MustCompile(`<!-- changegate[^>]*-->`)

// once checks that nothing was done twice.
func (x *town) once(heads map[int][]string) {
	x.t.Helper()
	for n, of := range heads {
		for _, head := range of {
			x.checkedOnce(n, head)
		}
		v, err := x.Sim.PullView(x.Repo, n)
		must(x.t, err)
		x.askedOnce(n, v.Events)
		comments, err := x.Sim.Comments(v.Pull)
		must(x.t, err)
		x.saidOnce(n, comments)
	}
	deployments, err := x.Sim.Deployments(x.Repo)
	must(x.t, err)
	made := names{}
	for _, d := range deployments {
		what := d.SHA + " to " + d.Environment
		if made.has(what) {
			x.t.Errorf("%s was deployed twice", what)
		}
		x.toldOnce(what, d)
	}
}

// names are what was there already.
type names map[string]bool

// has says whether a name was there, and adds it.
func (s names) has(name string) bool {
	was := s[name]
	s[name] = true
	return was
}

// checkedOnce checks that each write made one check run on a head, of which one at most is not completed.
func (x *town) checkedOnce(n int, head string) {
	x.t.Helper()
	runs, err := x.CheckRuns(x.Repo, head)
	must(x.t, err)
	writes, unfinished := names{}, 0
	for _, r := range runs {
		if writes.has(r.GetExternalID()) {
			x.t.Errorf("#%d: the write %s made two check runs on %s", n, r.GetExternalID(), head)
		}
		if r.GetStatus() != "completed" {
			unfinished++
		}
	}
	if unfinished > 1 {
		x.t.Errorf("#%d: %s has %d check runs that are not completed, written by %v", n, head, unfinished, x.written(func(w write) bool {
			return strings.Contains(w.body, head)
		}))
	}
}

// askedOnce checks that nobody was asked to review again who was asked already.
func (x *town) askedOnce(n int, events []githubsim.EventView) {
	x.t.Helper()
	asked := names{}
	for _, e := range events {
		switch e.Kind {
		case "review_requested":
			if asked.has(e.Subject) {
				x.t.Errorf("#%d: %s was asked twice", n, e.Subject)
			}
		case "review_request_removed", "reviewed":
			clear(asked)
		}
	}
}

// saidOnce checks that no two comments of ours have the same marker.
func (x *town) saidOnce(n int, comments []githubsim.CommentView) {
	x.t.Helper()
	said := names{}
	for _, c := range comments {
		for _, m := range marker.FindAllString(c.Body, -1) {
			if said.has(m) && c.Author == "changegate[bot]" {
				x.t.Errorf("#%d: two comments are %s", n, m)
			}
		}
	}
}

// toldOnce checks that a deployment ended, and that we told each of its states once.
func (x *town) toldOnce(what string, d githubsim.DeploymentView) {
	x.t.Helper()
	told, twice := names{}, false
	for _, s := range d.Statuses {
		twice = s.App == "changegate" && told.has(s.State) || twice
	}
	if twice {
		x.t.Errorf("%s, deployment %d, has the statuses %+v, written by %v", what, d.ID, d.Statuses, x.written(func(w write) bool {
			return strings.HasSuffix(w.path, fmt.Sprintf("/deployments/%d/statuses", d.ID))
		}))
	}
	if d.State != "success" && d.State != "inactive" {
		x.t.Errorf("%s is %s still", what, d.State)
	}
}

// followed checks that of each merged pull request its comment tells what became of it: it is deployed, contained in what is, or waits for somebody.
func (x *town) followed(heads map[int][]string) {
	x.t.Helper()
	for n := range heads {
		v, err := x.Sim.PullView(x.Repo, n)
		must(x.t, err)
		comments, err := x.Sim.Comments(v.Pull)
		must(x.t, err)
		told := slices.ContainsFunc(comments, func(c githubsim.CommentView) bool { return strings.Contains(c.Body, "changegate deployments:") })
		if v.State == "merged" && !told {
			x.t.Errorf("#%d was merged, and nothing was done about it: %+v\n%s", n, comments, x.history(n))
		}
	}
}

// ledgerHolds checks the whole ledger.
func (x *town) ledgerHolds() {
	x.t.Helper()
	tree, err := audit.Check(x.t.Context(), x.store)
	if err != nil {
		x.t.Errorf("the ledger: %v", err)
	}
	x.t.Logf("the ledger has %d entries", tree.Size)
}
