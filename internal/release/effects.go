package release

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/changegate/changegate/internal/change"
)

// What GitHub takes, in characters; of a comment a part only, because escaping what strangers wrote makes it longer.
const (
	maxDescription = 140
	maxComment     = 480
)

// maxProgress is how many progress comments a protection rule is sent at most: it takes ten, and one is left for the answer.
const maxProgress = 9

// act asks for all that should be true on GitHub and is not known to be.
//
// A key is the deployment's ID and what is done to it. A status's key also says how many of ours came before, and which status was the newest
// when this one became due, because the same status can be due again once others have posted theirs. Progress comments are counted, because the
// same thing may be waited for again.
func (t *Turn) act() {
	for _, name := range t.tracks() {
		tr := t.state.Tracks[name]
		for _, d := range tr.Deployments {
			t.actOn(tr, d)
		}
	}
}

func (t *Turn) actOn(tr *Track, d *Deployment) {
	if t.rules.Mode != Off {
		t.create(tr, d)
		t.post(tr, d)
	}
	for i := range d.Asks {
		t.tell(tr, d, &d.Asks[i])
	}
}

func (t *Turn) effect(kind EffectKind, tr *Track, d *Deployment, key string) Effect {
	return Effect{Kind: kind, Key: d.ID + ":" + key, Deployment: d.ID, Environment: tr.Environment, Commit: d.Commit, Number: d.Number}
}

// create asks for a deployment on GitHub of what was let through and is ours to make: to have it carried out only where the policy has us
// deploy, else for the record. If it is cancelled before GitHub told of it, none is asked for any more; if one was made all the same, GitHub
// will tell.
func (t *Turn) create(tr *Track, d *Deployment) {
	due := d.Phase == Deploying && t.rules.Mode == Create || d.ForRecord && (d.Phase == Deploying || d.Phase.succeeded())
	if !d.Own || d.GitHub != 0 || d.NotCreated != "" || !due {
		return
	}
	e := t.effect(CreateDeployment, tr, d, "create")
	e.Task = TaskDeploy
	if d.ForRecord {
		e.Task = TaskRecord
	}
	e.Payload = d.payload()
	e.Says = limit(change.Words("Deployed by changegate"), maxDescription)
	if d.Undoes != "" {
		e.Says = limit(change.Words("Rolled back by changegate"), maxDescription)
	}
	t.out.Effects = append(t.out.Effects, e)
}

// payload is what goes along with a deployment on GitHub: what its workflow and the next reader may want to know. It says the same for as
// long as the deployment is under way. It is shortened to half of what is read back, because GitHub may write it out longer.
func (d *Deployment) payload() json.RawMessage {
	for most := 20; ; most /= 2 {
		text, err := json.Marshal(d.describePayload(most))
		if err != nil {
			panic(fmt.Sprintf("payload of %s: %v", d.ID, err)) // strings and numbers marshal
		}
		if len(text) <= change.MaxPayload/2 || most == 0 {
			return text
		}
	}
}

type payload struct {
	ID         string        `json:"changegate"`
	Number     change.Number `json:"number,omitempty"`
	Title      string        `json:"title,omitempty"`
	Category   string        `json:"category,omitempty"`
	Underlying string        `json:"underlying,omitempty"`
	Approved   []string      `json:"approved_by,omitempty"` // the change
	Accepted   []string      `json:"accepted_by,omitempty"` // its release
	Changes    int           `json:"changes"`               // since what was there before
	Ships      []int         `json:"ships,omitempty"`       // the pull requests of the last of them
	Undoes     string        `json:"undoes,omitempty"`
	Policy     string        `json:"policy,omitempty"`
	Floor      string        `json:"floor,omitempty"`
}

// describePayload lists at most so many of each, and of the title ten times as many characters.
func (d *Deployment) describePayload(most int) payload {
	p := payload{ID: d.ID, Number: d.Number, Category: d.Category.String(), Changes: len(d.Changes), Undoes: d.Undoes, Policy: d.Policy, Floor: d.Floor}
	for _, c := range d.Changes {
		if c.Commit == d.Commit {
			p.Title = cut(c.Title, 10*most)
			p.Approved = c.Approvers[:min(most, len(c.Approvers))]
			if c.Category == change.Emergency {
				p.Underlying = c.Underlying.String()
			}
		}
	}
	for _, c := range d.Changes[max(0, len(d.Changes)-most):] {
		if c.Number != 0 {
			p.Ships = append(p.Ships, int(c.Number))
		}
	}
	for _, a := range d.Accepted[:min(most, len(d.Accepted))] {
		p.Accepted = append(p.Accepted, a.By.Login)
	}
	return p
}

// post asks for the status that a deployment on GitHub should show.
func (t *Turn) post(tr *Track, d *Deployment) {
	if d.GitHub == 0 || d.TakesNoStatus {
		return
	}
	d.settlePost(tr)
	state := d.shouldShow(tr)
	if state == "" || state == d.Shown {
		return
	}
	// The key stays for as long as the status is to be posted, whatever is told of meanwhile: it may have been posted.
	if at := fmt.Sprintf("status:%d:%d:", d.GitHub, d.PostsDone); d.Posting != state || !strings.HasPrefix(d.PostKey, at) {
		d.PostKey = fmt.Sprintf("%s%d:%s", at, d.ShownID, state)
	}
	d.Posting = state
	e := t.effect(PostStatus, tr, d, d.PostKey)
	e.GitHub, e.State, e.After = d.GitHub, state, Newest{d.ShownID, d.ShownAt}
	e.Says = limit(d.status(state), maxDescription)
	t.out.Effects = append(t.out.Effects, e)
}

// settlePost is done with the status that was to be posted, unless it still is: then its key is to stay.
func (d *Deployment) settlePost(tr *Track) {
	switch state := d.shouldShow(tr); {
	case d.Posting == "":
	case d.Posting == d.Shown: // it was posted after all, or somebody else said the same
		d.Posting = ""
		d.PostsDone++
	case d.Posting == state: // it still is
	case d.Posting == change.DeploymentQueued && state == "": // whoever carries it out has said more since, whether or not it was posted
		d.Posting = ""
	default: // another is due: this one may have been posted, and is what GitHub shows then
		d.PostsDone++
		d.Shown, d.MaybeInactive, d.Posting = "", d.Posting == change.DeploymentInactive, ""
	}
}

// shouldShow returns the status that a deployment on GitHub should have; empty: it may have any, because others know better.
//
// Where GitHub itself makes what is replaced inactive, it does not tell; it is done once more then.
func (d *Deployment) shouldShow(tr *Track) change.DeploymentState {
	switch {
	case d.Began.IsZero():
		return ""
	case d.Phase == Deploying:
		if d.Own && d.Shown == "" {
			return change.DeploymentQueued
		}
		return ""
	case d.Phase.succeeded() && d == tr.Current():
		return change.DeploymentSuccess
	case d.Phase.succeeded():
		return change.DeploymentInactive
	case d.Phase == Failed && (d.Shown == change.DeploymentFailure || d.Shown == change.DeploymentErrored):
		return ""
	case d.Phase == Failed && d.TimedOut:
		return change.DeploymentErrored
	case d.Phase == Failed:
		return change.DeploymentFailure
	default:
		return change.DeploymentInactive
	}
}

// status describes a status.
func (d *Deployment) status(s change.DeploymentState) change.Text {
	switch s {
	case change.DeploymentQueued:
		return change.Words("Let through by the policy")
	case change.DeploymentSuccess:
		return change.Words("Deployed")
	case change.DeploymentInactive:
		if d.Phase.succeeded() {
			return change.Words("Replaced by a later deployment")
		}
		return change.Say(change.Words("Given up: "), change.Quote(d.Why))
	default:
		if d.Class == FailedDeployment {
			return change.Say(change.Words("Failed: "), change.Quote(d.Why))
		}
		return change.Say(change.Words("Found not to work: "), change.Quote(d.Why))
	}
}

// tell asks for the answer to a protection rule, or for a comment that says what its job waits for when that is something else than before.
func (t *Turn) tell(tr *Track, d *Deployment, a *Ask) {
	if a.Callback == "" || a.Answered {
		return
	}
	answer, says, _ := d.answers(tr, a)
	if a.Answer != "" {
		t.answer(tr, d, a, "answer:"+a.Key, a.Answer, limit(d.toldOnce(tr, a), maxComment))
		return
	}
	if answer != NotYet || says.IsEmpty() {
		return
	}
	if until := d.Waits.Until; !until.IsZero() {
		says = change.Say(says, change.Words(", until "+t.stamp(until)))
	}
	says = limit(change.Say(change.Words("Waiting for "), says), maxComment)
	last := len(a.Told) - 1
	if last < 0 || a.Told[last] != says.String() {
		if len(a.Told) == maxProgress {
			return
		}
		a.Told = append(a.Told, says.String())
	}
	if n := len(a.Told); a.Sent < n {
		t.answer(tr, d, a, fmt.Sprintf("progress:%s:%d", a.Key, n), NotYet, says)
	}
}

// answer asks for an answer to a protection rule, which knows its environment by GitHub's spelling.
func (t *Turn) answer(tr *Track, d *Deployment, a *Ask, key string, answer Answer, says change.Text) {
	e := t.effect(AnswerRule, tr, d, key)
	e.Environment = cmp.Or(a.Named, e.Environment)
	e.Callback, e.Ask, e.Answer, e.Says = a.Callback, a.Key, answer, says
	t.out.Effects = append(t.out.Effects, e)
}

// toldOnce is what goes along with an answer. It says the same for as long as that is not known to be given.
func (d *Deployment) toldOnce(tr *Track, a *Ask) change.Text {
	if a.Answer == Go {
		return change.Say(change.Words("The policy lets "), change.Code(d.Commit.Short()), change.Words(" go to "), change.Code(tr.Environment), change.Words("."))
	}
	return a.Why
}

// limit cuts a text to a number of characters.
func limit(t change.Text, most int) change.Text {
	left := most
	var out change.Text
	for _, p := range t {
		n := utf8.RuneCountInString(p.Text)
		if n <= left {
			out, left = append(out, p), left-n
			continue
		}
		if left > 1 {
			p.Text = cut(p.Text, left)
			out = append(out, p)
		}
		break
	}
	return out
}

// cut cuts a string to a number of characters, of which the last then is an ellipsis.
func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	if most == 0 {
		return ""
	}
	r := []rune(s)
	return strings.TrimSpace(string(r[:most-1])) + "…"
}
