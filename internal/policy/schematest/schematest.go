// Package schematest has what the tests of the JSON schemas for YAML files share.
package schematest

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Committed fails the test if a file is not a schema that was generated, unless it is to be written anew.
func Committed(t *testing.T, file string, generate func() ([]byte, error), write bool) {
	t.Helper()
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	if write {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the types say: run go generate ./internal/...", file)
	}
}

// Validate says whether the text of a YAML file fits a schema that was generated.
func Validate(t *testing.T, generate func() ([]byte, error), text []byte) error {
	t.Helper()
	schema, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var instance any
	if err := json.Unmarshal(asJSON, &instance); err != nil {
		t.Fatal(err)
	}
	return compiled.Validate(instance)
}
