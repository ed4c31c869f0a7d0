package policy

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/policy/schematest"
)

var update = flag.Bool("update", false, "write the files that tests compare with")

const schemaFile = "../../policies/change-policy.schema.json"

func TestSchemaIsCommitted(t *testing.T) { schematest.Committed(t, schemaFile, Schema, *update) }

func validate(t *testing.T, text []byte) error {
	t.Helper()
	return schematest.Validate(t, Schema, text)
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
