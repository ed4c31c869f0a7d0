// Package importtest states which package may import which, so that the core never learns of HTTP, SQL or GitHub.
package importtest

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/changegate/changegate/"

// allowed lists, for each package, our own packages that it may import. A package that is not listed fails the test: say here
// where it belongs.
var allowed = map[string][]string{
	"internal/change":   {},
	"internal/calendar": {"internal/change"},
	"internal/command":  {"internal/change", "internal/typo"},
	"internal/record":   {"internal/change"},
	"internal/typo":     {},
	"internal/yamlnode": {},
	"internal/matching": {},
	"internal/release":  {"internal/change", "internal/calendar", "internal/command", "internal/matching"},
	"internal/policy":   {"internal/change", "internal/calendar", "internal/command", "internal/matching", "internal/record", "internal/release", "internal/typo", "internal/yamlnode"},
	"internal/report":   {"internal/change"},
	"internal/plan":     {"internal/change"},
	"internal/backtest": {"internal/change", "internal/policy"},
	"internal/facts":    {"internal/change"},
	"policies":          {},
	"deploy":            {},
	"docs":              {}, // holds tests only
	"internal/backup":   {},
	"internal/register": {"deploy"},
	"internal/ledger":   {},
	"internal/audit":    {"internal/ledger"},
	"internal/notary":   {"internal/audit", "internal/change", "internal/github", "internal/ledger", "internal/store"},
	"internal/store":    {"internal/change", "internal/ledger", "internal/plan"},
	"internal/queue":    {"internal/change", "internal/ledger", "internal/store"},
	"internal/effect":   {"internal/change", "internal/fence", "internal/store"},
	"internal/fence":    {},
	"internal/webhook":  {"internal/change"},
	"internal/config":   {"internal/typo"},
	"internal/server":   {},
	"internal/gate":     {"internal/change", "internal/release", "internal/store"},
	"internal/github":   {"internal/change", "internal/fence", "internal/plan"},
	"internal/reconcile": {
		"internal/change", "internal/command", "internal/effect", "internal/errand", "internal/fence", "internal/github", "internal/ledger", "internal/plan", "internal/policy",
		"internal/queue", "internal/report", "internal/store",
	},
	"internal/policytest": {
		"internal/change", "internal/facts", "internal/policy", "internal/report", "internal/typo", "internal/yamlnode",
	},
	"internal/errand": {
		"internal/change", "internal/command", "internal/effect", "internal/github", "internal/plan", "internal/queue", "internal/store",
	},
	"internal/notify": {"internal/change", "internal/effect", "internal/fence", "internal/queue", "internal/store"},
	"internal/emergency": {
		"internal/change", "internal/command", "internal/effect", "internal/errand", "internal/github", "internal/ledger", "internal/plan", "internal/policy", "internal/queue",
		"internal/record", "internal/report", "internal/store",
	},
	"internal/landing": {
		"internal/change", "internal/command", "internal/effect", "internal/errand", "internal/github", "internal/ledger", "internal/plan", "internal/policy",
		"internal/queue", "internal/store",
	},
	"internal/recovery": {"internal/change", "internal/github", "internal/store"},
	"internal/deployment": {
		"internal/calendar", "internal/change", "internal/command", "internal/effect", "internal/errand", "internal/fence", "internal/github", "internal/landing", "internal/ledger", "internal/plan",
		"internal/policy", "internal/queue", "internal/release", "internal/store",
	},
	"internal/githubsim":          {"internal/githubsim/pathtree"},
	"internal/githubsim/pathtree": {},
	"internal/githubsim/pages":    {"internal/githubsim"},
	"internal/app": {
		"internal/change", "internal/command", "internal/config", "internal/deployment", "internal/emergency", "internal/gate", "internal/github", "internal/landing", "internal/ledger",
		"internal/notary", "internal/notify", "internal/policy", "internal/queue", "internal/reconcile", "internal/recovery", "internal/release", "internal/report", "internal/server", "internal/store", "internal/webhook", "policies",
	},
	"internal/scenario":          {}, // holds tests only, which may import all
	"internal/scenario/postgres": {}, // the same
	"internal/scenario/siege":    {}, // the same
	"internal/scenario/recovery": {}, // the same
	"internal/scenario/soak":     {}, // the same
	"internal/scenario/load":     {}, // the same
	"internal/demo":              {"internal/app", "internal/change", "internal/config", "internal/githubsim", "internal/githubsim/pages"},
	"internal/cli": {
		"internal/app", "internal/audit", "internal/backtest", "internal/backup", "internal/change", "internal/config", "internal/demo", "internal/facts", "internal/gate", "internal/ledger", "internal/plan", "internal/policy", "internal/policytest",
		"internal/register", "internal/release", "internal/report", "internal/store", "policies",
	},
	"cmd/changegate": {"internal/cli"},
}

// helpers are packages of tests alone, which may import what they test.
var helpers = []string{
	"internal/effect/effecttest", "internal/githubsim/openapitest", "internal/importtest", "internal/policy/schematest", "internal/ramtest",
	"internal/scenario/storytest", "internal/scenario/worldtest", "internal/store/pgtest", "internal/store/storetest",
}

// pure lists the packages that compute and never act. Of our own packages they import pure ones only.
var pure = []string{
	"internal/change", "internal/calendar", "internal/command", "internal/matching", "internal/record", "internal/release", "internal/policy", "internal/report",
	"internal/plan", "internal/typo", "internal/yamlnode", "internal/facts", "internal/policytest",
}

// impure lists what no pure package reaches, not even through a library that it imports.
var impure = []string{
	"net/http", "database/sql", "github.com/google/go-github/v62/github", "github.com/rs/zerolog", "log", "log/slog", "os/exec",
}

type listed struct {
	ImportPath string
	Name       string
	Imports    []string
	Deps       []string // Imports, and what these import in their turn
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Name,Imports,Deps", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatalf("reading go list: %v", err)
		}
		all = append(all, p)
	}
	return all
}

func TestImports(t *testing.T) {
	for _, p := range list(t) {
		path := strings.TrimPrefix(p.ImportPath, module)
		if slices.Contains(helpers, path) {
			continue
		}
		may, ok := allowed[path]
		if !ok {
			t.Errorf("%s is not listed: say in this test what it may import", path)
			continue
		}
		isPure := slices.Contains(pure, path)
		for _, imported := range p.Imports {
			own, isOwn := strings.CutPrefix(imported, module)
			if isOwn && !slices.Contains(may, own) {
				t.Errorf("%s must not import %s", path, own)
			}
			if isOwn && isPure && !slices.Contains(pure, own) {
				t.Errorf("%s only computes and must not import %s, which may do more", path, own)
			}
		}
		for _, reached := range p.Deps {
			if isPure && slices.Contains(impure, reached) {
				t.Errorf("%s only computes and must not reach %s", path, reached)
			}
		}
	}
}
