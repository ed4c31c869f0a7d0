package policy

import (
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/record"
)

// recordFields returns the names of the record's fields that the policy that is looked at requires, in the order of its fields.
func (q *inquiry) recordFields() []string {
	var names []string
	category := q.category
	if q.declaration != nil {
		category = change.Emergency
		if e := q.policy.Emergency; e != nil {
			names = e.Record
		}
	} else if c := q.policy.Categories[category]; c != nil {
		names = c.Record
	}
	// A bot writes its descriptions itself, and nobody would mend them.
	if category == change.Standard && q.isTrustedBot(q.facts.Pull.Author) {
		return nil
	}
	var out []string
	for _, f := range q.policy.Fields {
		if slices.Contains(names, f.Name) || slices.Contains(f.RequiredIn, category) {
			out = append(out, f.Name)
		}
	}
	for _, n := range names {
		if q.field(n) == nil && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	// Nobody need say when it may ship, but whoever does is to be understood.
	if q.declaration == nil && q.record.Get(scheduled).State == record.Invalid && !slices.Contains(out, scheduled) {
		out = append(out, scheduled)
	}
	return out
}

// scheduled returns the day before which the record says that the change is not to be deployed, as 2006-01-02; the later one, if two policies
// read two. Empty: it says none.
func (q *inquiry) scheduled() string {
	day := ""
	for range q.each {
		if v := q.record.Get(scheduled); v.State == record.Present {
			day = max(day, v.Value)
		}
	}
	return day
}

func (q *inquiry) field(name string) *Field {
	for _, f := range q.policy.Fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// recordRows makes a requirement of each section of the change record. Of a section that two policies ask for, what is amiss is shown
// as each of them sees it, and once if nothing is or both see the same.
func (q *inquiry) recordRows() []change.Requirement {
	var names []string
	var rows []change.Requirement
	for range q.each {
		fields := q.recordFields()
		rows, names = slices.Grow(rows, len(fields)), slices.Grow(names, len(fields))
		for _, name := range fields {
			row := q.recordRow(name)
			switch i := slices.Index(names, name); {
			case i >= 0 && (row.State == change.Met || slices.Equal(rows[i].Next, row.Next)):
				continue
			case i >= 0 && rows[i].State == change.Met:
				rows[i] = row
				continue
			}
			rows, names = append(rows, row), append(names, name)
		}
	}
	return rows
}

func (q *inquiry) recordRow(name string) change.Requirement {
	f := q.field(name)
	if f == nil { // no such field: nothing could ever be there
		f = &Field{Name: name}
	}
	title := q.title(name)
	heading := title
	if len(f.Headings) > 0 {
		heading = f.Headings[0]
	}
	r := change.Requirement{Kind: change.KindRecord, Name: change.Quote(title), State: change.Missing}
	short := func(what string) change.Text {
		return change.Say(change.Quote(strings.ToLower(title)), change.Words(what))
	}
	section := change.Say(change.Words("the "), change.Code(heading), change.Words(" section of the description"))
	v := q.record.Get(name)
	switch v.State {
	case record.Present:
		r.State = change.Met
		r.Found = present(f, v)
	case record.NotApplicable:
		r.State, r.Found = change.Met, change.Words("n/a")
	case record.Unchecked:
		r.Found = change.Say(change.Words(plural(len(v.Unchecked), "item", "items")+" not checked off: "), change.Quote(v.Unchecked[0]))
		r.Short, r.Next = short(" unfinished"), change.Words("check off every item of its list, or remove what does not apply")
	case record.Invalid:
		r.Found = change.Quote(v.Text)
		r.Short = short(" unclear")
		r.Next = change.Say(change.Words("say "), expected(f), change.Words(" in "), section)
		if len(v.Said) > 1 {
			r.Found = change.Say(change.Words("says "), enumerated(quotes(v.Said), "and"))
		}
	case record.Empty:
		r.Found = change.Words("nothing but a placeholder")
		if v.Text != "" {
			r.Found = change.Say(r.Found, change.Words(": "), change.Quote(v.Text))
		}
		r.Short, r.Next = short(" missing"), change.Say(change.Words("fill in "), section)
	default:
		r.Found = change.Words("missing")
		r.Short = short(" missing")
		r.Next = change.Say(change.Words("add a "), change.Code("## "+heading), change.Words(" section to the description"))
	}
	return r
}

// title returns what people call a field.
func (q *inquiry) title(name string) string {
	if f := q.field(name); f != nil && f.Title != "" {
		return f.Title
	}
	return capitalized(strings.ReplaceAll(name, "_", " "))
}

// present says what a field answers, in as few words as its type allows.
func present(f *Field, v record.Value) change.Text {
	switch f.Type {
	case FieldChoice, FieldDate, FieldYesNo:
		return change.Quote(v.Value)
	case FieldList:
		return change.Words(plural(len(v.Items), "item", "items"))
	}
	return change.Words("present")
}

// expected says what answers a field's type takes.
func expected(f *Field) change.Text {
	switch f.Type {
	case FieldChoice:
		return enumerated(quotes(f.Of), "or")
	case FieldDate:
		return change.Words("a date such as 2026-01-31")
	case FieldYesNo:
		return change.Words("yes or no")
	case FieldList:
		return change.Words("it as a list")
	}
	return change.Words("something")
}

func quotes(words []string) []change.Text {
	out := make([]change.Text, len(words))
	for i, w := range words {
		out[i] = change.Quote(w)
	}
	return out
}
