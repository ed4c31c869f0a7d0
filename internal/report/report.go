// Package report shows a decision to people: as the title, summary and text of a check run, and as a tree in a terminal.
//
// Whatever strangers wrote (paths, labels, logins, prose) reaches it in parts that say so (see change.Text), and is shown so that it
// can neither format, link nor ping. Equal decisions give equal output.
package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Limits of a check run's output. GitHub counts characters; the lengths here are bytes of UTF-8, which are never fewer.
const (
	MaxTitle   = 255
	MaxSummary = 65_535
	MaxText    = 65_535
)

// Render returns all three parts of a check run's output.
func Render(d change.Decision) (title, summary, text string) { return Title(d), Summary(d), Text(d) }

// Title returns the decision in one line of at most MaxTitle bytes, as plain text.
func Title(d change.Decision) string {
	var b strings.Builder
	if d.Observing {
		b.WriteString("Observing: ")
	}
	b.WriteString(subject(d))
	b.WriteString(": ")
	return b.String() + listed(headline(d), MaxTitle-b.Len())
}

// listed puts words in a row of at most n bytes. What does not fit is counted: half a word could be taken for another.
func listed(words []string, n int) string {
	all := strings.Join(words, " · ")
	for k := min(len(words)-1, n/len(" · ")); len(all) > n && k > 0; k-- {
		all = strings.Join(words[:k], " · ") + " · " + strconv.Itoa(len(words)-k) + " more"
	}
	return change.Shorten(all, n)
}

// subject names what the title is about.
func subject(d change.Decision) string {
	category := d.Category.String()
	switch {
	case !d.Governed:
		return "No policy here"
	case d.Category == change.Uncategorized:
		return "Policy"
	case isDraft(d):
		return "Draft, " + category
	}
	return strings.ToUpper(category[:1]) + category[1:]
}

func isDraft(d change.Decision) bool {
	return slices.ContainsFunc(d.Requirements, func(r change.Requirement) bool { return r.Kind == change.KindDraft })
}

// byUrgency are the kinds of requirement in the order of the title: what stops everything, then the people, then what the author
// does alone.
var byUrgency = [...]change.RequirementKind{
	change.KindPolicy, change.KindLimits, change.KindRejection, change.KindChangesRequested, change.KindApprovals, change.KindSecurityReview, change.KindRecord,
	change.KindAttribution, change.KindChecks, change.KindFreeze,
}

// headline returns what is open in few words each, or who approved.
func headline(d change.Decision) []string {
	if !d.Governed {
		return []string{"this branch is not governed"}
	}
	draft := isDraft(d)
	open := slices.DeleteFunc(slices.Clone(d.Requirements), func(r change.Requirement) bool {
		return r.State == change.Met || r.Kind == change.KindDraft || draft && r.Kind == change.KindChecks // a draft's are not read
	})
	slices.SortStableFunc(open, func(a, b change.Requirement) int {
		return cmp.Compare(slices.Index(byUrgency[:], a.Kind), slices.Index(byUrgency[:], b.Kind))
	})
	var words []string
	for _, r := range open {
		what := plain(r.Short)
		if what == "" {
			what = plain(r.Name)
		}
		if when := term(d, r); when != "" {
			what += " " + when
		}
		if !slices.Contains(words, what) { // two policies may ask for the same in two ways
			words = append(words, what)
		}
	}
	if len(words) > 0 {
		return words
	}
	var by []string
	for _, r := range d.Requirements {
		for _, a := range r.By {
			if login := change.Visible(a.Login); !slices.Contains(by, login) && (r.Kind == change.KindApprovals || r.Kind == change.KindSecurityReview) {
				by = append(by, login)
			}
		}
	}
	switch {
	case draft:
		return []string{"waits until it is ready for review"}
	case len(by) > 0:
		return []string{"approved by " + strings.Join(by, ", ")}
	}
	return []string{"nothing more is needed"}
}

// term says when something that an emergency owes is due, or since when it is overdue; empty for all else.
func term(d change.Decision, r change.Requirement) string {
	switch {
	case r.State == change.Owed:
		return "due by " + deadline(r.Due, d.Declaration)
	case r.State == change.Awaited && !r.Due.IsZero() && r.Kind != change.KindFreeze:
		return "overdue since " + r.Due.UTC().Format(dayAndTime)
	}
	return ""
}

const (
	dayAndTime = "2 January 15:04 UTC"
	timeOfDay  = "15:04 UTC"
)

// deadline shows when something will be due. A decision does not say when it is read, so the day is left out only where the emergency was
// declared on that day: whoever reads of a deadline to come reads on it then.
func deadline(due time.Time, declared *change.Declaration) string {
	due = due.UTC()
	if declared != nil && due.Format(time.DateOnly) == declared.At.UTC().Format(time.DateOnly) {
		return due.Format(timeOfDay)
	}
	return due.Format(dayAndTime)
}

// Summary returns the decision in Markdown of at most MaxSummary bytes: the requirements as a table, why the change is what it is, which
// reviews do not count and why, and what else a reader should know. What does not fit is counted.
func Summary(d change.Decision) string {
	p := page{limit: MaxSummary}
	if !d.Governed {
		return "This pull request goes into a branch that no policy governs.\n"
	}
	if d.Observing {
		p.add(block{head: observes})
	}
	if e := d.Declaration; e != nil {
		wouldBe := ". Without the declaration it would be "
		if d.State == change.Merged {
			wouldBe = ". It is merged. Without the declaration it would have been "
		}
		p.add(block{head: "Declared an emergency by " + markdown(change.Login(e.By)) + " on " + e.At.UTC().Format("2 January 2006 at 15:04 UTC") +
			". What it owes, and the retrospective in the issue opened for it, is due by " + e.Due.UTC().Format("2 January 2006 at 15:04 UTC") + wouldBe + d.Underlying.String() + ".\n\n"})
	}
	if len(d.Requirements) > 0 {
		p.add(block{head: "| | Requirement | State | Next |\n|---|---|---|---|\n", rows: requirementRows(d), more: moreRow, tail: "\n"})
	} else {
		p.add(block{head: "Nothing is required.\n\n"})
	}
	p.add(why(d))
	p.add(bullets("**Reviews that do not count:**\n\n", doNotCount(d)))
	notes := make([]string, len(d.Notes))
	for i, n := range d.Notes {
		notes[i] = markdown(n)
	}
	p.add(bullets("**Notes:**\n\n", notes))
	p.add(block{head: policyLine(d)})
	return p.String()
}

// observes tells whoever is shown red rows beside a neutral check what they mean.
const observes = "The policy only observes: nothing below holds up the merge.\n\n"

// marks show how a requirement stands.
var marks = map[change.RequirementState]string{
	change.Met: "✅", change.Awaited: "⏳", change.Missing: "❌", change.Failed: "❌", change.Blocked: "❌", change.Owed: "🕒",
}

func requirementRows(d change.Decision) []string {
	rows := make([]string, len(d.Requirements))
	for i, r := range d.Requirements {
		found := markdown(r.Found)
		if found == "" {
			found = "–"
		}
		next := markdown(r.Next)
		if when := term(d, r); when != "" {
			next = strings.TrimPrefix(next+"; "+when, "; ")
		}
		rows[i] = "| " + marks[r.State] + " | " + markdown(r.Name) + " | " + found + " | " + next + " |\n"
	}
	return rows
}

func moreRow(n int) string { return "| | … and " + strconv.Itoa(n) + " more | | |\n" }

// why says which rules made the category what it is.
func why(d change.Decision) block {
	category := d.Category
	if d.Declaration != nil {
		category = d.Underlying
	}
	if category == change.Uncategorized {
		return block{}
	}
	var rows []string
	for _, m := range d.Matches {
		if m.Category == category && m.Trigger == "" {
			rows = append(rows, matchLine(d, m))
		}
	}
	head := "**Why " + category.String() + ":**"
	switch {
	case len(rows) == 0 && d.State == change.Merged && category != change.Normal:
		return block{head: head + " it was when it was merged.\n\n"}
	case len(rows) == 0:
		return block{head: head + " no rule for another category matches.\n\n"}
	case len(rows) == 1:
		return block{head: head + " " + rows[0] + "\n\n"}
	}
	return bullets(head+"\n\n", rows)
}

// matchLine says what matched which rule, and where the policy has it.
func matchLine(d change.Decision, m change.Match) string {
	return markdown(matchText(d, m))
}

// matchText is matchLine before it is rendered.
func matchText(d change.Decision, m change.Match) change.Text {
	t := m.Subject
	verb := " matches "
	if m.More > 0 {
		verb = " match "
		t = change.Say(t, change.Words(" and "+count(m.More, "other file", "other files")))
	}
	t = change.Say(t, change.Words(verb), m.Rule)
	if m.Because != "" {
		t = change.Say(t, change.Words(" ("), change.Quote(m.Because), change.Words(")"))
	}
	switch {
	case m.Line == 0:
		return change.Say(t, change.Words(", a rule that every policy has."))
	case m.Source == d.Policy.Source || m.Source == "":
		return change.Say(t, change.Words(", line "+strconv.Itoa(m.Line)+" of the policy."))
	}
	return change.Say(t, change.Words(", line "+strconv.Itoa(m.Line)+" of "), change.Code(m.Source), change.Words("."))
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// doNotCount lists the reviews that count for nothing, with the reason.
func doNotCount(d change.Decision) []string {
	var rows []string
	for _, o := range d.Opinions {
		if !o.Counts && !o.Why.IsEmpty() {
			rows = append(rows, markdown(change.Say(change.Login(o.By), change.Words(" "+stateWords(o.State)+": "), o.Why)))
		}
	}
	return rows
}

// stateWords says what a review did.
func stateWords(s change.ReviewState) string {
	switch {
	case s.Is(change.Approved):
		return "approved"
	case s.Is(change.ChangesRequested):
		return "requested changes"
	case s.Is(change.Dismissed):
		return "requested changes, which somebody dismissed"
	}
	return "reviewed"
}

func policyLine(d change.Decision) string {
	if d.Policy.Source == "" {
		return ""
	}
	by := policyName(d.Policy)
	if d.Floor.Source != "" {
		by = change.Say(by, change.Words(" beside the owner's "), policyName(d.Floor))
	}
	return "Decided by " + markdown(by) + " for " + markdown(change.Code(d.Head.Short())) + ".\n"
}

func policyName(p change.PolicyRef) change.Text {
	if p.SHA == "" {
		return change.Code(p.Source)
	}
	return change.Say(change.Code(p.Source), change.Words(" at "), change.Code(p.SHA.Short()))
}

// Text returns the details in Markdown of at most MaxText bytes: every rule that matched, whether or not it decided, and every review.
func Text(d change.Decision) string {
	p := page{limit: MaxText}
	matches := make([]string, 0, len(d.Matches))
	for _, m := range d.Matches {
		kind := m.Category.String()
		if m.Trigger != "" {
			kind = "security review, " + markdown(change.Quote(m.Trigger))
		}
		matches = append(matches, kind+": "+matchLine(d, m))
	}
	p.add(bullets("**Every rule that matched:**\n\n", matches))
	var rows []string
	for _, o := range d.Opinions {
		counts := "no"
		switch {
		case o.Counts:
			counts = "for " + strings.Join(o.Roles, ", ")
		case o.Why.IsEmpty(): // an objection
			counts = "holds it up"
		}
		rows = append(rows, "| "+markdown(change.Login(o.By))+" | "+stateWords(o.State)+" | "+markdown(change.Code(o.SHA.Short()))+" | "+
			markdown(change.Quote(counts))+" | "+markdown(o.Why)+" |\n")
	}
	if len(rows) > 0 {
		p.add(block{head: "| Reviewer | Review | Commit | Counts | Why not |\n|---|---|---|---|---|\n", rows: rows, more: func(n int) string {
			return "| … and " + strconv.Itoa(n) + " more | | | | |\n"
		}})
	}
	return p.String()
}
