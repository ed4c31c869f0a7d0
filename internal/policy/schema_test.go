package policy

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write the files that tests compare with")

const schemaFile = "../../policies/change-policy.schema.json"

func TestSchemaIsCommitted(t *testing.T) {
	want, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the types say: run go generate ./internal/policy", schemaFile)
	}
}

// validate says whether a policy's text fits the schema.
func validate(t *testing.T, text []byte) error {
	t.Helper()
	schema, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("policy.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("policy.json")
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

func TestSchemaAcceptsPolicies(t *testing.T) {
	files := []string{"testdata/example.yml", "../../policies/default.yml"}
	examples, err := filepath.Glob("../../policies/examples/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, examples...) {
		if strings.HasSuffix(file, "_test.yml") {
			continue // tests of a policy
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	for _, text := range []string{
		"{}",
		"version: 2",
		"version: 1\nrolls: {}",
		"version: 1\nmode: watch",
		"version: 1\nroles: {a: {permision: write}}",
		"version: 1\ncategories: {normal: {approvals: [{role: a, count: 0}]}}",
		"version: 1\ncategories: {standard: {when: {any: [{changed_lines: 12}]}}}",
		"version: 1\nemergency: {label: X}",
	} {
		if validate(t, []byte(text)) == nil {
			t.Errorf("the schema accepts %q", text)
		}
	}
}
