package policies_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/policytest"
)

// TestPolicies runs the tests beside each policy that is shipped. Each has some.
func TestPolicies(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.yml", "examples/*.yml"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	tested := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.yml") {
			continue
		}
		beside := strings.TrimSuffix(file, ".yml") + "_test.yml"
		tests := readTests(t, beside)
		if tests.Policy.Name != filepath.Base(file) || tests.Floor.Name != "" || len(tests.Tests) < 4 {
			t.Errorf("%s has %d tests of %q", beside, len(tests.Tests), tests.Policy.Name)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := policy.Parse(file, text)
		if err != nil {
			t.Fatal(err)
		}
		results, err := tests.Run(p)
		if err != nil {
			t.Errorf("%s: %v", beside, err)
		}
		if policytest.Failed(results) > 0 {
			t.Error(strings.Join(policytest.Lines(beside, results, true), "\n"))
		}
		tested++
	}
	if tested < 5 {
		t.Errorf("%d policies were found", tested)
	}
}

func readTests(t *testing.T, file string) *policytest.File {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := policytest.Read(text)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return tests
}
