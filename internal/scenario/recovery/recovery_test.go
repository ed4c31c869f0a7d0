// Package recovery_test tries that a server which was down is soon as right as if it had not been, and nobody has to help it.
package recovery_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/backup"
	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
	"github.com/changegate/changegate/internal/webhook"
)

const policy = `version: 1
branches: ["release/*"]
roles:
  reviewer: {permission: write}
  tech-lead: {teams: [tech-leads]}
categories:
  high-risk:
    when: {any: [{paths: ["**/migrations/**"]}, {labels: [high-risk]}]}
    approvals: [{role: reviewer, count: 1}, {role: tech-lead, count: 1}]
  normal: {approvals: [{role: reviewer, count: 1}]}
deployments: create
environments:
  staging: {}
  production: {after: staging}
`

func check(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// patience is how long anything may take before a test is given up. Nothing is timed by it.
const patience = time.Minute

// burst is what happens on GitHub while the server is down, and how it is seen that the server knows.
type burst struct {
	*worldtest.World
	t      *testing.T
	pulls  map[string]githubsim.Pull
	landed string // what was merged became it on main
}

func begin(t *testing.T) *burst {
	b := &burst{t: t, pulls: map[string]githubsim.Pull{}, World: worldtest.Begin(t, worldtest.Options{Dir: t.TempDir(), Policy: policy, Spec: true})}
	b.Errors = true // the simulator cannot reach what is down, and those who look at it say so
	for _, name := range []string{"approve", "label", "merge", "close", "leave"} {
		b.open(name)
	}
	_, err := b.Sim.As("carol").CreateDeployment(b.Repo, githubsim.DeploymentOptions{Environment: "preview"}) // so that deployments are followed here
	b.act(err)
	b.act(b.Sim.As("bob").Approve(b.pulls["label"]))
	b.act(b.Sim.As("bob").Approve(b.pulls["merge"]))
	tip, err := b.Sim.Tip(b.Repo, "main")
	b.act(err)
	for _, branch := range []string{"release/1", "release/2"} {
		b.act(b.Sim.As("erin").PushRef(b.Repo, branch, tip))
	}
	check(t, b.Quiet())
	b.passes(time.Hour) // and they are looked at
	b.wants("merge", "success")
	return b
}

// act is an act of somebody's, after a while.
func (b *burst) act(err error) {
	b.t.Helper()
	check(b.t, err)
	b.Forward(worldtest.Pace)
}

func (b *burst) open(name string) {
	b.t.Helper()
	pr, err := b.Sim.As("alice").OpenPull(b.Repo, githubsim.PullOptions{
		Title: name, Body: worldtest.FullRecord, Branch: name, Files: map[string]string{"src/" + name + ".go": "package shop\n"},
	})
	b.act(err)
	b.pulls[name] = pr
}

// happens has everything happen that the server is not told.
func (b *burst) happens() {
	b.t.Helper()
	bob, carol := b.Sim.As("bob"), b.Sim.As("carol")
	b.act(bob.Approve(b.pulls["approve"]))
	b.act(bob.AddLabel(b.pulls["label"], "high-risk"))
	b.act(bob.Merge(b.pulls["merge"], githubsim.MergeOptions{}))
	tip, err := b.Sim.Tip(b.Repo, "main")
	check(b.t, err)
	b.landed = tip
	b.act(bob.Close(b.pulls["close"]))
	b.open("opened")
	b.act(bob.Approve(b.pulls["opened"]))
	_, err = carol.CreateDeployment(b.Repo, githubsim.DeploymentOptions{Environment: "production"}) // for which the policy does not name her
	b.act(err)
	_, err = carol.PushBranch(b.Repo, "release/1", githubsim.Commit{Message: "By the way", Files: map[string]string{"src/direct.go": "package shop\n"}})
	b.act(err)
	b.act(carol.PushRef(b.Repo, "release/2", ""))
	check(b.t, b.Quiet()) // the deliveries have failed by now
	b.passes(time.Hour)
}

// passes has time pass, and what was to happen meanwhile happen.
func (b *burst) passes(d time.Duration) {
	b.t.Helper()
	b.Forward(d)
	if b.Server != nil {
		check(b.t, b.Server.Elapse(b.t.Context()))
	}
	check(b.t, b.Quiet())
}

func (b *burst) outcome(name string) string {
	v, err := b.Sim.PullView(b.Repo, b.pulls[name].Number)
	check(b.t, err)
	c, ok := worldtest.OurCheck(v)
	if !ok {
		return "none"
	}
	return worldtest.Outcome(c) + ": " + c.Title
}

func (b *burst) wants(name, outcome string) {
	b.t.Helper()
	if got := b.outcome(name); !strings.HasPrefix(got, outcome) {
		b.t.Fatalf("%s is %s, want %s\n%s", name, got, outcome, b.Log.String())
	}
}

// wrong says what the server does not know yet; empty: all is right.
func (b *burst) wrong() (all []string) {
	for name, want := range map[string]string{
		"approve": "success: Normal", "label": "in_progress: High-risk", "opened": "success: Normal", "leave": "in_progress: Normal",
	} {
		if got := b.outcome(name); !strings.HasPrefix(got, want) {
			all = append(all, fmt.Sprintf("%s is %s, want %s", name, got, want))
		}
	}
	if n := b.deployed("staging", b.landed); n != 1 {
		all = append(all, fmt.Sprintf("what was merged is deployed to staging %d times", n))
	}
	if n := b.about("carol", "production"); n != 1 {
		all = append(all, fmt.Sprintf("%d issues are about the deployment that nobody may make", n))
	}
	for what, words := range map[string][]string{"direct push": {"no pull request", "release/1", "carol"}, "deletion": {"release/2", "deleted", "carol"}} {
		if n := b.about(words...); n != 1 {
			all = append(all, fmt.Sprintf("%d issues are about the %s", n, what))
		}
	}
	slices.Sort(all)
	return append(all, b.doubled()...)
}

// doubled says what was done twice.
func (b *burst) doubled() (all []string) {
	b.t.Helper()
	for name, pr := range b.pulls {
		v, err := b.Sim.PullView(b.Repo, pr.Number)
		check(b.t, err)
		runs := 0
		for _, c := range v.Checks {
			if c.Name == worldtest.CheckName && c.App == "changegate" {
				runs++
			}
		}
		if runs != 1 {
			all = append(all, fmt.Sprintf("%s has %d check runs", name, runs))
		}
		comments, err := b.Sim.Comments(pr)
		check(b.t, err)
		for i, c := range comments {
			if at := strings.LastIndex(c.Body, "<!--"); at >= 0 && slices.ContainsFunc(comments[:i], func(other githubsim.CommentView) bool {
				return strings.HasSuffix(other.Body, c.Body[at:])
			}) {
				all = append(all, fmt.Sprintf("%s has a comment twice: %s", name, c.Body))
			}
		}
	}
	return all
}

// becomesRight waits until the server knows all, and anything else there is to wait for.
func (b *burst) becomesRight(besides ...func() string) {
	b.t.Helper()
	b.until(append(besides, func() string { return strings.Join(b.wrong(), "\n") })...)
}

// until waits until none of its arguments says what is missing.
func (b *burst) until(missing ...func() string) {
	b.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	give := time.After(patience)
	for {
		check(b.t, b.Quiet())
		var wrong []string
		for _, more := range missing {
			if is := more(); is != "" {
				wrong = append(wrong, is)
			}
		}
		if len(wrong) == 0 {
			return
		}
		select {
		case <-tick.C:
			b.passes(worldtest.Pace)
		case <-give:
			b.t.Fatalf("it is not right yet: %s\n%s", strings.Join(wrong, "\n"), b.Log.String())
		}
	}
}

func (b *burst) restart() {
	b.t.Helper()
	b.Sweeps = true
	check(b.t, b.Start())
}

// redelivered counts what was sent again, and how much never arrived.
func (b *burst) redelivered() (again, missing int) {
	arrived, failed := map[string]bool{}, map[string]bool{}
	for _, d := range b.Gate.Deliveries() {
		if d.Redelivery {
			again++
		}
		if d.StatusCode < 300 {
			arrived[d.GUID] = true
		} else {
			failed[d.GUID] = true
		}
	}
	for guid := range failed {
		if !arrived[guid] {
			missing++
		}
	}
	return again, missing
}

func TestDeliveriesOfADowntimeComeAgain(t *testing.T) {
	b := begin(t)
	check(t, b.Stop())
	b.happens()
	_, missing := b.redelivered()
	if missing == 0 {
		t.Fatal("nothing was missed")
	}
	b.restart()
	b.becomesRight()
	again, left := b.redelivered()
	if left != 0 || again != missing {
		t.Errorf("of %d deliveries that were missed %d were sent again, and %d are missing still", missing, again, left)
	}
	if want := fmt.Sprintf("changegate_deliveries_redelivered_total %d\n", missing); !strings.Contains(b.page("/metrics"), want) {
		t.Errorf("the metrics do not say so: %s", want)
	}
}

func TestWithoutALogSweepsFindWhatADowntimeHid(t *testing.T) {
	b := begin(t)
	check(t, b.Stop())
	b.happens()
	b.without()
	b.restart()
	b.becomesRight()
	if again, _ := b.redelivered(); again != 0 {
		t.Errorf("%d deliveries were sent again", again)
	}
	if n := strings.Count(b.Log.String(), "does not show the App its log of deliveries"); n != 1 {
		t.Errorf("it was said %d times that there is no log", n)
	}
}

// without has GitHub show no log of deliveries.
func (b *burst) without() {
	b.Sim.Inject(githubsim.Fault{Route: "/app/hook/deliveries", Status: http.StatusNotFound, Times: -1})
}

// about counts our issues that say all of some words.
func (b *burst) about(words ...string) (n int) {
	b.t.Helper()
	issues, err := b.Sim.Issues(b.Repo)
	check(b.t, err)
	for _, i := range issues {
		if i.Author == "changegate[bot]" && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(i.Title+i.Body, w) }) {
			n++
		}
	}
	return n
}

// deployed counts our deployments of a commit.
func (b *burst) deployed(environment, sha string) (n int) {
	b.t.Helper()
	list, err := b.Sim.Deployments(b.Repo)
	check(b.t, err)
	for _, d := range list {
		if d.App == "changegate" && d.Environment == environment && d.SHA == sha {
			n++
		}
	}
	return n
}

// TestAGreenThatWasForgottenIsTakenBack has a pull request be green only in the time that a restored database does not know of. Its check says
// at last what it said when the copy was made.
func TestAGreenThatWasForgottenIsTakenBack(t *testing.T) {
	b := begin(t)
	pr := b.pulls["label"]
	bob, dave := b.Sim.As("bob"), b.Sim.As("dave")
	b.act(bob.AddLabel(pr, "high-risk"))
	check(t, b.Quiet())
	b.wants("label", "in_progress: High-risk")
	url, copied := b.Data.URL(), filepath.Join(t.TempDir(), "copy")
	_, err := backup.Save(t.Context(), url, copied)
	check(t, err)
	b.act(dave.Approve(pr))
	check(t, b.Quiet())
	b.wants("label", "success: High-risk")
	check(t, b.Stop())
	b.act(dave.DismissReview(pr, "dave", "not yet"))
	check(t, b.Quiet())
	_, err = backup.Restore(t.Context(), url, copied, true)
	check(t, err)
	b.Forward(time.Hour)
	b.restart()
	b.until(func() string {
		if got := b.outcome("label"); !strings.HasPrefix(got, "in_progress: High-risk") {
			return "it is " + got
		}
		return ""
	})
}

func TestWhatWasOpenedAndMergedUnseenHasLanded(t *testing.T) {
	b := begin(t)
	check(t, b.Stop())
	b.restart()
	walked := regexp.MustCompile(`"errand":"branch [0-9]+ main","outcome":"done"`)
	b.until(func() string {
		if !walked.MatchString(b.Log.String()) {
			return "where main stands is not known yet"
		}
		return ""
	})
	check(t, b.Stop())
	b.open("unseen")
	unseen := b.pulls["unseen"]
	b.act(b.Sim.As("erin").Merge(unseen, githubsim.MergeOptions{Bypass: true}))
	check(t, b.Quiet())
	b.Forward(time.Hour)
	b.without()
	b.restart()
	b.until(func() string {
		if n := b.about(fmt.Sprintf("(#%d)", unseen.Number)); n != 1 {
			return fmt.Sprintf("%d issues are about the merge that nobody saw", n)
		}
		// What was not decided green is deployed when somebody says so.
		comments, err := b.Sim.Comments(unseen)
		check(t, err)
		asked := func(c githubsim.CommentView) bool { return strings.Contains(c.Body, "`/change deploy staging`") }
		if !slices.ContainsFunc(comments, asked) {
			return fmt.Sprintf("nobody was asked to let it be deployed: %v", comments)
		}
		return ""
	})
}

func TestTheFirstDeploymentOfARepositoryIsFound(t *testing.T) {
	b := &burst{t: t, World: worldtest.Begin(t, worldtest.Options{Dir: t.TempDir(), Policy: policy, Spec: true})}
	b.Errors = true
	check(t, b.Quiet(), b.Stop())
	b.without()
	b.Sim.ResetCalls()
	b.restart()
	b.until(func() string {
		if b.Sim.Calls()["GET /repos/{owner}/{repo}/deployments"] == 0 {
			return "deployments were not listed yet"
		}
		return ""
	})
	check(t, b.Stop())
	_, err := b.Sim.As("carol").CreateDeployment(b.Repo, githubsim.DeploymentOptions{Environment: "production"})
	b.act(err)
	check(t, b.Quiet())
	b.Forward(time.Hour)
	b.restart()
	b.until(func() string {
		if n := b.about("carol", "production"); n != 1 {
			return fmt.Sprintf("%d issues are about the first deployment", n)
		}
		return ""
	})
}

func TestADatabaseFromBeforeIsBroughtUpToDate(t *testing.T) {
	b := begin(t)
	url, copied := b.Data.URL(), filepath.Join(t.TempDir(), "copy")
	_, err := backup.Save(t.Context(), url, copied)
	check(t, err)
	kept := len(b.Gate.Deliveries())
	b.happens() // and is known
	b.becomesRight()
	check(t, b.Stop())
	_, err = backup.Restore(t.Context(), url, copied, true)
	check(t, err)
	forgotten := map[string]bool{}
	for _, d := range b.Gate.Deliveries()[kept:] {
		if d.StatusCode < 300 && webhook.Reads(d.Event) {
			forgotten[d.GUID] = true
		}
	}
	b.restart()
	b.becomesRight(func() string {
		left := maps.Clone(forgotten)
		for _, d := range b.Gate.Deliveries() {
			if d.Redelivery && d.StatusCode < 300 {
				delete(left, d.GUID)
			}
		}
		if len(left) == 0 {
			return ""
		}
		return fmt.Sprintf("%d of %d deliveries that GitHub recorded as delivered, and the database forgot, were not sent again", len(left), len(forgotten))
	})
	for range 3 { // the branch is at rest, GitHub has had time to name a pull request, and what was found is dealt with
		b.passes(10 * time.Minute)
	}
	if wrong := b.wrong(); len(wrong) > 0 {
		t.Errorf("it is not right any more: %s", wrong)
	}
}

// page reads a page of the server's.
func (b *burst) page(path string) string {
	b.t.Helper()
	resp, err := http.Get("http://" + b.Server.Addr() + path)
	check(b.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(b.t, err)
	return string(body)
}
