package policy

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/change"
)

// green is a policy under which little keeps a pull request from green but what these properties are about.
const green = `
version: 1
roles: {reviewer: {permission: write}, tech-lead: {users: [dan, lea]}, incident: {teams: [on-call]}, security: {teams: [security]}}
emergency: {declared_by: incident, record: []}
categories: {normal: {record: []}, high-risk: {approvals: [{role: reviewer}], record: [], when: {any: [{paths: ["**/*.tf"]}]}}}
security_review: {role: security, triggers: {authentication: {paths: ["**/auth/**"]}}}
freezes:
  - {name: afternoon, from: "2026-03-02 15:00", until: "2026-03-02 18:00", merging: true}
  - {name: quarter close, every: FREQ=MONTHLY;BYMONTHDAY=-1, lasts: 24h, timezone: Europe/Berlin, merging: true}
`

// eventful draws a pull request that is near to green, an emergency or merged as one, at any of the times that matter.
func eventful(t *rapid.T) change.Facts {
	who := func() string {
		return rapid.SampledFrom([]string{"alice", "bob", "carol", "olga", "sam", "lea"}).Draw(t, "who")
	}
	f := pullRequest(files(rapid.SampledFrom([]string{"a.go", "a.tf", "auth/a.go", ".github/change-policy.yml"}).Draw(t, "file")), approved("bob", "sam", "carol"))
	f.Teams["on-call"] = change.Team{Slug: "on-call", Members: []change.Account{account("olga"), account("carol")}}
	for range rapid.IntRange(0, 5).Draw(t, "acts") {
		rapid.SampledFrom([]edit{
			label("EMERGENCY", who()), unlabel("EMERGENCY", who()), label("EMERGENCY", "olga"), label("EMERGENCY", "olga"), rejected(who(), "tech-lead", "No."),
			func(f *change.Facts) {
				if len(f.Rejections) > 0 {
					withdrawn("lea")(f)
				}
			},
			owes(who(), 12, morning.Add(-time.Hour)), owes("olga", 12, morning.Add(time.Minute)), func(f *change.Facts) {
				if len(f.Debts) > 0 {
					theDebt(func(d *change.Debt) { d.Settled = later(f) })(f)
				}
			},
			objected(who()), approved(who()), func(f *change.Facts) { f.Reviews = nil }, merged(who()), merged("olga"), draft,
			func(f *change.Facts) { delete(f.Teams, "on-call") }, func(f *change.Facts) { f.Content.FilesCut = true },
		}).Draw(t, "act")(&f)
	}
	f.Now = rapid.SampledFrom([]time.Time{
		morning.Add(time.Hour), morning.Add(6*time.Hour - 1), morning.Add(6 * time.Hour), morning.Add(9 * time.Hour), due.Add(-1), due, due.AddDate(0, 0, 28),
	}).Draw(t, "now")
	return f
}

func isMerged(f change.Facts) bool { return f.Declared != nil && f.Pull.State == change.Merged }

// Nothing is green that somebody rejected, until it is withdrawn.
func TestRejectedIsNeverGreen(t *testing.T) {
	p := mustParse(t, green)
	rapid.Check(t, func(t *rapid.T) {
		f := eventful(t)
		stands := slices.ContainsFunc(f.Rejections, func(r change.Rejection) bool { return r.Withdrawn.IsZero() })
		if d := p.Decide(f); stands && !isMerged(f) && d.Verdict == change.Satisfied {
			t.Fatalf("green:\n%s", lines(d))
		}
	})
}

// Nothing but an emergency is green while merging is frozen, and what is green is decided again before that is so.
func TestFrozenIsNeverGreen(t *testing.T) {
	p := mustParse(t, green)
	rapid.Check(t, func(t *rapid.T) {
		f := eventful(t)
		d := p.Decide(f)
		if isMerged(f) || d.Category == change.Emergency {
			return
		}
		for _, freeze := range p.Freezes {
			if _, frozen := freeze.At(f.Now); frozen && d.Verdict == change.Satisfied {
				t.Fatalf("green in %s:\n%s", freeze.Name, lines(d))
			}
			edge, ok := freeze.NextEdge(f.Now)
			if ok && (d.RecheckAt.IsZero() || d.RecheckAt.After(edge)) || d.RecheckAt.Before(f.Now) {
				t.Fatalf("%s changes at %s, and it is decided again at %s", freeze.Name, edge, d.RecheckAt)
			}
		}
	})
}

// Whoever declares owed nothing overdue and holds the role; nothing is an emergency without.
func TestDeclarersOweNothing(t *testing.T) {
	p := mustParse(t, green)
	rapid.Check(t, func(t *rapid.T) {
		f := eventful(t)
		d := p.Decide(f)
		if isMerged(f) || d.Declaration == nil {
			return
		}
		var set change.LabelEvent
		for _, e := range f.LabelEvents {
			if e.Label == "EMERGENCY" {
				set = e
			}
		}
		late := slices.ContainsFunc(f.Debts, func(o change.Debt) bool { return o.Owner == set.By.ID && o.OverdueAt(set.At) })
		if !set.Added || d.Declaration.By != set.By || late || !f.Teams["on-call"].Has(set.By.ID) {
			t.Fatalf("set %+v, debts %+v:\n%s", set, f.Debts, lines(d))
		}
	})
}

// A merged emergency is green as long as it owes nothing overdue, never red, and settled by nobody who declared or made it. More
// approvals only settle, and what time brings is that it becomes overdue.
func TestMergedEmergencyOwesOrIsSettled(t *testing.T) {
	p := mustParse(t, green)
	rapid.Check(t, func(t *rapid.T) {
		f := eventful(t)
		merged(rapid.SampledFrom([]string{"olga", "carol", "alice"}).Draw(t, "declarer"))(&f)
		d := p.Decide(f)
		switch {
		case d.Category != change.Emergency || d.Declaration == nil || !d.Declaration.Due.Equal(due):
			t.Fatalf("no emergency:\n%s", lines(d))
		case d.Verdict == change.Failing, (d.Verdict == change.Waiting) != isOverdue(d), Settled(d) && isOverdue(d), !Settled(d) && !isOverdue(d) && !d.RecheckAt.Equal(due):
			t.Fatalf("%s, settled %v, overdue %v, again at %s:\n%s", d.Verdict, Settled(d), isOverdue(d), d.RecheckAt, lines(d))
		case len(d.Asks) > 0:
			t.Fatalf("asks of what is merged:\n%s", lines(d))
		}
		for _, o := range d.Opinions {
			if o.Counts && (o.By.ID == f.Declared.By.ID || o.By.Login == "alice") {
				t.Fatalf("%s counts:\n%s", o.By.Login, lines(d))
			}
		}
		f.Now = due
		if late := p.Decide(f); Settled(late) != Settled(d) || isOverdue(late) == Settled(d) {
			t.Fatalf("settled %v, and %v at the deadline, overdue %v:\n%s", Settled(d), Settled(late), isOverdue(late), lines(late))
		}
	})
}
