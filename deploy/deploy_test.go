package deploy_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/changegate/changegate/deploy"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

// section returns what is below a heading of a Markdown file, up to the next one of its rank.
func section(t *testing.T, path, heading string) string {
	t.Helper()
	_, text, found := strings.Cut(read(t, path), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no %q", path, heading)
	}
	rank, _, _ := strings.Cut(heading, " ")
	text, _, _ = strings.Cut(text, "\n"+rank+" ")
	return text
}

// snake is a name of GitHub's pages as its API has it.
func snake(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "_")
}

type manifest struct {
	Permissions map[string]string `json:"default_permissions"`
	Events      []string          `json:"default_events"`
}

func appManifest(t *testing.T) manifest {
	t.Helper()
	var m manifest
	must(t, json.Unmarshal(deploy.AppManifest(), &m))
	return m
}

// TestPermissionsHaveReasons holds the manifest to docs/security.md, which has a reason for each permission. Optional ones are not in it.
func TestPermissionsHaveReasons(t *testing.T) {
	row := regexp.MustCompile(`(?m)^\| ([A-Z][a-z ]+): (read|write) \| \S.+ \|$`)
	want := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(section(t, "../docs/security.md", "## The App's permissions"), -1) {
		name := snake(m[1])
		if name == "commit_statuses" {
			name = "statuses" // as the API has it
		}
		want[name] = m[2]
	}
	if diff := cmp.Diff(want, appManifest(t).Permissions); diff != "" {
		t.Errorf("docs/security.md (-) and the manifest (+):\n%s", diff)
	}
}

// TestEventsHaveReasons holds the manifest to docs/operations.md, which says what each event is for.
func TestEventsHaveReasons(t *testing.T) {
	row := regexp.MustCompile(`(?m)^ *\| ([A-Z][A-Za-z, ]+) \| \S.+ \|$`)
	optional := []string{"branch_protection_configuration", "branch_protection_rule", "repository_ruleset"} // they need Administration
	want := map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(section(t, "../docs/operations.md", "## Install on GitHub"), -1) {
		for name := range strings.SplitSeq(m[1], ", ") {
			if !slices.Contains(optional, snake(name)) {
				want[snake(name)] = true
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), appManifest(t).Events); diff != "" {
		t.Errorf("docs/operations.md (-) and the manifest (+):\n%s", diff)
	}
}

// TestFilesThatAreNamed: what the files for running changegate say of others in the repository is there.
func TestFilesThatAreNamed(t *testing.T) {
	path := regexp.MustCompile(`(?:^|[^/.\w])((?:deploy|docs)/[a-z/_-]+\.[a-z]+)`)
	for _, file := range []string{"../Dockerfile", "../Makefile", "image/root.sh", "compose.yaml", "prometheus/alerts.yml", "prometheus/alerts_test.yml"} {
		for _, m := range path.FindAllStringSubmatch(read(t, file), -1) {
			if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
				t.Errorf("%s names %s, which is not there", file, m[1])
			}
		}
	}
}

// TestCompose holds the Compose file to the schema of such files, and to what the image and the configuration are.
func TestCompose(t *testing.T) {
	source, err := os.Open("../.cache/compose/compose-spec.json")
	if err != nil {
		t.Fatalf("the schema of Compose files is not there, run make test: %v", err)
	}
	defer source.Close()
	schema, err := jsonschema.UnmarshalJSON(source)
	must(t, err)
	compiler := jsonschema.NewCompiler()
	must(t, compiler.AddResource("compose-spec.json", schema))
	rules, err := compiler.Compile("compose-spec.json")
	must(t, err)
	text := read(t, "compose.yaml")
	asJSON, err := yaml.YAMLToJSON([]byte(text))
	must(t, err)
	file, err := jsonschema.UnmarshalJSON(strings.NewReader(string(asJSON)))
	must(t, err)
	if err := rules.Validate(file); err != nil {
		t.Error(err)
	}

	var c struct {
		Services map[string]struct {
			Environment map[string]string
			Secrets     []string
			Networks    []string
			Volumes     []string
			Healthcheck struct{ Test []string }
			Deploy      struct{ Replicas int }
		}
		Secrets, Networks, Volumes map[string]any
	}
	must(t, json.Unmarshal(asJSON, &c))
	example := read(t, "../internal/config/example.yml")
	for name, s := range c.Services {
		for _, used := range s.Secrets {
			if c.Secrets[used] == nil {
				t.Errorf("%s uses a secret %s that is not there", name, used)
			}
		}
		for _, used := range s.Networks {
			if c.Networks[used] == nil {
				t.Errorf("%s uses a network %s that is not there", name, used)
			}
		}
		for key, value := range s.Environment {
			if name != "database" && !strings.Contains(example, "# "+key) {
				t.Errorf("%s sets %s, which is no variable of the configuration", name, key)
			}
			for _, m := range regexp.MustCompile(`/run/secrets/([a-z-]+)`).FindAllStringSubmatch(value, -1) {
				if !slices.Contains(s.Secrets, m[1]) {
					t.Errorf("%s reads the secret %s, which it is not given", name, m[1])
				}
			}
		}
	}
	server := c.Services["changegate"]
	if server.Deploy.Replicas != 2 || !slices.Equal(server.Healthcheck.Test, []string{"CMD", "/usr/local/bin/changegate", "serve", "--probe"}) {
		t.Errorf("the server is %+v", server)
	}
}

var metricName = regexp.MustCompile(`changegate_[a-z_]+`)

// metricsThere returns the names of all metrics that the program's source makes. Some have a beginning in common, which is there once.
func metricsThere(t *testing.T) map[string]bool {
	t.Helper()
	made := regexp.MustCompile(`(?:Name:\s+|NewDesc\(\s*)"(changegate_[a-z_]+)"`)
	ending := regexp.MustCompile(`counter\("([a-z_]+)"`)
	all := map[string]bool{}
	must(t, filepath.WalkDir("../internal", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text := read(t, name)
		for _, m := range made.FindAllStringSubmatch(text, -1) {
			if !strings.HasSuffix(m[1], "_") {
				all[m[1]] = true
				continue
			}
			for _, e := range ending.FindAllStringSubmatch(text, -1) {
				all[m[1]+e[1]] = true
			}
		}
		return nil
	}))
	return all
}

// TestMetricsAreDocumented: docs/operations.md has a row for each metric, and for no other.
func TestMetricsAreDocumented(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `(changegate_[a-z_]+)")
	want := map[string]bool{}
	for _, m := range row.FindAllStringSubmatch(section(t, "../docs/operations.md", "## Metrics"), -1) {
		want[m[1]] = true
	}
	if diff := cmp.Diff(want, metricsThere(t)); diff != "" {
		t.Errorf("docs/operations.md (-) and the source (+):\n%s", diff)
	}
}

// TestAlerts: each alert is on metrics that exist, fires when it should and not else, and has a line that says what to do.
func TestAlerts(t *testing.T) {
	for _, args := range [][]string{{"check", "rules", "prometheus/alerts.yml"}, {"test", "rules", "prometheus/alerts_test.yml"}} {
		if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool (make test installs it) %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Labels      struct{ Severity string }
				Annotations struct{ Summary, Runbook string }
			}
		}
	}
	must(t, yaml.Unmarshal([]byte(read(t, "prometheus/alerts.yml")), &file))
	there, tests := metricsThere(t), read(t, "prometheus/alerts_test.yml")
	runbook := section(t, "../docs/operations.md", "## Alerts")
	headings := strings.Count(runbook, "\n### ")
	for _, r := range file.Groups[0].Rules {
		for _, name := range metricName.FindAllString(r.Expr, -1) {
			if !there[name] && !there[strings.TrimSuffix(name, "_bucket")] {
				t.Errorf("%s is on %s, which is no metric", r.Alert, name)
			}
		}
		if !strings.Contains(runbook, "\n### "+r.Alert+"\n") || r.Annotations.Runbook != "docs/operations.md#"+strings.ToLower(r.Alert) || r.Annotations.Summary == "" || r.Labels.Severity == "" {
			t.Errorf("%s has no runbook, summary or severity: %+v", r.Alert, r)
		}
		if !strings.Contains(tests, "\n    name: "+r.Alert+"\n") {
			t.Errorf("%s is not tested", r.Alert)
		}
	}
	if headings != len(file.Groups[0].Rules) {
		t.Errorf("there are %d runbooks for %d alerts", headings, len(file.Groups[0].Rules))
	}
}
