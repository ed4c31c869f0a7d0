package deployment

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/errand"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/release"
	"github.com/changegate/changegate/internal/store"
)

// answer is what is to be said of a command. It is stored: members may be added, not renamed.
type answer struct {
	Comment  int64            `json:"comment"`
	Number   change.Number    `json:"number"`
	Reaction command.Reaction `json:"reaction"`
	Says     change.Text      `json:"says,omitempty"` // in sentences; empty: the reaction says it all
	Of       []change.Account `json:"of,omitempty"`   // who is mentioned, besides who gave it
}

// prompt asks somebody for something. It is stored: members may be added, not renamed.
type prompt struct {
	Key    string        `json:"key"`
	Number change.Number `json:"number"`
	Body   string        `json:"body"` // in Markdown
}

func answerOf(r release.Reply) answer {
	a := answer{Comment: r.Comment, Number: r.Number, Reaction: command.Refused, Says: r.Says, Of: r.Of}
	if r.Done {
		a.Reaction = command.Done
	}
	return a
}

// keepAnswer has a command answered once the state is saved.
func (r *run) keepAnswer(a answer) { r.state.Answers = append(r.state.Answers, a) }

// keepPrompt has somebody asked once the state is saved. What came with no pull request leaves no place to ask at.
func (r *run) keepPrompt(p release.Prompt) {
	if p.Number == 0 {
		r.log.Warn().Str("prompt", p.Key).Msg("there is no pull request to ask on")
		return
	}
	body := r.mention(p.Says, p.Of)
	if link := linkTo(p.LogURL); link != "" {
		body += " ([log](" + link + "))"
	}
	r.state.Prompts = append(r.state.Prompts, prompt{Key: p.Key, Number: p.Number, Body: body})
}

// isLogin matches what a login can be, so that it can be mentioned as it is.
var isLogin = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9])?$`)

// mention renders a text in which some accounts are mentioned, each once, so that GitHub notifies them: the others are not.
func (r *run) mention(says change.Text, of []change.Account) string {
	var b strings.Builder
	var plain change.Text
	flush := func() {
		b.WriteString(r.lines(plain))
		plain = nil
	}
	named := map[string]bool{}
	for _, p := range says {
		asked := slices.ContainsFunc(of, func(a change.Account) bool { return a.Login == p.Text && !a.IsBot() })
		if p.Kind != change.PartLogin || !asked || named[p.Text] || !isLogin.MatchString(p.Text) {
			plain = append(plain, p)
			continue
		}
		flush()
		b.WriteString("@" + p.Text)
		named[p.Text] = true
	}
	flush()
	body := b.String()
	for _, a := range slices.Backward(of) {
		if !named[a.Login] && !a.IsBot() && isLogin.MatchString(a.Login) {
			named[a.Login] = true
			body = "@" + a.Login + " " + body
		}
	}
	return body
}

// postAnswers reacts to commands, and says what the reaction does not say.
func (r *run) postAnswers(ctx context.Context) (err error) {
	r.state.Answers, err = drain(ctx, r.state.Answers, r.answer)
	return err
}

// postPrompts asks people.
func (r *run) postPrompts(ctx context.Context) (err error) {
	r.state.Prompts, err = drain(ctx, r.state.Prompts, func(ctx context.Context, p prompt) error {
		return r.say(ctx, p.Number, fmt.Sprintf("prompt:%d:%s", r.repo.ID, p.Key), p.Body)
	})
	return err
}

// drain posts what is listed, and returns what could not be posted yet.
func drain[T any](ctx context.Context, list []T, post func(context.Context, T) error) (left []T, err error) {
	var failed []error
	for i, item := range list {
		err := post(ctx, item)
		if err == nil {
			continue
		}
		failed = append(failed, err)
		if isOver(ctx, err) {
			return append(left, list[i:]...), errors.Join(failed...)
		}
		left = append(left, item)
	}
	return left, errors.Join(failed...)
}

func (r *run) answer(ctx context.Context, a answer) error {
	says := ""
	if !a.Says.IsEmpty() {
		says = r.mention(a.Says, a.Of)
	}
	return r.speaker().Answer(ctx, r.pull(a.Number), a.Comment, a.Reaction, says)
}

// lines renders a text of several lines, such as a queue, in which our own words alone end a line.
func (r *run) lines(t change.Text) string {
	var out []string
	var line change.Text
	for _, p := range t {
		if p.Kind != change.PartWords {
			line = append(line, p)
			continue
		}
		for i, words := range strings.Split(p.Text, "\n") {
			if i > 0 {
				out, line = append(out, r.Markdown(line)), nil
			}
			if words != "" {
				line = append(line, change.Words(words)...)
			}
		}
	}
	return strings.Join(append(out, r.Markdown(line)), "\n")
}

// say posts a comment, once. A refusal ends it: the pull request is locked, or gone.
func (r *run) say(ctx context.Context, n change.Number, key, markdown string) error {
	in := store.Intent{Key: key, Kind: string(plan.Comment), Pull: r.pull(n), Body: markdown}
	return errand.UnlessFailed(r.speaker().Comment(ctx, n, in, markdown), &r.log)
}

func (r *run) speaker() errand.Speaker {
	return errand.Speaker{Store: r.Store, GitHub: r.github, Repository: r.repo, Lease: r.lease, Log: &r.log}
}

func (r *run) pull(n change.Number) change.PullKey {
	return change.PullKey{Repository: r.repo.ID, Number: n}
}
