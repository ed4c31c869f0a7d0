package release

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// maxLandings is how many pull requests are remembered that landed.
const maxLandings = 500

// Landed tells that a pull request was merged into a governed branch. Where we deploy, its commit is queued in each environment that comes
// after none. Whether its branch is governed is asked of the commit.
func (t *Turn) Landed(l change.Landed) {
	if t.rules.Mode == Off || l.Commit == "" {
		return
	}
	if !slices.ContainsFunc(t.state.Landed, func(o Landing) bool { return o.Number == l.Number }) {
		t.state.Landed = append(t.state.Landed, Landing{Number: l.Number, Commit: l.Commit, By: l.By})
		t.state.Landed = t.state.Landed[max(0, len(t.state.Landed)-maxLandings):]
	}
	if t.rules.Mode != Create {
		return
	}
	for _, e := range t.rules.Environments {
		if len(e.After) == 0 {
			t.enqueue(e.Name, l.Commit, l.Number, l.By, l.At)
		}
	}
}

// enqueue has us deploy a commit, unless it was dealt with in that environment before: what came to nothing there is started again by people.
func (t *Turn) enqueue(environment string, commit change.SHA, n change.Number, by change.Account, at time.Time) {
	tr := t.track(environment)
	if tr.newest(func(d *Deployment) bool { return d.Commit == commit && d.Phase != Refused }) != nil {
		return
	}
	t.add(tr, Deployment{Commit: commit, Number: n, Deployer: by, QueuedAt: at, OnGitHub: OnGitHub{Own: true}})
}

// githubActions is whose deployments count where the policy names nobody.
const githubActions = "github-actions[bot]"

// creators names whose deployments count.
func (e *Environment) creators() change.Text {
	if len(e.Creators) == 0 {
		return change.Code(githubActions)
	}
	names := make([]change.Text, len(e.Creators))
	for i, login := range e.Creators {
		names[i] = change.Code(login)
	}
	return change.Join(" or ", names)
}

// isOurs says whether it is by our own App that something was done on GitHub.
func (t *Turn) isOurs(via change.AppID) bool { return t.app != 0 && via == t.app }

// counts says whether what an account does about deployments to an environment counts.
func (t *Turn) counts(e *Environment, by change.Account, via change.AppID, app string) bool {
	if t.isOurs(via) {
		return true
	}
	if !by.Known() {
		return false
	}
	// The deployment of a job that names an environment is by whoever caused the run, through GitHub Actions. Other Apps let people act
	// through them, who do so by themselves.
	names := func(login string) bool {
		return strings.EqualFold(login, by.Login) || app == "github-actions" && strings.EqualFold(login, githubActions)
	}
	if len(e.Creators) == 0 {
		return names(githubActions)
	}
	return slices.ContainsFunc(e.Creators, names)
}

// Deployment tells that there is a deployment on GitHub. One by an account that counts is matched to what is known of its commit and
// environment, so that none is doubled, and is else new. That it is there says nothing of whether its job runs: it is taken to be under
// way once the policy lets it, or once its statuses say so (see Status).
//
// One by another account, or to an environment that the policy does not name, is an exception, and nothing else.
func (t *Turn) Deployment(g change.Deployment) {
	if t.rules.Mode == Off {
		return
	}
	if t.isOurs(g.Via) {
		t.recognise(g)
		return
	}
	e, named := t.rules.Find(g.Environment)
	if !named {
		t.exception(fmt.Sprint(g.ID), change.Exception{
			Kind: change.UnknownEnvironment, Environment: g.Environment, After: g.SHA, At: g.At, By: []change.Account{g.By},
			What: change.Say(change.Login(g.By), change.Words(" deployed "), change.Code(g.SHA.Short()), change.Words(" to "), change.Code(g.Environment),
				change.Words(", an environment that the policy does not name")),
		})
		return
	}
	if !t.counts(e, g.By, g.Via, g.App) {
		t.exception(fmt.Sprint(g.ID), change.Exception{
			Kind: change.UnknownDeployer, Environment: e.Name, After: g.SHA, At: g.At, By: []change.Account{g.By},
			What: change.Say(change.Login(g.By), change.Words(" deployed "), change.Code(g.SHA.Short()),
				change.Words(" to "+e.Name+", where only what is deployed by "), e.creators(), change.Words(" counts")),
		})
		return
	}
	if _, d := t.state.onGitHub(g.ID); d != nil {
		return
	}
	t.adopt(t.track(e.Name), g)
}

// recognise takes note of a deployment that this App created. It names what it is of; one that names nothing that is known any more is
// nobody's.
func (t *Turn) recognise(g change.Deployment) {
	tr, d := t.state.find(change.PayloadKey(g.Payload))
	if d == nil || !strings.EqualFold(tr.Environment, g.Environment) || d.Commit != g.SHA {
		return
	}
	t.state.Created(d.ID, g.ID)
}

// adopt follows a deployment that others made on GitHub.
func (t *Turn) adopt(tr *Track, g change.Deployment) *Deployment {
	if d := tr.open(g.SHA); d != nil {
		d.Deployer = cmp.Or(d.Deployer, g.By)
		d.adopt(g.ID)
		return d
	}
	// Somebody said that it was deployed before GitHub did, or a job did so whose gate was not told that GitHub knows.
	if d := tr.Current(); d != nil && d.Commit == g.SHA && d.GitHub == 0 && !d.Own {
		d.GitHub = g.ID
		return d
	}
	return t.add(tr, Deployment{Commit: g.SHA, Deployer: g.By, QueuedAt: g.At, OnGitHub: OnGitHub{GitHub: g.ID}})
}

// Status tells that a status was posted on a deployment on GitHub. It may be told in any order, and more than once: what is older than the
// newest that is known says nothing. Our own, and those by accounts that do not count, only say what GitHub shows.
//
//   - What waits and is seen to be under way has 5 minutes to ask at a gate; then, or once it succeeded, it was deployed past the policy,
//     unless the policy would have let it go then. It is followed all the same, for it is there. What else was under way in its environment
//     is given up.
//   - What waits and came to nothing loses its job, and its place where nobody asked for it.
//   - A failure counts whenever it comes, even of what was verified. Where several deployments on GitHub stand for one of ours, because several jobs
//     carry it out, it counts although a later status on another was told before.
//   - Success of what had failed, was cancelled or was replaced is a deployment of its own, past the policy; except where one of several succeeds that
//     was under way when another failed; where what a rollback was asked for while it was under way is there until that rollback is done, by GitHub's
//     clock, and was not run again; and where what a rollback began that came to nothing carries out the same one, asked for again.
//   - One that puts the deployment into another environment, as GitHub allows, tells nothing but that, and is an exception.
func (t *Turn) Status(s change.DeploymentStatus) {
	if t.rules.Mode == Off {
		return
	}
	id := s.Deployment.ID
	tr, d := t.state.onGitHub(id)
	if d == nil {
		t.Deployment(s.Deployment)
		tr, d = t.state.onGitHub(id)
	}
	if d != nil {
		d.noteShown(id, s)
	}
	if t.isOurs(s.Via) || !t.statusCounts(tr, d, s) || d == nil {
		return
	}
	was := d.noteFromOthers(id, s)
	switch {
	case s.IsAfter(d.StatusAt, d.StatusID):
		d.StatusAt, d.StatusID = s.At, s.ID
		d.LogURL = cmp.Or(s.LogURL, d.LogURL)
	case !hasFailed(s.State) || !s.IsAfter(was.StatusAt, was.StatusID) || s.At.Before(d.Began.Truncate(time.Second)):
		return
	}
	d.LastHeard = t.now
	if s.State == change.DeploymentSuccess && d.Phase == Failed && !isEnd(was.Shown) { // it was under way when this failed or was given up
		switch back := tr.undoing(d); {
		case d.anotherFailed(id):
			return // it was under way together with what failed
		case back == nil || was.HasEnded: // or somebody had it run again since
		case back.isOpen():
			t.noteThere(tr, d)
			return
		case back.Phase.succeeded() && back.succeededSince(s) != nil:
			return // the rollback was done after that, and was told of before
		}
	}
	t.follow(tr, d, id, s)
}

// statusCounts says whether a status of others counts, of what it is on as far as that is known: if it is by an account that counts in an environment that
// the policy names, and leaves the deployment there. What does not, where the policy names the environment, is an exception; but what somebody says of a
// deployment of their own that does not count is none besides that one.
func (t *Turn) statusCounts(tr *Track, d *Deployment, s change.DeploymentStatus) bool {
	g := s.Deployment
	in := g.Environment
	if d != nil {
		in = tr.Environment // not where the status says that it is: who counts there need not count here
	}
	e, named := t.rules.Find(in)
	if !named {
		return false
	}
	if !t.counts(e, s.By, s.Via, s.App) {
		if d == nil && s.By.ID == g.By.ID && !t.counts(e, g.By, g.Via, g.App) {
			return false
		}
		t.exception(fmt.Sprintf("%d:%d", g.ID, s.By.ID), change.Exception{
			Kind: change.UnknownDeployer, Environment: e.Name, After: g.SHA, At: s.At, By: []change.Account{s.By},
			What: change.Say(change.Login(s.By), change.Words(" said how a deployment of "), change.Code(g.SHA.Short()),
				change.Words(" to "+e.Name+" stands, where only "), e.creators(), change.Words(" can say so")),
		})
		return false
	}
	if d != nil && !sameName(g.Environment, tr.Environment) {
		t.exception(fmt.Sprintf("%d:moved", g.ID), change.Exception{
			Kind: change.DeployedPastPolicy, Environment: tr.Environment, After: g.SHA, Number: d.Number, At: s.At, By: []change.Account{s.By},
			What: change.Say(change.Login(s.By), change.Words(" said that the deployment of "), d.name(),
				change.Words(" to "+tr.Environment+" is one to "), change.Code(g.Environment)),
		})
		return false
	}
	return true
}

// follow moves a deployment on as a status says.
func (t *Turn) follow(tr *Track, d *Deployment, id int64, s change.DeploymentStatus) {
	switch s.State {
	case change.DeploymentInProgress:
		if d.Phase.waits() && d.SeenUnderWay.IsZero() {
			d.SeenUnderWay = t.now
			t.moved = true
		}
	case change.DeploymentSuccess:
		switch {
		case d.isOpen():
			if d.Phase.waits() {
				t.past(tr, d, nil)
			}
			t.succeed(tr, d)
			t.comeBack(tr, d, s)
		case d.Phase.succeeded():
			if c := tr.Current(); c != d && s.At.After(c.Began) {
				t.again(tr, d, id, s, "was replaced")
			}
		default:
			t.again(tr, d, id, s, ended(d.Phase))
		}
	case change.DeploymentFailure, change.DeploymentErrored:
		switch {
		case d.Phase == Deploying, d.Phase.succeeded():
			t.fail(tr, d, FailedDeployment, "its status on GitHub is "+string(s.State))
		case d.Phase.waits():
			t.loseJob(tr, d, id, s.At)
		}
	case change.DeploymentInactive:
		switch {
		case d.Phase == Deploying:
			t.end(tr, d, Cancelled, "its deployment was made inactive", s.By)
		case d.Phase.waits():
			t.loseJob(tr, d, id, s.At)
		}
	}
}

// comeBack has what a rollback took off be there again, past the policy, if by GitHub's clock that succeeded after the rollback did, of which was told late.
func (t *Turn) comeBack(tr *Track, back *Deployment, s change.DeploymentStatus) {
	for _, d := range tr.Deployments {
		if d.UndoneBy != back.ID || d.Phase != Failed || d.SucceededStep == 0 {
			continue
		}
		if c := d.succeededSince(s); c != nil {
			t.again(tr, d, c.ID, change.DeploymentStatus{ID: c.StatusID, State: c.Shown, At: c.StatusAt}, "was rolled back")
			return
		}
	}
}

// loseJob takes a job from a deployment that waits, because the job's deployment on GitHub came to nothing at a time. A job that did not say
// which one is its own is taken to be of this one, if there is no other and it has not asked since. With the last job that asks, the rest is
// lost too.
func (t *Turn) loseJob(tr *Track, d *Deployment, id int64, at time.Time) {
	ids := d.IDs()
	if !slices.Contains(ids, id) {
		return // it was lost before
	}
	for i := range d.Asks {
		a := &d.Asks[i]
		if a.Answer == "" && (a.GitHub == id || a.GitHub == 0 && len(ids) == 1 && !a.At.After(at)) {
			a.Answer, a.Answered = No, true // nobody is left to be told
		}
	}
	if !d.asks() {
		t.lose(tr, d)
		return
	}
	o, _ := d.leave(id)
	d.CameToNothing = append(d.CameToNothing, o)
	t.moved = true
}

// lose takes from a deployment that waits the jobs that would have carried it out.
func (t *Turn) lose(tr *Track, d *Deployment) {
	for i := range d.Asks {
		if a := &d.Asks[i]; a.Answer == "" {
			a.Answer, a.Answered = No, true // nobody is left to be told
		}
	}
	d.SeenUnderWay = time.Time{}
	if d.isWanted() {
		d.allCameToNothing()
		t.moved = true
		return
	}
	t.end(tr, d, Cancelled, "its job ended before it was let through", change.Account{})
}

// again begins a deployment for what was deployed once more by a deployment on GitHub that had ended. Where that was for a rollback which came to nothing
// and was asked for again, it carries this one out.
func (t *Turn) again(tr *Track, was *Deployment, id int64, s change.DeploymentStatus, how string) {
	cameToNothing := was.Undoes != "" && was.isVoid()
	as := was.handOver(id, s)
	if r := tr.rollback(); cameToNothing && r != nil && r.Commit == was.Commit {
		r.takeOver(as, s)
		t.follow(tr, r, id, s)
		return
	}
	var d *Deployment
	if cameToNothing {
		d = t.carriedOutLate(tr, was, as)
	}
	if d == nil {
		d = t.add(tr, Deployment{Commit: was.Commit, Number: was.Number, Deployer: was.Deployer, OnGitHub: as})
	}
	t.past(tr, d, change.Words("it "+how+" before"))
	t.succeed(tr, d)
}

// past follows what is under way without having been let through. If the policy would not have let it go now, or for another reason that is
// given, this is an exception, and no job is let through by it.
func (t *Turn) past(tr *Track, d *Deployment, reason change.Text) {
	v := t.admit(tr, d)
	if reason != nil {
		v.no(reason)
	}
	if v.answer() != Go {
		d.BypassedPolicy = true
		what := change.Say(d.name(), change.Words(" was deployed to "+tr.Environment))
		if d.Undoes != "" {
			what = change.Say(change.Words("the rollback to "), d.name(), change.Words(" was carried out in "+tr.Environment))
		}
		t.exception(d.ID, change.Exception{
			Kind: change.DeployedPastPolicy, Environment: tr.Environment, After: d.Commit, Number: d.Number, At: t.now, By: []change.Account{d.Deployer},
			What: change.Say(what, change.Words(" past the policy, by which it "), t.describe(v).phrase(t.now)),
		})
	}
	t.giveUp(tr, d)
	t.start(tr, d)
}

// giveUp ends what is under way besides a deployment that nothing let through.
func (t *Turn) giveUp(tr *Track, d *Deployment) {
	for _, o := range tr.Deployments {
		if o != d && o.Phase == Deploying {
			t.end(tr, o, Cancelled, "overtaken by the deployment of "+string(d.Commit.Short()), change.Account{})
		}
	}
}

// maxRuns is how many workflow runs are remembered that ended, for jobs of theirs that are told of later.
const maxRuns = 200

// Run tells that a workflow run ended. It ends what its jobs were let through for, where GitHub knows no deployment of theirs, and what they
// still wait for. A run that carries out a deployment of ours, as is seen by where its statuses say that the log is, posts nothing more once it
// was cancelled or died: its end stands for the status that is missing. That it ended well does not say that the deployment did.
func (t *Turn) Run(r change.RunEnded) {
	if r.Run == 0 {
		return
	}
	if !slices.ContainsFunc(t.state.Ended, func(o change.RunEnded) bool { return o.Run == r.Run && o.Attempt == r.Attempt }) {
		t.state.Ended = append(t.state.Ended, r)
		t.state.Ended = t.state.Ended[max(0, len(t.state.Ended)-maxRuns):]
	}
	for _, name := range t.tracks() {
		tr := t.state.Tracks[name]
		for _, d := range slices.Clone(tr.Deployments) {
			t.runEnded(tr, d, r)
		}
	}
}

// runEnded is Run for one deployment.
func (t *Turn) runEnded(tr *Track, d *Deployment, r change.RunEnded) {
	through, waited := false, false
	for i := range d.Asks {
		a := &d.Asks[i]
		if !a.isOf(r) {
			continue
		}
		through = through || a.Answer == Go
		if a.Answer == "" {
			a.Answer, a.Answered, waited = No, true, true
		}
	}
	failed := r.Conclusion != "success" && d.logIsOf(r.Run)
	if failed {
		d.noteEnd()
	}
	carries := d.Own && failed
	switch {
	case waited && d.Phase.waits() && !d.asks():
		t.lose(tr, d)
	case carries && d.Phase == Deploying && len(d.Also) == 0:
		t.cameToNothing(tr, d, r)
	case !through || d.Phase != Deploying || len(d.Also) > 0 || d.GitHub != 0 && !d.Own:
	case r.Conclusion == "success":
		t.succeed(tr, d)
	default:
		t.cameToNothing(tr, d, r)
	}
}

// cameToNothing ends a deployment whose workflow run did not end well.
func (t *Turn) cameToNothing(tr *Track, d *Deployment, r change.RunEnded) {
	if r.Conclusion == "cancelled" || r.Conclusion == "skipped" {
		t.end(tr, d, Cancelled, "its workflow run was "+r.Conclusion, change.Account{})
	} else {
		t.fail(tr, d, FailedDeployment, "its workflow run ended as "+r.Conclusion)
	}
}

// isOf says whether a job was one of a run that ended. Of a protection rule's the attempt is not told: it must have asked before the end.
func (a *Ask) isOf(r change.RunEnded) bool {
	return a.Run == r.Run && a.Run != 0 && (a.Attempt == r.Attempt || a.Attempt == 0 && !a.At.After(r.At))
}
