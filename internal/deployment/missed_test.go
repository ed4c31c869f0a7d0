package deployment

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/release"
)

// sweep looks as a sweep has it looked, with no notes.
func (r *rig) sweep() {
	r.t.Helper()
	r.leave()
	if _, err := r.Run(queue.InBackground(r.t.Context()), r.errand()); err != nil {
		r.t.Fatal(err)
	}
}

// exceptions returns the keys of the exceptions that were found, each as often as it was.
func (r *rig) exceptions() (keys []string) {
	for _, e := range r.entries(ledger.ExceptionFound) {
		var body change.Exception
		r.must(json.Unmarshal(e.Body, &body))
		keys = append(keys, body.Key)
	}
	return keys
}

func TestAStatusThatNoDeliveryTold(t *testing.T) {
	r := newRig(t)
	_, landed := r.merge(change.Normal)
	r.told(landed)
	r.reports("staging", change.DeploymentInProgress)
	r.reports("staging", change.DeploymentSuccess)
	r.run()
	if got := r.phase("staging"); got != release.Deploying {
		t.Fatalf("without a delivery or a sweep it is %s", got)
	}
	r.sweep()
	if got := r.phase("staging"); got != release.Verified {
		t.Errorf("it is %s", got)
	}
	if got := r.phase("production"); got != release.Deploying {
		t.Errorf("in production it is %s", got)
	}

	told := r.reports("production", change.DeploymentSuccess)
	r.sweep()
	watching := r.held().Tracks["production"].Deployments[0].Since
	r.now = r.now.Add(time.Minute)
	r.told(told) // it comes after all
	r.sweep()
	d := r.held().Tracks["production"].Deployments
	if len(d) != 1 || d[0].Phase != release.Watching || !d[0].Since.Equal(watching) {
		t.Errorf("told twice, it is %+v", d)
	}
	// A failure of what is watched counts whenever it comes.
	r.reports("production", change.DeploymentFailure)
	r.sweep()
	if got := r.phase("production"); got != release.Failed {
		t.Errorf("after the failure it is %s", got)
	}
}

func TestTheFailureOfWhatIsThereIsFoundWhileAnotherWaits(t *testing.T) {
	r := newRig(t)
	_, landed := r.merge(change.Normal)
	r.told(landed)
	r.told(r.reports("staging", change.DeploymentSuccess))
	if got := r.phase("staging"); got != release.Verified {
		t.Fatalf("it is %s", got)
	}
	r.reports("staging", change.DeploymentFailure) // which no delivery told
	_, freeze := r.command(1, bob, `/change freeze staging until 2026-01-06 "x"`)
	_, landed = r.merge(change.Normal)
	r.told(freeze, landed)
	r.sweep()
	d := r.held().Tracks["staging"].Deployments
	if len(d) != 2 || d[0].Phase != release.Failed || d[1].Phase != release.Waiting {
		t.Errorf("after the failure the first of %d is %s, and the last %s", len(d), d[0].Phase, d[len(d)-1].Phase)
	}
}

func TestADeploymentThatNoDeliveryTold(t *testing.T) {
	r := newRig(t)
	old := change.Deployment{ID: 400, SHA: r.branches["main"], Environment: "production", By: carol, At: r.now}
	r.deployments = append(r.deployments, old)
	r.now = r.now.Add(time.Hour)
	p, landed := r.merge(change.Normal)
	r.told(landed)
	for _, told := range []bool{true, false} {
		r.now = r.now.Add(time.Minute)
		d := change.Deployment{ID: int64(900 + len(r.deployments)), SHA: p.MergeCommit, Environment: "production", By: carol, At: r.now}
		r.deployments = append(r.deployments, d)
		if told {
			r.told(change.ReleaseNote{Deployment: &d})
		}
	}
	for range 3 {
		r.sweep()
		r.now = r.now.Add(10 * time.Minute)
	}
	got := r.exceptions()
	slices.Sort(got)
	if want := "[unknown-deployer:902 unknown-deployer:903]"; fmt.Sprint(got) != want {
		t.Errorf("found %v, want %s: each once, and none of before anything was remembered", got, want)
	}
}

func TestOfPreviewsNoStatusIsRead(t *testing.T) {
	r := newRig(t)
	p, landed := r.merge(change.Normal)
	r.told(landed)
	r.now = r.now.Add(time.Minute)
	for i := range 5 {
		r.deployments = append(r.deployments, change.Deployment{ID: int64(900 + i), SHA: p.MergeCommit, Environment: "preview", By: carol, At: r.now})
	}
	r.since()
	r.sweep()
	if got := r.since(); got != "1 list deployments, 1 list statuses" { // of what staging holds
		t.Errorf("a sweep over previews costs %s", got)
	}
	if got := r.exceptions(); len(got) != 5 {
		t.Errorf("exceptions: %v, want one of each", got)
	}
}

func TestWhateverHappensAfterLongHasAllListed(t *testing.T) {
	r := newRig(t)
	_, landed := r.merge(change.Normal)
	r.told(landed)
	r.reports("staging", change.DeploymentSuccess) // which no delivery told
	r.now = r.now.Add(listStale)
	_, landed = r.merge(change.Normal)
	r.told(landed)
	if got := r.held().Tracks["staging"].Deployments[0].Phase; got != release.Verified {
		t.Errorf("the first is %s", got)
	}
}

// TestWhatNoDeliveryToldIsToldInItsOrder has one deployment end and the next one come and end while nobody hears of it.
func TestWhatNoDeliveryToldIsToldInItsOrder(t *testing.T) {
	r := newRig(t)
	r.policies.Mode = release.Record
	begin := func(id int64) change.ReleaseNote {
		p, _ := r.merge(change.Normal)
		d := change.Deployment{ID: id, SHA: p.MergeCommit, Environment: "staging", By: ci, At: r.now}
		r.deployments = append(r.deployments, d)
		return change.ReleaseNote{Deployment: &d}
	}
	r.told(begin(900), r.reports("staging", change.DeploymentInProgress))
	r.reports("staging", change.DeploymentSuccess)
	begin(901)
	r.reports("staging", change.DeploymentInProgress)
	r.reports("staging", change.DeploymentSuccess)
	r.sweep()
	d := r.held().Tracks["staging"].Deployments
	if got := r.exceptions(); len(got) != 0 || len(d) != 2 || d[0].Phase != release.Verified || d[1].Phase != release.Verified {
		t.Errorf("exceptions: %v; the first of %d is %s: %s", got, len(d), d[0].Phase, d[0].Why)
	}
}

// TestWhatIsFoundWhileGitHubFailsIsFoundAgain: it was told of only once what follows from it is kept.
func TestWhatIsFoundWhileGitHubFailsIsFoundAgain(t *testing.T) {
	r := newRig(t)
	_, landed := r.merge(change.Normal)
	r.told(landed)
	r.reports("staging", change.DeploymentInProgress)
	r.reports("staging", change.DeploymentSuccess)
	for _, call := range []string{"tip", "list statuses"} {
		r.refuse[call] = &github.Unavailable{Status: 502}
		r.leave()
		if _, err := r.Run(queue.InBackground(t.Context()), r.errand()); err == nil || r.phase("staging") != release.Deploying {
			t.Fatalf("without %s it is %s: %v", call, r.phase("staging"), err)
		}
		delete(r.refuse, call)
	}
	r.sweep()
	if got := r.phase("staging"); got != release.Verified {
		t.Errorf("it is %s", got)
	}
}

// TestWhileTheServerWasAway: what succeeded meanwhile has not failed for its timeout, though nothing but time has the first run look.
func TestWhileTheServerWasAway(t *testing.T) {
	r := newRig(t)
	for range 2 {
		p, landed := r.merge(change.Normal)
		r.told(landed)
		r.told(r.reports("staging", change.DeploymentSuccess))
		if p.Number == 1 {
			r.told(r.reports("production", change.DeploymentSuccess))
			r.now = r.now.Add(30 * time.Minute)
			_, verified := r.command(1, bob, `/change verified production "orders come in"`)
			r.told(verified)
		}
	}
	if got := r.phase("production"); got != release.Deploying {
		t.Fatalf("before it is %s", got)
	}
	r.reports("production", change.DeploymentSuccess)
	r.now = r.now.Add(3 * time.Hour)
	r.run()
	if d := r.held().Tracks["production"].Deployments; len(d) != 2 || d[1].Phase != release.Watching {
		t.Errorf("the last of %d is %s: %s", len(d), d[len(d)-1].Phase, d[len(d)-1].Why)
	}
}

func TestTheEndOfARunThatNoDeliveryTold(t *testing.T) {
	r := newRig(t)
	r.policies.Mode = release.Record
	p, landed := r.merge(change.Normal)
	r.told(landed)
	r.runs[77] = github.WorkflowRun{ID: 77, Attempt: 1, Head: p.MergeCommit, Status: "in_progress"}
	r.told(change.ReleaseNote{Gate: &change.GateAsked{
		Key: "job", Environment: "staging", SHA: p.MergeCommit, Run: 77, Attempt: 1, By: alice, Who: "alice", At: r.now,
	}})
	if got := r.phase("staging"); got != release.Deploying {
		t.Fatalf("it is %s", got)
	}
	r.sweep()
	if got := r.phase("staging"); got != release.Deploying {
		t.Errorf("while the run goes on it is %s", got)
	}
	r.runs[77] = github.WorkflowRun{ID: 77, Attempt: 1, Head: p.MergeCommit, Status: "completed", Conclusion: "success"}
	r.sweep()
	if got := r.phase("staging"); got != release.Verified {
		t.Errorf("after its end it is %s", got)
	}
	r.since()
	r.sweep()
	if got := r.since(); got != "1 list deployments, 1 list statuses" { // of what staging holds
		t.Errorf("another look costs %s", got)
	}
}

func TestDeploymentsThatCannotBeListed(t *testing.T) {
	r := newRig(t)
	_, landed := r.merge(change.Normal)
	r.told(landed)
	r.refuse["list deployments"] = &github.Forbidden{Message: "not for you"}
	r.told(r.reports("staging", change.DeploymentSuccess))
	r.sweep()
	if got := r.phase("staging"); got != release.Verified {
		t.Errorf("it is %s", got)
	}
}
