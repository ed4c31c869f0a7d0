package release

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"testing"
	"time"
)

// What is stored is read and written as before, to the byte, however its fields are called and grouped here. The file has a value for each of
// them: whoever adds a member adds it there too.
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
	if !bytes.Equal(append(written, '\n'), stored) {
		t.Errorf("it is written otherwise than it was stored:\n%s", written)
	}
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
