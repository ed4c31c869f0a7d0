package policytest

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/changegate/changegate/internal/facts"
)

// value reads a node as a value of a type, in the form that its JSON has: mappings, lists, texts, numbers.
func (r *reader) value(n ast.Node, t reflect.Type, what string) any {
	if t.Kind() == reflect.Pointer {
		return r.value(n, t.Elem(), what)
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		text := r.text(n, what)
		if _, err := time.Parse(time.RFC3339, text); err != nil && text != "" {
			r.problem(placeOf(n), fmt.Sprintf("%s is %q", what, text), "write a time: 2026-01-31T12:00:00Z")
		}
		return text
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		text := r.text(n, what)
		if err := reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil && text != "" {
			r.problem(placeOf(n), what+" cannot be read", err.Error())
		}
		return text
	}
	switch t.Kind() {
	case reflect.Struct:
		return r.object(n, t, what)
	case reflect.Map:
		return r.mapping(n, t, what)
	case reflect.Slice:
		items, _ := r.items(n, what)
		out := make([]any, len(items))
		for i, item := range items {
			out[i] = r.value(item, t.Elem(), "an item of "+what)
		}
		return out
	case reflect.Bool:
		return r.boolean(n, what)
	case reflect.Int, reflect.Int64:
		return r.number(n, what)
	}
	text := r.text(n, what)
	if all := facts.NoState(t, text); all != nil && text != "" {
		r.problem(placeOf(n), fmt.Sprintf("%s is %q", what, text), didYouMean(text, all))
	}
	return text
}

func (r *reader) number(n ast.Node, what string) any {
	at := placeOf(n)
	n = r.plain(n)
	if number, ok := n.(*ast.IntegerNode); ok {
		return number.Value
	}
	r.wrongKind(at, n, what, "a whole number")
	return nil
}

// object reads a mapping whose keys are those of a struct's JSON.
func (r *reader) object(n ast.Node, t reflect.Type, what string) any {
	fields := map[string]reflect.Type{}
	var known []string
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.IsExported() && !f.Anonymous {
			fields[name], known = f.Type, append(known, name)
		}
	}
	out := map[string]any{}
	for _, e := range r.entries(n, what) {
		if of, ok := fields[e.key]; !ok {
			r.unknown(e, what, known)
		} else if !r.isNull(e) {
			out[e.key] = r.value(e.value, of, e.key)
		} else {
			out[e.key] = nil
		}
	}
	return out
}

// mapping reads a mapping whose keys are texts, or numbers.
func (r *reader) mapping(n ast.Node, t reflect.Type, what string) any {
	out := map[string]any{}
	for _, e := range r.entries(n, what) {
		if _, err := strconv.ParseInt(e.key, 10, 64); err != nil && t.Key().Kind() == reflect.Int64 {
			r.problem(e.place, fmt.Sprintf("%q is no number", e.key), "write the id of an account")
			continue
		}
		if out[e.key] = nil; !r.isNull(e) {
			out[e.key] = r.value(e.value, t.Elem(), e.key)
		}
	}
	return out
}

// isNull says whether a value is the word null. One that is left empty is none, and was more likely forgotten.
func (r *reader) isNull(e entry) bool {
	null, ok := e.value.(*ast.NullNode)
	return ok && null.GetToken().Type != token.ImplicitNullType
}
