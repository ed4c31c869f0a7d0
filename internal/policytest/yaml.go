package policytest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/typo"
	"github.com/changegate/changegate/internal/yamlnode"
)

// reader collects what is wrong while a file is read, so that its author sees all of it at once.
type reader struct {
	problems policy.Problems
	anchors  map[string]*ast.AnchorNode
	values   int // how many were read, what aliases stand for included
}

func (r *reader) problem(at Place, message, mend string) {
	r.problems = append(r.problems, policy.Problem{Line: at.Line, Column: at.Column, Severity: policy.Error, Message: message, Mend: mend})
}

// document returns what the text holds, nil if that cannot be read.
func (r *reader) document(source []byte) ast.Node {
	switch {
	case len(source) > MaxBytes:
		r.problem(Place{}, fmt.Sprintf("the file has more than %d bytes", MaxBytes), "split it")
		return nil
	case !utf8.Valid(source):
		r.problem(Place{}, "the file is not UTF-8", "save it as UTF-8")
		return nil
	}
	tokens := lexer.Tokenize(strings.TrimPrefix(string(source), "\ufeff"))
	if !r.sound(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var wrong *yaml.SyntaxError
		at, what := Place{}, err.Error()
		if errors.As(err, &wrong) && wrong.Token != nil {
			at, what = Place{wrong.Token.Position.Line, wrong.Token.Position.Column}, wrong.Message
		}
		what, _, _ = strings.Cut(what, "\n")
		r.problem(at, "this is not YAML: "+what, "fix the syntax here or on the line before")
		return nil
	}
	bodies := slices.DeleteFunc(file.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	switch len(bodies) {
	case 0:
		r.problem(Place{}, "the file is empty", "write `policy`, `facts` and `tests`")
		return nil
	case 1:
	default:
		r.problem(placeOf(bodies[1].Body), "there is more than one document", "keep one, and take the --- away")
		return nil
	}
	r.anchors = map[string]*ast.AnchorNode{}
	ast.Walk(r, bodies[0].Body)
	return bodies[0].Body
}

// sound refuses, before a tree is built of them, tokens that make YAML costly or surprising.
func (r *reader) sound(tokens token.Tokens) bool {
	flow, dashes := 0, 0
	for _, t := range tokens {
		at := Place{t.Position.Line, t.Position.Column}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.MergeKeyType:
			r.problem(at, "there is a YAML merge", "write out what it stands for")
		case token.TagType:
			r.problem(at, "there is a YAML tag", `take it away; put a value that begins with "!" in quotes`)
		case token.MappingKeyType:
			r.problem(at, "there is a complex key", `write "name: value"; put a value that begins with "?" in quotes`)
		}
		if dashes++; t.Type != token.SequenceEntryType {
			dashes = 0
		}
		if flow > maxDepth || dashes > maxDepth {
			r.problem(at, "the file is nested too deeply", fmt.Sprintf("no test needs more than %d levels", maxDepth))
			return false
		}
	}
	return len(r.problems) == 0
}

// Visit gathers what aliases stand for; it implements ast.Visitor.
func (r *reader) Visit(n ast.Node) ast.Visitor {
	if anchor, ok := n.(*ast.AnchorNode); ok {
		name := anchor.Name.GetToken().Value
		if first, twice := r.anchors[name]; twice {
			r.problem(placeOf(n), fmt.Sprintf("there is an anchor &%s already, on line %d", name, placeOf(first).Line), "name it otherwise")
		} else {
			r.anchors[name] = anchor
		}
	}
	return r
}

// plain returns a node without its anchor, or what an alias stands for; nil if that is nothing, or too much.
func (r *reader) plain(n ast.Node) ast.Node {
	at := placeOf(n)
	if r.values++; r.values == maxValues {
		r.problem(at, "the file has too many values", fmt.Sprintf("keep it under %d, with what aliases stand for", maxValues))
	}
	if r.values >= maxValues {
		return nil
	}
	for range maxDepth {
		switch a := n.(type) {
		case *ast.AnchorNode:
			n = a.Value
		case *ast.AliasNode:
			name := a.Value.GetToken().Value
			anchor, ok := r.anchors[name]
			if !ok {
				r.problem(at, fmt.Sprintf("there is no anchor &%s", name), didYouMean(name, slices.Sorted(maps.Keys(r.anchors))))
				return nil
			}
			n = anchor.Value
		default:
			return n
		}
	}
	r.problem(at, "this alias stands for itself", "write out what it stands for")
	return nil
}

// entry is a key with its value.
type entry struct {
	place Place
	key   string
	value ast.Node
}

// entries returns those of a mapping in the order of the file, each key once.
func (r *reader) entries(n ast.Node, what string) (out []entry) {
	at := placeOf(n)
	var values []*ast.MappingValueNode
	switch n := r.plain(n).(type) {
	case nil:
		return nil
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		r.wrongKind(at, n, what, `names with values ("key: value")`)
		return nil
	}
	seen := map[string]int{}
	for _, v := range values {
		e := entry{placeOf(v.Key), v.Key.GetToken().Value, v.Value}
		if line, twice := seen[e.key]; twice {
			r.problem(e.place, fmt.Sprintf("%q is here twice", e.key), fmt.Sprintf("merge it with line %d", line))
			continue
		}
		seen[e.key] = e.place.Line
		out = append(out, e)
	}
	return out
}

// keys reads a mapping whose keys are known, and returns which of them are there.
func (r *reader) keys(n ast.Node, what string, known map[string]func(entry)) map[string]bool {
	there := map[string]bool{}
	for _, e := range r.entries(n, what) {
		there[e.key] = true
		if read, ok := known[e.key]; ok {
			read(e)
		} else {
			r.unknown(e, what, slices.Sorted(maps.Keys(known)))
		}
	}
	return there
}

func (r *reader) unknown(e entry, what string, known []string) {
	r.problem(e.place, fmt.Sprintf("%s has no key %q", what, e.key), didYouMean(e.key, known))
}

func (r *reader) items(n ast.Node, what string) ([]ast.Node, bool) {
	at := placeOf(n)
	n = r.plain(n)
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.wrongKind(at, n, what, "a list: [one, two], or a line with a dash for each")
		return nil, false
	}
	return s.Values, true
}

func (r *reader) text(n ast.Node, what string) string {
	at := placeOf(n)
	switch n := r.plain(n).(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case nil:
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		r.wrongKind(at, n, what, fmt.Sprintf("it in quotes: %q", n.GetToken().Value))
	default:
		r.wrongKind(at, n, what, "a text")
	}
	return ""
}

func (r *reader) boolean(n ast.Node, what string) bool {
	at := placeOf(n)
	switch n := r.plain(n).(type) {
	case *ast.BoolNode:
		return n.Value
	case *ast.StringNode:
		if n.GetToken().Type == token.StringType && (n.Value == "yes" || n.Value == "no") {
			return n.Value == "yes"
		}
		r.wrongKind(at, n, what, "yes or no, or true or false")
	default:
		r.wrongKind(at, n, what, "yes or no, or true or false")
	}
	return false
}

func (r *reader) oneOf(n ast.Node, what string, known []string) string {
	before := len(r.problems)
	text := r.text(n, what)
	if len(r.problems) == before && !slices.Contains(known, text) {
		r.problem(placeOf(n), fmt.Sprintf("%s is %q", what, text), didYouMean(text, known))
	}
	return text
}

// wrongKind says that a node is not what it should be. Of one that could not be read all was said.
func (r *reader) wrongKind(at Place, n ast.Node, what, want string) {
	if n != nil {
		r.problem(at, fmt.Sprintf("%s is %s", what, yamlnode.Kind(n)), "write "+want)
	}
}

func placeOf(n ast.Node) Place {
	line, column := yamlnode.Place(n)
	return Place{line, column}
}

// didYouMean returns the mend for a name that is not one of the known: the nearest if it is near, else all of them.
func didYouMean(name string, known []string) string {
	const longest = 200
	best, distance := "", 1+max(1, utf8.RuneCountInString(name)/3)
	for _, k := range known {
		if len(name) > longest || len(k) > longest {
			continue
		}
		if len(name) > 2 && strings.HasPrefix(strings.ToLower(k), strings.ToLower(name)) {
			best = k
			break
		}
		if d := typo.Distance(strings.ToLower(name), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %q?", best)
	case len(known) == 0:
		return "there is none"
	}
	return "use one of " + strings.Join(known, ", ")
}
