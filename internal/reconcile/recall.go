package reconcile

import (
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// recall says of each review, label event and push what its head was compared with at that time, and of the description what it said before each
// edit. Retargeted is when GitHub says that the base branch was last changed; zero where deliveries told all there was.
func recall(f *change.Facts, w *store.Work, retargeted time.Time) {
	f.Retargeted = retargeted
	told := map[int64]change.Review{}
	for _, r := range w.Reviews {
		told[r.ID] = r
	}
	for i := range f.Reviews {
		r := &f.Reviews[i]
		r.Into, r.Base = told[r.ID].Into, told[r.ID].Base
		r.Base, r.MergeBase = comparedAt(w.Compared, r.SHA, r.Into, r.Base, r.At, retargeted)
	}
	f.LabelEvents = slices.Clone(f.LabelEvents)
	for i := range f.LabelEvents {
		l := &f.LabelEvents[i]
		l.Base, l.MergeBase = comparedAt(w.Compared, l.Head, l.Into, l.Base, l.At, retargeted)
	}
	f.Pushes = slices.Clone(f.Pushes)
	for i := range f.Pushes {
		p := &f.Pushes[i]
		for _, c := range w.Compared {
			if c.Head == p.After && !c.At.Before(p.At.Truncate(time.Second)) {
				p.Base, p.MergeBase = c.Tip, c.MergeBase
				break
			}
		}
	}
	f.Descriptions = editions(w)
}

// comparedAt returns what a head was compared with at a time: as it was decided then, or else the commit of the base branch that the delivery
// named. Nothing is known of what no delivery told, if the base branch was changed after it.
func comparedAt(all []store.Compared, head change.SHA, into string, base change.SHA, at, retargeted time.Time) (tip, mergeBase change.SHA) {
	if into == "" && !at.After(retargeted) {
		return "", ""
	}
	for _, c := range slices.Backward(all) {
		// GitHub's times are to the second.
		if c.Head == head && (into == "" || c.Base == into) && !c.At.Truncate(time.Second).After(at) {
			return c.Tip, c.MergeBase
		}
	}
	return base, ""
}

// editions returns the descriptions that a pull request has had. If an edit names an earlier text that no delivery told of, nobody is known to have
// written that.
func editions(w *store.Work) []change.Description {
	var all []change.Description
	at := w.Snapshot.CreatedAt
	for _, d := range w.Descriptions {
		if d.Was != nil && (len(all) == 0 || all[len(all)-1].Body != *d.Was) {
			all = append(all, change.Description{Body: *d.Was, At: at})
		}
		all = append(all, d)
		at = d.At
	}
	return all
}

// rememberHeld marks the reviews whose author was seen to hold a role while they stood, and which roles they counted for.
func rememberHeld(reviews []change.Review, before *change.Decision) {
	if before == nil {
		return
	}
	for _, o := range before.Opinions {
		for i := range reviews {
			if r := &reviews[i]; r.ID == o.Review {
				r.Held = r.Held || o.Held
				r.Counted = slices.Concat(o.Roles, o.Was)
				slices.Sort(r.Counted)
			}
		}
	}
}
