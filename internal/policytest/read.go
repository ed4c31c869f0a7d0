package policytest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/facts"
	"github.com/changegate/changegate/internal/policy"
)

var (
	categories = []string{change.Standard.String(), change.Normal.String(), change.HighRisk.String(), change.Emergency.String()}
	verdicts   = []string{change.Satisfied.String(), change.Waiting.String(), change.Failing.String()}
	states     = []string{
		string(change.Met), string(change.Awaited), string(change.Missing), string(change.Failed), string(change.Blocked), string(change.Owed), absent,
	}
)

// Read reads a file of tests. Its error is a policy.Problems with all that is wrong.
func Read(source []byte) (*File, error) {
	var r reader
	f := &File{}
	if n := r.document(source); n != nil {
		r.file(n, f)
	}
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b policy.Problem) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, slices.Compact(r.problems)
	}
	return f, nil
}

func (r *reader) file(n ast.Node, f *File) {
	var tests ast.Node
	var shared any
	named := r.keys(n, "the file", map[string]func(entry){
		"policy": func(e entry) { f.Policy = Path{e.place, r.text(e.value, "policy")} },
		"floor":  func(e entry) { f.Floor = Path{e.place, r.text(e.value, "floor")} },
		"facts":  func(e entry) { shared = r.value(e.value, reflect.TypeFor[change.Facts](), "facts") },
		"tests":  func(e entry) { tests = e.value },
	})
	if !named["policy"] && !named["floor"] {
		r.problem(Place{1, 1}, "the file does not say which policy it tests", "name it, from this file's own directory: policy: change-policy.yml")
	}
	if tests == nil {
		r.problem(Place{1, 1}, "the file has no tests", "add `tests`, a list of them")
		return
	}
	items, ok := r.items(tests, "tests")
	if ok && len(items) == 0 {
		r.problem(placeOf(tests), "the file has no tests", "write one, with `name`, `facts` and `expect`")
	}
	lines := map[string]int{}
	for _, item := range items {
		t := r.test(item, shared)
		if line, twice := lines[t.Name]; twice && t.Name != "" {
			r.problem(t.Place, fmt.Sprintf("a test is named %q already, on line %d", t.Name, line), "name it otherwise")
		}
		lines[t.Name] = t.Line
		f.Tests = append(f.Tests, t)
	}
}

func (r *reader) test(n ast.Node, shared any) Test {
	t := Test{Place: placeOf(n)}
	var own any
	before := len(r.problems)
	said := r.keys(n, "a test", map[string]func(entry){
		"name":   func(e entry) { t.Name = r.text(e.value, "name") },
		"facts":  func(e entry) { own = r.value(e.value, reflect.TypeFor[change.Facts](), "facts") },
		"expect": func(e entry) { t.expect = r.expect(e.value) },
	})
	switch {
	case len(r.problems) > before: // what is missing may be there under a wrong name
	case !said["name"]:
		r.problem(t.Place, "a test has no name", "add `name`, which says what is so")
	case !said["expect"]:
		r.problem(t.Place, fmt.Sprintf("the test %q expects nothing", t.Name), "add `expect`, with a category or a verdict for example")
	}
	if len(r.problems) > 0 {
		return t // its facts would be wrong besides
	}
	text, err := json.Marshal(merged(shared, own))
	if err == nil {
		t.facts, err = facts.Parse(text)
	}
	if err != nil {
		r.problem(t.Place, fmt.Sprintf("the facts of the test %q cannot be used", t.Name), err.Error())
	}
	return t
}

// merged returns what all tests have with what one says for itself: mappings are merged key by key, anything else takes the place of what was
// there, and null takes it away. Neither is changed.
func merged(shared, own any) any {
	if own == nil {
		if shared == nil {
			return map[string]any{}
		}
		return shared
	}
	patch, ok := own.(map[string]any)
	if !ok {
		return own
	}
	out := map[string]any{}
	if base, ok := shared.(map[string]any); ok {
		for key, value := range base {
			out[key] = value
		}
	}
	for key, value := range patch {
		if value == nil {
			delete(out, key)
			continue
		}
		out[key] = merged(out[key], value)
	}
	return out
}

func (r *reader) expect(n ast.Node) (all []expectation) {
	word := func(known ...string) func(entry) {
		return func(e entry) {
			all = append(all, expectation{Place: e.place, what: e.key, want: r.oneOf(e.value, e.key, known)})
		}
	}
	boolean := func(e entry) {
		all = append(all, expectation{Place: e.place, what: e.key, want: yesNo(r.boolean(e.value, e.key))})
	}
	r.keys(n, "expect", map[string]func(entry){
		"governed": boolean, "observing": boolean,
		"category": word(categories...), "underlying": word(categories...), "verdict": word(verdicts...),
		"requirements": func(e entry) {
			for _, q := range r.entries(e.value, "requirements") {
				all = append(all, expectation{Place: q.place, what: e.key, name: q.key, want: r.oneOf(q.value, q.key, states)})
			}
		},
		"says": func(e entry) {
			items, _ := r.items(e.value, "says")
			for _, item := range items {
				before := len(r.problems)
				text := r.text(item, "an item of says")
				if len(r.problems) == before && strings.TrimSpace(text) == "" {
					r.problem(placeOf(item), "an item of says is empty", "write words that a line of the decision is to have")
				}
				all = append(all, expectation{Place: placeOf(item), what: e.key, want: text})
			}
		},
	})
	if len(all) == 0 && len(r.problems) == 0 {
		r.problem(placeOf(n), "nothing is expected", "say what: a category or a verdict for example")
	}
	return all
}
