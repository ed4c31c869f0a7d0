package emergency

import (
	"slices"
	"strconv"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
)

// tryAgain is how long to wait before another issue is opened, where GitHub refused one or one was taken away more than once.
const tryAgain = 24 * time.Hour

// Next returns the steps that are to be taken now, in order, and what is then to be remembered. Steps that announce or record are taken by
// remembering them, and are in the memory already. At most one is a Write, the last: it is to be taken, noted with Wrote or Refused, and
// then to be followed by another look. Equal arguments give equal results.
func Next(f Facts, m Memory) (Memory, []Step) {
	m.Done = slices.Clone(m.Done)
	l := &look{Facts: f, m: m}
	if l.Decision != nil {
		l.declaration()
	}
	if l.m.Episode > 0 {
		l.merge()
		l.retrospective()
		l.write()
	}
	return l.m, l.steps
}

// look is the state of one Next.
type look struct {
	Facts
	m     Memory
	steps []Step
}

// once says whether a step is yet to be taken, and counts it as taken.
func (l *look) once(key string) bool {
	if l.m.did(key) {
		return false
	}
	l.m.Done = append(l.m.Done, key)
	return true
}

// numbered returns the key of a step that each episode may take once.
func (l *look) numbered(key string) string { return key + ":" + strconv.Itoa(l.m.Episode) }

func (l *look) announce(key string, a change.Announcement) {
	if !l.once(key) || len(l.m.Terms.Channels) == 0 {
		return
	}
	a.Key, a.Channels = "emergency:"+l.pull().String()+":"+key, l.m.Terms.Channels
	a.At = l.Now.Add(time.Duration(len(l.m.Done)) * time.Microsecond) // what is said at one time keeps its order
	a.Pull, a.Subject = l.pull(), l.subject()
	l.steps = append(l.steps, Step{Key: key, Announce: &a})
}

func (l *look) record(key string, kind ledger.Kind, body recorded) {
	if !l.once("record " + key) {
		return
	}
	body.Declared, body.Issue = l.m.Declaration, l.m.Issue
	subject := ledger.Subject{Repository: int64(l.Repository.ID), Number: int(l.Pull.Number), SHA: string(l.Pull.Head.SHA)}
	l.steps = append(l.steps, Step{Key: key, Record: &ledger.Draft{Kind: kind, Subject: subject, Body: body}})
}

// recorded is the body of ledger entries about an emergency. Members may be added; their names and meanings never change.
type recorded struct {
	Declared change.Declaration `json:"declared"`
	Issue    change.Number      `json:"issue,omitempty"`
	By       change.Account     `json:"by,omitzero"` // who closed the issue
	At       time.Time          `json:"at,omitzero"` // when, by GitHub's clock
	Empty    []string           `json:"empty,omitempty"`
	Text     string             `json:"text,omitempty"` // the retrospective, as it was closed
	Why      string             `json:"why,omitempty"`
}

func (l *look) pull() change.PullKey {
	return change.PullKey{Repository: l.Repository.ID, Number: l.Pull.Number}
}

// stands says whether there is a declaration that counts.
func (l *look) stands() bool {
	return l.Decision != nil && l.Decision.Declaration != nil && l.Decision.State != change.Closed
}

// ended says how it ended before anything went past the process; empty: it did not. A push ends a declaration as well; but most often it is
// declared again then, so nothing is settled for as long as the label is set.
func (l *look) ended() string {
	d := l.Decision
	undecided := d.Governed && d.Category == change.Uncategorized
	switch {
	case d.State == change.Closed && l.Pull.State == change.Closed:
		return "it was closed without being merged"
	case !d.Governed && d.Base == l.Pull.Base.Name:
		return "no policy governs the branch that it is for now"
	case d.Declaration != nil || undecided && d.State == change.Merged:
		return ""
	case d.State == change.Merged:
		if past := l.past(); past != "" {
			return past
		}
		return "it was merged under the normal process"
	case l.Pull.State == change.Open && l.m.Terms.Label != "" && !l.Pull.HasLabel(l.m.Terms.Label):
		return "its label was removed before it was merged"
	}
	return ""
}

// past says how it was merged otherwise than it was decided; empty: it was not. It goes by the same facts as package landing, which finds the
// exception.
func (l *look) past() string {
	switch d := l.Decision; {
	case d == nil || d.State != change.Merged:
		return ""
	case d.Base != l.Pull.Base.Name:
		return "it was merged into another branch than it was decided for"
	case !d.Governed, d.Head == l.Pull.Head.SHA && (d.Verdict == change.Satisfied || d.Observing):
		return ""
	default:
		return "it was merged without a green check, which is an exception of its own"
	}
}

// declaration follows what becomes of the declaration: declared, withdrawn, declared again.
func (l *look) declaration() {
	m := &l.m
	switch {
	case l.stands() && m.Episode == 0:
		m.Terms = l.Terms
		l.begin()
		l.announce("declared", l.declared())
	case l.stands() && (m.Withdrawn || l.handedOn()):
		l.begin()
		l.announce(l.numbered("declared"), l.declaredAgain())
	case l.stands() && m.owes() && !m.Overdue && !m.Merged:
		m.Declaration = *l.Decision.Declaration
	case m.Episode > 0 && !m.Withdrawn && !m.Merged:
		why := l.ended()
		if why == "" {
			return
		}
		m.Withdrawn = true
		if m.owes() {
			m.Settled = l.Now
		}
		l.record(l.numbered("withdrawn"), ledger.EmergencyWithdrawn, recorded{At: l.Now, Why: why})
		l.announce(l.numbered("withdrawn"), l.withdrawn(why))
	}
}

// handedOn says whether another person has declared it since, so soon that nobody saw it withdrawn in between. What is overdue is not handed
// on.
func (l *look) handedOn() bool {
	m := &l.m
	return m.owes() && !m.Overdue && !m.Merged && m.Declaration.By.ID != l.Decision.Declaration.By.ID
}

func (l *look) begin() {
	m := &l.m
	m.Episode++
	m.Declaration = *l.Decision.Declaration
	m.Withdrawn, m.Overdue, m.Settled = false, false, time.Time{}
}

// merge follows what is owed in reviews once it was merged.
func (l *look) merge() {
	m := &l.m
	if !l.stands() || l.Decision.State != change.Merged {
		return
	}
	unmet := l.unmet()
	if !m.Merged {
		m.Merged, m.Owing = true, len(unmet) > 0
		l.announce("merged", l.merged(unmet))
	}
	switch {
	case !m.Owing || m.did("reviewed"):
	case len(unmet) == 0:
		l.announce("reviewed", l.reviewed())
	case !l.Now.Before(m.Declaration.Due):
		l.announce("reviews-overdue", l.reviewsOverdue(unmet))
	}
}

// unmet returns the requirements with a deadline that are not met yet: the reviews that an emergency owes.
func (l *look) unmet() []change.Requirement {
	return slices.DeleteFunc(slices.Clone(l.Decision.Requirements), func(r change.Requirement) bool {
		return r.Due.IsZero() || r.State == change.Met
	})
}

// retrospective follows the issue.
func (l *look) retrospective() {
	m := &l.m
	if !m.owes() {
		return
	}
	if l.Issue != nil {
		m.Missed = time.Time{}
	}
	if l.Lost != "" && m.Issue != 0 {
		if m.Missed.IsZero() {
			m.Missed = l.Now
		}
		if l.Now.Before(m.Missed.Add(change.MissedFor)) {
			return // what it says, and whether it was closed in time, may be known again then
		}
		m.Missed = time.Time{}
		key := "lost:" + strconv.Itoa(m.Issues)
		l.record(key, ledger.RetrospectiveLost, recorded{At: l.Now, Why: l.Lost})
		m.Issue, m.IssueURL, l.Issue = 0, "", nil
		l.announce(key, l.lost())
		if m.Issues > 1 {
			m.TryAt = l.Now.Add(tryAgain) // somebody may want it gone: that is recorded once a day and not in a circle
		}
	}
	if m.Refusal != "" {
		l.record("refused", ledger.RetrospectiveLost, recorded{At: l.Now, Why: m.Refusal})
		l.announce("refused", l.refused())
	}
	if i := l.Issue; i != nil && !i.Open && l.current() {
		switch {
		case len(i.Empty) == 0:
			l.settle()
			return
		case m.did("reopen"):
			l.record("empty", ledger.RetrospectiveClosed, recorded{By: i.ClosedBy, At: i.ClosedAt, Empty: i.Empty, Text: i.Text})
			l.announce("empty", l.closedEmpty())
		}
	}
	if !m.Overdue && !l.Now.Before(m.Declaration.Due) {
		m.Overdue = true
		l.record(l.numbered("overdue"), ledger.RetrospectiveOverdue, recorded{At: m.Declaration.Due})
		l.announce(l.numbered("overdue"), l.overdue())
	}
}

// current says whether the issue is about this episode: one that was closed because the last episode was withdrawn is to be reopened first.
func (l *look) current() bool { return l.m.Episode == 1 || l.m.did(l.numbered("resume")) }

func (l *look) settle() {
	m, i := &l.m, l.Issue
	m.Settled = i.ClosedAt
	if m.Settled.IsZero() || m.did("empty") {
		m.Settled = l.Now // it was written after it was closed, and when is not known
	}
	l.record(l.numbered("closed"), ledger.RetrospectiveClosed, recorded{By: i.ClosedBy, At: m.Settled, Text: i.Text})
	l.announce(l.numbered("closed"), l.closed())
}

// write adds the next write on GitHub, if there is one.
func (l *look) write() {
	m := &l.m
	add := func(key string, w Write) { l.steps = append(l.steps, Step{Key: key, Write: &w}) }
	open := l.Issue != nil && l.Issue.Open
	switch reopen, tell, remind := "reopen", "tell", "remind"; {
	case m.Issue == 0:
		// An issue whose opening was begun is opened even if it was withdrawn since: after a crash it may be there, and is to be closed.
		if (m.owes() || m.Opening) && !l.Now.Before(m.TryAt) {
			m.Opening = true
			add("open:"+strconv.Itoa(m.Issues+m.Attempts+1), l.opening())
		}
	case m.Withdrawn:
		if key := l.numbered("withdraw"); !m.did(key) && !m.did(l.numbered("closed")) {
			add(key, Write{Body: l.withdrawnComment(), State: NotPlanned})
		}
	case !m.owes() || l.Issue == nil:
	case !l.current():
		add(l.numbered("resume"), Write{Body: l.resumedComment(), State: Reopened, Assign: m.Declaration.By.Login})
	case !open && !m.did(reopen):
		add(reopen, Write{Body: l.reopenedComment(), State: Reopened})
	case m.Merged && l.Pull.MergedAt.After(m.Told) && !m.did(tell):
		add(tell, Write{Body: l.mergedComment(), Through: l.Now})
	case open && !l.Now.Before(m.remindAt()) && !m.did(remind):
		add(remind, Write{Body: l.reminder()})
	}
}

// Wrote returns what is to be remembered once a write was done, or was given up for good. Number and url are of the issue that it opened,
// if it opened one.
func (m Memory) Wrote(s Step, number change.Number, url string) Memory {
	m.Done = append(slices.Clone(m.Done), s.Key)
	if number != 0 {
		m.Issue, m.IssueURL, m.Opening, m.Refusal, m.TryAt = number, url, false, "", time.Time{}
		m.Issues++
		if resumed := "resume:" + strconv.Itoa(m.Episode); m.Episode > 1 && !m.did(resumed) {
			m.Done = append(m.Done, resumed)
		}
	}
	if through := s.Write.Through; !through.IsZero() {
		m.Told = through
	}
	return m
}

// Refused returns what is to be remembered once GitHub refused to open the issue: it is tried again a day later, for as long as the
// retrospective is owed.
func (m Memory) Refused(s Step, why string, now time.Time) Memory {
	m.Done = append(slices.Clone(m.Done), s.Key)
	m.Attempts++
	m.Opening, m.Refusal, m.TryAt = false, why, now.Add(tryAgain)
	return m
}

// RecheckAt returns when time alone calls for another look; zero: never.
func (m *Memory) RecheckAt(now time.Time) (at time.Time) {
	consider := func(t time.Time) {
		if t.After(now) && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	if m.owes() {
		consider(m.Declaration.Due)
		if m.Issue == 0 {
			consider(m.TryAt)
		}
		if !m.Missed.IsZero() {
			consider(m.Missed.Add(change.MissedFor))
		}
		if !m.did("remind") {
			consider(m.remindAt())
		}
	}
	if m.awaitsReviews() {
		consider(m.Declaration.Due)
	}
	return at
}
