package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/calendar"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/release"
)

const (
	released = `version: 1
roles: {reviewer: {permission: write}, qa: {teams: [qa]}, boss: {teams: [release-managers]}, guard: {teams: [security]}}
deployments: create
override: boss
commands: {deploy: qa, verify: reviewer, rollback: reviewer, freeze: boss}
exceptions: {announce: ["slack:#audit"]}
categories: {high-risk: {monitor: 3h}, normal: {ships: automatically, monitor: 20m}, standard: {ships: by-hand}}
environments:
  staging: {verify: {checks: [{name: smoke, app: github-actions}], role: qa}}
  Production:
    after: Staging
    hours: "Mon-Thu 09:00-16:00, Fri 09:00-12:00"
    timezone: Europe/Berlin
    holidays: [2026-12-25, 2026-12-26]
    release: [{role: boss, count: 1}, {role: qa}]
    creators: ["acme-deploy[bot]"]
    watched: yes
    rollback: by-hand
    queue: newest
    timeout: 90m
    grace: 1d
freezes:
  - {name: year end, from: 2026-12-18, until: 2027-01-04, environments: [production]}
  - {name: summer, from: 2026-07-01, until: 2026-07-31}
  - {name: merging, from: 2026-07-01, until: 2026-07-31, merging: true}
  - {name: staging only, from: 2026-07-01, until: 2026-07-31, environments: [STAGING], merging: true}
`
	crew = "version: 1\nroles: {crew: {users: [dan, sam]}, keeper: {users: [dan]}}\n"
)

var sameZone = cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })

func TestRelease(t *testing.T) {
	p := mustParse(t, released)
	r := p.Release()
	type window = calendar.Window
	hours := release.Hours{Place: "line 12 of the policy", Hours: calendar.Hours{
		Windows:  []window{{First: time.Monday, Last: time.Thursday, From: 540, Until: 960}, {First: time.Friday, Last: time.Friday, From: 540, Until: 720}},
		Zone:     time.FixedZone("Europe/Berlin", 0),
		Holidays: []calendar.Date{{Year: 2026, Month: 12, Day: 25}, {Year: 2026, Month: 12, Day: 26}},
	}}
	want := release.Rules{
		Mode: release.Create, Deploys: []release.Sayer{{Role: "qa"}}, Announce: []string{"slack:#audit"}, Ref: p.Ref,
		Ships: map[change.Category]release.Shipping{
			change.HighRisk: {ByHand: true, Monitor: 3 * time.Hour, High: true}, change.Normal: {Monitor: 20 * time.Minute},
			change.Standard: {ByHand: true, Monitor: 30 * time.Minute},
		},
		Environments: []release.Environment{
			{
				Name: "staging", Place: "line 9 of the policy", Creators: []string{"github-actions[bot]"}, Timeout: 2 * time.Hour, Grace: 2 * time.Hour,
				Verify: release.Verify{Checks: []release.Check{{Name: "smoke", App: "github-actions"}}, Role: "qa"},
			},
			{
				Name: "Production", Place: "line 10 of the policy", After: []string{"staging"}, Hours: []release.Hours{hours}, Creators: []string{"acme-deploy[bot]"},
				Release: []release.Slot{{Role: "boss", Count: 1}, {Role: "qa", Count: 1}}, Watched: true, Newest: true, Timeout: 90 * time.Minute, Grace: 24 * time.Hour,
			},
		},
	}
	if diff := cmp.Diff(want, r, sameZone, cmpopts.IgnoreFields(release.Environment{}, "Freezes")); diff != "" {
		t.Error(diff)
	}
	for i, want := range []string{"summer line 24 of the policy, staging only line 26 of the policy", "year end line 23 of the policy, summer line 24 of the policy"} {
		var got []string
		for _, f := range r.Environments[i].Freezes {
			got = append(got, f.Name+" "+f.Place)
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("%s has the freezes %s, want %s", r.Environments[i].Name, got, want)
		}
	}
	if e, ok := r.Find("PRODUCTION"); !ok || e.Name != "Production" {
		t.Errorf("found %v", e)
	}
}

// about says of an environment, in a line, what of it is not what holds where nothing is said.
func about(r release.Rules, name string) string {
	e, ok := r.Find(name)
	if !ok {
		return "not there"
	}
	var said []string
	say := func(is bool, format string, args ...any) {
		if is {
			said = append(said, fmt.Sprintf(format, args...))
		}
	}
	say(len(e.After) > 0, "after %s", strings.Join(e.After, "+"))
	for _, h := range e.Hours {
		say(true, "hours of %s", h.Place)
	}
	for _, f := range e.Freezes {
		say(true, "%s of %s", f.Name, f.Place)
	}
	say(!slices.Equal(e.Creators, []string{"github-actions[bot]"}), "creators %q", e.Creators)
	for _, c := range e.Verify.Checks {
		say(true, "check %s by %s", c.Name, c.App)
	}
	say(e.Verify.Role != "", "verified by %s", e.Verify.Role)
	for _, s := range e.Release {
		say(true, "%d %s", s.Count, s.Role)
	}
	say(e.Watched, "watched")
	say(e.RollBack, "rolled back")
	say(e.Newest, "newest")
	say(e.Timeout != 2*time.Hour || e.Grace != 2*time.Hour, "%s and %s", e.Timeout, e.Grace)
	return strings.Join(said, ", ")
}

func TestReleaseDefaults(t *testing.T) {
	for _, tt := range []struct {
		name, policy string
		mode         release.Mode
		staging, at  string // what is said of staging and production
	}{
		{"no environments", "", release.Off, "not there", "not there"},
		{"no environments, whatever is said", "deployments: create\n", release.Off, "not there", "not there"},
		{"the only one is watched", "environments: {production: {}}\n", release.Record, "not there", "watched"},
		{"the last is watched", "environments: {staging: {}, production: {after: staging}}\n", release.Record, "", "after staging, watched"},
		{"one beside others is not", "environments: {staging: {}, production: {}}\n", release.Record, "", ""},
		{"created: what fails is rolled back where it is watched", "deployments: create\nenvironments: {staging: {}, production: {after: staging}}\n", release.Create,
			"", "after staging, watched, rolled back"},
		{"by hand, where that is said", "deployments: create\nenvironments: {production: {rollback: by-hand}}\n", release.Create, "not there", "watched"},
		{"unwatched, where that is said", "deployments: create\nenvironments: {production: {watched: no}}\n", release.Create, "not there", ""},
		{"watched and rolled back, where that is said", "environments: {staging: {watched: true, rollback: automatically}, production: {after: staging}}\n", release.Record,
			"watched, rolled back", "after staging, watched"},
		{"turned off", "deployments: off\nenvironments: {production: {}}\n", release.Off, "not there", "watched"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := mustParse(t, "version: 1\n"+tt.policy).Release()
			if staging, production := about(r, "staging"), about(r, "production"); r.Mode != tt.mode || staging != tt.staging || production != tt.at {
				t.Errorf("%s; staging %q, production %q", r.Mode, staging, production)
			}
		})
	}
}

func TestReleaseObserves(t *testing.T) {
	for mode, want := range map[string]bool{"observe": true, "enforce": false} {
		if got := mustParse(t, "version: 1\nmode: "+mode+"\nenvironments: {production: {}}\n").Release().Observing; got != want {
			t.Errorf("%s: observing is %v", mode, got)
		}
	}
}

func TestReleaseBesideAFloor(t *testing.T) {
	for _, tt := range []struct {
		name, floor, own string
		mode             release.Mode
		want             string // what is said of production
	}{
		{"the floor's, of which the repository says nothing", released, crew, release.Create,
			"after staging, hours of line 12 of the owner's policy, year end of line 23 of the owner's policy, summer of line 24 of the owner's policy, " +
				`creators ["acme-deploy[bot]"], 1 boss, 1 qa, watched, newest, 1h30m0s and 24h0m0s`},
		{"both say something", released, crew + `environments:
  canary: {after: staging}
  PRODUCTION:
    after: canary
    hours: "Mon-Fri 10:00-15:00"
    creators: ["Acme-Deploy[bot]", "github-actions[bot]"]
    verify: {checks: [{name: health}], role: crew}
    release: [{role: boss, count: 2}, {role: crew}]
    watched: no
    rollback: automatically
    queue: each
    timeout: 30m
    grace: 2d
freezes: [{name: ours, from: 2026-03-01, until: 2026-03-02, environments: [production]}, {name: all, from: 2026-03-01, until: 2026-03-02}]
`, release.Create, "after staging+canary, hours of line 12 of the owner's policy, hours of line 7 of the policy, year end of line 23 of the owner's policy, " +
			"summer of line 24 of the owner's policy, ours of line 16 of the policy, all of line 16 of the policy, " +
			`creators ["acme-deploy[bot]"], check health by , verified by crew, 2 boss, 1 qa, 1 crew, watched, 30m0s and 24h0m0s`},
		{"the repository's alone, under a freeze of all", released, crew + "environments: {shop: {}}\n", release.Create,
			"after staging, hours of line 12 of the owner's policy, year end of line 23 of the owner's policy, summer of line 24 of the owner's policy, " +
				`creators ["acme-deploy[bot]"], 1 boss, 1 qa, watched, newest, 1h30m0s and 24h0m0s`},
		{"what the floor leaves out holds as it is without", "version: 1\nenvironments: {production: {}}\n",
			crew + "deployments: create\nenvironments: {production: {watched: no, creators: [\"GitHub-Actions[bot]\", \"x[bot]\"], timeout: 3h, grace: 3h, queue: newest}}\n", release.Create,
			"watched, rolled back"},
		{"what comes after does not unwatch it", "version: 1\nenvironments: {production: {}}\n", crew + "environments: {after-care: {after: production}}\n", release.Record, "watched"},
		{"the floor says that it is not watched", "version: 1\nenvironments: {production: {watched: no}}\n", crew + "environments: {production: {}}\n", release.Record, ""},
		{"the repository watches", "version: 1\nenvironments: {production: {watched: no}}\n", crew + "environments: {production: {watched: yes}}\n", release.Record, "watched"},
		{"no rolling back by itself can be undone", "version: 1\ndeployments: create\nenvironments: {production: {}}\n",
			crew + "environments: {production: {rollback: by-hand}}\n", release.Create, "watched, rolled back"},
		{"both verify", "version: 1\nroles: {qa: {teams: [qa]}}\nenvironments: {production: {verify: {role: qa, checks: [{name: a}]}}}\n",
			crew + "environments: {production: {verify: {role: crew, checks: [{name: b}, {name: a}]}}}\n", release.Record,
			"check a by , check b by , verified by qa, crew, watched"},
		{"the repository tightens what the floor says", "version: 1\nroles: {qa: {teams: [qa]}}\n" +
			"environments: {production: {creators: [\"a[bot]\", \"b[bot]\"], grace: 3h, queue: newest, verify: {role: qa, checks: [{name: a}]}}}\n",
			crew + "environments: {production: {creators: [\"B[bot]\"], grace: 1h, verify: {role: qa}}}\n", release.Record,
			`creators ["b[bot]"], check a by , verified by qa, watched, newest, 2h0m0s and 1h0m0s`},
		{"the floor's deployments hold", "version: 1\ndeployments: off\n", crew + "deployments: create\nenvironments: {production: {}}\n", release.Off, "watched"},
		{"the repository's, where the floor has none", "version: 1\n", crew + "deployments: create\nenvironments: {production: {}}\n", release.Create, "watched, rolled back"},
		{"the repository's own may be off", "version: 1\n", crew + "deployments: off\nenvironments: {production: {}}\n", release.Off, "watched"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := mustParseBeside(t, tt.floor, tt.own)
			r := p.Release()
			if got := about(r, "production"); got != tt.want || r.Mode != tt.mode {
				t.Errorf("%s: %s\nwant %s", r.Mode, got, tt.want)
			}
			if r.Ref != p.Ref || r.Floor != p.Floor.Ref {
				t.Errorf("decided by %v and %v", r.Ref, r.Floor)
			}
		})
	}
	p := mustParseBeside(t, released, crew+"categories: {high-risk: {monitor: 1h}, normal: {monitor: 1h}}\nenvironments: {shop: {}}\n")
	r := p.Release()
	if diff := cmp.Diff(map[change.Category]release.Shipping{
		change.HighRisk: {ByHand: true, Monitor: 3 * time.Hour, High: true}, change.Normal: {Monitor: time.Hour}, change.Standard: {ByHand: true, Monitor: 30 * time.Minute},
	}, r.Ships); diff != "" {
		t.Error(diff)
	}
	if got := about(r, "shop"); got != "summer of line 24 of the owner's policy" {
		t.Errorf("shop: %s", got)
	}
}

func TestDeploymentsBesideAFloor(t *testing.T) {
	for _, tt := range []struct{ floor, own, want string }{
		{"version: 1\nenvironments: {production: {}}\n", "deployments: off\n", "line 3, column 14: only the owner's policy, "},
		{"version: 1\nenvironments: {staging: {}, production: {after: staging}}\n", "environments: {staging: {after: Production}}\n", `line 3, column 33: "staging" comes after itself`},
		{"version: 1\nenvironments: {staging: {}}\n", "environments: {production: {after: stagin}}\n", `the environment "stagin" is not defined: did you mean "staging"?`},
		{"version: 1\nenvironments: {staging: {}}\n", "environments: {Staging: {creators: ['x[bot]']}}\n", "permits other creators: name some of github-actions[bot]"},
		{"version: 1\nenvironments: {staging: {creators: ['y[bot]']}}\n", "environments: {Staging: {creators: ['x[bot]', 'Y[bot]']}}\n", ""},
		{"version: 1\nenvironments: {staging: {}}\n", "freezes: [{name: x, from: 2026-03-01, until: 2026-03-02, environments: [Staging]}]\n", ""},
	} {
		floor := mustParseBeside(t, tt.floor, "")
		_, err := ParseBeside(floor, "repository", []byte(crew+tt.own))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%q: %v, want %q", tt.own, err, tt.want)
		}
	}
	floor := mustParseBeside(t, "version: 1\ndeployments: record\nenvironments: {production: {queue: each, rollback: by-hand}}\n", "")
	own := "deployments: create\noverride: keeper\ncommands: {deploy: crew}\nenvironments: {production: {queue: newest, rollback: automatically}}\n"
	var got []string
	for _, p := range LintBeside(floor, "repository", []byte(crew+own), lintedAt) {
		got = append(got, p.Message)
	}
	for _, want := range []string{
		"deployments is record, which the owner's policy, " + floorSource + ", says", "each change is deployed by itself, which the owner's policy says",
		"it is rolled back by hand, which the owner's policy says",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("lint does not say %q: %q", want, got)
		}
	}
}

// drawRelease draws what a policy may say of deployments, without the braces of the whole. Environments come after earlier ones only.
func drawRelease(t *rapid.T, label string) string {
	pick := func(key string, values ...string) string {
		if v := rapid.SampledFrom(append(slices.Clone(values), "", "")).Draw(t, label+key); v != "" {
			return key + ": " + v + ", "
		}
		return ""
	}
	var b strings.Builder
	b.WriteString(pick("deployments", "create", "record", "off"))
	b.WriteString(pick("override", "reviewer", "boss"))
	b.WriteString("commands: {" + pick("deploy", "boss", "qa") + pick("verify", "qa", "guard") + pick("rollback", "guard") + pick("freeze", "boss") + "}, ")
	b.WriteString(pick("freezes", "[{name: a, from: 2026-03-02, until: 2026-03-04}]", "[{name: b, every: FREQ=DAILY;BYHOUR=9, lasts: 2h, environments: [Production]}]",
		"[{name: m, from: 2026-03-02, until: 2026-03-04, merging: true}]"))
	names := rapid.SampledFrom([][]string{{"production"}, {"staging", "production"}, {"staging", "qa", "production"}}).Draw(t, label+"environments")
	b.WriteString("environments: {")
	for i, name := range names {
		if rapid.Bool().Draw(t, label+"case") {
			name = strings.ToUpper(name)
		}
		b.WriteString(name + ": {" + pick("after", names[:i]...) +
			pick("hours", `"Mon-Fri 09:00-16:00"`, `"Wed-Sun 10:00-12:00, Mon 11:00-24:00"`) +
			pick("verify", "{role: qa}", "{checks: [{name: smoke}]}", "{role: guard, checks: [{name: smoke, app: github-actions}]}") +
			pick("release", "[{role: boss, count: 2}]", "[{role: boss}, {role: qa}]") + pick("creators", `["a[bot]"]`, `["A[bot]", "github-actions[bot]"]`) +
			pick("watched", "yes", "no") + pick("rollback", "automatically", "by-hand") + pick("queue", "each", "newest") +
			pick("timeout", "1h", "3h") + pick("grace", "1h", "3h") + "}, ")
	}
	b.WriteString("}, ")
	return b.String()
}

// TestReleaseLoosensNothing: whatever a repository says, what the floor alone asks of deployments holds, and whoever may not under the floor
// alone may not.
func TestReleaseLoosensNothing(t *testing.T) {
	const head, roles = "{version: 1, ", "roles: {reviewer: {permission: write}, qa: {teams: [qa]}, boss: {users: [dan, lea]}, guard: {teams: [security]}}, "
	verbs := []command.Verb{
		command.Deploy, command.Deployed, command.Accept, command.Override, command.Freeze, command.Thaw, command.Verified, command.Rollback,
		command.Queue, command.Hold, command.Cancel, command.Start,
	}
	rapid.Check(t, func(t *rapid.T) {
		ships := rapid.SampledFrom([]string{"automatically", "by-hand"}).Draw(t, "ships")
		floor, err := Parse("floor", []byte(head+roles+"categories: {normal: {ships: "+ships+", monitor: 1h}}, "+drawRelease(t, "floor ")+"}"))
		if err != nil {
			t.Fatal(err)
		}
		monitor := rapid.SampledFrom([]string{"30m", "2h"}).Draw(t, "monitor")
		p, err := ParseBeside(floor, "own", []byte(head+"categories: {normal: {monitor: "+monitor+"}}, "+drawRelease(t, "own ")+"}"))
		if err != nil {
			return // it is refused: it turns off what is the floor's, or a ring
		}
		alone, both := floor.Release(), p.Release()
		if floor.Deployments != "" && alone.Mode != both.Mode || alone.Mode != release.Off && both.Mode == release.Off {
			t.Fatalf("%s alone, %s with both", alone.Mode, both.Mode)
		}
		for category, s := range alone.Ships {
			if b := both.Ships[category]; s.ByHand && !b.ByHand || b.Monitor < s.Monitor || s.High != b.High {
				t.Fatalf("%s ships as %+v alone, as %+v with both", category, s, b)
			}
		}
		for _, a := range alone.Environments {
			b, ok := both.Find(a.Name)
			if !ok {
				t.Fatalf("%s is gone", a.Name)
			}
			if why := looser(a, *b, t); why != "" {
				t.Fatalf("%s: %s\nalone %+v\nboth %+v", a.Name, why, a, b)
			}
		}
		f := pullRequest(files("a.go"))
		by := account(rapid.SampledFrom([]string{"alice", "bob", "dan", "lea", "sam", "eve", "dependabot[bot]"}).Draw(t, "who"))
		for _, verb := range verbs {
			if verb == command.Accept {
				continue // for more roles there are more holders
			}
			for _, e := range []string{"staging", "Production", "nowhere"} {
				if p.MayRelease(verb, e, by).Answer(f).May && !floor.MayRelease(verb, e, by).Answer(f).May {
					t.Fatalf("%s may %s %s with both and not alone", by.Login, verb, e)
				}
			}
		}
	})
}

// looser says what an environment b permits that a does not; empty: nothing.
func looser(a, b release.Environment, t *rapid.T) string {
	contains := func(all []string, s string) bool {
		return slices.ContainsFunc(all, func(o string) bool { return strings.EqualFold(o, s) })
	}
	for _, after := range a.After {
		if !contains(b.After, after) {
			return "it does not come after " + after
		}
	}
	for _, c := range b.Creators {
		if !contains(a.Creators, c) {
			return c + " creates"
		}
	}
	for _, c := range a.Verify.Checks {
		if !slices.Contains(b.Verify.Checks, c) {
			return c.Name + " does not verify"
		}
	}
	if a.Verify.Role != "" && !slices.Contains(strings.Split(b.Verify.Role, roleSeparator), a.Verify.Role) {
		return a.Verify.Role + " does not verify"
	}
	for _, s := range a.Release {
		if !slices.ContainsFunc(b.Release, func(o release.Slot) bool { return o.Role == s.Role && o.Count >= s.Count }) {
			return "fewer accept"
		}
	}
	switch {
	case a.Watched && !b.Watched:
		return "it is not watched"
	case a.RollBack && !b.RollBack:
		return "it is not rolled back"
	case b.Newest && !a.Newest:
		return "not each is deployed"
	case b.Timeout > a.Timeout, b.Grace > a.Grace:
		return "there is more time"
	}
	at := time.Date(2026, 3, 2, rapid.IntRange(0, 24*9).Draw(t, "hour"), 0, 0, 0, time.UTC)
	if opens(b, at) && !opens(a, at) {
		return fmt.Sprintf("it is open at %s", at)
	}
	return ""
}

func opens(e release.Environment, t time.Time) bool {
	var hours []calendar.Hours
	for _, h := range e.Hours {
		hours = append(hours, h.Hours)
	}
	var freezes []calendar.Freeze
	for _, f := range e.Freezes {
		freezes = append(freezes, f.Freeze)
	}
	at, ok := calendar.When(hours, freezes, t)
	return ok && at.Equal(t)
}

// TestWhoDeploys holds whom people are told to ask to what decides who may.
func TestWhoDeploys(t *testing.T) {
	qa, inCrew, maintainers := release.Sayer{Role: "qa"}, release.Sayer{Role: "crew"}, release.Sayer{Access: "maintain"}
	for _, tt := range []struct {
		floor, own string
		want       []release.Sayer
	}{
		{"", silent, []release.Sayer{maintainers}},
		{"", released, []release.Sayer{qa}},
		{released, crew, []release.Sayer{qa}},
		{released, crew + "commands: {deploy: crew}\n", []release.Sayer{qa, inCrew}},
		{silent, crew + "commands: {deploy: crew}\n", []release.Sayer{maintainers, inCrew}},
		{silent, crew, []release.Sayer{maintainers}},
	} {
		p := mustParse(t, tt.own)
		if tt.floor != "" {
			p = mustParseBeside(t, tt.floor, tt.own)
		}
		if got := p.Release().Deploys; !slices.Equal(got, tt.want) {
			t.Errorf("%s\nbeside %s\nis for %v, want %v", tt.own, tt.floor, got, tt.want)
		}
	}
}

// A role is told with its people, the owner's as well, so that nobody need read the policy to know whom to ask.
func TestHolders(t *testing.T) {
	p := mustParseBeside(t, released, strings.Replace(crew, "keeper:", "many: {teams: [ops], users: [dan, kim, lea, sam]}, keeper:", 1))
	got := map[string]string{}
	for name, who := range p.Holders(change.Repository{ID: 7, Owner: "acme", Name: "shop"}) {
		got[name] = who.String()
	}
	for name, want := range map[string]string{"qa": "@acme/qa", "reviewer": "anyone with write access", "crew": "dan or sam", "keeper": "dan", "many": "@acme/ops, dan, kim or 2 more"} {
		if got[name] != want {
			t.Errorf("%s is held by %q, want %q", name, got[name], want)
		}
	}
}

func TestMayRelease(t *testing.T) {
	const noOverride = "no : nobody: the policy names no override, which is the role that may, at its top level: override: ROLE"
	maintainer := func(login string) edit {
		return func(f *change.Facts) {
			f.People[account(login).ID] = change.Person{Account: account(login), Permission: change.PermissionMaintain}
		}
	}
	named := strings.ReplaceAll(released, "teams: [qa]", `teams: [tech-leads], bots: ["dependabot[bot]"]`)
	named = strings.ReplaceAll(named, "teams: [release-managers]", "users: [dan, carol]")
	none := edit(func(*change.Facts) {})
	for _, tt := range []struct {
		name, floor, own string
		verb             command.Verb
		environment, by  string
		facts            edit
		want             string
	}{
		{"deploy: a maintainer", "", silent, command.Deploy, "production", "bob", maintainer("bob"), "yes permission:maintain: anyone with maintain access"},
		{"deploy: no writer", "", silent, command.Deploy, "production", "bob", none, "no permission:maintain: anyone with maintain access"},
		{"deploy: a role", "", named, command.Deploy, "production", "lea", none, "yes qa: @acme/tech-leads"},
		{"deploy: no maintainer, where it is a role's", "", named, command.Deploy, "production", "bob", maintainer("bob"), "no qa: @acme/tech-leads"},
		{"deploy: a program that the role names", "", named, command.Deploy, "production", "dependabot[bot]", none, "yes qa: @acme/tech-leads"},
		{"deploy: any other program", "", silent, command.Deploy, "production", "dependabot[bot]", maintainer("dependabot[bot]"), "no permission:maintain: anyone with maintain access"},
		{"deploy: nobody known", "", silent, command.Deploy, "production", "nobody", none, "no permission:maintain: anyone with maintain access"},
		{"deploy: somebody whose team cannot be read", "", named, command.Deploy, "", "lea", func(f *change.Facts) {
			f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Problem: "403"}
		}, "unknown qa: @acme/tech-leads"},
		{"deployed", "", named, command.Deployed, "production", "lea", none, "yes qa: @acme/tech-leads"},
		{"start", "", named, command.Start, "production", "bob", none, "no qa: @acme/tech-leads"},
		{"hold", "", named, command.Hold, "production", "lea", none, "yes qa: @acme/tech-leads"},
		{"cancel", "", silent, command.Cancel, "production", "bob", none, "no permission:maintain: anyone with maintain access"},
		{"freeze: a role", "", named, command.Freeze, "production", "dan", none, "yes boss: dan or carol"},
		{"thaw: a role", "", named, command.Thaw, "production", "lea", none, "no boss: dan or carol"},
		{"thaw: a maintainer", "", silent, command.Thaw, "production", "bob", maintainer("bob"), "yes permission:maintain: anyone with maintain access"},
		{"rollback: a writer", "", silent, command.Rollback, "production", "bob", none, "yes permission:write: anyone with write access"},
		{"rollback: the author without write access", "", silent, command.Rollback, "production", "eve", authoredBy("eve"), "no permission:write: anyone with write access"},
		{"verified: the environment's role", "", named, command.Verified, "STAGING", "lea", none, "yes qa: @acme/tech-leads"},
		{"verified: the environment's role and no other", "", named, command.Verified, "staging", "bob", none, "no qa: @acme/tech-leads"},
		{"verified: the policy's, where the environment names none", "", named, command.Verified, "production", "bob", none, "yes reviewer: anyone with write access"},
		{"verified: a writer", "", silent, command.Verified, "production", "bob", none, "yes permission:write: anyone with write access"},
		{"override: a role", "", named, command.Override, "production", "dan", none, "yes boss: dan or carol"},
		{"override: nobody", "", silent, command.Override, "production", "dan", maintainer("dan"), noOverride},
		{"queue: a writer", "", named, command.Queue, "", "bob", none, "yes permission:write: anyone with write access"},
		{"queue: not everybody", "", named, command.Queue, "", "eve", none, "no permission:write: anyone with write access"},
		{"accept: one of the roles", "", named, command.Accept, "production", "dan", none, "yes boss: dan or carol or @acme/tech-leads"},
		{"accept: another of them", "", named, command.Accept, "production", "lea", none, "yes qa: dan or carol or @acme/tech-leads"},
		{"accept: none of them", "", named, command.Accept, "production", "bob", none, "no boss, qa: dan or carol or @acme/tech-leads"},
		{"accept: it is not known", "", named, command.Accept, "production", "lea", func(f *change.Facts) { delete(f.Teams, "tech-leads") }, "unknown boss, qa: dan or carol or @acme/tech-leads"},
		{"accept: of one it is known, of another not", "", named, command.Accept, "production", "dan", func(f *change.Facts) { delete(f.Teams, "tech-leads") }, "yes boss: dan or carol or @acme/tech-leads"},
		{"accept: where nobody need", "", named, command.Accept, "staging", "dan", none, "no : nobody: staging asks for no release approval"},
		{"accept: nowhere", "", named, command.Accept, "moon", "dan", none, "no : nobody: moon asks for no release approval"},
		{"no command about deployments", "", named, command.Refresh, "production", "dan", none, "no : nobody"},

		{"the floor's role, of which the repository says nothing", named, crew, command.Deploy, "production", "lea", none, "yes qa: @acme/tech-leads"},
		{"both roles", named, crew + "commands: {freeze: crew}\n", command.Freeze, "production", "dan", none, "yes boss, crew: dan or carol who is also dan or sam"},
		{"one of them is not enough", named, crew + "commands: {freeze: crew}\n", command.Freeze, "production", "sam", none, "no boss, crew: dan or carol who is also dan or sam"},
		{"beside what a silent floor asks for", silent, crew + "commands: {deploy: crew}\n", command.Deploy, "production", "dan", none,
			"no permission:maintain, crew: anyone with maintain access who is also dan or sam"},
		{"nobody may override beside a silent floor", silent, crew + "override: crew\n", command.Override, "production", "dan", none, noOverride},
		{"whom the floor names overrides", named, crew, command.Override, "production", "carol", none, "yes boss: dan or carol"},
		{"both name who overrides", named, crew + "override: crew\n", command.Override, "production", "carol", none, "no boss, crew: dan or carol who is also dan or sam"},
		{"both verify", named, crew + "environments: {staging: {verify: {role: keeper}}}\n", command.Verified, "staging", "lea", none, "no qa, keeper: @acme/tech-leads who is also dan"},
		{"the repository's verifies besides", silent, crew + "environments: {staging: {verify: {role: keeper}}}\n", command.Verified, "staging", "dan", none,
			"yes permission:write, keeper: anyone with write access who is also dan"},
		{"accept: the repository's role too", named, crew + "environments: {production: {release: [{role: keeper}, {role: boss, count: 2}]}}\n", command.Accept, "production", "dan", none,
			"yes boss, keeper: dan or carol or @acme/tech-leads or dan"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p *Policy
			if tt.floor != "" {
				p = mustParseBeside(t, tt.floor, tt.own)
			} else {
				p = mustParse(t, tt.own)
			}
			f := pullRequest(files("a.go"), tt.facts)
			may := p.MayRelease(tt.verb, tt.environment, account(tt.by))
			a := may.Answer(f)
			if got := fmt.Sprintf("%s %s: %s", answered(a), a.Role, a.Who); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
			if b := may.Answer(known(f, may.Needs)); answered(b) != answered(a) || b.Role != a.Role {
				t.Errorf("%s with everything, %s with what was needed", answered(a), answered(b))
			}
		})
	}
}

func TestHeldOf(t *testing.T) {
	p := mustParseBeside(t, strings.ReplaceAll(released, "teams: [release-managers]", "users: [dan]"), crew)
	f := pullRequest(files("a.go"))
	f.Teams["qa"] = change.Team{Slug: "qa", Problem: "403"}
	for _, tt := range []struct {
		by, roles string
		held      string
		unknown   bool
	}{
		{"dan", "crew boss reviewer keeper", "crew boss reviewer keeper", false},
		{"bob", "crew boss reviewer", "reviewer", false},
		{"sam", "guard crew", "guard crew", false},
		{"dan", "boss qa", "boss", true},
		{"bob", "nothing", "", false},
		{"nobody", "crew qa", "", false},
		{"dependabot[bot]", "crew reviewer", "", false},
	} {
		of := p.HeldOf(strings.Fields(tt.roles), account(tt.by))
		held := of.Answer(f)
		if got := strings.Join(held.Roles, " "); got != tt.held || held.Unknown != tt.unknown {
			t.Errorf("%s holds %q of %q (%t)", tt.by, got, tt.roles, held.Unknown)
		}
		if again := of.Answer(known(f, of.Needs)); !slices.Equal(again.Roles, held.Roles) || again.Unknown != held.Unknown {
			t.Errorf("%s holds %q with what was needed", tt.by, again.Roles)
		}
	}
}

func TestScheduled(t *testing.T) {
	described := func(section string) edit {
		return func(f *change.Facts) { f.Pull.Body += "\n\n" + section + "\n" }
	}
	const always = "version: 1\nroles: {reviewer: {permission: write}, incident: {teams: [on-call]}}\nemergency: {declared_by: incident, record: []}\ncategories: {normal: {record: []}}\n"
	row := "missing Scheduled [scheduled unclear] next week → say a date such as 2026-01-31 in the Scheduled section of the description"
	ok, a := approved("bob"), files("a.go")
	play(t, always, []scenario{
		{name: "a day", facts: pullRequest(a, ok, described("## Not before\n2026-04-01, with the campaign")), want: []string{"normal, satisfied"}, never: []string{"Scheduled"}},
		{name: "no day", facts: pullRequest(a, ok, described("## Scheduled\nnext week")), want: []string{"normal, failing", row}},
		{name: "nothing", facts: pullRequest(a, ok), want: []string{"normal, satisfied"}, never: []string{"Scheduled"}},
		{name: "a placeholder", facts: pullRequest(a, ok, described("## Scheduled\nTBD")), want: []string{"normal, satisfied"}, never: []string{"Scheduled"}},
		{name: "an emergency ships at once", facts: pullRequest(a, ok, label("EMERGENCY", "olga"), described("## Scheduled\nnext week")), want: []string{"emergency, satisfied"}, never: []string{"Scheduled"}},
	})
	play(t, strings.Replace(always, "record: []}}", "record: [scheduled]}}", 1), []scenario{
		{name: "required", facts: pullRequest(a, ok), want: []string{"normal, failing", "missing Scheduled [scheduled missing] missing → add a ## Scheduled section to the description"}},
		{name: "and there", facts: pullRequest(a, ok, described("Not before: 2026-04-01")), want: []string{"normal, satisfied", "met Scheduled"}},
	})
	day := func(p *Policy, section string) string {
		return p.Decide(pullRequest(a, described(section))).Scheduled
	}
	p := mustParse(t, always)
	for section, want := range map[string]string{
		"## Scheduled\n2026-04-01": "2026-04-01", "## Not before\n\n**2026-04-01** at noon": "2026-04-01", "## Scheduled\nsoon": "", "## Scheduled\n2026-02-30": "", "": "",
	} {
		if got := day(p, section); got != want {
			t.Errorf("%q is scheduled for %q, want %q", section, got, want)
		}
	}
	both := mustParseBeside(t, always, "version: 1\nrecord: {scheduled: {headings: [Release day]}}\n")
	if got := day(both, "## Scheduled\n2026-04-01\n\n## Release day\n2026-05-01\n"); got != "2026-05-01" {
		t.Errorf("of two days it is %q", got)
	}
}

func TestContributorsAreToldWithTheDecision(t *testing.T) {
	f := pullRequest(files("a.go"), pushedBy("lea"), pushedBy("dan"))
	d := mustParse(t, silent).Decide(f)
	want := map[change.AccountID]bool{account("alice").ID: true, account("lea").ID: true, account("dan").ID: true}
	if !slices.IsSorted(d.Contributors) || !maps.Equal(want, func() map[change.AccountID]bool {
		got := map[change.AccountID]bool{}
		for _, id := range d.Contributors {
			got[id] = true
		}
		return got
	}()) || len(d.Contributors) != len(want) {
		t.Errorf("contributors are %v", d.Contributors)
	}
	merged("olga")(&f)
	if again := mustParse(t, silent).Decide(f); !slices.Equal(again.Contributors, d.Contributors) {
		t.Errorf("after the merge they are %v", again.Contributors)
	}
}
