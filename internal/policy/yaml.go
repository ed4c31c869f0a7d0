package policy

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/changegate/changegate/internal/yamlnode"
)

// The limits of a policy's text. They are checked on its tokens, before a tree is built of it.
const (
	MaxBytes     = 256 << 10
	MaxTokens    = 20_000 // names, values and punctuation
	maxDepth     = 16
	maxKeyLength = 100
)

// at is a place in the file; the zero value says that what would be there is absent.
type at struct {
	line, column int
	unread       bool // something is there, and what is wrong with it was said
}

func (a at) place() at     { return a }
func (a at) present() bool { return a.line > 0 }

// stated says whether there is anything, right or wrong. What is wrong is not missing besides.
func (a at) stated() bool { return a.present() || a.unread }

// The values that a file is made of, each with its place.
type (
	text struct {
		at
		value string
	}
	number struct {
		at
		value int
	}
	boolean struct {
		at
		value bool
	}
	list[T any] struct {
		at
		items []T
	}
	// names is a mapping whose keys the policy chooses, in the order of the file.
	names[T any] struct {
		at
		entries []named[T]
	}
	named[T any] struct {
		name  text
		value T
	}
)

// readable is a value that knows how to read itself from YAML.
type readable interface {
	read(r *reader, n ast.Node, what string)
}

// placed is a mapping of the file's shape: a struct that embeds at.
type placed interface {
	place() at
	setPlace(at)
}

func (a *at) setPlace(p at) { *a = p }

// reader collects what is wrong while a file is read, so that its author sees all of it at once.
type reader struct{ problems Problems }

func (r *reader) problem(where at, message, mend string) {
	r.problems = append(r.problems, Problem{where.line, where.column, Error, message, mend})
}

func (r *reader) warn(where at, message, mend string) {
	r.problems = append(r.problems, Problem{where.line, where.column, Warning, message, mend})
}

// document returns the one mapping that text holds, nil if there is none.
func (r *reader) document(source []byte) ast.Node {
	switch {
	case len(source) > MaxBytes:
		r.problem(at{}, fmt.Sprintf("the file has more than %d bytes", MaxBytes), "keep it to that")
		return nil
	case !utf8.Valid(source):
		r.problem(at{}, "the file is not UTF-8", "save it as UTF-8")
		return nil
	}
	contents := strings.TrimPrefix(string(source), "\ufeff")
	line, column := 1, 1
	for _, c := range contents {
		if c != '\n' && c != '\r' && c != '\t' && unicode.IsControl(c) {
			r.problem(at{line: line, column: column}, fmt.Sprintf("there is a control character (%U)", c), "take it out")
			return nil
		}
		if column++; c == '\n' {
			line, column = line+1, 1
		}
	}
	tokens := lexer.Tokenize(contents)
	if !r.sound(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err, contents)
		return nil
	}
	var bodies []ast.Node
	for _, d := range file.Docs {
		if d.Body != nil {
			bodies = append(bodies, d.Body)
		}
	}
	switch len(bodies) {
	case 0:
		r.problem(at{}, "the policy is empty", "write at least `version: 1`, or delete the file to use the default")
		return nil
	case 1:
		return bodies[0]
	default:
		r.problem(nodePlace(bodies[1]), "there is more than one document", "keep one, and take the --- away")
		return nil
	}
}

// sound refuses what a policy has no use for and what makes YAML costly or surprising.
func (r *reader) sound(tokens token.Tokens) bool {
	if len(tokens) > MaxTokens {
		r.problem(at{}, fmt.Sprintf("the file has %d names, values and marks", len(tokens)), fmt.Sprintf("keep it under %d", MaxTokens))
		return false
	}
	flow, dashes := 0, 0
	before := len(r.problems)
	for _, t := range tokens {
		where := at{line: t.Position.Line, column: t.Position.Column}
		if t.Type == token.SequenceEntryType {
			dashes++
		} else {
			dashes = 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			r.problem(where, "there is a YAML anchor, alias or merge", `write out what it stands for; put a value that begins with "*" or "&" in quotes`)
		case token.TagType:
			r.problem(where, "there is a YAML tag", `take it away; put a value that begins with "!" in quotes`)
		case token.DirectiveType:
			r.problem(where, "there is a YAML directive", `take it away; put a value that begins with "%" in quotes`)
		case token.MappingKeyType:
			r.problem(where, "there is a complex key", `write "name: value"; put a value that begins with "?" in quotes`)
		}
		if flow > maxDepth || dashes > maxDepth {
			r.problem(where, "the file is nested too deeply", fmt.Sprintf("no policy needs more than %d levels", maxDepth))
			return false
		}
	}
	return len(r.problems) == before
}

// unquotedComparison is where YAML takes a comparison for the start of a folded text.
var unquotedComparison = regexp.MustCompile(`(?m)changed_(lines|files): *[<>=!]`)

// unspaced is a key with a value that YAML reads as one text.
var unspaced = regexp.MustCompile(`^[A-Za-z][\w-]*:[^\s:/]`)

const spaceMend = "put a space after the colon"

// syntax reports what the YAML parser says.
func (r *reader) syntax(err error, contents string) {
	var se *yaml.SyntaxError
	if !errors.As(err, &se) || se.Token == nil {
		r.problem(at{}, "this is not YAML: "+firstLine(err.Error()), "fix the syntax")
		return
	}
	mend := "fix the syntax here or on the line before"
	switch {
	case unspaced.MatchString(se.Token.Value):
		mend = spaceMend
	case unquotedComparison.MatchString(contents):
		mend = `put comparisons in quotes: "> 1500"`
	}
	r.problem(at{line: se.Token.Position.Line, column: se.Token.Position.Column}, "this is not YAML: "+firstLine(se.Message), mend)
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// mapping reads a node into a struct of the file's shape: fields with a `key` tag, all of them values with a place.
func (r *reader) mapping(n ast.Node, into any, what string) {
	entries, ok := r.entries(n, what, into)
	if !ok {
		return
	}
	into.(placed).setPlace(nodePlace(n))
	v := reflect.ValueOf(into).Elem()
	fields := map[string]int{}
	var known []string
	for i := range v.NumField() {
		if key := v.Type().Field(i).Tag.Get("key"); key != "" {
			fields[key] = i
			known = append(known, key)
		}
	}
	for _, e := range entries {
		i, ok := fields[e.key.value]
		if !ok {
			r.problem(e.key.at, fmt.Sprintf("%s has no key %q", what, e.key.value), didYouMean(e.key.value, known))
			continue
		}
		field := v.Field(i).Addr().Interface()
		r.value(e.value, field, e.key.value)
		value := field.(placed)
		if !value.place().present() {
			value.setPlace(at{unread: true})
		} else if _, list := field.(readable); !list {
			value.setPlace(e.key.at) // a mapping under its key is found at the key
		}
	}
}

// value reads a node into a value of the file's shape.
func (r *reader) value(n ast.Node, into any, what string) {
	if into, ok := into.(readable); ok {
		into.read(r, n, what)
		return
	}
	r.mapping(n, into, what)
}

type entry struct {
	key   text
	value ast.Node
}

// entries returns the entries of a mapping that is to become a value of the file's shape, in the order of the file, each key once.
func (r *reader) entries(n ast.Node, what string, into any) ([]entry, bool) {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		if text, ok := n.(*ast.StringNode); ok && unspaced.MatchString(text.Value) {
			r.problem(nodePlace(n), fmt.Sprintf("%q is a text, and no key with a value", text.Value), spaceMend)
			return nil, false
		}
		r.wrongKind(n, what, "names with values "+cmp.Or(example(into), `("key: value")`))
		return nil, false
	}
	seen := map[string]at{}
	var out []entry
	for _, v := range values {
		key, ok := v.Key.(*ast.StringNode)
		where := nodePlace(v.Key)
		if !ok || len(key.Value) > maxKeyLength {
			r.problem(where, "this key is not a short text", "put it in quotes")
			continue
		}
		if key.GetToken().Type == token.StringType && strings.Contains(key.Value, ":{") {
			r.problem(where, fmt.Sprintf("%q is no key", key.Value), spaceMend)
			continue
		}
		if first, ok := seen[key.Value]; ok {
			r.problem(where, fmt.Sprintf("%q is here twice", key.Value), fmt.Sprintf("merge it with line %d", first.line))
			continue
		}
		seen[key.Value] = where
		out = append(out, entry{text{where, key.Value}, v.Value})
	}
	return out, true
}

// example is how a value of the file's shape is written, where something else is often written in its place; empty where nothing is.
func example(into any) string {
	switch into.(type) {
	case *roleShape:
		return "{teams: [tech-leads]}"
	case *whenShape:
		return `{any: [{paths: ["**/migrations/**"]}]}`
	case *ruleShape:
		return `{paths: ["**/migrations/**"]}`
	case *approvalShape:
		return "{role: reviewer, count: 2}"
	case *checkShape:
		return "{name: build, app: github-actions}"
	case *securityShape:
		return `{role: security, triggers: {authentication: {paths: ["**/auth/**"]}}}`
	case *triggerShape:
		return `{paths: ["**/auth/**"]}`
	case *labelsShape:
		return "{lowered_by: tech-lead}"
	case *dismissalsShape:
		return "{by: tech-lead}"
	case *emergencyShape:
		return "{declared_by: on-call}"
	case *environmentShape:
		return `{}, or {hours: "Mon-Fri 09:00-16:00"}`
	case *freezeShape:
		return "{name: year end, from: 2026-12-18, until: 2027-01-04}"
	}
	return ""
}

func (r *reader) wrongKind(n ast.Node, what, want string) {
	r.problem(nodePlace(n), fmt.Sprintf("%s is %s", what, yamlnode.Kind(n)), "write "+want)
}

// insteadOf is what to write where a key that takes a text has a number, or true or false.
func insteadOf(value, key string) string {
	switch key {
	case "within", "monitor", "timeout", "grace", "lasts":
		return durationMend
	case "deployments":
		return "use one of create, record, off"
	case "changed_lines", "changed_files":
		return fmt.Sprintf(`compare with it, in quotes: "> %s"`, value)
	}
	return fmt.Sprintf(`put it in quotes: "%s"`, value)
}

func (t *text) read(r *reader, n ast.Node, what string) {
	switch n := n.(type) {
	case *ast.StringNode:
		t.value = n.Value
	case *ast.LiteralNode:
		t.value = strings.TrimSuffix(n.Value.Value, "\n")
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		r.problem(nodePlace(n), fmt.Sprintf("%s is %s", what, yamlnode.Kind(n)), insteadOf(n.GetToken().Value, what))
		return
	default:
		r.wrongKind(n, what, "a text")
		return
	}
	if strings.TrimSpace(t.value) == "" {
		r.problem(nodePlace(n), what+" is an empty text", "say something, or take the key away")
		return
	}
	t.at = nodePlace(n)
}

func (i *number) read(r *reader, n ast.Node, what string) {
	if _, ok := n.(*ast.FloatNode); ok {
		r.problem(nodePlace(n), fmt.Sprintf("%s is %s", what, n.GetToken().Value), "write a whole number")
		return
	}
	in, ok := n.(*ast.IntegerNode)
	if !ok {
		r.wrongKind(n, what, "a whole number")
		return
	}
	i.at = nodePlace(n)
	switch v := in.Value.(type) {
	case int64:
		i.value = int(min(max(v, math.MinInt32), math.MaxInt32)) // an int may have no more bits
	case uint64:
		i.value = int(min(v, math.MaxInt32))
	}
}

func (f *boolean) read(r *reader, n ast.Node, what string) {
	switch n := n.(type) {
	case *ast.BoolNode:
		f.at, f.value = nodePlace(n), n.Value
		return
	case *ast.StringNode: // what people write, and older YAML reads so
		plain, word := n.GetToken().Type == token.StringType, strings.ToLower(n.Value)
		switch {
		case plain && (n.Value == "yes" || n.Value == "no"):
			f.at, f.value = nodePlace(n), n.Value == "yes"
			return
		case !plain && slices.Contains([]string{"yes", "no", "true", "false"}, word):
			r.problem(nodePlace(n), what+" is in quotes", "take them away: "+word)
			return
		case word == "yes" || word == "no":
			r.problem(nodePlace(n), fmt.Sprintf("%s is %q", what, n.Value), "write "+word)
			return
		}
	}
	r.wrongKind(n, what, "yes or no, or true or false")
}

func (l *list[T]) read(r *reader, n ast.Node, what string) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.wrongKind(n, what, "a list: ["+cmp.Or(example(new(T)), "one, two")+"], or a line with a dash for each")
		return
	}
	l.at = nodePlace(n)
	l.items = make([]T, len(s.Values))
	for i, v := range s.Values {
		r.value(v, &l.items[i], "an item of "+what)
	}
}

func (m *names[T]) read(r *reader, n ast.Node, what string) {
	entries, ok := r.entries(n, what, m)
	if !ok {
		return
	}
	m.at = nodePlace(n)
	m.entries = make([]named[T], len(entries))
	for i, e := range entries {
		m.entries[i].name = e.key
		r.value(e.value, &m.entries[i].value, e.key.value)
	}
}

// values returns the texts of a list.
func values(l list[text]) []string {
	var out []string
	for _, t := range l.items {
		if t.present() {
			out = append(out, t.value)
		}
	}
	return out
}

func nodePlace(n ast.Node) at {
	line, column := yamlnode.Place(n)
	return at{line: line, column: column}
}
