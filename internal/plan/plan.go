// Package plan turns what should be true (a decision) and what is on GitHub into effects: the difference, as values. It decides
// nothing about the change and does nothing itself; an explanation, the tests and the reconciler all see the same list.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// refreshAfter is the age at which a check run that is not completed is posted anew: GitHub marks one that has been incomplete
// for 14 days as stale.
const refreshAfter = 10 * 24 * time.Hour

// Status is a check run's status, in GitHub's words.
type Status string

// The statuses that changegate sets.
const (
	InProgress Status = "in_progress"
	Completed  Status = "completed"
)

// Conclusion is how a completed check run ended, in GitHub's words; empty until it is completed.
type Conclusion string

// The conclusions that changegate sets. Neutral satisfies a required check and is for policies that only observe; skipped is
// never used.
const (
	Success   Conclusion = "success"
	Failure   Conclusion = "failure"
	Neutral   Conclusion = "neutral"
	Cancelled Conclusion = "cancelled"
)

// Output is what a check run says.
type Output struct {
	Status     Status     `json:"status"`
	Conclusion Conclusion `json:"conclusion,omitempty"`
	Title      string     `json:"title"`
	Summary    string     `json:"summary"`
	Text       string     `json:"text,omitempty"`
}

// Posted is the check run that a head SHA carries, as we last wrote it.
type Posted struct {
	RunID      int64      `json:"run_id"`
	Status     Status     `json:"status"`
	Conclusion Conclusion `json:"conclusion,omitempty"`
	// Digest is the Digest of the decision behind it; empty where that is not known (the run was found on GitHub).
	Digest    string    `json:"digest,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// IsGreen says whether the run would let a pull request merge.
func (p *Posted) IsGreen() bool {
	return p != nil && p.Status == Completed && (p.Conclusion == Success || p.Conclusion == Neutral)
}

// RefreshAt returns when a run is to be posted anew because GitHub would call it stale; zero for one that is completed.
func RefreshAt(p Posted) time.Time {
	if p.Status == Completed {
		return time.Time{}
	}
	return p.CreatedAt.Add(refreshAfter)
}

// Kind names an effect.
type Kind string

// The kinds of effect.
const (
	CreateCheckRun Kind = "create check run"
	UpdateCheckRun Kind = "update check run"
	EndCheckRun    Kind = "end check run" // of one beside the one that people see
	RequestReview  Kind = "request review"
	React          Kind = "react"
	Comment        Kind = "comment"
)

// Effect is one thing to do on GitHub. Its Key is unique for what it wants to achieve, so that an effect whose result was lost
// is recognised when it is planned again.
type Effect struct {
	Kind Kind           `json:"kind"`
	Key  string         `json:"key"`
	Pull change.PullKey `json:"pull"`
	Head change.SHA     `json:"head,omitempty"`

	RunID  int64   `json:"run_id,omitempty"` // the run to update or end
	Output *Output `json:"output,omitempty"`
	Digest string  `json:"digest,omitempty"` // of the decision that Output shows

	Teams   []string `json:"teams,omitempty"`
	Users   []string `json:"users,omitempty"`
	Comment int64    `json:"comment,omitempty"` // the comment to react to, or that is answered
	Body    string   `json:"body,omitempty"`    // a reaction's content, or a comment's Markdown
}

// String describes the effect in a line, for explanations and logs.
func (e Effect) String() string {
	switch e.Kind {
	case CreateCheckRun, UpdateCheckRun, EndCheckRun:
		state := string(e.Output.Status)
		if e.Output.Status == Completed {
			state = string(e.Output.Conclusion)
		}
		return fmt.Sprintf("%s on %s: %s, %q", e.Kind, e.Head.Short(), state, e.Output.Title)
	case RequestReview:
		var from []string
		for _, t := range e.Teams {
			from = append(from, "team "+t)
		}
		return fmt.Sprintf("%s on #%d from %s", e.Kind, e.Pull.Number, strings.Join(append(from, e.Users...), ", "))
	default:
		return fmt.Sprintf("%s on #%d: %s", e.Kind, e.Pull.Number, e.Body)
	}
}

// Render makes a decision's check-run output; see package report.
type Render func(change.Decision) (title, summary, text string)

// Present is what is on GitHub that the plan builds on.
type Present struct {
	Run *Posted // on the head SHA; nil: none
	// Writes is how many times the head's check run was written, or a write was given up. It makes each write's key its own, so that
	// one which is planned again after a crash is recognised, and the same words written a second time, after others, are another.
	Writes int
	// Asked has what became of the requests for reviews that were made, by AskKey.
	Asked map[string]Asked
	// Again says that a person asked for the check run to be posted anew (a re-run, /change refresh).
	Again bool
	Now   time.Time
}

// Decided returns the effects that make GitHub agree with a decision: at most one on the check run, and the reviews to request. The
// decision is the strictest over all pull requests of its head; asks are those of each pull request.
func Decided(d change.Decision, asks map[change.PullKey][]change.Ask, present Present, render Render) []Effect {
	var effects []Effect
	if e, ok := checkRun(d, present, render); ok {
		effects = append(effects, e)
	}
	pulls := make([]change.PullKey, 0, len(asks))
	for k := range asks {
		pulls = append(pulls, k)
	}
	slices.SortFunc(pulls, func(a, b change.PullKey) int { return int(a.Number - b.Number) })
	for _, pull := range pulls {
		for _, ask := range asks[pull] {
			if e, ok := request(pull, ask, present.Asked[AskKey(pull, ask)]); ok {
				effects = append(effects, e)
			}
		}
	}
	return effects
}

// Asked is what became of the requests that were made for an ask.
type Asked struct {
	Teams, Users []string // who was asked
	Ended        int      // how many requests were made, those that GitHub refused included
	// Refused is the last of them if GitHub refused it, so that nobody heard of it. Again says that it may be made again all the same.
	Refused *Effect
	Again   bool
}

// IsRefused says whether GitHub refused to ask those of an ask who were not asked yet.
func (a Asked) IsRefused(ask change.Ask) bool {
	teams, users := a.left(ask)
	return a.Refused != nil && len(teams)+len(users) > 0 && slices.Equal(teams, a.Refused.Teams) && slices.Equal(users, a.Refused.Users)
}

// left returns those of an ask who were not asked yet.
func (a Asked) left(ask change.Ask) (teams, users []string) {
	return without(ask.Teams, a.Teams), without(ask.Users, a.Users)
}

// request returns the effect that asks those of an ask who were not asked yet; false if there are none, or GitHub refused to ask them.
func request(pull change.PullKey, ask change.Ask, asked Asked) (Effect, bool) {
	e := Effect{Kind: RequestReview, Pull: pull, Key: RequestKey(AskKey(pull, ask), asked.Ended+1)}
	e.Teams, e.Users = asked.left(ask)
	return e, len(e.Teams)+len(e.Users) > 0 && (asked.Again || !asked.IsRefused(ask))
}

func without(names, some []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(some, n) })
}

// AskKey is the key of an ask: one for each round of a role.
func AskKey(pull change.PullKey, ask change.Ask) string {
	return fmt.Sprintf("ask:%s:%s:%d", pull, ask.Role, ask.Round)
}

// RequestKey is the key of the effect that makes the nth request for an ask, which has the ask's own key if it is the first.
func RequestKey(ask string, n int) string {
	if n == 1 {
		return ask
	}
	return fmt.Sprintf("%s:%d", ask, n)
}

func checkRun(d change.Decision, present Present, render Render) (Effect, bool) {
	status, conclusion := Outcome(d)
	return Write(Wanted{d.Pull, d.Head, Digest(d), status, conclusion}, present, func() (title, summary, text string) { return render(d) })
}

// Wanted is what a head's check run should be.
type Wanted struct {
	Pull       change.PullKey
	Head       change.SHA
	Digest     string // of what it says
	Status     Status
	Conclusion Conclusion
}

// Write returns the effect that makes a head's check run what is wanted, with the words that say makes; false if the run that is there is
// so already.
func Write(w Wanted, present Present, say func() (title, summary, text string)) (Effect, bool) {
	run := present.Run
	fresh := run != nil && (run.Status == Completed || present.Now.Before(RefreshAt(*run)))
	if fresh && !present.Again && run.Digest == w.Digest && run.Status == w.Status && run.Conclusion == w.Conclusion {
		return Effect{}, false
	}
	title, summary, text := say()
	e := Effect{
		Kind: UpdateCheckRun, Pull: w.Pull, Head: w.Head, Digest: w.Digest,
		Output: &Output{Status: w.Status, Conclusion: w.Conclusion, Title: title, Summary: summary, Text: text},
	}
	// A completed run cannot go back, and asking for a re-run resets the suite and not the run: both need a new run of the same
	// name, which takes the old one's place.
	goesBack := fresh && run.Status == Completed && (w.Status != Completed || present.Again)
	if !fresh || goesBack {
		e.Kind = CreateCheckRun
	} else {
		e.RunID = run.RunID
	}
	e.Key = runKey(w.Pull.Repository, w.Head, present.Writes)
	return e, true
}

func runKey(repo change.RepositoryID, head change.SHA, writes int) string {
	return fmt.Sprintf("check:%d:%s:%d", repo, head, writes+1)
}

// TakenBack returns the effect that takes a green back before it is known what takes its place: a pull request appeared on its SHA, or was
// retargeted, and nothing of the green is about that.
func TakenBack(pull change.PullKey, head change.SHA, run *Posted, writes int) []Effect {
	if !run.IsGreen() {
		return nil
	}
	return []Effect{{
		Kind: CreateCheckRun, Pull: pull, Head: head, Key: runKey(pull.Repository, head, writes),
		Output: &Output{
			Status: InProgress, Title: "Being decided",
			Summary: "A pull request with this commit is new here or has a new base. What was decided before does not count for it.\n\n" +
				"There is nothing to do: what is decided now follows in seconds. Should it not, comment `/change refresh`.",
		},
	}}
}

// Withdrawn returns the effect that ends the check run of a SHA that is no longer the head of any open pull request into a governed
// branch, so that a force-push back to it finds no old green. There is nothing to do for a run that has ended otherwise than green.
func Withdrawn(pull change.PullKey, head change.SHA, run *Posted, writes int) []Effect {
	if run == nil || run.Status == Completed && !run.IsGreen() {
		return nil
	}
	return []Effect{{
		Kind: UpdateCheckRun, Pull: pull, Head: head, RunID: run.RunID,
		Key: runKey(pull.Repository, head, writes),
		Output: &Output{
			Status: Completed, Conclusion: Cancelled, Title: "Superseded",
			Summary: "This commit is not the head of an open pull request into a governed branch any more. What was decided for it does not count for another.",
		},
	}}
}

// Replaced returns the effect that ends a check run which is not completed and that another has taken the place of: one of the two was made by a
// write whose answer was lost, and that GitHub acted on late. Nobody writes to it any more.
func Replaced(pull change.PullKey, head change.SHA, runID int64) Effect {
	return Effect{
		Kind: EndCheckRun, Pull: pull, Head: head, RunID: runID,
		Key: fmt.Sprintf("end:%d:%d", pull.Repository, runID),
		Output: &Output{
			Status: Completed, Conclusion: Cancelled, Title: "Replaced",
			Summary: "Another check run of this name on this commit took the place of this one. What was decided is there.",
		},
	}
}

// Outcome returns the status and conclusion that show a decision.
func Outcome(d change.Decision) (Status, Conclusion) {
	switch {
	case d.Observing:
		return Completed, Neutral
	case d.Verdict == change.Satisfied:
		return Completed, Success
	case d.Verdict == change.Failing:
		return Completed, Failure
	default:
		return InProgress, ""
	}
}

// Digest names what a decision shows, so that a check run is written again only when something a reader could act on has changed.
// The progress of checks that have not failed is left out as long as one of them is awaited: their coming in one by one changes
// neither the decision nor what anyone should do, and would cost a call each. That a check was posted by others than the policy
// names stays in: it looks passed, and somebody must act.
func Digest(d change.Decision) string {
	d.RecheckAt = time.Time{}
	d.Asks, d.Voids = nil, nil
	d.Labels = nil
	d.BaseTip, d.Edits, d.Descriptions = "", nil, 0 // evidence of no consequence for a reader
	d.Requirements = slices.Clone(d.Requirements)
	state := change.Met
	for _, r := range d.Requirements {
		if r.Kind == change.KindChecks && r.State == change.Awaited {
			state = change.Awaited
		}
	}
	for i := range d.Requirements {
		if r := &d.Requirements[i]; r.Kind == change.KindChecks && (r.State == change.Met || r.State == change.Awaited) {
			r.State, r.Found, r.Short, r.Next = state, nil, nil, nil
		}
	}
	text, err := json.Marshal(d)
	if err != nil {
		// A Decision holds values that always marshal; anything else is a mistake of ours that must not pass as "unchanged".
		panic(fmt.Sprintf("digest of a decision: %v", err))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
