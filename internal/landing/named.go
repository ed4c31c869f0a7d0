package landing

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/store"
)

// What follows is about exceptions that are found before it is known who did them.

// naming is the body of a ledger entry that says so. Members may be added; their names and meanings never change.
type naming struct {
	Key  string               `json:"key"` // the exception's
	Kind change.ExceptionKind `json:"kind"`
	By   []change.Account     `json:"by"` // who did it as well
	At   time.Time            `json:"at"` // when that became known
	// Withdrawn is the explanation that counted, and counts no more because it is by one of them.
	Withdrawn *explanation `json:"withdrawn,omitempty"`
}

// named leaves for an exception's errand who did it, which was not known when it was found.
func named(repo change.RepositoryID, key string, by change.Account, at time.Time) change.Raised {
	note := exceptionNote{Exception: change.Exception{Key: key}, Also: []change.Account{by}}
	return change.Raised{
		Errand: change.Errand{Kind: change.ErrandException, Repository: repo, Name: key},
		Notes:  []change.Note{change.NewNote(fmt.Sprintf("%s by %d", key, by.ID), at, note)},
	}
}

// name adds to an exception who did it as well, and returns what is to be recorded of that; nil: they were known. An explanation by one of them
// counts no more.
func (s *exceptionState) name(also []change.Account, now time.Time) *naming {
	e := &s.Exception
	before := len(known(e.By...))
	if e.By = known(append(e.By, also...)...); len(e.By) == before {
		return nil
	}
	n := &naming{Key: e.Key, Kind: e.Kind, By: e.By[before:], At: now}
	if x := s.Explained; x != nil && slices.ContainsFunc(n.By, func(a change.Account) bool { return a.ID == x.By.ID }) {
		n.Withdrawn, s.Explained, s.Closed = x, nil, false
		s.Withdrawn++
	}
	return n
}

// entry is the evidence; nil: none.
func (n *naming) entry(e change.Exception) []ledger.Draft {
	if n == nil {
		return nil
	}
	return []ledger.Draft{evidence(e, ledger.ExceptionNamed, n)}
}

// tellWho has the issue name who did it, which was not known when it was opened, and keeps that. If one of them had explained it, it is open again.
func (r *run) tellWho(ctx context.Context, s *exceptionState, taken []string, n *naming) error {
	save := store.ErrandSave{State: s, Taken: taken, Entries: n.entry(s.Exception)}
	var edit github.IssueEdit
	withdrawn := n != nil && n.Withdrawn != nil
	if withdrawn {
		edit.State, edit.StateReason = github.IssueOpen, "reopened"
		save.Raise = r.announce(s, s.explaining("withdrawn"), announceWithdrawn(r.work.Repository, *n))
	}
	if s.Issue != 0 && !s.Lost {
		may, err := r.mayExplain(ctx, s.Exception, change.Account{})
		if err != nil {
			return err
		}
		if withdrawn { // first, so that an issue that is open again says why
			in := r.intent(s.Exception, s.numbered(s.explaining("withdrawal")), string(plan.Comment), nil)
			if err := r.say(ctx, s.Issue, in, r.Markdown(change.Say(n.withdrawal(), change.Words(" This issue is open again. "), howToExplain()))); err != nil {
				return err
			}
		}
		if err := r.tell(ctx, s, edit, may.Who); err != nil {
			return err
		}
	}
	return r.save(ctx, save)
}

// tell has the issue say what is known of the exception now, and who may explain it: once for all who are known to have done it.
func (r *run) tell(ctx context.Context, s *exceptionState, e github.IssueEdit, who change.Text) error {
	_, marker := r.issueIntent(s)
	e.Body = r.issueBody(s.Exception, who) + "\n\n" + marker
	what := "named"
	for _, a := range s.Exception.By {
		what += fmt.Sprintf(" %d", a.ID)
	}
	return r.edit(ctx, s, what, e)
}
