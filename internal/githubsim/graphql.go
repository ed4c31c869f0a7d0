package githubsim

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/scanner"
)

// selection is one field that a GraphQL query asks for, with what it asks of its value.
type selection struct {
	name, alias string
	args        map[string]any
	fields      []selection // nil: the value is a leaf
}

// queryReader reads the part of GraphQL's language that clients write who know what they want: one query with variables, fields, aliases
// and arguments. Fragments, directives and mutations it refuses.
type queryReader struct {
	scanner.Scanner
	token     rune
	text      string
	variables map[string]any
	problem   error
}

// parseQuery returns what a query selects, with its variables put in.
func parseQuery(query string, variables map[string]any) ([]selection, error) {
	q := &queryReader{variables: variables}
	q.Init(strings.NewReader(query))
	q.Mode = scanner.ScanIdents | scanner.ScanInts | scanner.ScanStrings
	q.Whitespace |= 1 << ','
	q.Error = func(_ *scanner.Scanner, message string) { q.fail("%s", message) }
	q.next()
	if q.text == "query" {
		q.next()
		if q.token == scanner.Ident {
			q.next()
		}
		if q.token == '(' { // the variables' types, which the fields' arguments have too
			for q.before(')') {
				q.next()
			}
			q.next()
		}
	}
	fields := q.selections()
	if q.token != scanner.EOF {
		q.fail("unexpected %q", q.text)
	}
	return fields, q.problem
}

func (q *queryReader) fail(format string, args ...any) {
	if q.problem == nil {
		//lint:ignore ST1005 these are GitHub's words
		q.problem = fmt.Errorf("Parse error at %s: %s", q.Position, fmt.Sprintf(format, args...))
	}
}

func (q *queryReader) next() {
	q.token = q.Scan()
	q.text = q.TokenText()
}

// before says whether there is more to read before a closing bracket.
func (q *queryReader) before(end rune) bool {
	if q.token == scanner.EOF {
		q.fail("unexpected end of the query")
	}
	return q.problem == nil && q.token != end
}

func (q *queryReader) expect(token rune) {
	if q.token != token {
		q.fail("expected %s, got %q", scanner.TokenString(token), q.text)
		return
	}
	q.next()
}

func (q *queryReader) name() string {
	name := q.text
	q.expect(scanner.Ident)
	return name
}

func (q *queryReader) selections() []selection {
	out := []selection{}
	q.expect('{')
	for q.before('}') {
		f := selection{name: q.name(), args: map[string]any{}}
		f.alias = f.name
		if q.token == ':' {
			q.next()
			f.name = q.name()
		}
		if q.token == '(' {
			q.next()
			for q.before(')') {
				name := q.name()
				q.expect(':')
				f.args[name] = q.value()
			}
			q.next()
		}
		if q.token == '{' {
			f.fields = q.selections()
		}
		out = append(out, f)
	}
	q.expect('}')
	return out
}

// value reads an argument: a variable, a number, a string, or a name such as true, null or an enumeration's.
func (q *queryReader) value() any {
	text := q.text
	switch q.token {
	case '$':
		q.next()
		return q.variables[q.name()]
	case scanner.Int:
		q.next()
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			q.fail("%v", err)
		}
		return n
	case scanner.String:
		q.next()
		var s string
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			q.fail("%v", err)
		}
		return s
	}
	switch name := q.name(); name {
	case "true", "false":
		return name == "true"
	case "null":
		return nil
	default:
		return name
	}
}

// gqlObject is a value with fields. Each is asked for with its arguments.
type gqlObject struct {
	kind   string
	fields map[string]func(args map[string]any) (any, error)
}

// gqlError is an error that an answer tells of beside its data.
type gqlError struct {
	kind, message string // the kind may be empty
}

func (e *gqlError) Error() string { return e.message }

// resolver collects the errors of an answer.
type resolver struct{ errors []obj }

func (rs *resolver) fail(path []any, err error) {
	o := obj{"message": err.Error()}
	if len(path) > 0 {
		o["path"] = path
	}
	if e, ok := err.(*gqlError); ok && e.kind != "" {
		o["type"] = e.kind
	}
	rs.errors = append(rs.errors, o)
}

// object returns what is selected of the object. A field that fails is null, and the errors say why.
func (rs *resolver) object(from *gqlObject, fields []selection, path []any) obj {
	out := obj{}
	for _, f := range fields {
		at := append(append([]any{}, path...), f.alias)
		if f.name == "__typename" {
			out[f.alias] = from.kind
			continue
		}
		field := from.fields[f.name]
		if field == nil {
			rs.fail(at, &gqlError{message: fmt.Sprintf("Field '%s' doesn't exist on type '%s'", f.name, from.kind)})
			continue
		}
		value, err := field(f.args)
		if err != nil {
			rs.fail(at, err)
			value = nil
		}
		out[f.alias] = rs.value(value, f, at)
	}
	return out
}

func (rs *resolver) value(v any, f selection, path []any) any {
	switch v := v.(type) {
	case *gqlObject:
		if v == nil {
			return nil
		}
		if len(f.fields) == 0 {
			rs.fail(path, &gqlError{message: fmt.Sprintf("Field must have selections (field '%s' returns %s but has no selections)", f.name, v.kind)})
			return nil
		}
		return rs.object(v, f.fields, path)
	case []*gqlObject:
		out := []any{}
		for n, item := range v {
			out = append(out, rs.value(item, f, append(append([]any{}, path...), n)))
		}
		return out
	}
	return v
}
