package release

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"testing"
	"time"
)

// What is stored is read and written as before, member by member, however its fields are called, grouped and ordered here. The file has a value
// for each of them: whoever adds a member adds it there too.
func TestStoredStateStays(t *testing.T) {
	stored, err := os.ReadFile("testdata/state.json")
	if err != nil {
		t.Fatal(err)
	}
	var s State
	read := json.NewDecoder(bytes.NewReader(stored))
	read.DisallowUnknownFields()
	if err := read.Decode(&s); err != nil {
		t.Fatal(err)
	}
	demandFull(t, "state", reflect.ValueOf(s))
	written, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(members(t, written), members(t, stored)) {
		t.Errorf("it is written otherwise than it was stored:\n%s", written)
	}
}

// members reads an object whatever it holds, its numbers as they are written.
func members(t *testing.T, text []byte) (all map[string]any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// demandFull fails the test if a field of a value, or of what it holds, is zero.
func demandFull(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	if v.IsZero() {
		t.Errorf("%s is missing", path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		demandFull(t, path, v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			demandFull(t, path, v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			demandFull(t, path+"."+key.String(), v.MapIndex(key))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			demandFull(t, path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	}
}
