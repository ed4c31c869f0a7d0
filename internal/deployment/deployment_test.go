package deployment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect/effecttest"
	"github.com/changegate/changegate/internal/errand"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/release"
	"github.com/changegate/changegate/internal/store"
)

// TestUsualLife follows a change from its merge to its verification, and counts what each step costs.
func TestUsualLife(t *testing.T) {
	r := newRig(t)
	p, landed := r.merge(change.Normal)
	expect := func(step, staging, production, calls string) {
		t.Helper()
		if got := fmt.Sprintf("%s %s", r.phase("staging"), r.phase("production")); got != staging+" "+production {
			t.Fatalf("%s: %s, want %s %s", step, got, staging, production)
		}
		if got := r.since(); got != calls {
			t.Errorf("%s costs %s, want %s", step, got, calls)
		}
	}

	r.told(landed)
	// Where something was deployed before, the parent of what landed is known.
	expect("landing", "deploying", "", "1 create deployment, 1 range, 1 say, 2 seen, 1 status, 1 tip")
	// Deliveries tell us of what we did.
	mine := change.ReleaseNote{Deployment: &r.deployments[0]}
	r.told(mine, change.ReleaseNote{Status: &r.statuses[0]})
	expect("our own deliveries", "deploying", "", "1 bot")

	r.told(r.reports("staging", change.DeploymentInProgress))
	expect("in progress", "deploying", "", "1 edit")
	r.told(r.reports("staging", change.DeploymentSuccess))
	expect("success in staging", "verified", "deploying", "1 create deployment, 1 edit, 1 status, 1 tip")
	result := r.told(r.reports("production", change.DeploymentSuccess))
	expect("success in production", "verified", "watching", "1 edit")
	if want := r.now.Add(30 * time.Minute); !result.RecheckAt.Equal(want) {
		t.Errorf("looked at again at %s, want %s", result.RecheckAt, want)
	}

	r.now = r.now.Add(20 * time.Minute)
	r.sweep()
	expect("a sweep", "verified", "watching", "1 list deployments, 2 list statuses")
	r.now = r.now.Add(10 * time.Minute)
	id, verified := r.command(p.Number, bob, `/change verified production "orders come in"`)
	r.told(verified)
	expect("verified", "verified", "verified", "1 comment, 1 edit, 1 react")
	if r.reacted[id] != "+1" {
		t.Errorf("the command is answered with %q", r.reacted[id])
	}
	r.run()
	expect("looking again", "verified", "verified", "")

	if got := r.sticky(p.Number); len(got) != 1 || !strings.Contains(got[0], "| `production` | ✅ verified |") ||
		!strings.Contains(got[0], "[log](https://ci.example/log?%281%29)") || strings.Contains(got[0], "@all") {
		t.Errorf("the comments: %s", got)
	}
	var steps []string
	for _, e := range r.entries(ledger.DeploymentMoved) {
		var body release.Entry
		r.must(json.Unmarshal(e.Body, &body))
		steps = append(steps, body.Environment+" "+body.Step)
		if e.Subject.Number != int(p.Number) || e.Subject.SHA != string(p.MergeCommit) {
			t.Errorf("%s is about %+v", body.Step, e.Subject)
		}
	}
	want := "staging queued, staging let through, staging succeeded, staging verified, " +
		"production queued, production let through, production succeeded, production verified"
	if got := strings.Join(steps, ", "); got != want || r.left() != 0 {
		t.Errorf("recorded: %s; left: %d", got, r.left())
	}
	if !slices.Equal(r.production, []string{"production"}) {
		t.Errorf("on GitHub %v are environments that end users see", r.production)
	}
	if d := r.deployments[1]; d.Task != "deploy" || d.SHA != p.MergeCommit {
		t.Errorf("the deployment to production is %+v", d)
	}
	if r.statuses[0].LogURL != "https://github.example/acme/shop/pull/1" {
		t.Errorf("the log is at %s", r.statuses[0].LogURL)
	}
}

// away is a store that is away once when something is to be kept with evidence, before that is done or so that the answer is lost.
type away struct {
	Store
	once, after bool
}

func (a *away) SaveErrand(ctx context.Context, e change.Errand, save store.ErrandSave) (err error) {
	cut := a.once && len(save.Entries) > 0
	if !cut || a.after {
		err = a.Store.SaveErrand(ctx, e, save)
	}
	if cut {
		a.once, err = false, errors.New("the connection was cut")
	}
	return err
}

// TestNothingIsKeptWithoutItsEvidence has the database be away just when a turn is kept, and back when the run ends.
func TestNothingIsKeptWithoutItsEvidence(t *testing.T) {
	for _, after := range []bool{false, true} {
		r := newRig(t)
		r.Store = &away{r.Store, true, after}
		_, landed := r.merge(change.Normal)
		r.leave(landed)
		if _, err := r.Run(t.Context(), r.errand()); err == nil || (r.phase("staging") != "") != after || (r.left() == 0) != after {
			t.Errorf("it is %s, %d left: %v", r.phase("staging"), r.left(), err)
		}
		r.run()
		if n := len(r.entries(ledger.DeploymentMoved)); r.phase("staging") != release.Deploying || n != 2 || len(r.deployments) != 1 {
			t.Errorf("then it is %s, %d steps are recorded, and there are %d deployments", r.phase("staging"), n, len(r.deployments))
		}
	}
}

// story is a life with commands, a failure and a rollback, in steps that each leave something and look.
func story(r *rig) []func() {
	var p change.Pull
	step := func(leave func() []change.ReleaseNote) func() { return func() { r.leave(leave()...) } }
	return []func(){
		step(func() (notes []change.ReleaseNote) {
			var n change.ReleaseNote
			p, n = r.merge(change.Normal)
			return append(notes, n)
		}),
		step(func() []change.ReleaseNote {
			return []change.ReleaseNote{r.reports("staging", change.DeploymentSuccess)}
		}),
		step(func() []change.ReleaseNote {
			return []change.ReleaseNote{r.reports("production", change.DeploymentSuccess)}
		}),
		step(func() []change.ReleaseNote {
			r.now = r.now.Add(30 * time.Minute)
			_, n := r.command(p.Number, bob, `/change verified production "it works"`)
			return []change.ReleaseNote{n}
		}),
		step(func() (notes []change.ReleaseNote) {
			var n change.ReleaseNote
			p, n = r.merge(change.HighRisk)
			return append(notes, n)
		}),
		step(func() []change.ReleaseNote {
			return []change.ReleaseNote{r.reports("staging", change.DeploymentSuccess)}
		}),
		step(func() []change.ReleaseNote {
			_, no := r.command(p.Number, alice, "/change deploy production")
			_, yes := r.command(p.Number, bob, "/change deploy production")
			_, queue := r.command(p.Number, bob, "/change queue")
			return []change.ReleaseNote{no, yes, queue}
		}),
		step(func() []change.ReleaseNote {
			return []change.ReleaseNote{r.reports("production", change.DeploymentFailure), {Deployment: &change.Deployment{
				ID: 400, SHA: p.MergeCommit, Environment: "moon", By: alice, At: r.now,
			}}}
		}),
		step(func() []change.ReleaseNote {
			return []change.ReleaseNote{r.reports("production", change.DeploymentSuccess)}
		}),
	}
}

// ending says how everything stands, as far as it must be the same whatever happened on the way.
func (r *rig) ending() string {
	r.t.Helper()
	var b strings.Builder
	for _, d := range r.deployments {
		fmt.Fprintln(&b, "deployment", d.Environment, d.SHA.Short(), change.PayloadKey(d.Payload), r.last(d.ID))
	}
	s := r.held()
	for _, name := range []string{"staging", "production", "moon"} {
		if tr := s.Tracks[name]; tr != nil {
			for _, d := range tr.Deployments {
				fmt.Fprintln(&b, name, d.ID, d.Phase, d.GitHub)
			}
		}
	}
	for n := range change.Number(2) {
		var said []string
		for _, c := range r.comments {
			if c.issue == n+1 && c.Via == ourApp {
				said = append(said, c.Body)
			}
		}
		slices.Sort(said) // which of two that are due is posted first may differ
		fmt.Fprintln(&b, strings.Join(said, "\n"))
	}
	for _, c := range r.comments {
		if c.Via != ourApp {
			fmt.Fprintln(&b, c.Body, r.reacted[c.ID])
		}
	}
	for _, kind := range []ledger.Kind{ledger.DeploymentMoved, ledger.ExceptionFound, ledger.EffectIntended, ledger.EffectFailed} {
		fmt.Fprintln(&b, kind, len(r.entries(kind)))
	}
	exceptions, err := r.store.ErrandsOf(r.t.Context(), change.ErrandException, shop.ID)
	r.must(err)
	fmt.Fprintln(&b, len(exceptions), "exceptions,", r.left(), "left,", len(s.Answers)+len(s.Prompts), "to say")
	return b.String()
}

func TestStory(t *testing.T) {
	r := newRig(t)
	for _, step := range story(r) {
		step()
		r.run()
	}
	ending := r.ending()
	for _, want := range []string{
		"/change deploy production -1", "/change deploy production +1", "/change queue +1", "staging holds", "1 exceptions, 0 left, 0 to say", "production holds",
		"| `production` | 👀 watching | `" + r.pulls[1].MergeCommit.Short() + "` |",
		"| `production` | ↩️ rolled back | `" + r.pulls[1].MergeCommit.Short() + "` | back to the version before: “",
	} {
		if !strings.Contains(ending, want) {
			t.Errorf("%q is missing in\n%s", want, ending)
		}
	}
	// What its deployer must know of is a comment of its own, and one only: TestKilledAnywhere has the same ending.
	second := "@alice: `" + r.pulls[2].MergeCommit.Short() + "` (#2) "
	for _, want := range []string{
		second + "can go to production once people say so. It waits for somebody who may give the command `/change deploy production`, because it holds #2 (high-risk).",
		second + "failed in production: its status on GitHub is failure. production goes back to `" + r.pulls[1].MergeCommit.Short() +
			"` (#1), which was verified there last. ([log](https://ci.example/log?%281%29))",
	} {
		if n := strings.Count(ending, want); n != 1 {
			t.Errorf("%q is there %d times in\n%s", want, n, ending)
		}
	}
	// The failed deployment was rolled back to what was verified.
	if n := len(r.deployments); n != 5 || r.deployments[4].SHA != r.pulls[1].MergeCommit || r.deployments[4].Environment != "production" {
		t.Errorf("deployments: %+v\n%s", r.deployments, ending)
	}
}

// TestKilledAnywhere kills each run of the story right before one of its steps, which is right after the step before, and runs it again.
func TestKilledAnywhere(t *testing.T) {
	calm := newRig(t)
	for _, step := range story(calm) {
		step()
		calm.run()
	}
	want := calm.ending()
	for at, killed := 1, 1; killed > 0; at++ {
		r := newRig(t)
		killed = 0
		for i, step := range story(r) {
			step()
			*r.Killer = effecttest.Killer{At: at}
			_, err := r.Run(t.Context(), r.errand())
			if r.Killed() {
				killed++
				if !errors.Is(err, effecttest.ErrKilled) {
					t.Fatalf("run %d was killed at step %d, and returns %v", i, at, err)
				}
			}
			*r.Killer = effecttest.Killer{}
			r.run()
		}
		if got := r.ending(); got != want {
			t.Fatalf("killed before step %d: got\n%s\nwant\n%s", at, got, want)
		}
	}
}

func TestOffCostsNothing(t *testing.T) {
	r := newRig(t)
	r.policies.Rules = release.Rules{Mode: release.Off}
	_, landed := r.merge(change.Normal)
	r.told(landed, change.ReleaseNote{Deployment: &change.Deployment{ID: 4, SHA: landed.Landed.Commit, Environment: "production", By: alice, At: r.now}},
		change.ReleaseNote{Run: &change.RunEnded{Run: 1, At: r.now}})
	if got := r.since(); got != "" || r.left() != 0 || r.held().Tracks != nil {
		t.Errorf("calls: %s; left: %d", got, r.left())
	}
	// Whoever asks is answered all the same.
	id, deploy := r.command(1, bob, "/change deploy production")
	r.told(deploy)
	if got := r.since(); got != "1 comment, 1 react, 1 say" || r.reacted[id] != "confused" {
		t.Errorf("calls: %s, reacted with %s", got, r.reacted[id])
	}
	answer, why, _, err := r.ask(t.Context(), change.GateAsked{Key: "k", Environment: "production", SHA: landed.Landed.Commit})
	if err != nil || answer != release.No {
		t.Errorf("a gate: %s, %s, %v", answer, why, err)
	}
}

func TestAPolicyThatGitHubRefusesIsReadAgainLater(t *testing.T) {
	r := newRig(t)
	r.policies.refused = &github.NotFound{Message: "branch main"} // the repository is empty
	_, landed := r.merge(change.Normal)
	if result := r.told(landed); !result.RecheckAt.Equal(r.now.Add(whileRefused)) || r.left() != 1 {
		t.Errorf("%+v, and %d notes left", result, r.left())
	}
}

// TestARepositoryThatIsBlockedIsReadAgainLater has GitHub refuse what is read afresh, while the policy is held.
func TestARepositoryThatIsBlockedIsReadAgainLater(t *testing.T) {
	r := newRig(t)
	_, landed := r.merge(change.Normal)
	tip := r.branches["main"]
	delete(r.branches, "main")
	if result := r.told(landed); !result.RecheckAt.Equal(r.now.Add(whileRefused)) || r.left() != 1 {
		t.Errorf("%+v, and %d notes left", result, r.left())
	}
	r.branches["main"] = tip
	if r.told(); r.left() != 0 {
		t.Errorf("%d notes are left", r.left())
	}
}

func TestAPolicyThatCannotBeUsedLetsNothingThrough(t *testing.T) {
	r := newRig(t)
	r.policies.unusable = true
	_, landed := r.merge(change.Normal)
	id, deploy := r.command(1, bob, "/change deploy production")
	result := r.told(landed, deploy)
	if len(r.deployments) > 0 || r.left() != 1 || r.reacted[id] != "-1" || !strings.Contains(r.said(1)[0], "cannot be used") {
		t.Errorf("deployed: %v, left: %d, said: %q", r.deployments, r.left(), r.said(1))
	}
	if want := r.now.Add(whileUnusable); !result.RecheckAt.Equal(want) {
		t.Errorf("looked at again at %s, want %s", result.RecheckAt, want)
	}
	answer, why, until, err := r.Ask(t.Context(), shop, change.GateAsked{Key: "k", Environment: "production", SHA: landed.Landed.Commit})
	if err != nil || answer != release.NotYet || !strings.Contains(why.String(), "cannot be used") || !until.After(r.now) {
		t.Errorf("a gate: %s, %s, %s, %v", answer, why, until, err)
	}
	r.policies.unusable = false
	r.run()
	if len(r.deployments) != 1 || r.left() != 0 {
		t.Errorf("once it can be used: %v, left: %d", r.deployments, r.left())
	}
	answer, why, _, err = r.ask(t.Context(), change.GateAsked{Key: "later", Environment: "production", SHA: landed.Landed.Commit})
	if err != nil || strings.Contains(why.String(), "cannot be used") {
		t.Errorf("then a gate: %s, %s, %v", answer, why, err)
	}
}

func TestWaitsForARateLimit(t *testing.T) {
	r := newRig(t)
	_, landed := r.merge(change.Normal)
	r.limited = true
	result := r.told(landed)
	if !result.RetryAt.After(r.now) || r.left() != 1 || len(r.calls) != 1 {
		t.Errorf("%+v, left: %d, calls: %v", result, r.left(), r.calls)
	}
	r.limited = false
	if r.run(); r.phase("staging") != release.Deploying {
		t.Errorf("afterwards: %s", r.phase("staging"))
	}
}

// TestAnswersThatCannotBePostedYet has GitHub take no comments for a while: nobody's command goes without its answer, and none is answered twice.
func TestAnswersThatCannotBePostedYet(t *testing.T) {
	r := newRig(t)
	r.policies.unusable = true
	p, _ := r.merge(change.Normal)
	first, one := r.command(p.Number, bob, "/change deploy production")
	second, two := r.command(p.Number, carol, "/change hold production")

	r.refuse["say"] = &github.Unavailable{Status: 502}
	r.leave(one, two)
	if _, err := r.Run(t.Context(), r.errand()); err == nil || len(r.reacted) != 2 || len(r.held().Answers) != 2 {
		t.Errorf("during an outage: %v, reacted to %v, %d answers left", err, r.reacted, len(r.held().Answers))
	}
	delete(r.refuse, "say")
	r.since()
	r.limited = true
	if result := r.run(); !result.RetryAt.After(r.now) || len(r.calls) != 1 || len(r.held().Answers) != 2 {
		t.Errorf("beyond the rate limit: %+v, calls %v, %d answers left", result, r.calls, len(r.held().Answers))
	}
	r.limited = false
	r.now = r.now.Add(time.Hour)
	for range 2 {
		r.run()
	}
	if said := r.said(p.Number); len(said) != 2 || r.reacted[first] != "-1" || r.reacted[second] != "-1" || len(r.held().Answers) != 0 {
		t.Errorf("afterwards: %q, %v, %d answers left", said, r.reacted, len(r.held().Answers))
	}
}

func TestARefusalIsSaid(t *testing.T) {
	r := newRig(t)
	p, landed := r.merge(change.Normal)
	r.refuse["create deployment"] = &github.Forbidden{Message: "Resource not accessible", Needs: "deployments=write"}
	r.told(landed)
	if r.phase("staging") != release.Failed || !strings.Contains(r.sticky(p.Number)[0], "deployments&#61;write") {
		t.Errorf("%s: %q", r.phase("staging"), r.sticky(p.Number))
	}
}

// TestTroubleWithOneEffect has GitHub fail for a while at one thing: the rest is done, and it is tried again.
func TestTroubleWithOneEffect(t *testing.T) {
	r := newRig(t)
	p, landed := r.merge(change.Normal)
	id, queue := r.command(p.Number, bob, "/change queue")
	r.refuse["create deployment"] = &github.Unavailable{Status: 502}
	r.leave(landed, queue)
	if _, err := r.Run(t.Context(), r.errand()); err == nil {
		t.Error("GitHub's trouble is passed over")
	}
	if r.reacted[id] != "+1" || len(r.sticky(p.Number)) != 1 {
		t.Errorf("the rest: %v, %v", r.reacted, r.sticky(p.Number))
	}
	delete(r.refuse, "create deployment")
	if r.run(); len(r.deployments) != 1 {
		t.Errorf("afterwards: %v", r.deployments)
	}
}

func TestExceptions(t *testing.T) {
	for _, observing := range []bool{false, true} {
		r := newRig(t)
		r.policies.Observing = observing
		p, landed := r.merge(change.Normal)
		r.told(landed, change.ReleaseNote{Deployment: &change.Deployment{ID: 4, SHA: p.MergeCommit, Environment: "moon", By: carol, At: r.now}})
		errands, err := r.store.ErrandsOf(t.Context(), change.ErrandException, shop.ID)
		r.must(err)
		if len(r.entries(ledger.ExceptionFound)) != 1 || (len(errands) == 1) == observing {
			t.Errorf("observing %v: %d recorded, %d raised", observing, len(r.entries(ledger.ExceptionFound)), len(errands))
		}
		if observing {
			continue
		}
		w, err := r.store.BeginErrand(t.Context(), errands[0].Errand)
		r.must(err)
		var e change.Exception
		r.must(json.Unmarshal(w.Notes[0].Body, &e))
		if e.Kind != change.UnknownEnvironment || e.Repository != shop.ID || len(e.By) != 1 || e.By[0] != carol {
			t.Errorf("it is %+v", e)
		}
	}
}

// TestManyComments ships more changes at once than one run writes comments for.
func TestManyComments(t *testing.T) {
	r := newRig(t)
	_, landed := r.merge(change.Normal)
	r.told(landed)
	r.told(r.reports("staging", change.DeploymentSuccess))
	r.told(r.reports("production", change.DeploymentSuccess))
	const n = 2*maxComments + 3
	for range n {
		_, landed = r.merge(change.Normal)
	}
	result := r.told(landed)
	if want := r.now.Add(moreComments); !result.RecheckAt.Equal(want) {
		t.Errorf("the others follow at %s, want %s", result.RecheckAt, want)
	}
	for range 4 {
		r.run()
	}
	for i := range change.Number(n + 1) {
		if got := r.sticky(i + 1); len(got) != 1 {
			t.Errorf("#%d: %d comments", i+1, len(got))
		}
	}
}

// TestACommentThatIsGoneIsLetBe has somebody delete it.
func TestACommentThatIsGoneIsLetBe(t *testing.T) {
	r := newRig(t)
	p, landed := r.merge(change.Normal)
	r.told(landed)
	r.refuse["edit"] = &github.NotFound{Message: "comment"}
	r.told(r.reports("staging", change.DeploymentSuccess))
	r.now = r.now.Add(change.MissedFor)
	r.run()
	delete(r.refuse, "edit")
	r.told(r.reports("production", change.DeploymentSuccess))
	if got := r.sticky(p.Number); len(got) != 1 || r.edited != 0 {
		t.Errorf("%d comments, %d edits", len(got), r.edited)
	}
}

// TestAConversationThatIsLockedIsLetBe has GitHub take no comment on it.
func TestAConversationThatIsLockedIsLetBe(t *testing.T) {
	r := newRig(t)
	p, landed := r.merge(change.Normal)
	r.refuse["say"] = &github.Forbidden{Message: "Unable to create comment because issue is locked"}
	r.told(landed)
	delete(r.refuse, "say")
	r.told(r.reports("staging", change.DeploymentSuccess))
	if got := r.sticky(p.Number); len(got) != 0 || r.phase("production") != release.Deploying || strings.Count(r.since(), "say") != 1 {
		t.Errorf("%d comments; it is %s in production", len(got), r.phase("production"))
	}
}

// TestACommentThatIsNotFoundOnceIsEditedAgain has GitHub not find it for a moment.
func TestACommentThatIsNotFoundOnceIsEditedAgain(t *testing.T) {
	r := newRig(t)
	p, landed := r.merge(change.Normal)
	r.told(landed)
	r.refuse["edit"] = &github.NotFound{Message: "comment"}
	result := r.told(r.reports("staging", change.DeploymentSuccess))
	if result.RecheckAt.IsZero() || result.RecheckAt.After(r.now.Add(missedAgain)) {
		t.Errorf("edited again at %s", result.RecheckAt)
	}
	delete(r.refuse, "edit")
	r.now = r.now.Add(missedAgain)
	r.run()
	if got := r.sticky(p.Number); len(got) != 1 || !strings.Contains(got[0], "| `staging` | ✅ verified |") && !strings.Contains(got[0], "| `staging` | 👀") {
		t.Errorf("it says %q", got)
	}
	if known := r.held().Comments[p.Number]; known.Lost || !known.Missed.IsZero() {
		t.Errorf("remembered %+v", known)
	}
}

// TestWhatIsForgottenIsNotTakenBack has the core forget a deployment that a comment tells of.
func TestWhatIsForgottenIsNotTakenBack(t *testing.T) {
	r := newRig(t)
	p, landed := r.merge(change.Normal)
	r.told(landed)
	r.told(r.reports("staging", change.DeploymentSuccess))
	r.told(r.reports("production", change.DeploymentSuccess))
	s := r.held()
	delete(s.Tracks, "staging")
	r.must(r.store.Write(t.Context(), func(tx store.Tx) error {
		return r.store.SaveErrand(t.Context(), tx, r.errand(), store.ErrandSave{State: s})
	}))
	before := r.edited
	if r.run(); r.edited != before || !strings.Contains(r.sticky(p.Number)[0], "| `staging` | ✅ verified |") {
		t.Errorf("%d edits, and now %s", r.edited-before, r.sticky(p.Number))
	}
}

// TestPrompts has nobody say that what was deployed works.
func TestPrompts(t *testing.T) {
	r := newRig(t)
	p, landed := r.merge(change.Normal)
	r.told(landed)
	r.told(r.reports("staging", change.DeploymentSuccess))
	result := r.told(r.reports("production", change.DeploymentSuccess))
	r.now = result.RecheckAt
	result = r.run()
	asked := slices.DeleteFunc(r.said(p.Number), func(b string) bool { return !strings.Contains(b, "@alice") })
	if len(asked) != 1 {
		t.Fatalf("said: %q", r.said(p.Number))
	}
	r.now = result.RecheckAt
	r.run()
	if r.phase("production") != release.Unverified || len(r.entries(ledger.ExceptionFound)) != 1 {
		t.Errorf("%s, %d exceptions", r.phase("production"), len(r.entries(ledger.ExceptionFound)))
	}
}

// ask asks in a world in which the errand is looked at whenever somebody waits.
func (r *rig) ask(ctx context.Context, a change.GateAsked) (release.Answer, change.Text, time.Time, error) {
	r.Wait = func(ctx context.Context, d time.Duration) error {
		r.now = r.now.Add(d)
		r.run()
		return ctx.Err()
	}
	return r.Ask(ctx, shop, a)
}

func TestGates(t *testing.T) {
	r := newRig(t)
	r.policies.Mode = release.Record
	p, landed := r.merge(change.Normal)
	r.told(landed)
	asked := change.GateAsked{Key: "job 1", Environment: "staging", SHA: p.MergeCommit, Run: 5, By: alice, Who: "alice"}
	answer, why, _, err := r.ask(t.Context(), asked)
	if err != nil || answer != release.Go {
		t.Errorf("staging: %s, %s, %v", answer, why, err)
	}
	asked.Key, asked.Environment = "job 2", "production"
	answer, why, _, err = r.ask(t.Context(), asked)
	if err != nil || answer != release.NotYet || !strings.Contains(why.String(), "staging") {
		t.Errorf("production, before staging: %s, %s, %v", answer, why, err)
	}
	r.told(change.ReleaseNote{Run: &change.RunEnded{Run: 5, Attempt: 1, Conclusion: "success", SHA: p.MergeCommit, At: r.now}})
	if got := r.phase("staging"); got != release.Verified {
		t.Errorf("after the job's run succeeded it is %s in staging", got)
	}
	_, freeze := r.command(p.Number, bob, `/change freeze staging until 2026-01-06 "x"`)
	r.told(freeze)
	next, landed := r.merge(change.Normal)
	r.told(landed)
	asked.Key, asked.Environment, asked.SHA = "job in a freeze", "staging", next.MergeCommit
	answer, why, until, err := r.ask(t.Context(), asked)
	if want := time.Date(2026, 1, 6, 0, 0, 0, 0, time.UTC); err != nil || answer != release.NotYet || !until.Equal(want) {
		t.Errorf("staging, in a freeze: %s until %s, %s, %v", answer, until, why, err)
	}
	asked.Key, asked.SHA = "job 3", r.commit()
	answer, why, _, err = r.ask(t.Context(), asked)
	if err != nil || answer != release.No {
		t.Errorf("a commit of no governed branch: %s, %s, %v", answer, why, err)
	}
}

// TestProtectionRules has GitHub ask, as it does for the team's own automation.
func TestProtectionRules(t *testing.T) {
	r := newRig(t)
	r.policies.Mode = release.Record
	p, landed := r.merge(change.Normal)
	asks := func(environment string, run int64) change.ReleaseNote {
		r.runs[run] = github.WorkflowRun{ID: run, Repository: shop.ID, Head: p.MergeCommit}
		r.deployments = append(r.deployments, change.Deployment{ID: 100 + run, SHA: p.MergeCommit, Environment: environment, By: ci, At: r.now})
		return change.ReleaseNote{Rule: &change.RuleAsked{
			Environment: environment, SHA: p.MergeCommit, Callback: fmt.Sprintf("https://api.github.example/runs/%d", run), Deployment: 100 + run, By: alice, At: r.now,
		}}
	}
	r.told(landed, asks("production", 12), asks("staging", 13))
	slices.Sort(r.gates)
	if len(r.gates) != 2 || !strings.HasPrefix(r.gates[0], "https://api.github.example/runs/12  production: Waiting for") ||
		!strings.HasPrefix(r.gates[1], "https://api.github.example/runs/13 approved staging") {
		t.Fatalf("answered: %q", r.gates)
	}
	r.told(r.reports("staging", change.DeploymentSuccess))
	if last := r.gates[len(r.gates)-1]; !strings.HasPrefix(last, "https://api.github.example/runs/12 approved production") {
		t.Errorf("after staging: %q", r.gates)
	}
	r.told(change.ReleaseNote{Run: &change.RunEnded{Run: 12, Attempt: 1, Conclusion: "cancelled", SHA: p.MergeCommit, At: r.now}})
	if r.left() != 0 {
		t.Errorf("%d notes are left", r.left())
	}
}

func TestWhatLandsOnAnotherBranchIsPassedOver(t *testing.T) {
	r := newRig(t)
	_, landed := r.merge(change.Normal)
	landed.Landed.Branch = "topic"
	if r.told(landed); len(r.deployments) > 0 || r.left() != 0 || r.since() != "" {
		t.Errorf("deployed: %v, left: %d", r.deployments, r.left())
	}
}

func TestAGateWaitsNoLongerThanItsContext(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	waits := 0
	r.Wait = func(ctx context.Context, _ time.Duration) error {
		if waits++; waits == 3 {
			cancel()
		}
		return ctx.Err()
	}
	_, _, _, err := r.Ask(ctx, shop, change.GateAsked{Key: "k", Environment: "staging", SHA: "x"})
	if !errors.Is(err, ErrUndecided) || !errors.Is(err, context.Canceled) || waits != 3 {
		t.Errorf("%v after %d waits", err, waits)
	}
	// The errand dealt with the note, and the core knows nothing of it: there will be no answer.
	other := shop
	other.ID = 8
	if _, _, _, err := r.Ask(t.Context(), other, change.GateAsked{Key: "k"}); !errors.Is(err, ErrUndecided) {
		t.Errorf("of a repository that was never heard of: %v", err)
	}
}

func TestAnErrandOfARepositoryThatIsGone(t *testing.T) {
	r := newRig(t)
	if result, err := r.Run(t.Context(), errandOf(12)); err != nil || !result.RecheckAt.IsZero() {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestOneRunAtATime(t *testing.T) {
	r := newRig(t)
	_, landed := r.merge(change.Normal)
	r.leave(landed)
	_, err := r.store.Acquire(t.Context(), "errand:"+r.errand().String(), "another", time.Minute)
	r.must(err)
	result, err := r.Run(t.Context(), r.errand())
	if err != nil || !result.RetryAt.Equal(r.now.Add(errand.HeldElsewhere)) || len(r.calls) > 0 {
		t.Errorf("%+v, %v, calls: %v", result, err, r.calls)
	}
}
