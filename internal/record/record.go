// Package record reads the change record that a pull request carries in its description: the sections under Markdown headings, the
// risk that they declare, the boxes left unchecked.
//
// It knows Markdown and nothing of policies: the caller names the fields that it looks for, and gets one Value for each,
// present or with what is wrong. A description is whatever a stranger wrote; reading it never fails, and takes time in proportion
// to its length.
package record

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

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
	Headings []string // any of them introduces it; case, punctuation, emoji and numbering do not matter
	Type     Type     // empty means Text
	Of       []string // the values of a Choice
	NA       bool     // "n/a" is an answer
}

// isProse says whether anything that says something is an answer.
func (f Field) isProse() bool { return f.Type == "" || f.Type == Text || f.Type == Tasks }

// State is how a field was answered.
type State string

// The states of a field.
const (
	Present       State = "present"
	NotApplicable State = "n/a"     // answered with "n/a", where the field allows it
	Absent        State = "absent"  // there is no such section
	Empty         State = "empty"   // there is one without an answer: nothing, a comment, a placeholder, an "n/a" that is not allowed
	Invalid       State = "invalid" // there is an answer, but not one of the field's type
	Unchecked     State = "unchecked"
)

// Answered says whether the state satisfies a required field.
func (s State) Answered() bool { return s == Present || s == NotApplicable }

// MaxText is the greatest length of Value.Text in bytes.
const MaxText = 200

// Value is what the description says about a field.
type Value struct {
	Field     string
	State     State
	Text      string   // the answer on one line, without most of its markup, at most MaxText bytes
	Value     string   // of a choice, date or yes/no that is present: as Of writes it, 2006-01-02, "yes" or "no"
	Said      []string // of a choice: every value that some section says, which is more than one where they disagree
	Items     []string // of a list: its items
	Unchecked []string // of tasks: the items that are not checked
}

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
//
// A section starts at a heading of any level, or at a line that starts in bold, whose words are one of the field's headings, and
// ends at the next heading of its level or above, or where another field starts. An answer may follow on the same line ("Risk:
// high"). Sections of the same field are read as one.
func Parse(body string, fields []Field) Record {
	answers := read(body, fields)
	out := make(Record, len(fields))
	for i, f := range fields {
		out[i] = f.value(answers[i])
	}
	return out
}

// answer is what stands in the sections of one field.
type answer struct {
	seen     bool
	sections [][]string // the lines of each section, without comments
	first    []string   // of each section, its first line that is no placeholder and stands in no item with a check box; empty: there is none
	items    []item
}

// item is a list item.
type item struct {
	text string
	box  box
}

// box is the check box of a task list item.
type box int

const (
	noBox box = iota
	unchecked
	checked
)

// value judges what stands in a field's sections by the field's type.
func (f Field) value(a answer) Value {
	v := Value{Field: f.Name, State: Absent}
	if !a.seen {
		return v
	}
	v.Text = excerpt(a.sections)
	blank, na := a.emptiness()
	// "none" may be one of a choice's values, so a choice is read before "n/a" is.
	if f.Type == Choice || f.Type == YesNo {
		of := f.Of
		if f.Type == YesNo {
			of = []string{"yes", "no"}
		}
		v.Said = a.choices(of)
		if len(v.Said) == 1 {
			v.State, v.Value = Present, v.Said[0]
			return v
		}
	}
	switch {
	case blank, na && !f.NA:
		v.State = Empty
		return v
	case na:
		v.State = NotApplicable
		return v
	}
	v.State = Present
	switch f.Type {
	case Choice, YesNo:
		v.State = Invalid
		if len(v.Said) == 0 && a.hasBoxes() {
			v.State = Empty // a list of options, none of them checked
		}
	case Date:
		if v.Value = date(v.Text); v.Value == "" {
			v.State = Invalid
		}
	case List:
		for _, it := range a.items {
			if !isPlaceholder(it.text) {
				v.Items = append(v.Items, cut(plain(it.text), MaxText))
			}
		}
		if len(v.Items) == 0 {
			v.State = Invalid
		}
	case Tasks:
		for _, it := range a.items {
			if it.box == unchecked {
				v.Unchecked = append(v.Unchecked, cut(plain(it.text), MaxText))
			}
		}
		if len(v.Unchecked) > 0 {
			v.State = Unchecked
		}
	}
	return v
}

// emptiness says whether the sections hold nothing but placeholders, or nothing but those and an "n/a".
func (a answer) emptiness() (blank, na bool) {
	blank = true
	for _, lines := range a.sections {
		for _, line := range lines {
			switch {
			case isPlaceholder(line):
			case isNA(line):
				na = true
			default:
				return false, false
			}
		}
	}
	return blank && !na, na
}

func (a answer) hasBoxes() bool {
	return slices.ContainsFunc(a.items, func(it item) bool { return it.box != noBox })
}

// choices returns which of the values the sections say, in the order of the values: the checked boxes do, and the first line of each section
// beside them by the value that it starts with, or by the only one in a short line. Beside boxes a line with every value is their prompt. Without
// them a list of all the values that was left as it is says them all, as a line does.
func (a answer) choices(of []string) []string {
	said := make([]bool, len(of))
	say := func(values []int) {
		for _, i := range values {
			said[i] = true
		}
	}
	for _, it := range a.items {
		if it.box == checked {
			say(chosen(it.text, of))
		}
	}
	for i, line := range a.first {
		values := chosen(line, of)
		if !a.hasBoxes() && listsAll(a.sections[i], line, of) {
			values = everyIndex(of)
		}
		if len(values) < len(of) || !a.hasBoxes() {
			say(values)
		}
	}
	var out []string
	for i, v := range of {
		if said[i] {
			out = append(out, v)
		}
	}
	return out
}

// listsAll says whether lines are a template's list of all the values, a line each and perhaps explained, that was left as it is: the first
// line that says something is of the list, and no value stands there twice, as it does where somebody wrote one above.
func listsAll(lines []string, first string, of []string) bool {
	listed := make([]bool, len(of))
	n := 0
	for _, line := range lines {
		i := heads(line, of)
		switch {
		case i < 0 && line == first, i >= 0 && listed[i]:
			return false
		case i >= 0:
			listed[i] = true
			n++
		}
	}
	return n == len(of)
}

// explained is what may follow a value in such a list: nothing, or what begins with a mark. "High-traffic" and "high likelihood" are answers.
var explained = regexp.MustCompile(`(?i)^(?:[ -]risk\b)?[\s*_~\x60]*(?:$|[^\pL\pN\s*_~\x60-]|-(?:$|[^\pL\pN]))`)

// heads returns which value a line is, alone or before what explains it; -1 if none.
func heads(line string, of []string) int {
	rest := trimMarks(line)
	i, n := leading(rest, of)
	if i < 0 || !explained.MatchString(rest[n:]) {
		return -1
	}
	return i
}

func everyIndex(of []string) []int {
	all := make([]int, len(of))
	for i := range all {
		all[i] = i
	}
	return all
}

// chosen returns the indexes of the values that a line says, each once: the one it starts with and those that are set against it with a slash,
// a bar, a comma, a dash, "or", "and" or "to" (a template's "low / medium / high" says all three), or else the only one in a short line.
func chosen(line string, of []string) []int {
	rest := trimMarks(line)
	var out []int
	for {
		i, n := leading(rest, of)
		if i < 0 {
			break
		}
		if !slices.Contains(out, i) {
			out = append(out, i)
		}
		after, more := cutSeparator(rest[n:])
		if !more {
			return out
		}
		rest = after
	}
	if len(out) > 0 {
		return out
	}
	words := strings.FieldsFunc(line, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' })
	if len(words) > 6 {
		return nil
	}
	for _, w := range words {
		if strings.EqualFold(w, "not") || strings.HasSuffix(strings.ToLower(w), "n't") {
			return nil
		}
		if i := slices.IndexFunc(of, func(v string) bool { return strings.EqualFold(v, w) }); i >= 0 && !slices.Contains(out, i) {
			out = append(out, i)
		}
	}
	return out
}

// leading returns which value s starts with as whole words, and how many bytes it takes; -1 if none.
func leading(s string, of []string) (index, n int) {
	index = -1
	for i, v := range of {
		if v == "" || len(v) <= n || len(s) < len(v) || !strings.EqualFold(s[:len(v)], v) {
			continue
		}
		if r, _ := utf8.DecodeRuneInString(s[len(v):]); len(s) > len(v) && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			continue
		}
		index, n = i, len(v)
	}
	return index, n
}

// cutSeparator says whether s goes on with another alternative, and returns it.
func cutSeparator(s string) (rest string, more bool) {
	s = strings.TrimLeft(s, " \t*_`~")
	if s == "" {
		return "", false
	}
	if mark, n := utf8.DecodeRuneInString(s); strings.ContainsRune("/|,-–", mark) {
		return trimMarks(s[n:]), true
	}
	for _, word := range [...]string{"or ", "and ", "to "} {
		if len(s) > len(word) && strings.EqualFold(s[:len(word)], word) {
			return trimMarks(s[len(word):]), true
		}
	}
	return "", false
}

// date returns the day that s starts with as 2006-01-02, empty if there is none.
func date(s string) string {
	s = trimMarks(s)
	if len(s) < len(time.DateOnly) {
		return ""
	}
	if r := s[len(time.DateOnly):]; r != "" && r[0] >= '0' && r[0] <= '9' {
		return ""
	}
	s = s[:len(time.DateOnly)]
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return ""
	}
	return s
}

// trimMarks drops what stands before the first letter or digit: markup, bullets, emoji.
func trimMarks(s string) string {
	return strings.TrimLeftFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// prompts are the words that a template's line starts with when it asks instead of answering.
var prompts = [...]string{
	"describe", "please", "explain", "what", "how", "why", "list", "add", "insert", "fill", "enter", "write", "your", "if", "replace", "give",
	"provide", "tell", "choose", "pick",
}

// plainPrompts are those that ask even without markup around them.
var plainPrompts = [...]string{"describe the", "describe your", "describe how", "describe what", "please ", "explain how", "explain what", "explain why", "insert ", "fill in", "your text here", "replace this"}

// requests are those that ask for words, and so begin what a template asks in several sentences. "Please revert it. If that fails, …" is an answer.
var requests = [...]string{
	"please describe", "please explain", "please include", "please list", "please provide", "please summarise", "please summarize", "please write", "describe your",
}

// blanks are words that stand where an answer is to come, the beginnings of a reference to an issue that is not named among them.
var blanks = [...]string{
	"tbd", "todo", "tba", "tbc", "to be done", "to be determined", "to be defined", "fixme", "xxx", "lorem ipsum",
	"fixes", "closes", "resolves", "fixes # (issue", "closes # (issue", "resolves # (issue",
}

// isPlaceholder says whether a line answers nothing: empty, "TBD", dots, or a template's prompt.
func isPlaceholder(line string) bool {
	inner := strings.TrimFunc(line, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if inner == "" {
		return true
	}
	if len(inner) <= 160 {
		for _, word := range blanks {
			if strings.EqualFold(inner, word) {
				return true
			}
		}
		if enclosed(strings.TrimSpace(line)) && startsWithAny(inner, prompts[:], true) {
			return true
		}
	}
	return onlyAsks(strings.TrimRight(strings.TrimSpace(line), ".…:*_ "), inner)
}

// onlyAsks says whether a line in plain words, without the marks around it inner, asks for something and says nothing: a question or a request
// is a prompt only where it is all that a short line says, or where it asks for words and only others follow it.
func onlyAsks(line, inner string) bool {
	switch {
	case len(inner) <= 160 && !strings.ContainsAny(line, ".;:"):
		return startsWithAny(inner, plainPrompts[:], false)
	case len(inner) > 500 || !startsWithAny(inner, requests[:], true):
		return false
	}
	for i, sentence := range strings.Split(line, ". ") {
		sentence = strings.TrimSpace(sentence)
		if strings.ContainsAny(sentence, ".;:") || i > 0 && !startsWithAny(sentence, plainPrompts[:], false) && !startsWithAny(sentence, prompts[:], true) {
			return false
		}
	}
	return true
}

// enclosed says whether a line stands wholly in italics or brackets, as templates write their prompts.
func enclosed(s string) bool {
	if len(s) < 2 {
		return false
	}
	open, shut := s[0], s[len(s)-1]
	switch open {
	case '_', '*':
		return shut == open && !(len(s) > 4 && s[1] == open)
	case '(', '[', '{', '<':
		return shut == map[byte]byte{'(': ')', '[': ']', '{': '}', '<': '>'}[open]
	}
	return false
}

func startsWithAny(s string, prefixes []string, whole bool) bool {
	for _, p := range prefixes {
		if len(s) < len(p) || !strings.EqualFold(s[:len(p)], p) {
			continue
		}
		if r, _ := utf8.DecodeRuneInString(s[len(p):]); whole && unicode.IsLetter(r) {
			continue
		}
		return true
	}
	return false
}

// isNA says whether a line says that the field does not apply.
func isNA(line string) bool {
	line = strings.TrimFunc(line, func(r rune) bool { return !unicode.IsLetter(r) })
	for _, word := range [...]string{"n/a", "na", "n.a", "n\\a", "not applicable", "none", "nothing", "does not apply"} {
		if strings.EqualFold(line, word) {
			return true
		}
	}
	return false
}

// excerpt returns the first words of the sections on one line.
func excerpt(sections [][]string) string {
	var b strings.Builder
	for _, lines := range sections {
		for _, line := range lines {
			if b.Len() > MaxText {
				break
			}
			// Whatever is beyond the limit is cut anyway, so a long line need not be read whole.
			if line = plain(cut(line, 4*MaxText)); line == "" {
				continue
			}
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(line)
		}
	}
	return cut(b.String(), MaxText)
}

// plain drops emphasis and code marks, and puts white space together.
func plain(s string) string {
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		switch s[i] {
		case '*', '_', '`', '\t', '\r', '\n':
			clean = false
		case ' ':
			clean = i > 0 && i+1 < len(s) && s[i+1] != ' '
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	space := false
	for i, r := range s {
		switch {
		case r == '*' || r == '`':
			continue
		case r == '_' && !insideWord(s, i):
			continue
		case unicode.IsSpace(r):
			space = true
			continue
		}
		if space && b.Len() > 0 {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
	}
	return b.String()
}

// insideWord says whether the byte at i has a letter or digit on both sides.
func insideWord(s string, i int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	after, _ := utf8.DecodeRuneInString(s[i+1:])
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }
	return word(before) && word(after)
}

// cut shortens s to at most n bytes of UTF-8, with an ellipsis where something was cut.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.TrimRight(s[:n], " ") + "…"
}
