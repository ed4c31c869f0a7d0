package policytest

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/facts"
)

//go:generate go test -run TestSchemaIsCommitted -update .

// Schema returns the JSON schema of a file of tests, made of the same types that Read reads. An editor that knows it completes keys and underlines
// what Read would refuse; it knows nothing of the policy that is tested.
func Schema() ([]byte, error) {
	s := schemas{}
	the := s.of(reflect.TypeFor[change.Facts]())
	file := object(map[string]any{
		"policy": described(word, "The policy that is tested, as seen from this file."),
		"floor":  described(word, "The owner's policy, beside which it is; alone it decides alone."),
		"facts":  described(the, "What is true in every test: the facts that explain takes."),
		"tests": map[string]any{
			"type": "array", "minItems": 1, "items": object(map[string]any{
				"name":   described(word, "What is so."),
				"facts":  described(the, "Merged into those of the file key by key; a list takes the place of the file's, and null takes a fact away."),
				"expect": expected(),
			}, "name", "expect"),
		},
	}, "tests")
	file["$schema"], file["title"] = "https://json-schema.org/draft/2020-12/schema", "changegate policy tests"
	file["description"] = "What a policy makes of pull requests. Run them with: changegate policy test"
	file["anyOf"] = []any{map[string]any{"required": []string{"policy"}}, map[string]any{"required": []string{"floor"}}}
	file["$defs"] = s
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema of policy tests: %w", err)
	}
	return append(text, '\n'), nil
}

var (
	word  = map[string]any{"type": "string"}
	yesno = oneOf([]string{"yes", "no"}, true, false)
)

func expected() map[string]any {
	e := object(map[string]any{
		"governed":     described(yesno, "Whether the policy governs the base branch."),
		"observing":    described(yesno, "Whether the policy observes."),
		"category":     oneOf(categories),
		"underlying":   described(oneOf(categories), "What an emergency would have been."),
		"verdict":      oneOf(verdicts),
		"requirements": map[string]any{"type": "object", "additionalProperties": oneOf(states), "description": "Names, roles or kinds, each with the state that it is in."},
		"says": map[string]any{
			"type": "array", "items": map[string]any{"type": "string", "pattern": `\S`}, "description": "Words, each of which a line of the decision has.",
		},
	})
	e["minProperties"] = 1
	return e
}

// object is a mapping whose keys are known.
func object(properties map[string]any, required ...string) map[string]any {
	o := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

func oneOf(words []string, others ...any) map[string]any {
	for _, w := range words {
		others = append(others, w)
	}
	return map[string]any{"enum": others}
}

func described(s map[string]any, as string) map[string]any {
	with := map[string]any{"description": as}
	for k, v := range s {
		with[k] = v
	}
	return with
}

// schemas are those of the types that facts are made of, by their names.
type schemas map[string]any

// of describes a value of a type, in the form in which reader.value takes it.
func (s schemas) of(t reflect.Type) map[string]any {
	switch {
	case t.Kind() == reflect.Pointer:
		return s.of(t.Elem())
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return word
	}
	switch t.Kind() {
	case reflect.Struct:
		return s.named(t)
	case reflect.Map:
		m := map[string]any{"type": "object", "additionalProperties": orNull(s.of(t.Elem()))}
		if t.Key().Kind() == reflect.Int64 {
			m["propertyNames"] = map[string]any{"pattern": `^[+-]?[0-9]+$`}
		}
		return m
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Bool:
		return yesno
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	}
	all := facts.NoState(t, "")
	if all == nil {
		return word
	}
	var in []string // in any case that is read
	for _, state := range all {
		for _, as := range []string{state, strings.ToLower(state), strings.ToUpper(state)} {
			if facts.NoState(t, as) == nil {
				in = append(in, as)
			}
		}
	}
	slices.Sort(in)
	return oneOf(slices.Compact(in))
}

// named describes a struct once, and refers to that.
func (s schemas) named(t reflect.Type) map[string]any {
	name := t.String()
	if _, done := s[name]; !done {
		s[name] = nil // it may hold itself
		properties := map[string]any{}
		for _, f := range reflect.VisibleFields(t) {
			if key, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.IsExported() && !f.Anonymous {
				properties[key] = orNull(s.of(f.Type))
			}
		}
		s[name] = object(properties)
	}
	return map[string]any{"$ref": "#/$defs/" + name}
}

// orNull is a value, or null, which takes it away.
func orNull(s map[string]any) map[string]any {
	return map[string]any{"anyOf": []any{s, map[string]any{"type": "null"}}}
}
