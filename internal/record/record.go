// Package record reads the change record that a pull request carries in its description: the sections under Markdown headings, the
// risk that they declare, the boxes left unchecked.
//
// It knows Markdown and nothing of policies: the caller names the fields that it looks for, and gets one Value for each,
// present or with what is wrong. A description is whatever a stranger wrote; reading it takes time in proportion to its
// length and never fails.
package record

// Type is the type of a field, which says what counts as an answer.
type Type string

// The types of a field.
const (
	Text   Type = "text"   // prose that says something
	Choice Type = "choice" // one of the values in Of
	Date   Type = "date"   // a day as 2006-01-02
	YesNo  Type = "yes/no"
	List   Type = "list"  // at least one list item
	Tasks  Type = "tasks" // prose whose task list has no unchecked item
)

// Field is a section to look for.
type Field struct {
	Name     string
	Headings []string // any of them introduces it; case, punctuation and numbering do not matter
	Type     Type     // empty means Text
	Of       []string // the values of a Choice
	NA       bool     // "n/a" is an answer
}

// State is how a field was answered.
type State string

// The states of a field.
const (
	Present       State = "present"
	NotApplicable State = "n/a"     // answered with "n/a", where the field allows it
	Absent        State = "absent"  // there is no such section
	Empty         State = "empty"   // there is one, without an answer: nothing, a comment, a placeholder, an "n/a" that is not allowed
	Invalid       State = "invalid" // there is an answer, but not one of the field's type
	Unchecked     State = "unchecked"
)

// Answered says whether the state satisfies a required field.
func (s State) Answered() bool { return s == Present || s == NotApplicable }

// Value is what the description says about a field.
type Value struct {
	Field     string
	State     State
	Text      string   // the answer as plain text on one line, at most MaxText bytes
	Value     string   // of a choice, date or yes/no that is present: as the field writes it, 2006-01-02, "yes" or "no"
	Items     []string // of a list: its items
	Unchecked []string // of tasks: the items that are not checked
}

// MaxText is the greatest length of Value.Text in bytes.
const MaxText = 200

// Record is a description as read: a Value for each field that was asked for, in that order.
type Record []Value

// Get returns the value of a field; one that was not asked for is absent.
func (r Record) Get(name string) Value {
	for _, v := range r {
		if v.Field == name {
			return v
		}
	}
	return Value{Field: name, State: Absent}
}

// Parse reads the fields from a description.
func Parse(body string, fields []Field) Record {
	out := make(Record, len(fields))
	for i, f := range fields {
		out[i] = Value{Field: f.Name, State: Absent}
	}
	return out
}
