package policytest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/changegate/changegate/internal/policy/schematest"
)

var update = flag.Bool("update", false, "write the files that tests compare with")

const schemaFile = "../../policies/change-policy_test.schema.json"

func TestSchemaIsCommitted(t *testing.T) { schematest.Committed(t, schemaFile, Schema, *update) }

func validate(t *testing.T, text []byte) error {
	t.Helper()
	return schematest.Validate(t, Schema, text)
}

func TestSchemaAcceptsTests(t *testing.T) {
	files, err := filepath.Glob("../../policies/*_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Glob("../../policies/examples/*_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 || len(examples) == 0 {
		t.Fatal("there are no tests")
	}
	for _, file := range append(files, examples...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestSchemaSaysWhatReadSays holds the schema to what is read of a file, and what is refused.
func TestSchemaSaysWhatReadSays(t *testing.T) {
	const facts = "\nfacts: {now: 2026-03-02T10:00:00Z, repository: {id: 1, default_branch: main}, pull: {number: 7, base: {name: main}}}\ntests:\n  - "
	const tests = "policy: p.yml" + facts
	for text, ok := range map[string]bool{
		tests + "{name: a, expect: {verdict: waiting}}":                                                   true,
		"floor: f.yml" + facts + "{name: a, expect: {governed: no, requirements: {2 reviewers: absent}}}": true,
		tests + "{name: a, facts: {people: {2: {permission: write}}, teams: null}, expect: {says: [a]}}":  true,
		tests + "{name: a, facts: {reviews: [{id: 1, state: approved}]}, expect: {category: standard}}":   true,
		tests + "{name: a, facts: {pull: {draft: yes, labels: [x]}}, expect: {observing: true}}":          true,
		"tests: [{name: a, expect: {verdict: waiting}}]":                                                  false,
		"policy: p.yml":                                                                                       false,
		"policy: p.yml\ntests: []":                                                                            false,
		tests + "{expect: {verdict: waiting}}":                                                                false,
		tests + "{name: a}":                                                                                   false,
		tests + "{name: a, expect: {}}":                                                                       false,
		tests + "{name: a, expect: {verdict: green}}":                                                         false,
		tests + "{name: a, expect: {requirements: {reviewer: there}}}":                                        false,
		tests + "{name: a, expect: {says: ['  ']}}":                                                           false,
		tests + "{name: a, facts: {pul: {}}, expect: {verdict: waiting}}":                                     false,
		tests + "{name: a, facts: {pull: {number: seven}}, expect: {verdict: waiting}}":                       false,
		tests + "{name: a, facts: {people: {bob: {permission: write}}}, expect: {verdict: waiting}}":          false,
		tests + "{name: a, facts: {reviews: [{id: 1, state: GRANTED}]}, expect: {verdict: waiting}}":          false,
		tests + "{name: a, facts: {content: {files: [{path: a, mode: 100644}]}}, expect: {verdict: waiting}}": false,
	} {
		if _, err := Read([]byte(text)); (err == nil) != ok {
			t.Errorf("Read of %s: %v", text, err)
		}
		if err := validate(t, []byte(text)); (err == nil) != ok {
			t.Errorf("the schema of %s: %v", text, err)
		}
	}
}
