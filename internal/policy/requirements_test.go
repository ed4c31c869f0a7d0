package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
)

const recorded = `
version: 1
roles: {reviewer: {permission: write}, incident: {teams: [on-call]}}
emergency: {declared_by: incident}
bots: ["renovate[bot]"]
record:
  rollback: {headings: [Rollback, "Back-out plan"], na: false}
  downtime: {type: choice, of: [none, minutes, hours], required_in: [high-risk]}
  window: {type: date}
  customers_told: {type: yes/no}
  systems: {type: list}
categories:
  high-risk: {when: {any: [{paths: ["**/*.tf"]}]}, record: [description], approvals: [{role: reviewer}]}
  normal: {record: [risk, rollback, testing, security, window, customers_told, systems]}
  standard: {when: {any: [{only_paths: ["docs/**"]}, {authors: ["renovate[bot]"]}]}, record: [description]}
`

const answers = `
## Risk
Low.
## Back-out plan
Revert.
## Testing
- [x] unit
## Security
n/a
## Window
2026-03-02
## Customers told
yes
## Systems
- billing
`

func TestRecord(t *testing.T) {
	a := files("a.go")
	ok := approved("bob")
	play(t, recorded, []scenario{
		{name: "everything is there", facts: pullRequest(a, body(answers), ok),
			want: []string{"normal, satisfied", "met Risk low", "met Rollback plan present", "met Security considerations n/a", "met Window 2026-03-02", "met Customers told yes", "met Systems 1 item"}},
		{name: "no description", facts: pullRequest(a, body(""), ok),
			want: []string{"normal, failing", "missing Rollback plan [rollback plan missing] missing → add a ## Rollback section to the description", "missing Risk [risk missing]"}},
		{name: "a placeholder", facts: pullRequest(a, body("## Rollback\nTBD\n"), ok), want: []string{"normal, failing", "missing Rollback plan [rollback plan missing] nothing but a placeholder: TBD → fill in the Rollback section of the description"}},
		{name: "nothing at all", facts: pullRequest(a, body("## Rollback\n<!-- How do we go back? -->\n"), ok), want: []string{"normal, failing", "[rollback plan missing] nothing but a placeholder → fill in"}},
		{name: "n/a where it is no answer", facts: pullRequest(a, body("## Rollback\nn/a\n"), ok), want: []string{"normal, failing", "[rollback plan missing] nothing but a placeholder: n/a → fill in"}},
		{name: "a risk that is none", facts: pullRequest(a, body("## Risk\nnegligible\n"), ok), want: []string{"normal, failing", "missing Risk [risk unclear] negligible → say low, medium or high in the Risk section of the description"}},
		{name: "a template's risks, which name high", facts: pullRequest(a, body("## Risk\nlow / medium / high\n"), ok), want: []string{"high-risk, failing"}},
		{name: "an unchecked item", facts: pullRequest(a, body("## Testing\n- [ ] on staging\n"), ok), want: []string{"normal, failing", "missing Testing [testing unfinished] 1 item not checked off: on staging"}},
		{name: "no such day", facts: pullRequest(a, body("## Window\nTuesday\n"), ok), want: []string{"normal, failing", "say a date such as 2026-01-31"}},
		{name: "neither yes nor no", facts: pullRequest(a, body("## Customers told\nsome\n"), ok), want: []string{"normal, failing", "say yes or no"}},
		{name: "no list", facts: pullRequest(a, body("## Systems\nbilling\n"), ok), want: []string{"normal, failing", "say it as a list"}},
		{name: "a field that one category requires", facts: pullRequest(files("a.tf"), body("## Description\nx\n"), ok),
			want: []string{"high-risk, failing", "missing Downtime [downtime missing]", "met Description"}, never: []string{"Window"}},
		{name: "a field's type in that category", facts: pullRequest(files("a.tf"), body("## Description\nx\n## Downtime\nnone\n"), ok), want: []string{"high-risk, satisfied", "met Downtime none"}},
		{name: "a person's standard change", facts: pullRequest(files("docs/a"), body(""), ok), want: []string{"standard, failing", "description missing"}},
		{name: "a trusted bot's standard change", facts: pullRequest(files("go.sum"), body(""), authoredBy("renovate[bot]"), ok), want: []string{"standard, satisfied"}, never: []string{"Description"}},
		{name: "a trusted bot's normal change", facts: pullRequest(a, body(""), authoredBy("renovate[bot]"), pushedBy("carol"), ok), want: []string{"normal, failing"}},
		{name: "strangers' words stay apart from ours", facts: pullRequest(a, body("## Risk\n@acme/security **look**\n"), ok), want: []string{"normal, failing", "[risk unclear] @acme/security look"}},
	})
}

const secured = `
version: 1
roles: {reviewer: {permission: write}, security: {teams: [security]}, guard: {users: [sam, olga]}}
categories:
  high-risk: {when: {any: [{paths: ["**/*.tf"]}]}, record: [], security_review: always, approvals: [{role: reviewer}]}
  normal: {record: []}
  standard: {when: {any: [{only_paths: ["docs/**"]}]}}
security_review:
  role: security
  unread: ["**/package-lock.json", "**/*.min.js"]
  triggers:
    authentication: {paths: ["**/auth/**"], content: ['(?i)\b(jwt|oauth|password)\b'], because: who may come in}
    cryptography: {content: ['crypto/(aes|rsa)'], content_in: ["**/*.go"]}
    dependencies: {new_dependencies: ["**/go.mod", "**/package.json"]}
`

// manyTriggers is a policy of which one file fires more triggers than are named.
const manyTriggers = `
version: 1
roles: {reviewer: {permission: write}, security: {teams: [security]}}
categories: {normal: {record: []}}
security_review:
  role: security
  triggers: {t1: {paths: ["auth/**"]}, t2: {paths: ["auth/**"]}, t3: {paths: ["auth/**"]}, t4: {paths: ["auth/**"]}, t5: {paths: ["auth/**"]}, t6: {paths: ["auth/**"]}, t7: {paths: ["auth/**"]}}
`

func TestSecurityReview(t *testing.T) {
	ok := approved("bob")
	play(t, secured, []scenario{
		{name: "nothing triggers it", facts: pullRequest(files("a.go"), ok), want: []string{"normal, satisfied"}, never: []string{"Security"}},
		{name: "a path", facts: pullRequest(files("app/Auth/token.go"), ok),
			want: []string{"normal, waiting", "authentication: app/Auth/token.go matches **/auth/**", "awaited Security review [security review] → @acme/security is asked to review, because app/Auth/token.go matches authentication", "ask security of [security]"}},
		{name: "in a standard change too", facts: pullRequest(files("docs/auth/a.md"), ok), want: []string{"standard, waiting", "security review"}},
		{name: "an added line", facts: pullRequest(patch("a.rb", "+token = JWT.encode"), ok), want: []string{"normal, waiting", `authentication: a.rb matches (?i)\b(jwt|oauth|password)\b`}},
		{name: "a removed line", facts: pullRequest(patch("a.rb", "-check_password!", "-verify password"), ok), want: []string{"normal, waiting", "authentication: a.rb"}},
		{name: "a line that is there already does not", facts: pullRequest(patch("a.rb", " password = x", "+y"), ok), want: []string{"normal, satisfied"}},
		{name: "the hunk's own line does not", facts: pullRequest(files("a.rb"), theFile(func(f *change.File) {
			f.Patch, f.Additions, f.Deletions = "@@ -1,2 +1,3 @@ def password\n+y", 1, 0
		}), ok), want: []string{"normal, satisfied"}},
		{name: "content only in some files", facts: pullRequest(patch("a.md", "+crypto/aes"), ok), want: []string{"normal, satisfied"}},
		{name: "content in those files", facts: pullRequest(patch("a.go", `+import "crypto/aes"`), ok), want: []string{"normal, waiting", "cryptography: a.go"}},
		{name: "content in a file that was renamed out of them", facts: pullRequest(patch("a.txt", `+crypto/aes`), theFile(func(f *change.File) { f.PreviousPath, f.Status = "a.go", change.FileRenamed }), ok),
			want: []string{"normal, waiting", "cryptography"}},
		{name: "a diff that cannot be read", facts: pullRequest(files("a.go"), unreadable, ok),
			want: []string{"normal, waiting", "authentication: a.go matches anything, with a diff that cannot be read", "cryptography: a.go matches anything, with a diff that cannot be read",
				"because the diff of a.go cannot be read, so it may be about authentication or cryptography; unread (line 10 of the policy) exempts such files"}},
		{name: "a manifest that cannot be read", facts: pullRequest(files("go.mod"), unreadable, ok), want: []string{"normal, waiting", "dependencies: go.mod matches a new dependency, with a diff that cannot be read",
			"because the diff of go.mod cannot be read, so it may be about authentication, cryptography or dependencies; unread"}},
		{name: "a path beside it", facts: pullRequest(files("auth/a.png"), unreadable, ok), want: []string{"normal, waiting",
			"because auth/a.png matches authentication and the diff of auth/a.png cannot be read, so it may be about cryptography; unread"}},
		{name: "a file that cannot be read and that content_in does not name", facts: pullRequest(files("lib/agent.jar"), unreadable, ok),
			want: []string{"normal, waiting", "authentication: lib/agent.jar matches anything, with a diff that cannot be read", "cryptography: lib/agent.jar matches anything, with a diff that cannot be read"}},
		{name: "lines that content_in does not name", facts: pullRequest(patch("a.py", "+crypto/aes"), ok), want: []string{"normal, satisfied"}},
		{name: "a lock file's former name", facts: pullRequest(rename("agent.jar", "package-lock.json"), theFile(func(f *change.File) { f.PreviousBlob = "b2" }), ok),
			want: []string{"normal, waiting", "cryptography: package-lock.json matches anything, with a diff that cannot be read"}},
		{name: "a diff that is cut", facts: pullRequest(files("a.go"), theFile(func(f *change.File) { f.Additions = 500 }), ok), want: []string{"normal, waiting", "cannot be read"}},
		{name: "a lock file that cannot be read", facts: pullRequest(files("web/package-lock.json"), unreadable, ok), want: []string{"normal, satisfied"}},
		{name: "a file renamed into a lock file is looked at", facts: pullRequest(rename("a.rb", "package-lock.json"), theFile(func(f *change.File) { f.PreviousBlob = "b2" }), ok), want: []string{"normal, waiting"}},
		{name: "a pure rename has nothing to read", facts: pullRequest(rename("a.rb", "b.rb"), ok), want: []string{"normal, satisfied"}},
		{name: "a rename of which nobody knows", facts: pullRequest(rename("a.rb", "b.rb"), theFile(func(f *change.File) { f.PreviousBlob = "" }), ok), want: []string{"normal, waiting"}},
		{name: "a new dependency", facts: pullRequest(patch("go.mod", "+\tgithub.com/x/y v1.0.0"), ok), want: []string{"normal, waiting", "dependencies: go.mod matches a new dependency, github.com/x/y"}},
		{name: "another version of one", facts: pullRequest(patch("go.mod", "-\tgithub.com/x/y v1.0.0", "+\tgithub.com/x/y v1.1.0"), ok), want: []string{"normal, satisfied"}},
		{name: "always for high-risk", facts: pullRequest(files("a.tf"), ok), want: []string{"high-risk, waiting", "because it is high-risk"}},
		{name: "several reasons", facts: pullRequest(files("auth/a.go"), patch("go.mod", "+\tgithub.com/x/y v1.0.0"), ok), want: []string{"normal, waiting", "because auth/a.go matches authentication and go.mod matches dependencies"}},
		{name: "more than are named", policy: manyTriggers, facts: pullRequest(files("auth/a.go"), ok), want: []string{"normal, waiting",
			"because auth/a.go matches t1, auth/a.go matches t2, auth/a.go matches t3, auth/a.go matches t4, auth/a.go matches t5, and 2 other reasons"}},
		{name: "given", facts: pullRequest(files("auth/a.go"), approved("sam", "bob")), want: []string{"normal, satisfied", "met Security review sam", "met Reviewer bob"}},
		{name: "one person does not do both", facts: pullRequest(files("auth/a.go"), approved("sam")), want: []string{"normal, waiting", "met Security review sam", "awaited Reviewer"}},
		{name: "people who are asked by name, but for the author", policy: `
version: 1
roles: {reviewer: {permission: write}, guard: {users: [sam, olga]}}
categories: {normal: {record: []}}
security_review: {role: guard, triggers: {auth: {paths: ["auth/**"]}}}
`, facts: pullRequest(files("auth/a.go"), authoredBy("sam"), ok), want: []string{"normal, waiting", "ask guard of [][olga] round 0", "olga is asked to review, because"}, never: []string{"except"}},
		{name: "nobody is asked of a pull request that is closed", facts: pullRequest(files("auth/a.go"), func(f *change.Facts) { f.Pull.State = change.Closed }), want: []string{"normal, waiting"}, never: []string{"ask "}},
	})
}

const checked = `
version: 1
roles: {reviewer: {permission: write}}
categories:
  normal: {record: []}
  standard: {when: {any: [{only_paths: ["docs/**"]}]}, checks: [{name: spelling}]}
checks:
  - {name: build, app: github-actions, workflow: .github/workflows/ci.yml}
  - {name: legal, accept: [skipped]}
  - {none_failing: "ci/*"}
`

// A check that the policy asks for in two places is one requirement, unless it may end otherwise in one of them.
func TestACheckIsAskedForOnce(t *testing.T) {
	p := mustParse(t, `
version: 1
roles: {reviewer: {permission: write}}
checks:
  - {name: build, app: github-actions, workflow: .github/workflows/ci.yml, accept: [skipped, neutral]}
  - {none_failing: "ci/*"}
categories:
  normal:
    record: []
    checks:
      - {name: build, app: github-actions, workflow: .github/workflows/ci.yml, accept: [neutral, skipped, neutral]}
      - {none_failing: "ci/*"}
      - {name: build, app: github-actions, workflow: .github/workflows/ci.yml}
      - {none_failing: "e2e/*"}
      - {name: lint}
      - {name: lint}
`)
	var got []string
	for _, r := range p.Decide(pullRequest(files("a.go"))).Requirements {
		if r.Kind == change.KindChecks {
			got = append(got, r.Name.String())
		}
	}
	if want := []string{"Check build", "No failed check of ci/*", "Check build", "No failed check of e2e/*", "Check lint"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestChecks(t *testing.T) {
	ok := approved("bob")
	build, legal := ran("build", change.CheckSuccess), ran("legal", change.CheckSuccess)
	last := func(e func(*change.Check)) edit { return func(f *change.Facts) { e(&f.Checks[len(f.Checks)-1]) } }
	unknown := last(func(c *change.Check) { c.Workflow = "" })
	play(t, checked, []scenario{
		{name: "not read", facts: pullRequest(files("a.go"), ok), want: []string{"normal, waiting", "awaited Check build [waiting for build] not read yet"}},
		{name: "all succeeded", facts: pullRequest(files("a.go"), ok, build, legal), want: []string{"normal, satisfied", "met Check build passed", "met No failed check of ci/* none posted"}, never: []string{"awaits checks"}},
		{name: "one that is not there", facts: pullRequest(files("a.go"), ok, legal), want: []string{"normal, waiting", "awaited Check build [waiting for build] has not reported → if it does not start by itself, have the workflow .github/workflows/ci.yml run on this commit", "awaits checks build"}},
		{name: "one that runs", facts: pullRequest(files("a.go"), ok, legal, ran("build", change.CheckPending)), want: []string{"normal, waiting", "awaited Check build [build running] running"}},
		{name: "one that failed", facts: pullRequest(files("a.go"), ok, legal, ran("build", change.CheckFailure)), want: []string{"normal, failing", "failed Check build [build failed] build failed → fix it, or run it again", "awaits checks build"}},
		{name: "every run of it", facts: pullRequest(files("a.go"), ok, legal, build, ran("build", change.CheckFailure)), want: []string{"normal, failing"}},
		{name: "by another App", facts: pullRequest(files("a.go"), ok, legal, build, last(func(c *change.Check) { c.App = "evil" })), want: []string{"normal, waiting", "posted by someone other than the policy names → it must come from the workflow .github/workflows/ci.yml: have that run on this commit"}},
		{name: "by a commit status", facts: pullRequest(files("a.go"), ok, legal, build, last(func(c *change.Check) { c.App, c.Workflow, c.Status = "", "", true })), want: []string{"normal, waiting"}},
		{name: "by another workflow", facts: pullRequest(files("a.go"), ok, legal, build, last(func(c *change.Check) { c.Workflow = ".github/workflows/evil.yml" })), want: []string{"normal, waiting"}},
		{name: "by a workflow that is not known", facts: pullRequest(files("a.go"), ok, legal, build, unknown), want: []string{"normal, waiting", "passed, and GitHub does not say yet which workflow posted it"}},
		{name: "one more run by a workflow that is not known", facts: pullRequest(files("a.go"), ok, legal, build, ran("build", change.CheckSuccess), unknown), want: []string{"normal, satisfied"}},
		{name: "one more failed, by a workflow that is not known", facts: pullRequest(files("a.go"), ok, legal, build, ran("build", change.CheckFailure), unknown), want: []string{"normal, failing", "failed Check build [build failed]"}},
		{name: "one more runs, by a workflow that is not known", facts: pullRequest(files("a.go"), ok, legal, build, ran("build", change.CheckPending), unknown), want: []string{"normal, waiting", "awaited Check build [build running]"}},
		{name: "one more failed, by another App that has no workflows", facts: pullRequest(files("a.go"), ok, legal, build, ran("build", change.CheckFailure), unknown, last(func(c *change.Check) { c.App = "evil" })), want: []string{"normal, satisfied"}},
		{name: "by a workflow whose name goes on", facts: pullRequest(files("a.go"), ok, legal, build, last(func(c *change.Check) { c.Workflow += "@x.yml" })), want: []string{"normal, waiting"}},
		{name: "skipped is not succeeded", facts: pullRequest(files("a.go"), ok, legal, ran("build", change.CheckSkipped)), want: []string{"normal, failing", "failed Check build [build was skipped] build was skipped → it must run and succeed on this commit: only accept: [skipped] on line 8 of the policy would let it pass like this"}},
		{name: "nor is neutral", facts: pullRequest(files("a.go"), ok, build, ran("legal", change.CheckNeutral)), want: []string{"normal, failing", "[legal was neutral]", "only accept: [neutral] on line 9"}},
		{name: "one that nobody need post", facts: pullRequest(files("a.go"), ok, build), want: []string{"normal, waiting", "has not reported → if it does not start by itself, have what posts legal run on this commit"}},
		{name: "one run failed and another was skipped", facts: pullRequest(files("a.go"), ok, legal, ran("build", change.CheckSkipped), ran("build", change.CheckFailure)), want: []string{"normal, failing", "[build failed]", "fix it, or run it again"}},
		{name: "unless it is accepted", facts: pullRequest(files("a.go"), ok, build, ran("legal", change.CheckSkipped)), want: []string{"normal, satisfied"}},
		{name: "one of many failed", facts: pullRequest(files("a.go"), ok, build, legal, ran("ci/a", change.CheckSuccess), ran("ci/b", change.CheckFailure)), want: []string{"normal, failing", "failed No failed check of ci/* [ci/* failed] ci/b failed"}},
		{name: "one of many runs", facts: pullRequest(files("a.go"), ok, build, legal, ran("ci/b", change.CheckPending)), want: []string{"normal, waiting", "ci/b running", "awaits checks ci/b"}},
		{name: "one of many runs, another failed, and one is not there", facts: pullRequest(files("a.go"), ok, legal, ran("ci/b", change.CheckPending), ran("ci/a", change.CheckFailure), ran("ci/c", change.CheckSuccess)), want: []string{"normal, failing", "awaits checks build ci/a ci/b"}},
		{name: "none of many failed", facts: pullRequest(files("a.go"), ok, build, legal, ran("ci/a", change.CheckSuccess), ran("other", change.CheckFailure)), want: []string{"normal, satisfied", "1 passed"}},
		{name: "a category's own", facts: pullRequest(files("docs/a"), ok, build, legal), want: []string{"standard, waiting", "awaited Check spelling"}},
		{name: "case counts", facts: pullRequest(files("a.go"), ok, legal, ran("Build", change.CheckSuccess)), want: []string{"normal, waiting"}},
	})
}

func TestNewDependencies(t *testing.T) {
	for _, test := range []struct {
		name  string
		path  string
		patch []string
		want  []string
	}{
		{"go: a module", "go.mod", []string{" require (", "+\tgithub.com/x/y v1.0.0", "+\texample.com/z v0.1.0 // indirect"}, []string{"example.com/z", "github.com/x/y"}},
		{"go: a version", "go.mod", []string{"-require github.com/x/y v1.0.0", "+require github.com/x/y v1.1.0"}, nil},
		{"go: a major version is another module", "go.mod", []string{"-\tgithub.com/x/y v1.0.0", "+\tgithub.com/x/y/v2 v2.0.0"}, []string{"github.com/x/y/v2"}},
		{"go: a replacement", "go.mod", []string{"+replace github.com/x/y => github.com/evil/y v1.0.0"}, []string{"github.com/evil/y"}},
		{"go: the language", "go.mod", []string{"-go 1.25", "+go 1.26", "+toolchain go1.26.1"}, nil},
		{"go: a module in disguise", "go.mod", []string{"+\t\"evil\\x2eexample\\x2fx\" v1.0.0"}, []string{`evil\x2eexample\x2fx`}},
		{"npm: a package", "web/package.json", []string{`   "dependencies": {`, `+    "left-pad": "^1.0.0",`}, []string{"left-pad"}},
		{"npm: a version", "package.json", []string{`-    "react": "^18.0.0",`, `+    "react": "^19.0.0",`}, nil},
		{"npm: a package without its section in sight", "package.json", []string{`+    "@acme/x": "latest",`}, []string{"@acme/x"}},
		{"npm: a script", "package.json", []string{`   "scripts": {`, `+    "lint": "eslint .",`}, nil},
		{"npm: a dependency after the scripts", "package.json", []string{`   "scripts": {`, `     "a": "b"`, `   },`, `   "devDependencies": {`, `+    "evil": "1.0.0"`}, []string{"evil"}},
		{"npm: another source for a name", "package.json", []string{`-  "x": "1.0.0"`, `+  "x": "github:evil/x"`}, []string{"github:evil/x"}},
		{"npm: an alias", "package.json", []string{`-  "x": "1.0.0"`, `+  "x": "npm:evil@1.0.0"`}, []string{"npm:evil"}},
		{"npm: another version from the same place", "package.json", []string{`-  "x": "github:acme/x#v1"`, `+  "x": "github:acme/x#v2"`}, nil},
		{"npm: an address", "package.json", []string{`-  "x": "1.0.0"`, `+  "x": "https://evil.example/x.tgz"`}, []string{"https://evil.example/x.tgz"}},
		{"npm: its own version", "package.json", []string{`-  "version": "1.0.0",`, `+  "version": "1.0.1",`}, nil},
		{"npm: a repository on GitHub", "package.json", []string{`-  "x": "1.0.0"`, `+  "x": "evil/x#main"`}, []string{"evil/x"}},
		{"npm: another version of a repository on GitHub", "package.json", []string{`-  "x": "acme/x#v1"`, `+  "x": "acme/x#v2"`}, nil},
		{"npm: an alias of a scope", "package.json", []string{`-  "x": "1.0.0"`, `+  "x": "npm:@evil/x@1.0.0"`}, []string{"npm:@evil/x"}},
		{"npm: an address in disguise", "package.json", []string{`-  "x": "1.0.0"`, `+  "x": "https:\/\/evil.example/x.tgz"`}, []string{`https:\/\/evil.example/x.tgz`}},
		{"npm: packages that are called like what describes one", "package.json", []string{`+  "url": "^0.11.0",`, `+  "type": "2.x",`, `+  "browser": "latest",`, `+  "email": "evil/email"`}, []string{"browser", "email", "evil/email", "type", "url"}},
		{"npm: what describes one", "package.json", []string{`+  "main": "./dist/index.js",`, `+  "type": "module",`, `+  "license": "0BSD",`, `+  "packageManager": "pnpm@9.1.0",`, `+  "author": "37 Signals <x@example.com>"`}, nil},
		{"npm: a package in a workspace", "package.json", []string{`+  "types": "workspace:*"`}, []string{"types"}},
		{"npm: its script elsewhere", "package.json", []string{`   "scripts": {`, `-    "build": "scripts/build"`, `+    "build": "scripts/make"`}, nil},
		{"npm: a name and its version on two lines", "package.json", []string{`+    "evil"`, `+    : "1.0.0",`}, []string{`: "1.0.0",`}},
		{"npm: scripts that become dependencies", "package.json", []string{`-  "scripts": {`, `+  "dependencies": {`, `     "evil": "1.0.0"`, `   }`}, []string{"evil"}},
		{"npm: scripts that become dependencies beyond what is shown", "package.json", []string{`-  "scripts": {`, `+  "dependencies": {`, " ", " ", " "}, []string{`"dependencies": {`}},
		{"npm: dependencies that begin sooner", "package.json", []string{`   "a": "1.0.0"`, `+  },`, `+  "dependencies": {`, `     "evil": "1.0.0"`}, []string{"evil"}},
		{"npm: dependencies of another kind beyond what is shown", "package.json", []string{`-  "devDependencies": {`, `+  "dependencies": {`, `     "a": "1",`, `     "b": "1",`, `     "c": "1",`}, nil},
		{"npm: dependencies of another kind", "package.json", []string{`-  "devDependencies": {`, `+  "dependencies": {`, `     "jest": "1.0.0"`, `   }`}, nil},
		{"npm: a block before another", "package.json", []string{`   "version": "1.0.0",`, `+  "engines": {`, `+    "node": ">=18"`, `+  },`, `   "dependencies": {`, `     "jest": "1.0.0"`, `   }`}, nil},
		{"ruby: a gem", "Gemfile", []string{`+gem "rails", "~> 8.0"`, `+  gem 'puma'`}, []string{"puma", "rails"}},
		{"ruby: a version", "Gemfile", []string{`-gem "rails", "~> 7.0"`, `+gem "rails", "~> 8.0"`}, nil},
		{"ruby: a gem's own list", "x.gemspec", []string{`+  s.add_dependency "rack", ">= 3"`}, []string{"rack"}},
		{"ruby: another source for a name", "Gemfile", []string{`-gem "x", "~> 1.0"`, `+gem "x", github: "evil/x"`}, []string{`github: "evil/x`}},
		{"ruby: another source for all", "Gemfile", []string{`-source "https://rubygems.org"`, `+source "https://evil.example"`}, []string{"https://evil.example"}},
		{"ruby: a comment", "Gemfile", []string{`+# gem "rails"`}, nil},
		{"ruby: gems wherever they are asked for", "Gemfile", []string{`+ruby "3.4"; gem "evil"`, `+if ENV["X"] then gem("worse") end`}, []string{"evil", "worse"}},
		{"perl: a module for the tests", "cpanfile", []string{`+test_requires Evil::One => 1;`, `+requires "Evil::Two";`}, []string{"Evil::One", "Evil::Two"}},
		{"elixir: keywords", "mix.exs", []string{`-      version: "0.1.0",`, `+      version: "0.2.0",`, `-  defp deps, do: [jason: "~> 1.4"]`, `+  defp deps, do: [jason: "~> 1.5", evil: "~> 1.0"]`}, []string{"evil"}},
		{"dart: a package on one line", "pubspec.yaml", []string{`-dependencies: {http: ^1.0.0}`, `+dependencies: {http: ^1.1.0, "evil": any}`}, []string{"evil"}},
		{"python: a path", "requirements.txt", []string{"-./a.whl", "+./a.whl", "+./evil.whl", "+-e ../worse", "+\\"}, []string{"-e ../worse", "./evil.whl"}},
		{"python: a name in disguise", "setup.py", []string{`+    install_requires=["\x65vil"],`}, []string{`\x65vil`}},
		{"conda: a package with an anchor", "environment.yml", []string{"+  - &x evil"}, []string{"&x evil"}},
		{"toml: what are no dependencies become some beyond what is shown", "setup.cfg", []string{"-[metadata]", "+[options]", " # a", " # b", " # c"}, []string{"[options]"}},
		{"helm: beyond what is shown", "Chart.yaml", []string{"-maintainers:", "+dependencies:", " # a", " # b", " # c"}, []string{"dependencies:"}},
		{"helm: what is not a dependency becomes one", "Chart.yaml", []string{" version: 1.0.0", "-maintainers:", "+dependencies:", "   - name: evil"}, []string{"evil"}},
		{"helm: a name on another line", "Chart.yaml", []string{" dependencies:", "+  - name: # of it", "+      evil"}, []string{"name:"}},
		{"java: behind a comment, an attribute, as text", "pom.xml", []string{"+<artifactId><!-- x -->evil</artifactId>", `+<groupId a="b">worse</groupId>`, "+<artifactId><![CDATA[bad]]></artifactId>"}, []string{"<artifactId>", "worse"}},
		{"java: a comment that is none any more", "pom.xml", []string{"-<!--", " <dependency>", "   <artifactId>evil</artifactId>", " </dependency>", "--->"}, []string{"<!--", "evil"}},
		{"java: on one line", "pom.xml", []string{"-<!-- <artifactId>evil</artifactId> -->", "+<artifactId>evil</artifactId>"}, []string{"evil"}},
		{"java: a comment that stays", "pom.xml", []string{" <!-- <artifactId>a</artifactId>", " <artifactId>b</artifactId> -->", "-<version>1</version>", "+<version>2</version>"}, nil},
		{"java: what looks like a comment hides nothing", "pom.xml", []string{"+<name><![CDATA[<!--]]></name>", "+<artifactId>evil</artifactId>"}, []string{"<!--", "evil"}},
		{"java: what looks like a comment in the place of one", "pom.xml", []string{"-<!--", "+<name><![CDATA[<!--]]></name>", " <artifactId>evil</artifactId>"}, []string{"<!--"}},
		{"java: a comment that is none any more, beyond what is shown", "pom.xml", []string{"-<!--", " <a/>", "@@ -9 +8 @@", " <b/>", "--->"}, []string{"<!--"}},
		{"java: a comment that ends sooner", "pom.xml", []string{" <a/>", "+-->", " <artifactId>evil</artifactId>", "--->"}, []string{"<!--"}},
		{"java: a comment that comes and one that goes", "pom.xml", []string{"-<!-- a", "- b -->", " <a/>", "+<!-- c", "+ d -->"}, nil},
		{"c#: a comment that is none any more", "a.csproj", []string{"-<!--", ` <PackageReference Include="Evil" Version="1" />`, "--->"}, []string{"<!--", "Evil"}},
		{"python: a requirement", "requirements.txt", []string{"-django==5.0", "+django==5.1", "+Requests_OAuth>=2 ; python_version > '3'"}, []string{"requests-oauth"}},
		{"python: a requirement from elsewhere", "requirements/dev.txt", []string{"+x @ https://evil.example/x.zip"}, []string{"https://evil.example/x.zip", "x"}},
		{"python: another index", "requirements.txt", []string{"+--extra-index-url https://evil.example"}, []string{"--extra-index-url https://evil.example", "https://evil.example"}},
		{"python: a project", "pyproject.toml", []string{"+  \"httpx>=0.27\",", "-  \"rich>=13\",", "+  \"rich>=14\","}, []string{"httpx"}},
		{"python: a project on one line", "pyproject.toml", []string{`-dependencies = ["rich>=13"]`, `+dependencies = ["rich>=14", "httpx>=0.27"]`}, []string{"httpx"}},
		{"python: requirements by another name", "dev-requirements.txt", []string{"+evil~=1.0", "+-r Evil.txt"}, []string{"-r Evil.txt", "evil"}},
		{"python: setup.cfg", "setup.cfg", []string{" install_requires =", "     django>=5", "+    evil>=1.0", "+    worse~=1", "+    bare", "+    marked; python_version < '3'"}, []string{"bare", "evil", "marked", "worse"}},
		{"python: setup.cfg without its section in sight", "setup.cfg", []string{"+    evil"}, []string{"evil"}},
		{"python: setup.cfg on one line", "setup.cfg", []string{" [options.extras_require]", "-dev = rich>=13", "+dev = rich>=14; evil"}, []string{"evil"}},
		{"python: versions in setup.cfg", "setup.cfg", []string{"-version = 1.0.0", "+version = 1.0.1", "-python_requires = >=3.8", "+python_requires = >=3.9", "-    django>=4,<5", "+    django>=5,<6"}, nil},
		{"python: what else is in setup.cfg", "setup.cfg", []string{" [flake8]", "+ignore = E203", "+    W503", "+# evil"}, nil},
		{"conda: packages", "environment.yml", []string{" dependencies:", "+  - evil", "+  - worse>=2,<3 # note", "+  - elsewhere::bad=1.0", "-  - numpy=1.0", "+  - numpy=1.1", "+  - pip:", "+    - piped==1"}, []string{"elsewhere::bad", "evil", "piped", "worse"}},
		{"conda: packages on one line", "environment.yaml", []string{"-dependencies: [numpy=1.0]", "+dependencies: [numpy=1.1, \"evil\"]", "+name: x"}, []string{"evil"}},
		{"rust: a crate by an alias", "Cargo.toml", []string{`-serde = "1"`, `+serde = { package = "evil", version = "1" }`}, []string{"evil"}},
		{"rust: a crate from another registry", "Cargo.toml", []string{`-serde = "1"`, `+serde = { version = "1", registry = "evil" }`}, []string{`registry = "evil`}},
		{"rust: an alias in a table of its own", "Cargo.toml", []string{" [dependencies.serde]", `-package = "serde"`, `+package = "evil"`}, []string{"evil"}},
		{"python: a package from another index", "Pipfile", []string{`-x = "*"`, `+x = {version = "*", index = "evil"}`}, []string{`index = "evil`}},
		{"python: a package from another source", "pyproject.toml", []string{`-x = {version = "1", source = "acme"}`, `+x = {version = "2", source = "evil"}`}, []string{`source = "evil`}},
		{"gradle: another module by the same alias", "gradle/libs.versions.toml", []string{`-foo = { module = "com.acme:foo", version = "1" }`, `+foo = { module = "com.evil:foo", version = "1" }`}, []string{"com.evil:foo"}},
		{"gradle: another group by the same alias", "libs.versions.toml", []string{`-foo = { group = "com.acme", name = "foo", version = "1" }`, `+foo = { group = "com.evil", name = "foo", version = "1" }`}, []string{"com.evil"}},
		{"gradle: another module on one line", "libs.versions.toml", []string{`-foo = "com.acme:foo:1.0"`, `+foo = "com.evil:foo:1.0"`}, []string{"com.evil:foo"}},
		{"gradle: versions in a catalog", "libs.versions.toml", []string{`-foo = "com.acme:foo:1.0"`, `+foo = "com.acme:foo:1.1"`, `-bar = "1.0"`, `+bar = "1.1"`, `-p = { id = "org.p", version = "1" }`, `+p = { id = "org.p", version = "2" }`}, nil},
		{"helm: a chart", "Chart.yaml", []string{" dependencies:", "-  - name: redis", "+  - name: evil", `     version: "17"`}, []string{"evil"}},
		{"helm: a chart from elsewhere", "Chart.yaml", []string{" - name: redis", `-  repository: "@acme"`, `+  repository: "@evil"`}, []string{"@evil"}},
		{"helm: versions", "Chart.yaml", []string{" name: shop", "-version: 1.0.0", "+version: 1.0.1", " dependencies:", "   - name: redis", "-    version: 17.0.0", "+    version: 18.0.0"}, nil},
		{"helm: people", "Chart.yaml", []string{" maintainers:", "+  - name: Alice"}, nil},
		{"clojure: a library", "deps.edn", []string{`+evil/lib {:mvn/version "1.0"}`, `-       org.clojure/clojure {:mvn/version "1.11"}`, `+       org.clojure/clojure {:mvn/version "1.12"} ; note`}, []string{"evil/lib"}},
		{"clojure: a library from elsewhere", "deps.edn", []string{`-x/y {:mvn/version "1.0"}`, `+x/y {:local/root "../evil"}`}, []string{"../evil"}},
		{"clojure: a project's library", "project.clj", []string{`+                 [evil/lib "1.0"]`, `-                 [ring "1.0"]])`, `+                 [ring "1.1"]])`}, []string{"evil/lib"}},
		{"rust: a crate", "Cargo.toml", []string{" [dependencies]", `+serde = { version = "1", features = ["derive"] }`}, []string{"serde"}},
		{"rust: a version", "Cargo.toml", []string{`-serde = "1.0.1"`, `+serde = "1.0.2"`}, nil},
		{"rust: a table of its own", "Cargo.toml", []string{"+[dependencies.evil]", `+version = "1"`}, []string{"evil"}},
		{"java: an artifact", "pom.xml", []string{"+<groupId>org.x</groupId>", "+<artifactId>y</artifactId>", "+<version>1</version>"}, []string{"org.x", "y"}},
		{"java: a version", "pom.xml", []string{"-<version>1</version>", "+<version>2</version>"}, nil},
		{"gradle: an artifact", "app/build.gradle.kts", []string{`-implementation("org.x:y:1.0")`, `+implementation("org.x:y:1.1")`, `+implementation("org.z:w:1.0")`}, []string{"org.z:w"}},
		{"php: a package", "composer.json", []string{`   "require": {`, `+    "monolog/monolog": "^3.0"`}, []string{"monolog/monolog"}},
		{"npm: a range between two", "package.json", []string{`+    "evil": "1.0.0 - 1.9.9",`, `+    "worse": "1.0.0 ",`}, []string{"evil", "worse"}},
		{"npm: an object on one line after a list", "package.json", []string{`   "files": [`, `     "lib"`, `   ],`, `+  "peerDependencies": { "evil": "^1" },`}, []string{"evil"}},
		{"npm: what a known object ends in", "package.json", []string{`   "scripts": {`, `-    "test": "jest"`, `+    "test": "jest" }, "devDependencies": { "evil": "1.0.0"`, `   },`, `   "x": {`}, []string{"evil"}},
		{"npm: a name without its version", "package.json", []string{`   "dependencies": {`, `+    "evil":`, `+      "1.0.0",`}, []string{"evil"}},
		{"npm: inside of what is known", "package.json", []string{`   "exports": {`, `+    ".": {`, `+      "import": "./x.mjs"`, `+    }`}, nil},
		{"npm: other sources", "package.json", []string{`   "dependencies": {`, `-    "a": "1",`, `-    "b": "1",`, `-    "c": "1",`, `+    "a": "deploy@evil.example:x/a.git",`, `+    "b": "HTTPS://evil.example/b.tgz",`, `+    "c": "sourcehut:~evil/c",`},
			[]string{"HTTPS://evil.example/b.tgz", "deploy@evil.example:x/a.git", "sourcehut:~evil/c"}},
		{"npm: sources under what describes a package", "package.json", []string{`+    "version": "evil/x",`, `+    "module": "evil/module.js",`, `+    "url":`, `+      "evil/y",`}, []string{"evil/module.js", "evil/x", "module", "url", "version"}},
		{"npm: a package that is called like a known object", "package.json", []string{`   "overrides": {`, `     "config": {`, `-      "lodash": "1.0.0"`, `+      "lodash": "evil/lodash"`}, []string{"evil/lodash"}},
		{"deno: a comment", "deno.json", []string{`   // "scripts": {`, `+  "evil": "1.0.0"`}, []string{"evil"}},
		{"python: a line that ends where git sees none", "requirements.txt", []string{"-django==5.0", "+django==5.1\revil==1.0\u2028worse==1.0"}, []string{"evil", "worse"}},
		{"python: lines that end as on Windows", "requirements.txt", []string{"-django==5.0\r", "+django==5.1\r"}, nil},
		{"python: a group", "pyproject.toml", []string{`-dev = ["pytest"]`, `+dev = ["pytest", "evil", {include-group = "test"}]`}, []string{"evil", "test"}},
		{"python: a table of its own", "Pipfile", []string{`+[packages.evil]`, `+version = "*"`}, []string{"evil"}},
		{"python: a text of many lines", "setup.py", []string{`+install_requires="""`, `+  evil>=1`, `+"""`, `+name="x"`}, []string{"evil", "x"}},
		{"ruby: two on one line", "Gemfile", []string{`-gem "rails", "7.1"`, `+gem "rails", "7.2"; gem "evil"`}, []string{"evil"}},
		{"ruby: a list of words", "Gemfile", []string{`+%w[a b].each { |g| gem g }`}, []string{"a", "b"}},
		{"ruby: a quoted word", "x.gemspec", []string{`+  s.add_runtime_dependency(%q<evil>.freeze, [">= 0"])`}, []string{"evil"}},
		{"elixir: two on one line", "mix.exs", []string{`-      [{:jason, "~> 1.4"}]`, `+      [{:jason, "~> 1.4"}, {:evil, "~> 1.0"}]`}, []string{"evil"}},
		{"elixir: a function on one line", "mix.exs", []string{`+  defp deps, do: [{:evil, "~> 1.0"}]`}, []string{"evil"}},
		{"perl: a bare word", "cpanfile", []string{`+requires Evil::More => "1.0";`}, []string{"Evil::More"}},
		{"rust: dependencies on one line", "Cargo.toml", []string{`-dependencies = { serde = "1" }`, `+dependencies = { serde = "1", evil = "1" }`}, []string{"evil"}},
		{"rust: tables of their own, oddly written", "Cargo.toml", []string{`+[dependencies . evil]`, `+version = "1"`, `+[ "dependencies"."worse" ]`, `+version = "1"`, `+["dependencies".bad]`}, []string{"bad", "evil", "worse"}},
		{"rust: a crate that is called like a key", "Cargo.toml", []string{` [dev-dependencies]`, `+tag = "1"`}, []string{"tag"}},
		{"java: a name on a line of its own", "pom.xml", []string{`+<artifactId>`, `+  evil`, `+</artifactId >`, `+<groupId >worse</groupId>`}, []string{"<artifactId>", "worse"}},
		{"gradle: a group from a variable", "build.gradle.kts", []string{`+implementation("$g:evil:1.0")`, `+val x = ""; implementation("worse:lib:1.0")`}, []string{"$g:evil", "worse:lib"}},
		{"c#: two in one", "a.csproj", []string{`-<PackageReference Include="A" />`, `+<PackageReference Include="A;Evil" />`}, []string{"Evil"}},
		{"helm: a name on the next line", "Chart.yaml", []string{` dependencies:`, `+  - name:`, `+      evil`}, []string{"name:"}},
		{"an unknown manifest", "deps.list", []string{"+foo 1.0", "-bar 1.0", "+bar 1.1", "+# note"}, []string{"foo"}},
		{"what is not in a hunk", "go.mod", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := pullRequest(patch(test.path, append([]string{" "}, test.patch...)...)).Content.Files[0]
			if diff := cmp.Diff(test.want, newDependencies(&f)); diff != "" && len(test.want)+len(newDependencies(&f)) > 0 {
				t.Errorf("%s (-want +got):\n%s", slices.Concat(test.patch), diff)
			}
		})
	}
}

const recordHistory = `
version: 1
roles: {reviewer: {permission: write}, lead: {teams: [tech-leads]}}
labels: {lowered_by: lead}
categories:
  high-risk: {when: {any: [{paths: ["**/*.tf"]}]}, record: [rollback], approvals: [{role: reviewer}]}
  normal: {record: []}
`

func TestRecordIsEditedAfterAnApproval(t *testing.T) {
	// described sets the description that the pull request has from now on.
	described := func(text, by string) edit {
		return func(f *change.Facts) {
			f.Descriptions = append(f.Descriptions, change.Description{Body: text, By: account(by), At: later(f)})
			f.Pull.Body = text
		}
	}
	ok := approved("bob")
	const highRisk, lowRisk, planned, unplanned = "## Risk\nhigh\n## Rollback\nRevert.", "## Risk\nlow", "## Rollback\nRevert.", "## Rollback\nTBD"
	play(t, recordHistory, []scenario{
		{name: "lowered before any approval", facts: pullRequest(files("a.go"), described(highRisk, "alice"), func(f *change.Facts) { f.Descriptions[0].At = morning.Add(-1) }, described(lowRisk, "carol"), func(f *change.Facts) { f.Descriptions[1].At = morning }, ok),
			want: []string{"normal, satisfied"}},
		{name: "lowered by who stated it", facts: pullRequest(files("a.go"), described(highRisk, "alice"), ok, described(lowRisk, "alice")), want: []string{"normal, satisfied"}},
		{name: "lowered by a holder", facts: pullRequest(files("a.go"), described(highRisk, "alice"), ok, described(lowRisk, "lea")), want: []string{"normal, satisfied"}},
		{name: "lowered by somebody else", facts: pullRequest(files("a.go"), described(highRisk, "alice"), ok, described(lowRisk, "carol")),
			want: []string{"high-risk, failing", "the risk that its record states matches high", "note: The risk is still high: carol lowered it"}},
		{name: "lowered by somebody who may hold the role", facts: pullRequest(files("a.go"), described(highRisk, "alice"), ok, described(lowRisk, "carol"), func(f *change.Facts) {
			f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Problem: "403"}
		}), want: []string{"high-risk, failing", "note: The risk is still high so far: whether carol, who lowered it in the description after an approval and had not stated it, " +
			"may lower the risk could not be read, because @acme/tech-leads cannot be read: 403; let the App"}},
		{name: "lowered by nobody known", facts: pullRequest(files("a.go"), described(highRisk, "alice"), ok, body(lowRisk)), want: []string{"high-risk, failing"}},
		{name: "lowered before any approval by nobody known", facts: pullRequest(files("a.go"), described(highRisk, "alice"), body(lowRisk)), want: []string{"normal, waiting"}},
		{name: "lowered after an approval that was dismissed", facts: pullRequest(files("a.go"), described(highRisk, "alice"), ok, dismissed("carol"), described(lowRisk, "carol")), want: []string{"high-risk, failing", "The risk is still high"}},
		{name: "lowered after an objection that was dismissed", facts: pullRequest(files("a.go"), described(highRisk, "alice"), objected("bob"), dismissed("bob"), described(lowRisk, "carol")), want: []string{"normal, waiting"}},
		{name: "lowered by who left it as another had stated it", facts: pullRequest(files("a.go"), described(highRisk, "alice"), described(highRisk+"\n", "carol"), ok, described(lowRisk, "carol")),
			want: []string{"high-risk, failing", "The risk is still high: carol lowered it"}},
		{name: "left as it was by who stated it, then lowered by somebody else", facts: pullRequest(files("a.go"), described(highRisk, "alice"), ok, described(highRisk+"\n", "alice"), described(lowRisk, "carol")),
			want: []string{"high-risk, failing", "note: The risk is still high: carol lowered it"}},
		{name: "edited after an approval, and not emptied", facts: pullRequest(files("a.tf"), described(planned, "alice"), ok, described(planned+" And restart.", "carol")), want: []string{"high-risk, satisfied"}},
		{name: "emptied after an approval", facts: pullRequest(files("a.tf"), described(planned, "alice"), ok, described(unplanned, "carol")),
			want: []string{"high-risk, failing", "bob does not count: the section Rollback plan was emptied since, by carol"}},
		{name: "filled in again", facts: pullRequest(files("a.tf"), described(planned, "alice"), ok, described(unplanned, "carol"), described(planned, "carol")),
			want: []string{"high-risk, waiting", "bob does not count: the section"}},
		{name: "approved again", facts: pullRequest(files("a.tf"), described(planned, "alice"), ok, described(unplanned, "carol"), described(planned, "carol"), func(f *change.Facts) {
			f.Reviews = append(f.Reviews, change.Review{ID: 200, By: account("bob"), State: change.Approved, SHA: head, At: morning.Add(time.Hour)})
		}), want: []string{"high-risk, satisfied"}},
		{name: "emptied in a normal change", facts: pullRequest(files("a.go"), described(planned, "alice"), ok, described(unplanned, "carol")), want: []string{"normal, satisfied"}},
	})
}

func FuzzNewDependencies(f *testing.F) {
	f.Add("go.mod", "@@ -1 +1 @@\n-\tgithub.com/x/y v1.0.0\n+\tgithub.com/x/y v1.1.0\n+\tgithub.com/x/z v1.1.0")
	f.Add("package.json", "@@ -1 +1 @@\n   \"dependencies\": {\n+    \"left-pad\": \"^1.0.0\",")
	f.Add("pyproject.toml", "@@ -1 +1 @@\n+dependencies = [\"rich>=14\", \"httpx>=0.27\"]")
	f.Add("build.gradle", "@@ -1 +1 @@\n+implementation 'org.z:w:1.0'")
	f.Add("setup.cfg", "@@ -1 +1 @@\n [options]\n+install_requires = rich; evil\n+    worse~=1")
	f.Add("environment.yml", "@@ -1 +1 @@\n dependencies: [\n+  - evil::x>=1")
	f.Add("Chart.yaml", "@@ -1 +1 @@\n dependencies:\n+  - name: evil\n+    repository: \"@x\"")
	f.Add("deps.edn", "@@ -1 +1 @@\n+evil/lib {:local/root \"..\"} ; note")
	f.Add("libs.versions.toml", "@@ -1 +1 @@\n+foo = { module = \"com.evil:foo\", version = \"1\" }")
	f.Fuzz(func(t *testing.T, path, patch string) {
		names := newDependencies(&change.File{Path: path, Patch: patch})
		if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Errorf("%q: %q are not in order, each once", patch, names)
		}
		// What is new is no change of versions, unless it looks like one.
		if wordy := slices.ContainsFunc(names, func(n string) bool { return !strings.ContainsAny(n, "0123456789") }); wordy && changesOnlyVersions(&change.File{Path: path, Patch: patch}) {
			t.Errorf("%q: %q are new in what changes only versions", patch, names)
		}
		// What is taken away as it is added names nothing new.
		both := "@@ -1 +1 @@\n"
		for line := range change.ChangedLines(patch) {
			both += "-" + line[1:] + "\n+" + line[1:] + "\n"
		}
		if same := newDependencies(&change.File{Path: path, Patch: both}); len(same) > 0 {
			t.Errorf("%q: %q are new in lines that were there", both, same)
		}
	})
}
