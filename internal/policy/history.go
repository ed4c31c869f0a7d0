package policy

import (
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/record"
)

// edition is what the change record said since it was written or edited.
type edition struct {
	record record.Record
	by     change.Account
	at     time.Time
}

// readRecord reads the change record from the description, and from those before it.
func (q *inquiry) readRecord() {
	if len(q.policy.Fields) == 0 || q.measure == PathsOnly {
		return
	}
	fields := make([]record.Field, len(q.policy.Fields))
	for i, f := range q.policy.Fields {
		fields[i] = record.Field{Name: f.Name, Headings: f.Headings, Type: record.Type(f.Type), Of: f.Of, NA: f.NA}
	}
	f := q.facts
	q.record = record.Parse(f.Pull.Body, fields)
	if len(f.Descriptions) == 0 || len(f.Descriptions) == 1 && f.Descriptions[0].Body == f.Pull.Body {
		return
	}
	for _, d := range f.Descriptions {
		q.history = append(q.history, edition{record.Parse(d.Body, fields), d.By, d.At})
	}
	// An edit that no delivery told of is one by nobody known.
	if f.Descriptions[len(f.Descriptions)-1].Body != f.Pull.Body {
		q.history = append(q.history, edition{record: q.record, at: f.Now})
	}
}

// riskHeldHigh says whether the record once stated a high risk that was lowered after an approval by somebody who had not stated it and
// does not hold the role that the policy names. Approvals were given to a high risk then, and it stays one.
func (q *inquiry) riskHeldHigh() bool {
	var (
		isHigh bool
		setter change.Account
		in     edition // that lowered it in vain
	)
	for _, e := range q.history {
		said := slices.Contains(e.record.Get(riskField).Said, high)
		switch {
		case said && !isHigh:
			isHigh, setter = true, e.by
		case !said && isHigh:
			mine := e.by.Known() && e.by.ID == setter.ID
			if !q.approvedBefore(e.at) || mine || q.holds(q.role(q.policy.Labels.LoweredBy), e.by) == yes {
				isHigh = false
			} else {
				in = e
			}
		}
	}
	if !isHigh || q.statesHighRisk() {
		return isHigh
	}
	if lowerer := q.role(q.policy.Labels.LoweredBy); q.holds(lowerer, in.by) == unknown {
		q.remark(change.Words("The risk is still high so far: whether "), change.Login(in.by),
			change.Words(", who lowered it in the description after an approval and had not stated it, may lower the risk "), q.unknowable(lowerer, in.by), change.Words("."))
		return true
	}
	q.remark(change.Words("The risk is still high: "), change.Login(in.by), change.Words(" lowered it in the description after an approval, and neither had stated it nor may lower the risk: "), q.onlyLowerer())
	return true
}

// approvedBefore says whether somebody had approved before a time, whatever became of that approval. Times are GitHub's, to the second.
func (q *inquiry) approvedBefore(t time.Time) bool {
	return slices.ContainsFunc(q.facts.Reviews, func(r change.Review) bool {
		return !r.At.After(t) && (r.State.Is(change.Approved) || r.State.Is(change.Dismissed) && !r.Was.Is(change.ChangesRequested))
	})
}

// emptiedSince says whether a section that a high-risk change must have was there when it was approved and was emptied since, even if
// it was filled in again: whoever approved has not read that.
func (q *inquiry) emptiedSince(r change.Review) change.Text {
	if q.category != change.HighRisk || q.declaration != nil || len(q.history) == 0 {
		return nil
	}
	for _, name := range q.recordFields() {
		answered := false
		for _, e := range q.history {
			now := e.record.Get(name).State.Answered()
			if answered && !now && !e.at.Before(r.At) {
				return change.Say(change.Words("the section "), change.Quote(q.title(name)), change.Words(" was emptied since, by "), change.Login(e.by))
			}
			answered = now
		}
	}
	return nil
}
