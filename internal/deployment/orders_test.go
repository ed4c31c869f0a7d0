package deployment

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/release"
)

// ordered reads a command by somebody on pull request 1, and returns what the core is told of it, or else what is answered.
func (r *rig) ordered(by change.Account, body string) (*release.Order, []answer) {
	r.t.Helper()
	_, note := r.command(1, by, body)
	run := r.begin()
	run.state.Tracks["canary"] = &release.Track{Environment: "Canary"}
	o, err := run.order(r.t.Context(), *note.Command)
	r.must(err)
	return o, run.state.Answers
}

func TestOrders(t *testing.T) {
	r := newRig(t)
	berlin, err := time.LoadLocation("Europe/Berlin")
	r.must(err)
	r.policies.Environments[1].Hours[0].Zone = berlin
	r.policies.Environments[1].Release = []release.Slot{{Role: "release-manager", Count: 1}, {Role: "ops", Count: 1}}
	r.policies.Environments[1].Verify.Role = "qa"
	p, _ := r.merge(change.Normal)
	for _, tt := range []struct {
		body string
		by   change.Account
		want release.Order
	}{
		{"/change deploy production", bob, release.Order{Environment: "production", May: true, Role: "release-manager"}},
		{"/change deploy PRODUCTION", alice, release.Order{Environment: "production", Role: "release-manager"}},
		{"/change hold canary", bob, release.Order{Environment: "Canary", May: true, Role: "release-manager"}},
		{"/change accept production", bob, release.Order{Environment: "production", May: true, Role: "release-manager", Holds: []string{"release-manager"}}},
		{"/change accept production", alice, release.Order{Environment: "production", Role: "release-manager"}},
		{`/change verified "looked at it"`, bob, release.Order{Reason: "looked at it", May: true, Role: "qa", Holds: []string{"qa"}}},
		{`/change verified staging "looked at it"`, bob, release.Order{Environment: "staging", Reason: "looked at it", May: true, Role: "qa"}},
		{"/change queue", alice, release.Order{May: true}},
		{`/change rollback "slow"`, bob, release.Order{Reason: "slow", May: true, Role: "release-manager"}},
		{`/change rollback production "slow"`, bob, release.Order{Environment: "production", Reason: "slow", May: true, Role: "release-manager"}},
		{`/change rollback ABCDEF0 "slow"`, bob, release.Order{Version: "abcdef0", Reason: "slow", May: true, Role: "release-manager"}},
		{`/change rollback production security "slow"`, bob, release.Order{Environment: "production", Class: release.Security, Reason: "slow", May: true, Role: "release-manager"}},
		{`/change rollback production abcdef0 degradation "slow"`, bob, release.Order{
			Environment: "production", Version: "abcdef0", Class: release.Degradation, Reason: "slow", May: true, Role: "release-manager",
		}},
		{`/change freeze production until 2026-12-24T17:00 "x"`, bob, release.Order{
			Environment: "production", Reason: "x", Until: time.Date(2026, 12, 24, 16, 0, 0, 0, time.UTC), May: true, Role: "release-manager",
		}},
		{`/change freeze production until 2026-07-24 "x"`, bob, release.Order{
			Environment: "production", Reason: "x", Until: time.Date(2026, 7, 23, 22, 0, 0, 0, time.UTC), May: true, Role: "release-manager",
		}},
		{`/change freeze staging until 2026-12-24T17:00 "x"`, bob, release.Order{
			Environment: "staging", Reason: "x", Until: time.Date(2026, 12, 24, 17, 0, 0, 0, time.UTC), May: true, Role: "release-manager",
		}},
		{`/change freeze production until 2026-12-24T17:00:00-05:00 "x"`, bob, release.Order{
			Environment: "production", Reason: "x", Until: time.Date(2026, 12, 24, 22, 0, 0, 0, time.UTC), May: true, Role: "release-manager",
		}},
	} {
		got, answers := r.ordered(tt.by, tt.body)
		if got == nil {
			t.Errorf("%s is answered with %v", tt.body, answers)
			continue
		}
		want := tt.want
		want.Command, want.Who, want.Commit, want.Merger, want.Verb = got.Command, got.Who, p.MergeCommit, p.MergedBy, command.Verb(strings.Fields(tt.body)[1])
		if diff := cmp.Diff(want, *got, cmp.Comparer(time.Time.Equal)); diff != "" || len(answers) > 0 {
			t.Errorf("%s by %s (-want +got), answered %v:\n%s", tt.body, tt.by.Login, answers, diff)
		}
	}
}

// TestWhoAcceptsIsKnownByTheRolesThatCouldBeRead: what could not be read is no refusal, and what could counts.
func TestWhoAcceptsIsKnownByTheRolesThatCouldBeRead(t *testing.T) {
	r := newRig(t)
	r.policies.Environments[1].Release = []release.Slot{{Role: "release-manager", Count: 1}}
	r.merge(change.Normal)
	for _, tt := range []struct {
		by                       change.Account
		unknown, unread, because bool
	}{
		{by: alice}, {by: alice, unread: true, because: true}, {by: bob, unread: true}, {by: bob, unknown: true, because: true},
	} {
		r.policies.unknown, r.policies.unread = tt.unknown, tt.unread
		o, answers := r.ordered(tt.by, "/change accept production")
		if o == nil || o.Unknown != tt.because || (len(o.Holds) > 0) != (tt.by == bob) {
			t.Errorf("%+v: %+v, answered %v", tt, o, answers)
		}
	}
}

// TestACommandOnWhatDidNotLandNamesNoCommit gives one on pull requests that brought nothing to a governed branch.
func TestACommandOnWhatDidNotLandNamesNoCommit(t *testing.T) {
	for name, adjust := range map[string]func(*change.Pull){
		"open, with a commit of a test merge":       func(p *change.Pull) { p.State = change.Open },
		"closed":                                    func(p *change.Pull) { p.State = change.Closed },
		"merged into a branch that is not governed": func(p *change.Pull) { p.Base.Name = "topic" },
	} {
		r := newRig(t)
		p, _ := r.merge(change.Normal)
		p.Number = 2
		adjust(&p)
		_, err := r.store.SavePull(t.Context(), change.PullKey{Repository: shop.ID, Number: 2}, p)
		r.must(err)
		_, note := r.command(2, bob, "/change deploy production")
		o, err := r.begin().order(t.Context(), *note.Command)
		if err != nil || o == nil || o.Commit != "" || o.Merger != (change.Account{}) {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
}

func TestTimesInCommands(t *testing.T) {
	santiago, err := time.LoadLocation("America/Santiago") // its clocks are put forward at midnight
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"2026-09-06":                "2026-09-06T04:00:00Z",
		"2026-09-06T00:30":          "2026-09-06T04:30:00Z",
		"2026-09-05T23:00":          "2026-09-06T03:00:00Z",
		"2026-09-07":                "2026-09-07T03:00:00Z",
		"2026-09-06T00:30:00+02:00": "2026-09-05T22:30:00Z",
	} {
		got, ok := parseTime(text, santiago)
		if got := got.UTC().Format(time.RFC3339); !ok || got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

func TestWhatIsNoOrder(t *testing.T) {
	r := newRig(t)
	for _, tt := range []struct {
		body string
		by   change.Account
		want string // reaction and words
	}{
		{"/change deploy", bob, "confused deploy needs ENVIRONMENT: write /change deploy ENVIRONMENT."},
		{"/change deploy prod", bob, "confused The policy names no environment prod: use one of staging, production."},
		{`/change rollback abcdef "x"`, bob, "confused The policy names no environment abcdef: use one of staging, production."},
		{`/change rollback regularly "x"`, bob, "confused The policy names no environment regularly: use one of staging, production."},
		{`/change rollback prod "x"`, bob, "confused The policy names no environment prod: use one of staging, production."},
		{`/change rollback production often "x"`, bob, "confused often is neither the beginning of a commit's name, of at least seven characters, " +
			"nor one of errors, degradation, security, failed-verification."},
		{`/change rollback production security errors "x"`, bob, "confused errors is neither the beginning of a commit's name, of at least seven characters, " +
			"nor one of errors, degradation, security, failed-verification."},
		{`/change freeze production until tomorrow "x"`, bob, "confused tomorrow is no time: write 2026-12-24T17:00, or 2026-12-24 for the beginning of that day, by the clocks of UTC."},
		{`/change reject "x"`, bob, "confused reject asks for nothing about deployments."},
		{"/change deploy production", bot, "-1 A command is a person's, and cannot come from an App."},
	} {
		got, answers := r.ordered(tt.by, tt.body)
		if got != nil || len(answers) != 1 || string(answers[0].Reaction)+" "+answers[0].Says.String() != tt.want {
			t.Errorf("%s: %+v, answered %v, want %s", tt.body, got, answers, tt.want)
		}
	}

	_, edited := r.command(1, bob, "/change deploy production")
	r.comments[len(r.comments)-1].Body = "/change deploy staging"
	_, gone := r.command(1, bob, "/change deploy production")
	r.comments = r.comments[:len(r.comments)-1]
	run := r.begin()
	if o, err := run.order(t.Context(), *gone.Command); o != nil || err == nil || github.IsRefusal(err) || len(run.state.Answers) > 0 {
		t.Errorf("a new comment that GitHub does not find: %+v, %v, answered %v", o, err, run.state.Answers)
	}
	r.now = r.now.Add(time.Minute)
	run = r.begin()
	for _, note := range []change.ReleaseNote{edited, gone} {
		if o, err := run.order(t.Context(), *note.Command); o != nil || err != nil {
			t.Errorf("%+v, %v", o, err)
		}
	}
	if len(run.state.Answers) != 1 || !strings.Contains(run.state.Answers[0].Says.String(), "edited") {
		t.Errorf("an edited comment and one that is gone are answered with %v", run.state.Answers)
	}

	r.policies.Environments = nil
	if _, answers := r.ordered(bob, "/change deploy production"); !strings.Contains(answers[0].Says.String(), "names no environments") {
		t.Errorf("without environments: %v", answers)
	}
}
