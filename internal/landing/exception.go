package landing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/errand"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

// exceptionState is what is remembered of an exception. It is stored: members may be added, not renamed.
type exceptionState struct {
	Exception change.Exception `json:"exception"`
	Channels  []string         `json:"channels,omitempty"` // where it was announced
	Issue     change.Number    `json:"issue,omitempty"`    // 0: not opened
	URL       string           `json:"url,omitempty"`      // of the issue
	NoIssue   string           `json:"no_issue,omitempty"` // why none could be opened, or no other
	Lost      bool             `json:"lost,omitempty"`     // the issue was deleted or moved away, or was hidden for a while
	Explained *explanation     `json:"explained,omitempty"`
	Closed    bool             `json:"closed,omitempty"`   // by us, after it was explained
	Reopened  bool             `json:"reopened,omitempty"` // by us, once, after somebody had closed it without an explanation
	// TryAt is when another issue is opened in place of the lost one; zero: none is known to be lost. Again counts those that were.
	TryAt time.Time `json:"try_at,omitzero"`
	Again int       `json:"again,omitempty"`
	// Missed is since when GitHub does not find the issue, which may be a mistake; zero: it was found, or is known to be lost.
	Missed time.Time `json:"missed,omitzero"`
	// Withdrawn is how many explanations counted and count no more, because it became known that they are by whoever did it.
	Withdrawn int `json:"withdrawn,omitempty"`
}

// tryAgain is how long to wait, once an issue that was opened in place of a lost one is lost as well, before another is: somebody may want it gone.
const tryAgain = 24 * time.Hour

// numbered names what is done once for each of the exception's issues: it tells the present issue from those that were lost.
func (s *exceptionState) numbered(what string) string {
	if s.Again == 0 {
		return what
	}
	return fmt.Sprintf("%s:%d", what, s.Again)
}

// explaining names what is done once for each explanation: it tells the present one from those that count no more.
func (s *exceptionState) explaining(what string) string {
	if s.Withdrawn == 0 {
		return what
	}
	return fmt.Sprintf("%s after %d", what, s.Withdrawn)
}

// lostIssue is the body of a ledger entry about an issue that is gone. Members may be added; their names and meanings never change.
type lostIssue struct {
	Key   string               `json:"key"` // the exception's
	Kind  change.ExceptionKind `json:"kind"`
	Issue change.Number        `json:"issue"`
	At    time.Time            `json:"at"` // when that was found
	Why   string               `json:"why"`
}

// explanation is what somebody who may explained an exception with. It is the body of a ledger entry too: members may be added; their names
// and meanings never change.
type explanation struct {
	Key     string               `json:"key"` // the exception's
	Kind    change.ExceptionKind `json:"kind"`
	By      change.Account       `json:"by"`
	Role    string               `json:"role,omitempty"` // by which the explanation counts
	At      time.Time            `json:"at"`
	Text    string               `json:"text"`
	Issue   change.Number        `json:"issue"`
	Comment int64                `json:"comment"`
}

// opened is what is kept of an issue that was opened. It is stored: members may be added, not renamed.
type opened struct {
	Number change.Number `json:"number"`
	URL    string        `json:"url"`
}

// exception opens the exception's issue and announces it, answers the commands on it, and has the issue open until it is explained.
func (r *run) exception(ctx context.Context) (queue.Result, error) {
	var s exceptionState
	if err := r.remembered(&s); err != nil {
		return queue.Result{}, err
	}
	var also []change.Account
	taken, err := notes(r, func(_ change.Note, n exceptionNote) {
		if len(n.Also) > 0 {
			also = append(also, n.Also...)
		} else if s.Exception.Key == "" {
			s.Exception, s.Channels = n.Exception, n.Announce
		}
	})
	if err != nil || s.Exception.Key == "" {
		return queue.Result{}, err
	}
	named := s.name(also, r.github.Now())
	if s.Issue == 0 && s.NoIssue == "" {
		// It is not read in this run: not all of GitHub may show yet what is that new.
		return queue.Result{}, r.open(ctx, &s, taken, named)
	}
	if len(also) > 0 {
		// Before any command is heard: it may be theirs.
		if err := r.tellWho(ctx, &s, taken, named); err != nil {
			return queue.Result{}, err
		}
		if named != nil && named.Withdrawn != nil {
			// What is done next goes by the issue, which GitHub may still show as it was.
			return queue.Result{RetryAt: r.Clock()}, nil
		}
	}
	for _, c := range r.work.Commands {
		if err := r.command(ctx, &s, c); err != nil {
			return queue.Result{}, fmt.Errorf("the command in comment %d: %w", c.Comment, err)
		}
	}
	if s.Issue == 0 || s.Closed {
		return queue.Result{}, nil
	}
	return r.seeIssue(ctx, &s)
}

// seeIssue reads the exception's issue and makes it agree with what is known.
func (r *run) seeIssue(ctx context.Context, s *exceptionState) (queue.Result, error) {
	issue, err := r.github.Issue(ctx, r.work.Repository, s.Issue, r.github.Began())
	var missing *github.NotFound
	if errors.As(err, &missing) {
		return r.lost(ctx, s, missing)
	}
	if github.IsRefusal(err) {
		return r.refused(err), nil
	}
	if err != nil {
		return queue.Result{}, err
	}
	if !s.Missed.IsZero() {
		s.Missed = time.Time{}
		if err := r.save(ctx, store.ErrandSave{State: s}); err != nil {
			return queue.Result{}, err
		}
	}
	return queue.Result{}, r.settle(ctx, s, issue)
}

// lost deals with an issue that is not there. If the exception is not explained, another issue asks for the explanation; that the first is gone is
// recorded and announced.
func (r *run) lost(ctx context.Context, s *exceptionState, why *github.NotFound) (queue.Result, error) {
	// GitHub does not tell what is gone from what the App may not see any more.
	_, err := r.github.Tip(ctx, r.work.Repository, r.work.Repository.DefaultBranch, r.github.Began())
	var missing *github.NotFound
	if errors.As(err, &missing) {
		return r.refused(err), nil
	}
	if err != nil {
		return queue.Result{}, err
	}
	now := r.github.Now()
	knownLost := !s.TryAt.IsZero()
	if !knownLost {
		wait, err := r.missIssue(ctx, s, now)
		if err != nil {
			return queue.Result{}, err
		}
		if wait > 0 {
			return queue.Result{RecheckAt: r.Clock().Add(wait)}, nil
		}
	}
	if s.Explained != nil {
		s.Closed = true // nothing is left to close
		return queue.Result{}, r.save(ctx, store.ErrandSave{State: s})
	}
	if !knownLost {
		if err := r.noteLost(ctx, s, why.Message, now); err != nil {
			return queue.Result{}, err
		}
	}
	if !s.TryAt.After(now) {
		s.Lost, s.TryAt, s.Reopened = false, time.Time{}, false
		s.Again++
		if err := r.open(ctx, s, nil, nil); err != nil || !s.Lost {
			return queue.Result{}, err
		}
	}
	return queue.Result{RecheckAt: r.Clock().Add(s.TryAt.Sub(now))}, nil
}

// missIssue notes since when GitHub does not find the issue, and returns how long to wait before it is taken for lost; 0: it is.
func (r *run) missIssue(ctx context.Context, s *exceptionState, now time.Time) (wait time.Duration, err error) {
	if s.Missed.IsZero() {
		s.Missed = now
		if err := r.save(ctx, store.ErrandSave{State: s}); err != nil {
			return 0, err
		}
	}
	if wait = s.Missed.Add(change.MissedFor).Sub(now); wait > 0 {
		return wait, nil
	}
	s.Missed = time.Time{}
	return 0, nil
}

// noteLost records and announces that the issue is gone, and notes when another is opened: at once, but after a day if that was one in place of
// another already.
func (r *run) noteLost(ctx context.Context, s *exceptionState, why string, now time.Time) error {
	r.log.Warn().Int("issue", int(s.Issue)).Msg("the issue of an exception is gone")
	s.Lost, s.URL, s.TryAt = true, "", now
	if s.Again > 0 {
		s.TryAt = now.Add(tryAgain)
	}
	e := s.Exception
	return r.save(ctx, store.ErrandSave{
		State:   s,
		Entries: []ledger.Draft{evidence(e, ledger.ExceptionLost, lostIssue{Key: e.Key, Kind: e.Kind, Issue: s.Issue, At: now, Why: why})},
		Raise:   r.announce(s, s.numbered("lost"), announceLost(r.work.Repository, now)),
	})
}

// open opens the issue, once, and announces the exception. A repository without issues has none, which is recorded; it is announced all the
// same. Named is who did it as well, nil if nobody else is known.
func (r *run) open(ctx context.Context, s *exceptionState, taken []string, named *naming) error {
	repo, e := r.work.Repository, s.Exception
	rules, err := byBranch(r, e, func(branch string) (Rules, error) { return r.Policies.Rules(ctx, repo, branch, "") })
	if err != nil {
		return err
	}
	may, err := r.mayExplain(ctx, e, change.Account{})
	if err != nil {
		return err
	}
	made, err := r.createIssue(ctx, s, may.Who)
	var failed *effect.Failed
	refusedBefore := s.NoIssue != ""
	switch {
	case errors.As(err, &failed):
		r.log.Warn().Err(err).Msg("no issue can be opened for an exception")
		if s.NoIssue = failed.Why; s.Again > 0 {
			s.Lost, s.TryAt = true, r.github.Now().Add(tryAgain)
		}
	case err != nil:
		return err
	default:
		s.Issue, s.URL, s.NoIssue = made.Number, made.URL, ""
		if named != nil { // it may have been opened by a run that did not know them, and was killed
			if err := r.tell(ctx, s, github.IssueEdit{}, may.Who); err != nil {
				return err
			}
		}
	}
	for _, place := range rules.Announce {
		if !slices.Contains(s.Channels, place) {
			s.Channels = append(s.Channels, place)
		}
	}
	save := store.ErrandSave{State: s, Taken: taken, Issue: s.Issue, Entries: named.entry(e)}
	switch {
	case s.Again == 0:
		save.Raise = r.announce(s, "found", announceFound(repo, s, may.Who))
	case s.NoIssue == "" || !refusedBefore:
		at := r.github.Now().Add(time.Microsecond) // after what was said of the lost one
		save.Raise = r.announce(s, s.numbered("found"), announceAgain(repo, s, at))
	}
	return r.save(ctx, save)
}

// createIssue opens an issue for the exception, once; who says who may explain it. It returns *effect.Failed if GitHub refuses.
func (r *run) createIssue(ctx context.Context, s *exceptionState, who change.Text) (opened, error) {
	in, marker := r.issueIntent(s)
	write := github.IssueWrite{Title: issueTitle(s.Exception), Body: r.issueBody(s.Exception, who) + "\n\n" + marker}
	in.Body = write
	return effect.Once(ctx, r.Store, in, effect.Action[opened]{
		Find: func(ctx context.Context, since time.Time) (opened, bool, error) {
			i, found, err := r.github.FindIssue(ctx, r.work.Repository, marker, since)
			return opened{i.Number, i.URL}, found, err
		},
		Do: func(ctx context.Context) (opened, error) {
			i, err := r.github.CreateIssue(ctx, r.work.Repository, write)
			return opened{i.Number, i.URL}, err
		},
		Refused: github.IsRefusal,
	})
}

// issueIntent returns the intent to open the exception's issue, and by what the issue is known.
func (r *run) issueIntent(s *exceptionState) (in store.Intent, marker string) {
	in = r.intent(s.Exception, s.numbered("issue"), "open issue", nil)
	return in, github.Marker(in.Key)
}

// mayExplain says whether somebody may explain an exception, by what they may do now.
func (r *run) mayExplain(ctx context.Context, e change.Exception, by change.Account) (policy.Authority, error) {
	return byBranch(r, e, func(branch string) (policy.Authority, error) {
		return r.Policies.MayCommand(ctx, r.work.Repository, branch, command.Explain, by)
	})
}

// byBranch asks by the policy of an exception's branch. A branch that is gone, which may be the exception itself, has none: the default
// branch's is asked instead.
func byBranch[T any](r *run, e change.Exception, ask func(branch string) (T, error)) (T, error) {
	if e.Branch != "" && e.Branch != r.work.Repository.DefaultBranch {
		answer, err := ask(e.Branch)
		var missing *github.NotFound
		if !errors.As(err, &missing) {
			return answer, err
		}
	}
	return ask(r.work.Repository.DefaultBranch)
}

func (r *run) intent(e change.Exception, what, kind string, body any) store.Intent {
	return store.Intent{
		Key: fmt.Sprintf("exception:%d:%s:%s", e.Repository, e.Key, what), Kind: kind,
		Pull: change.PullKey{Repository: e.Repository, Number: e.Number}, Head: e.After, Body: body, Lease: r.lease,
	}
}

// announce raises what is said in the exception's thread, if the policy names a channel.
func (r *run) announce(s *exceptionState, what string, a change.Announcement) []change.Raised {
	if len(s.Channels) == 0 {
		return nil
	}
	e := s.Exception
	a.Key = fmt.Sprintf("exception:%d:%s:%s", e.Repository, e.Key, what)
	a.Channels = s.Channels
	if e.Number != 0 {
		a.Pull = change.PullKey{Repository: e.Repository, Number: e.Number}
	}
	if s.URL != "" {
		a.Links = []change.Link{{Text: fmt.Sprintf("Issue #%d", s.Issue), URL: s.URL}}
	}
	return []change.Raised{{
		Errand: change.Errand{Kind: change.ErrandAnnouncement, Repository: e.Repository, Name: "exception/" + e.Key},
		Notes:  []change.Note{change.NewNote(a.Key, a.At, a)},
	}}
}

// settle makes the issue agree with what is known: closed once the exception is explained. Whoever closes it before is told why it is open
// again, once. After that it stays as people leave it, and the exception stays unexplained in the record.
func (r *run) settle(ctx context.Context, s *exceptionState, issue github.Issue) (err error) {
	found := s.Lost
	if found { // it was hidden, or was moved and came back
		s.Lost, s.URL, s.TryAt, s.NoIssue = false, issue.URL, time.Time{}, ""
	}
	e := s.Exception
	switch {
	case s.Explained != nil:
		// The comment goes first, so that an issue that is closed says why.
		err = r.say(ctx, s.Issue, r.intent(e, s.numbered(s.explaining("closing")), string(plan.Comment), nil), r.Markdown(change.Say(
			change.Words("Explained by "), change.Login(s.Explained.By), change.Words(". The explanation is in the record."))))
		if err == nil {
			err = r.edit(ctx, s, s.explaining("closed"), github.IssueEdit{State: github.IssueClosed, StateReason: "completed"})
		}
		s.Closed = true
	case issue.State == github.IssueClosed && !s.Reopened:
		err = r.say(ctx, s.Issue, r.intent(e, s.numbered("reopening"), string(plan.Comment), nil), r.Markdown(change.Say(
			change.Words("Closing this issue explains nothing, so it is open again. "), howToExplain())))
		if err == nil {
			err = r.edit(ctx, s, "reopened", github.IssueEdit{State: github.IssueOpen, StateReason: "reopened"})
		}
		s.Reopened = true
	case !found:
		return nil
	}
	if err != nil {
		return err
	}
	return r.save(ctx, store.ErrandSave{State: s})
}

func (r *run) speaker() errand.Speaker {
	return errand.Speaker{Store: r.Store, GitHub: r.github, Repository: r.work.Repository, Lease: r.lease, Log: &r.log}
}

// say posts a comment, once. A refusal ends it: the issue is locked, or gone.
func (r *run) say(ctx context.Context, issue change.Number, in store.Intent, markdown string) error {
	in.Body = markdown
	return errand.UnlessFailed(r.speaker().Comment(ctx, issue, in, markdown), &r.log)
}

// edit changes the exception's issue, once, which is harmless to repeat. A refusal ends it: the issue is gone.
func (r *run) edit(ctx context.Context, s *exceptionState, what string, e github.IssueEdit) error {
	in := r.intent(s.Exception, s.numbered(what), "edit issue", e)
	_, err := effect.Once(ctx, r.Store, in, effect.Action[struct{}]{
		Do: func(ctx context.Context) (struct{}, error) {
			_, err := r.github.EditIssue(ctx, r.work.Repository, s.Issue, e)
			return struct{}{}, err
		},
		Refused: github.IsRefusal,
	})
	return errand.UnlessFailed(err, &r.log)
}
