package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/record"
)

// scheduled is the field that says before which day a change is not deployed.
const scheduled = "scheduled"

// standardFields are the sections that exist without being declared. A policy's own entry of the same name changes what it names
// and keeps the rest.
func standardFields() []*Field {
	return []*Field{
		{Name: "description", Title: "Description", Type: FieldText, Headings: []string{
			"Description", "Summary", "What", "What changed", "What does this change", "What does this PR do", "Changes", "Overview",
			"Why", "Motivation", "Motivation and context", "Context", "Background", "Purpose", "Business justification",
		}},
		{Name: "risk", Title: "Risk", Type: FieldChoice, Of: []string{"low", "medium", "high"}, Headings: []string{
			"Risk", "Risk assessment", "Risk level", "Risks", "Risk and impact", "Impact and risk",
		}},
		{Name: "rollback", Title: "Rollback plan", Type: FieldText, Headings: []string{
			"Rollback plan", "Rollback", "Roll-back plan", "Roll back", "Rolling back", "How to roll back", "Back-out plan", "Backout plan", "Backout", "Revert plan", "How to revert",
		}},
		{Name: "testing", Title: "Testing", Type: FieldTasks, Headings: []string{
			"Testing", "Testing performed", "Tests", "Test plan", "Testing done", "Tested", "How was this tested", "How has this been tested",
			"How to test", "Verification", "QA",
		}},
		{Name: "security", Title: "Security considerations", Type: FieldText, NA: true, Headings: []string{
			"Security considerations", "Security", "Security impact", "Security implications", "Security notes",
		}},
		{Name: "justification", Title: "Justification", Type: FieldText, Headings: []string{
			"Justification", "Emergency justification", "Emergency", "Why now", "Reason for emergency",
		}},
		{Name: scheduled, Title: "Scheduled", Type: FieldDate, Headings: []string{"Scheduled", "Not before"}},
	}
}

// The types that a field may be declared with, text first.
var fieldTypes = []string{string(FieldText), string(FieldChoice), string(FieldDate), string(FieldYesNo), string(FieldList), string(FieldTasks)}

func (c *compiler) fields(n names[fieldShape]) []*Field {
	fields := standardFields()
	for _, e := range n.entries {
		s := e.value
		if !c.goodName(e.name, "a field of the record") || !s.present() {
			continue
		}
		var f *Field
		if i := slices.IndexFunc(fields, func(f *Field) bool { return f.Name == e.name.value }); i >= 0 {
			f = fields[i]
		} else {
			title := sentence(e.name.value)
			f = &Field{Name: e.name.value, Title: title, Headings: []string{title}, Type: FieldText}
			fields = append(fields, f)
		}
		c.field(f, e.name, s)
	}
	c.distinctHeadings(fields, n)
	return fields
}

// field reads what an entry of the record says over what the field is without it.
func (c *compiler) field(f *Field, name text, s fieldShape) {
	f.Line = name.line
	if s.Title.present() {
		f.Title = s.Title.value
		if !s.Headings.present() && !slices.Contains(f.Headings, f.Title) {
			f.Headings = append([]string{f.Title}, f.Headings...)
		}
	}
	if s.Headings.present() {
		f.Headings = values(s.Headings)
		if len(f.Headings) == 0 {
			c.problem(s.Headings.at, fmt.Sprintf("no heading introduces %q", f.Name), "list one, or take the key away")
		}
	}
	if s.Type.present() {
		declared := FieldType(c.oneOf(s.Type, "type", fieldTypes...))
		if f.Name == "risk" && declared != FieldChoice {
			c.problem(s.Type.at, "risk is a choice of low, medium and high", "take `type` away")
		}
		if f.Name == scheduled && declared != FieldDate {
			c.problem(s.Type.at, "scheduled is a date", "take `type` away")
		}
		f.Type = declared
	}
	if s.Of.present() {
		f.Of = values(s.Of)
		if f.Name == "risk" && !slices.Equal(f.Of, []string{"low", "medium", "high"}) {
			c.problem(s.Of.at, "risk is a choice of low, medium and high", "take `of` away")
		}
	}
	switch {
	case f.Type == FieldChoice && len(f.Of) < 2:
		c.problem(name.at, fmt.Sprintf("the choice %q has %d values", f.Name, len(f.Of)), "list two or more: `of: [none, minutes, hours]`")
	case f.Type != FieldChoice && s.Of.present():
		c.problem(s.Of.at, fmt.Sprintf("%q lists values and is not a choice", f.Name), "write `type: choice`")
	}
	if s.NA.present() {
		f.NA = s.NA.value
		if f.Name == "risk" && f.NA {
			c.problem(s.NA.at, "a change always has a risk", "take `na` away")
		}
	}
	for _, t := range s.RequiredIn.items {
		if !t.present() {
			continue
		}
		category, err := change.ParseCategory(t.value)
		if err != nil || category == change.Uncategorized {
			c.problem(t.at, fmt.Sprintf("%q is not a category", t.value), didYouMean(t.value, []string{"standard", "normal", "high-risk", "emergency"}))
			continue
		}
		f.RequiredIn = append(f.RequiredIn, category)
	}
}

// distinctHeadings reports a heading of the file's own that introduces two fields, and takes it from those that have it because they are
// built in. Headings are told apart as they are where a description is read.
func (c *compiler) distinctHeadings(fields []*Field, n names[fieldShape]) {
	place, listed := map[string]at{}, map[string]bool{}
	for _, e := range n.entries {
		place[e.name.value], listed[e.name.value] = e.name.at, e.value.Headings.present()
	}
	builtIn := map[string][]string{}
	for _, f := range standardFields() {
		if !listed[f.Name] {
			builtIn[f.Name] = f.Headings
		}
	}
	owner := map[string]*Field{}
	for _, f := range fields {
		for _, h := range f.Headings {
			key := record.Key(h)
			if key == "" || slices.Contains(builtIn[f.Name], h) {
				continue
			}
			if other := owner[key]; other != nil && other != f {
				c.problem(place[f.Name], fmt.Sprintf("the heading %q introduces both %q and %q", h, other.Name, f.Name), "keep it in one of them")
			}
			owner[key] = f
		}
	}
	for _, f := range fields {
		f.Headings = slices.DeleteFunc(f.Headings, func(h string) bool {
			other := owner[record.Key(h)]
			return other != nil && other != f && slices.Contains(builtIn[f.Name], h)
		})
	}
}

// sentence makes a title of a name: "data_migration" becomes "Data migration".
func sentence(name string) string {
	name = strings.NewReplacer("_", " ", "-", " ").Replace(name)
	r, n := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(r)) + name[n:]
}
