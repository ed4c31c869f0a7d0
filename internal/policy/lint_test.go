package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// minimal is a policy that lints without a warning, for tests to add to.
const minimal = `version: 1
roles: {reviewer: {permission: write}, security: {teams: [security]}}
security_review: {role: security}
categories:
  high-risk: {when: {any: [{paths: ["db/**"]}]}, approvals: [{role: reviewer, count: 2}]}
`

// lintedAt is when the policies are looked at.
var lintedAt = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestLint(t *testing.T) {
	tests := []struct {
		name, policy string
		want         []string // "line: message", in order
	}{
		{"nothing to say", minimal, nil},
		{"an unused role", strings.Replace(minimal, "roles: {", "roles: {lead: {teams: [leads]}, ", 1),
			[]string{`2: the role "lead" is not used`}},
		{"a role of one", strings.Replace(minimal, "{teams: [security]}", "{users: [alice]}", 1),
			[]string{`2: only alice can fill the role "security", and not on their own changes`}},
		{"anyone approves", strings.Replace(minimal, "permission: write", "permission: read", 1),
			[]string{`2: everyone with read access counts as "reviewer"`}},
		{"a program that runs anybody's code", minimal + "bots: ['dependabot[bot]', 'GitHub-Actions[bot]']\n",
			[]string{"6: whoever can push a workflow can push code as GitHub-Actions[bot], and then approve it"}},
		{"no security review", "version: 1\ncategories:\n  high-risk: {when: {any: [{labels: [x]}]}, approvals: []}\n",
			[]string{"1: there is no security review", "3: nobody needs to approve high-risk changes"}},
		{"nothing is high-risk", strings.Replace(minimal, "when: {any: [{paths: [\"db/**\"]}]}, ", "", 1),
			[]string{"5: nothing is high-risk but the policy itself"}},
		{"an emergency without anything", minimal + "emergency: {declared_by: security, approvals: [], record: []}\n",
			[]string{"6: an emergency is announced nowhere", "6: an emergency is never approved by anyone", "6: an emergency needs no justification"}},
		{"a check that anyone posts", minimal + "checks:\n  - {name: build}\n  - {name: test, app: github-actions}\n  - {name: e2e, app: circleci}\n  - {name: e2e, app: circleci}\n  - {none_failing: 'ci/*'}\n",
			[]string{`7: anyone who can write may post a check named "build"`, `8: any workflow of any branch can post a check named "test"`, "10: this check is here twice"}},
		{"everything is standard", minimal + "  standard: {when: {any: [{only_paths: [\"**\"]}]}}\n",
			[]string{`6: with "**" every change is standard`}},
		{"code is standard", minimal + "  standard: {when: {any: [{only_paths: [\"**/*.md\", \"src/**\", \".github/**\"]}]}}\n",
			[]string{`6: "src/**" makes a change of src/app.py standard`, `6: ".github/**" makes a change of .github/workflows/ci.yml standard`}},
		{"guarded code may be standard", minimal + "  standard: {when: {any: [{only_paths: [\"src/**\"], changed_lines: \"< 5\"}]}}\n", nil},
		{"an account may do anything", minimal + "  standard: {when: {any: [{authors: [\"x[bot]\"]}]}}\n",
			[]string{"6: this rule does not say which files may change"}},
		{"a new dependency is standard", minimal + "  standard:\n    when:\n      any:\n        - {authors: [\"x[bot]\"], only_paths: [\"go.sum\", \"**/go.mod\", \"**/package.json\"]}\n" +
			"        - {authors: [\"x[bot]\"], only_paths: [\"**/*\"]}\n        - {only_paths: [\"web/**/{a,package}.json\"]}\n        - {only_paths: [\"**/*.txt\"], changed_lines: \"< 9\"}\n",
			[]string{`9: with "**/go.mod" a new dependency in go.mod is standard`, `10: with "**/*" a new dependency in go.mod is standard`,
				`11: with "web/**/{a,package}.json" a new dependency in web/package.json is standard`, `12: with "**/*.txt" a new dependency in requirements.txt is standard`}},
		{"it is not", minimal + "  standard:\n    when:\n      any:\n        - {authors: [\"x[bot]\"], only_paths: [\"**/go.mod\"], bumps_only: true}\n" +
			"        - {only_paths: [\"**/go.mod\"], expression: 'change.number > 1'}\n        - {only_paths: [\"docs/**\", \"**/*.md\", \"**/go.sum\"]}\n", nil},
		{"it is reviewed", strings.Replace(minimal, "{role: security}", "{role: security, triggers: {new: {new_dependencies: ['**/go.mod']}, old: {paths: ['**/pom.xml']}}}", 1) +
			"  standard: {when: {any: [{authors: [\"x[bot]\"], only_paths: [\"**/go.mod\", \"**/pom.xml\"]}]}}\n", nil},
		{"a short watch", minimal + "  normal: {monitor: 29m}\n  standard: {monitor: 30m}\n", []string{"6: normal changes are watched for less than 30 minutes once they are deployed"}},
		{"an account is exempt", strings.Replace(minimal, `paths: ["db/**"]`, `paths: ["db/**"], unless: {authors: [x]}`, 1),
			[]string{"5: unless does not say which files may change"}},
		{"a label that nobody may set", minimal + "  standard: {when: {any: [{labels: [trivial]}]}}\n",
			[]string{"6: this label lowers the risk, and nobody has the authority to add it"}},
		{"the emergency's label", minimal + "  standard: {}\nemergency: {declared_by: security, announce: ['slack:#x'], label: high}\n" +
			"labels: {lowered_by: security}\n", nil},
		{"the emergency's label in a rule", strings.Replace(minimal, `paths: ["db/**"]`, `labels: [emergency]`, 1) + "emergency: {declared_by: security, announce: ['slack:#x']}\n",
			[]string{`5: the label "emergency" declares an emergency`}},
		{"patterns", strings.Replace(minimal, `"db/**"`, `"db/**", "DB/**", "*.tf", 'a\.go', ".*/x", "db/x", "**/*.sql", "**/y/*.SQL", "x ", '(a|b)/c'`, 1),
			[]string{
				`5: the pattern "DB/**" is here twice`,
				`5: the pattern "*.tf" matches at the root of the repository only`,
				`5: the pattern "a\\.go" looks like a regular expression`,
				`5: the pattern ".*/x" looks like a regular expression`,
				`5: the pattern "db/x" adds nothing to "db/**"`,
				`5: the pattern "**/y/*.SQL" adds nothing to "**/*.sql"`,
				`5: the pattern "x " begins or ends with a space`,
				`5: the pattern "(a|b)/c" looks like a regular expression`,
			}},
		{"patterns of Windows, and two in one", strings.Replace(minimal, `"db/**"`, `'shop\**', "*.sql,*.py", 'a\*b'`, 1),
			[]string{`5: the pattern "shop\\**" has a backslash`, `5: the pattern "*.sql,*.py" has a comma outside of braces, where it separates nothing`}},
		{"any small change is standard", minimal + "  standard: {when: {any: [{changed_lines: \"< 5\"}, {changed_files: \"= 1\"}, {only_paths: [\"**\"], changed_lines: \"< 9\"}]}}\n",
			[]string{"6: any small change is standard, one line of a sign-in too", "6: any small change is standard, one line of a sign-in too", "6: any small change is standard, one line of a sign-in too"}},
		{"small, and of a trusted bot's", minimal + "  standard: {when: {any: [{changed_lines: \"< 5\", authors: [\"x[bot]\"], only_paths: [\"go.sum\"]}]}}\n", nil},
		{"any small change is high-risk", strings.Replace(minimal, `paths: ["db/**"]`, `changed_lines: "< 5"`, 1), nil},
		{"the author's own words lower the risk", minimal + "  standard: {when: {any: [{expression: 'change.title.startsWith(\"docs:\")'}, {expression: 'change.draft'}]}}\n",
			[]string{"6: whoever opens or edits the pull request writes its title and body, and so makes it standard"}},
		{"the author's own words raise it", strings.Replace(minimal, `paths: ["db/**"]`, `expression: 'change.body.contains("migration")'`, 1), nil},
		{"a high-risk change that security need not see", strings.Replace(minimal, "approvals: [{", "security_review: triggered, approvals: [{", 1),
			[]string{"5: high-risk changes get a security review only if something triggers it"}},
		{"an override of nothing", minimal + "override: security\n",
			[]string{"6: override is about hours and freezes of environments, and there are none"}},
		{"an override", minimal + "override: security\nenvironments: {production: {}}\n", nil},
		{"deployments to nowhere", minimal + "deployments: create\n", []string{"6: deployments is create, and there is no environment"}},
		{"deployments turned off", minimal + "deployments: off\n", nil},
		{"production after nothing", minimal + "environments:\n  staging: {}\n  Production: {}\n",
			[]string{"8: Production takes what was in no environment before"}},
		{"after staging, where nothing comes after anything", minimal + "  normal: {ships: after-staging}\nenvironments: {shop: {}}\n",
			[]string{"6: it ships after staging, and no environment comes after another"}},
		{"after staging", minimal + "  normal: {ships: after-staging}\nenvironments: {qa: {}, shop: {after: QA}}\n", nil},
		{"an environment that no command can name", minimal + "environments:\n  us east: {}\n  zürich: {}\n",
			[]string{`7: no command can name the environment "us east"`, `8: no command can name the environment "zürich"`}},
		{"a person deploys", minimal + "environments: {production: {creators: [alice, 'github-actions[bot]']}}\n",
			[]string{"6: alice is a person, who can then record as deployed what never was"}},
		{"roles of an environment", strings.Replace(minimal, "roles: {", "roles: {qa: {teams: [qa]}, boss: {users: [x, y]}, ops: {permission: maintain}, ", 1) +
			"environments: {production: {verify: {role: qa}, release: [{role: boss}]}}\ncommands: {deploy: ops}\n", nil},
		{"anyone deploys", strings.Replace(minimal, "roles: {", "roles: {guest: {permission: read}, ", 1) + "commands: {deploy: guest}\n",
			[]string{`2: everyone with read access counts as "guest"`}},
		{"a freeze of merging", minimal + "freezes:\n  - {name: end, from: 2026-12-18, until: 2027-01-04, merging: true}\n", nil},
		{"a role that only commands name", strings.Replace(minimal, "roles: {", "roles: {lead: {teams: [leads]}, ", 1) + "commands: {reject: lead, refresh: lead}\nexceptions: {announce: ['slack:#x']}\n", nil},
		{"anyone rejects", strings.Replace(minimal, "roles: {", "roles: {guest: {permission: read}, ", 1) + "commands: {reject: guest}\n",
			[]string{`2: everyone with read access counts as "guest"`}},
		{"a freeze of deployments", minimal + "environments: {production: {}}\nfreezes: [{name: end, from: 2026-12-18, until: 2027-01-04, environments: [production]}]\n", nil},
		{"freezes without an end", minimal + "freezes:\n  - {name: ever, every: 'FREQ=DAILY', lasts: 1d, merging: true}\n" +
			"  - {name: long, from: 2026-12-18, until: 2062-01-04, merging: true}\n  - {name: nights, every: 'FREQ=DAILY;BYHOUR=20', lasts: 10h, merging: true}\n" +
			"  - {name: once, every: 'FREQ=DAILY;UNTIL=20271231T000000Z', lasts: 2d, merging: true}\n",
			[]string{`7: the freeze "ever" never ends: it lasts until it comes again`, `8: the freeze "long" lasts for more than a year`}},
		{"freezes that are over", minimal + "freezes:\n  - {name: last year, from: 2024-12-18, until: 2025-01-04, merging: true}\n" +
			"  - {name: now, from: 2026-02-28, until: 2026-03-02, merging: true}\n  - {name: until noon, from: 2026-02-28, until: 2026-03-02 12:00, merging: true}\n" +
			"  - {name: no more, every: 'FREQ=DAILY;UNTIL=20260228T000000Z', lasts: 1d, merging: true}\n  - {name: last, every: 'FREQ=DAILY;UNTIL=20260302T000000Z', lasts: 1d, merging: true}\n",
			[]string{`7: the freeze "last year" has been over since 2025-01-04`, `9: the freeze "until noon" has been over since 2026-03-02 12:00`,
				`10: the freeze "no more" does not come again, in ten years at least`}},
		{"holidays that are over", minimal + "environments:\n  live: {hours: 'Mon-Fri 09:00-16:00', holidays: [2025-12-25, 2026-03-01]}\n" +
			"  west: {hours: 'Mon-Fri 09:00-16:00', holidays: [2025-12-25, 2026-03-02], timezone: America/New_York}\n  east: {hours: 'Mon-Fri 09:00-16:00'}\n",
			[]string{`7: all holidays of live are over`}},
		{"a bot under a person's name", minimal + "bots: [dependabot, 'renovate[bot]']\n", []string{`6: "dependabot" is a person's login, and an App's ends in [bot]`}},
		{"a label that raises the risk and lowers it", strings.Replace(minimal, `paths: ["db/**"]`, "labels: [Schema]", 1) +
			"  standard: {when: {any: [{labels: [schema, docs]}]}}\nlabels: {lowered_by: security}\n",
			[]string{`6: the label "schema" makes a change high-risk already`}},
		{"a trigger for everything", strings.Replace(minimal, "role: security}", "role: security, triggers: {all: {paths: ['**']}}}", 1),
			[]string{`3: the trigger "all" asks for a review of nearly every change`}},
		{"a section that nothing requires", minimal + "record: {downtime: {type: yes/no}}\n",
			[]string{`6: nothing requires the section "downtime"`}},
		{"a built-in section by another case", minimal + "record: {Description: {na: true}}\n",
			[]string{`6: "Description" is not the built-in section "description"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Lint("test", []byte(tt.policy), lintedAt)
			for i := 0; i < max(len(got), len(tt.want)); i++ {
				switch {
				case i >= len(got):
					t.Errorf("missing: %s", tt.want[i])
				case i >= len(tt.want):
					t.Errorf("unexpected: %v", got[i])
				case got[i].Severity != Warning:
					t.Errorf("not a warning: %v", got[i])
				default:
					if line := strings.Replace(tt.want[i], ": ", ", ", 1); !strings.HasPrefix(got[i].String(), "line "+strings.Split(line, ",")[0]+",") ||
						got[i].Message != tt.want[i][strings.Index(tt.want[i], ": ")+2:] {
						t.Errorf("got %v\nwant line %s", got[i], tt.want[i])
					}
				}
			}
			for _, p := range got {
				if p.Mend == "" {
					t.Errorf("no mend: %v", p)
				}
			}
		})
	}
}

// TestPoliciesLint holds the default policy and the worked examples to what they preach.
func TestPoliciesLint(t *testing.T) {
	files, err := filepath.Glob("../../policies/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Glob("../../policies/examples/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 || len(examples) == 0 {
		t.Fatal("no policies found")
	}
	for _, file := range append(files, examples...) {
		if strings.HasSuffix(file, "_test.yml") {
			continue // tests of a policy
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range Lint(file, text, lintedAt) {
			t.Errorf("%s: %v", file, p)
		}
	}
}

func TestManifestFilesAreKnown(t *testing.T) {
	for _, file := range manifestFiles {
		if manifestKind(file) < 0 {
			t.Errorf("%s is no manifest that is known", file)
		}
	}
}
