package emergency

import (
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/report"
)

// moment is an entry of the time line.
type moment struct {
	at   time.Time
	what change.Text
}

// timeline returns what is known to have happened after a time, oldest first.
func (l *look) timeline(after time.Time) []moment {
	var all []moment
	add := func(at time.Time, what ...change.Text) {
		if at.After(after) {
			all = append(all, moment{at, change.Say(what...)})
		}
	}
	p := l.Pull
	add(p.CreatedAt, change.Login(p.Author), words(" opened the pull request"))
	for _, push := range l.Pushes {
		if push.Before != "" {
			add(push.At, change.Login(push.By), words(" pushed "), change.Code(push.After.Short()))
		}
	}
	declared := l.m.Declaration.At
	for _, e := range l.Decision.Labels {
		if !change.SameLabel(e.Label, l.m.Terms.Label) {
			continue
		}
		what := " removed "
		if e.Added {
			what = " added "
		}
		add(e.At, change.Login(e.By), words(what), change.Code(e.Label))
		if e.Added && e.At.Equal(declared) {
			declared = time.Time{} // that was it
		}
	}
	add(declared, words("the emergency was first declared"))
	for _, o := range l.Decision.Opinions {
		switch {
		case o.State.Is(change.Approved) && o.Counts:
			add(o.At, change.Login(o.By), words(" approved "), change.Code(o.SHA.Short()))
		case o.State.Is(change.ChangesRequested):
			add(o.At, change.Login(o.By), words(" requested changes"))
		}
	}
	if p.State == change.Merged {
		who := change.Text(nil)
		if p.MergedBy.Known() {
			who = change.Say(words(" by "), change.Login(p.MergedBy))
		}
		add(p.MergedAt, words("merged"), who, words(" as "), change.Code(p.MergeCommit.Short()))
	}
	slices.SortStableFunc(all, func(a, b moment) int { return a.at.Compare(b.at) })
	return all
}

// maxMoments bounds a time line: an issue has room for some hundred times as much, and a reader does not.
const maxMoments = 60

// writeTimeline writes moments as a list in Markdown. Of too many the first are left out.
func writeTimeline(b *strings.Builder, all []moment) {
	if left := len(all) - maxMoments; left > 0 {
		b.WriteString("- … earlier moments are in the pull request's own history\n")
		all = all[left:]
	}
	for _, m := range all {
		b.WriteString("- " + m.at.UTC().Format("2 January 2006, 15:04 UTC") + ": " + report.Markdown(m.what) + "\n")
	}
}
