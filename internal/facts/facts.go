// Package facts reads the facts of one pull request as a person writes them down, to have a policy explained or tested.
package facts

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Parse reads the facts of one pull request, a JSON object. A key that is not known, one that is there twice and a state that there is none of
// are refused, because a fact under a wrong name, or by a wrong one, would be missing from the decision.
func Parse(text []byte) (facts change.Facts, err error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&facts); err != nil {
		return facts, placed(text, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return facts, errors.New("there is something after them: keep one JSON object")
	}
	switch {
	case facts.Now.IsZero():
		return facts, errors.New(`they do not say when it is: add "now": "2026-01-31T12:00:00Z"`)
	case facts.Pull.Number <= 0:
		return facts, errors.New(`there is no pull request: add "pull" with its "number"`)
	}
	if err := keysAndTimes(text); err != nil {
		return facts, err
	}
	return facts, knownStates("", reflect.ValueOf(facts))
}

// placed says in which line, and of which key, what kept JSON from being read as facts is, and what to write there.
func placed(text []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch trimmed := bytes.TrimSpace(text); {
	case len(trimmed) == 0:
		return errors.New("there are none: write them as one JSON object, {…}")
	case errors.As(err, &syntax) && trimmed[0] != '{':
		return fmt.Errorf("line %d: this is not JSON: write the facts as one JSON object, {…}", lineAt(text, syntax.Offset))
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: this is not JSON: %w: fix it here, or on the line before", lineAt(text, syntax.Offset), err)
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Errorf("line %d: there is %s: write the facts as one JSON object, {…}", lineAt(text, kind.Offset), kinds[kind.Value])
	case errors.As(err, &kind):
		value, digits, _ := strings.Cut(kind.Value, " ") // a number is told with its digits, and a key that should be one too
		if _, err := strconv.ParseFloat(digits, 64); err != nil && digits != "" {
			return fmt.Errorf("line %d: the key %q in %s is no number: write the id of an account", lineAt(text, kind.Offset), digits, kind.Field)
		}
		return fmt.Errorf("line %d: %s is %s: write %s", lineAt(text, kind.Offset), kind.Field, cmp.Or(kinds[value], value), wanted(kind.Type))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("line %d: the file ends before they do: close what is open", lineAt(text, int64(len(bytes.TrimRight(text, " \t\r\n")))))
	}
	return cmp.Or(keysAndTimes(text), err)
}

// kinds are the kinds of values of JSON as encoding/json names them, in words.
var kinds = map[string]string{"array": "a list", "object": "an object", "string": "a text", "number": "a number", "bool": "true or false"}

// wanted is what a value of a type is written as.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object, {…}"
	case reflect.Slice:
		return "a list, […]"
	case reflect.String:
		return "a text, in quotes"
	case reflect.Bool:
		return "true or false"
	}
	return "a whole number, without quotes"
}

// lineAt returns the line of a byte, from 1.
func lineAt(text []byte, offset int64) int { return 1 + bytes.Count(text[:offset], []byte("\n")) }

// keysAndTimes says where JSON has a key that facts do not have, a key twice in one object, or what is no time in the place of one. What names a
// member of ours is one key however its letters are cased, as it is to whoever reads it; paths and logins are keys as they are written.
func keysAndTimes(text []byte) error {
	type object struct {
		called string          // in words
		of     reflect.Type    // what it is read into
		seen   map[string]bool // nil: a list
		isKey  bool            // comes next
		key    string          // what the value that comes next is called
		next   reflect.Type    // what it is read into; nil: nothing has keys there
	}
	inside := []object{{key: "the file", next: reflect.TypeFor[change.Facts]()}}
	decoder := json.NewDecoder(bytes.NewReader(text))
	for {
		t, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		here := &inside[len(inside)-1]
		if key, ok := t.(string); ok && here.isKey {
			var name string
			name, here.next = member(here.of, key)
			if here.isKey = false; here.seen[name] {
				return fmt.Errorf("line %d: %q is here twice: keep one", lineAt(text, decoder.InputOffset()), key)
			}
			if known := members(here.of); here.next == nil && known != nil {
				return fmt.Errorf("line %d: %s has no key %q: use one of %s", lineAt(text, decoder.InputOffset()), here.called, key, strings.Join(known, ", "))
			}
			here.seen[name], here.key = true, name
			continue
		}
		here.isKey = here.seen != nil
		of := here.next
		for of != nil && of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		switch t {
		case json.Delim('{'):
			inside = append(inside, object{called: here.key, of: of, seen: map[string]bool{}, isKey: true})
		case json.Delim('['):
			list := object{key: "an item of " + here.key, of: of}
			if of != nil && (of.Kind() == reflect.Slice || of.Kind() == reflect.Array) {
				list.next = of.Elem()
			}
			inside = append(inside, list)
		case json.Delim('}'), json.Delim(']'):
			inside = inside[:len(inside)-1]
		default:
			at, _ := t.(string)
			if _, err := time.Parse(time.RFC3339, at); of == reflect.TypeFor[time.Time]() && t != nil && err != nil {
				return fmt.Errorf(`line %d: %s is no time: write it as "2026-01-31T12:00:00Z"`, lineAt(text, decoder.InputOffset()), here.key)
			}
		}
	}
}

// members are the keys of an object that is read into a struct; nil where it is read into something else.
func members(of reflect.Type) (names []string) {
	if of == nil || of.Kind() != reflect.Struct {
		return nil
	}
	for _, f := range reflect.VisibleFields(of) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); f.IsExported() && !f.Anonymous && name != "-" {
			names = append(names, cmp.Or(name, f.Name))
		}
	}
	return names
}

// member returns what a key names in an object that is read into a type, one name for all ways to write it, and what its value is read into.
func member(of reflect.Type, key string) (name string, value reflect.Type) {
	switch {
	case of == nil:
	case of.Kind() == reflect.Map:
		return key, of.Elem()
	case of.Kind() == reflect.Struct:
		for _, f := range reflect.VisibleFields(of) {
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name := cmp.Or(tag, f.Name); strings.EqualFold(name, key) {
				return name, f.Type
			}
		}
	}
	return key, nil
}

// NoState returns the words that a value of a type can be, if a word is none of them; nil if it is, and where the type is no state. GitHub writes
// the states of reviews in either case, and all else in one.
func NoState(t reflect.Type, word string) []string {
	var all []string
	same := func(state string) bool { return state == word }
	switch t {
	case reflect.TypeFor[change.PullState]():
		all = []string{string(change.Open), string(change.Closed), string(change.Merged)}
	case reflect.TypeFor[change.ReviewState]():
		all = []string{string(change.Approved), string(change.ChangesRequested), string(change.Commented), string(change.Dismissed)}
		same = func(state string) bool { return strings.EqualFold(state, word) }
	case reflect.TypeFor[change.CheckState]():
		all = []string{string(change.CheckPending), string(change.CheckSuccess), string(change.CheckNeutral), string(change.CheckSkipped), string(change.CheckFailure)}
	case reflect.TypeFor[change.AccountKind]():
		all = []string{string(change.KindUser), string(change.KindBot), "Organization", "Mannequin", "EnterpriseUserAccount"}
	case reflect.TypeFor[change.FileStatus]():
		all = []string{
			string(change.FileAdded), string(change.FileRemoved), string(change.FileModified), string(change.FileRenamed), string(change.FileCopied),
			string(change.FileChanged), "unchanged",
		}
	case reflect.TypeFor[change.DebtKind]():
		all = []string{string(change.DebtReview), string(change.DebtRetrospective)}
	}
	if slices.ContainsFunc(all, same) {
		return nil
	}
	return all
}

// knownStates says which state in a value, which is at a path of the file, is none.
func knownStates(path string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		if all := NoState(v.Type(), v.String()); all != nil && v.String() != "" {
			return fmt.Errorf("%s cannot be %q: use one of %s", path, v.String(), strings.Join(all, ", "))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				continue
			}
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if err := knownStates(strings.TrimPrefix(path+"."+name, "."), v.Field(i)); err != nil {
				return err
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := knownStates(fmt.Sprintf("%s[%d]", path, i), v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, key := range slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) {
			if err := knownStates(fmt.Sprintf("%s[%v]", path, key), v.MapIndex(key)); err != nil {
				return err
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			return knownStates(path, v.Elem())
		}
	}
	return nil
}
