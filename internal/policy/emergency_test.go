package policy

import (
	"slices"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

var due = morning.Add(24 * time.Hour)

// merged is a pull request that was merged an hour after the morning, as the emergency that somebody declared.
func merged(by string) edit {
	return func(f *change.Facts) {
		f.Pull.State, f.Pull.MergedAt = change.Merged, morning.Add(time.Hour)
		f.Declared = &change.Declaration{By: account(by), At: morning, SHA: head, Due: due}
	}
}

func reviewedAt(state change.ReviewState, by string, at time.Time) edit {
	return func(f *change.Facts) {
		review(state, by, head)(f)
		f.Reviews[len(f.Reviews)-1].At = at
	}
}

func now(t time.Time) edit { return func(f *change.Facts) { f.Now = t } }

func TestMergedEmergency(t *testing.T) {
	declared, gone := merged("olga"), now(due.Add(time.Hour))
	play(t, emergencies, []scenario{
		{name: "what is owed, and nothing that held up the merge", facts: pullRequest(files("a.go"), body(""), declared),
			want:  []string{"emergency, satisfied", "owed Reviewer [1 approval] → an approval from anyone with write access, except alice (author), olga (declared it)"},
			never: []string{"Justification", "smoke", "build", "note"}},
		{name: "the label and the declarer's role do not matter any more", facts: pullRequest(files("a.go"), declared, func(f *change.Facts) { delete(f.Teams, "on-call") }),
			want: []string{"emergency, satisfied", "owed Reviewer"}},
		{name: "nor does a push that GitHub does not show", facts: pullRequest(files("a.go"), label("EMERGENCY", "olga"), declared, func(f *change.Facts) { f.LabelEvents[0].Head = oldHead }),
			want: []string{"emergency, satisfied", "owed Reviewer"}, never: []string{"ended"}},
		{name: "nor what the declarer owes", facts: pullRequest(files("a.go"), label("EMERGENCY", "olga"), declared, owes("olga", 12, morning.Add(-time.Hour))),
			want: []string{"emergency, satisfied", "owed Reviewer"}, never: []string{"ignored"}},
		{name: "nor a draft, a rejection or a freeze", policy: frozen, facts: pullRequest(files("a.go"), draft, rejected("lea", "tech-lead", "No."), declared),
			want: []string{"emergency, satisfied", "owed Reviewer"}, never: []string{"reject", "freeze", "draft"}},
		{name: "settled by an approval after the merge", facts: pullRequest(files("a.go"), declared, approved("bob")), want: []string{"emergency, satisfied", "met Reviewer bob"}},
		{name: "settled after it was overdue", facts: pullRequest(files("a.go"), declared, gone, reviewedAt(change.Approved, "bob", due.Add(time.Minute))),
			want: []string{"emergency, satisfied", "met Reviewer bob"}},
		{name: "an approval after the merge saw what was merged, which no comparison shows by then", facts: pullRequest(files("a.go"), declared, func(f *change.Facts) {
			f.Content.MergeBase = "b0"
		}, reviewedAt(change.Approved, "bob", morning.Add(2*time.Hour)), func(f *change.Facts) { f.Reviews[0].Base, f.Reviews[0].MergeBase = head, head }),
			want: []string{"emergency, satisfied", "met Reviewer bob"}},
		{name: "one before it did not, against another base", facts: pullRequest(files("a.go"), declared, func(f *change.Facts) {
			f.Content.MergeBase = "b0"
		}, reviewedAt(change.Approved, "bob", morning), func(f *change.Facts) { f.Reviews[0].Base, f.Reviews[0].MergeBase = head, head }),
			want: []string{"emergency, satisfied", "owed Reviewer", "bob does not count"}},
		{name: "not by the declarer", facts: pullRequest(files("a.go"), declared, approved("olga")), want: []string{"emergency, satisfied", "owed Reviewer", "olga does not count: declared the emergency, and cannot approve it"}},
		{name: "not by who declared it before", facts: pullRequest(files("a.go"), label("EMERGENCY", "carol"), unlabel("EMERGENCY", "carol"), declared, func(f *change.Facts) {
			f.Teams["on-call"] = change.Team{Slug: "on-call", Members: []change.Account{account("carol")}}
		}, approved("carol")), want: []string{"emergency, satisfied", "owed Reviewer", "carol does not count: declared the emergency"}},
		{name: "not by the author", facts: pullRequest(files("a.go"), declared, approved("alice")), want: []string{"emergency, satisfied", "owed Reviewer", "alice does not count: the author"}},
		{name: "not by an approval of other content", facts: pullRequest(files("a.go"), declared, review(change.Approved, "bob", oldHead)), want: []string{"emergency, satisfied", "owed Reviewer"}},
		{name: "overdue", facts: pullRequest(files("a.go"), declared, gone), want: []string{"emergency, waiting", "awaited Reviewer [1 approval]"}},
		{name: "overdue at the very moment", facts: pullRequest(files("a.go"), declared, now(due)), want: []string{"emergency, waiting"}},
		{name: "the security review too", facts: pullRequest(files("auth/a.go"), declared, approved("bob")),
			want: []string{"emergency, satisfied", "owed Security review [security review] → an approval from @acme/security, because auth/a.go matches authentication"}, never: []string{"ask "}},
		{name: "the security review overdue", facts: pullRequest(files("auth/a.go"), declared, approved("bob"), gone), want: []string{"emergency, waiting", "awaited Security review"}},
		{name: "an objection leaves it unsettled, whoever approves", facts: pullRequest(files("a.go"), declared, objected("carol"), approved("bob")),
			want: []string{"emergency, satisfied", "met Reviewer", "owed No changes requested [what carol asked for] requested by carol → an approval from carol"}},
		{name: "and overdue", facts: pullRequest(files("a.go"), declared, objected("carol"), approved("bob"), gone), want: []string{"emergency, waiting", "awaited No changes requested"}},
		{name: "until the objector approves", facts: pullRequest(files("a.go"), declared, objected("carol"), approved("carol"), gone), want: []string{"emergency, satisfied", "met Reviewer carol"}},
		{name: "an objection by nobody who holds a role", facts: pullRequest(files("a.go"), declared, objected("stranger"), approved("bob")), want: []string{"emergency, satisfied", "met Reviewer"}, never: []string{"owed"}},
		{name: "what it was when it was merged asks for a security review still", facts: pullRequest(files("a.go"), declared, func(f *change.Facts) { f.Declared.Underlying = change.HighRisk }),
			want: []string{"emergency, satisfied", "owed Security review [security review] → an approval from @acme/security, because it is high-risk"}},
		{name: "what was not seen as a whole may have needed one", facts: pullRequest(files("a.go"), declared, func(f *change.Facts) { f.Content.FilesCut = true }, approved("bob")),
			want: []string{"emergency, satisfied", "owed Security review", "because not all of it could be looked at"}},
		{name: "without its content no approval is known to be of it", facts: pullRequest(declared, func(f *change.Facts) { f.Content = change.Content{} }, reviewedAt(change.Approved, "bob", morning)),
			want: []string{"emergency, satisfied", "owed Reviewer", "owed Security review"}},
		{name: "nobody is left to settle it: it stays owed, and says so", facts: pullRequest(files("auth/a.go"), authoredBy("sam"), declared, approved("bob"), gone),
			want: []string{"emergency, waiting", "awaited Security review [security review] the only person in security cannot approve: sam (author) → add people to @acme/security"}},
		{name: "a policy that knows emergencies no more asks for what it would have needed", policy: `
version: 1
roles: {reviewer: {permission: write}}
categories: {normal: {approvals: [{role: reviewer, count: 2}]}}
`, facts: pullRequest(files("a.go"), declared, approved("bob")), want: []string{"emergency, satisfied", "owed 2 reviewers [1 approval] bob → one more"}},
		{name: "merged as anything else it is decided as before", facts: pullRequest(files("a.go"), body(""), merged("olga"), func(f *change.Facts) { f.Declared = nil }),
			want: []string{"normal, failing"}},
		{name: "as long as it is open the declaration is what the label says", facts: pullRequest(files("a.go"), body(""), merged("olga"), func(f *change.Facts) { f.Pull.State = change.Open }),
			want: []string{"normal, failing"}},
	})
}

// What cannot be read of those whom it only owes holds an emergency up no more than they do. What it needs at once is needed all the same.
func TestEmergencyThatCannotReadATeam(t *testing.T) {
	open := []edit{files("auth/a.go"), body("## Justification\nDown."), ran("smoke", change.CheckSuccess), label("EMERGENCY", "olga")}
	with := func(more ...edit) change.Facts { return pullRequest(append(slices.Clone(open), more...)...) }
	team := func(t change.Team) edit { return func(f *change.Facts) { f.Teams[t.Slug] = t } }
	forbidden := team(change.Team{Slug: "security", Problem: "403 Forbidden"})
	owed := "owed Security review [security review] @acme/security cannot be read: 403 Forbidden → let the App read the members of @acme/security, or name others, on line 6 of the policy"
	play(t, emergencies, []scenario{
		{name: "a team that it owes a review of", facts: with(forbidden), want: []string{"emergency, satisfied", owed}},
		{name: "one that does not exist", facts: with(team(change.Team{Slug: "security", Missing: true})),
			want: []string{"emergency, satisfied", "owed Security review [security review] @acme/security does not exist → create @acme/security"}},
		{name: "one that was approved by somebody who may be in it", facts: with(forbidden, approved("sam")), want: []string{"emergency, satisfied", owed, "met Reviewer sam"}},
		{name: "overdue it waits for that, in vain", facts: with(forbidden, approved("bob"), now(due.Add(time.Hour))), want: []string{"emergency, failing", "blocked Security review"}},
		{name: "an objection by somebody who may be in it", facts: with(forbidden, objected("stranger")), want: []string{"emergency, failing", "failed No changes requested"}},
		{name: "the team that may declare", facts: with(team(change.Team{Slug: "on-call", Problem: "403 Forbidden"})),
			want: []string{"normal, failing", "note: EMERGENCY is ignored so far: whether olga may declare an emergency could not be read, because @acme/on-call cannot be read: 403 Forbidden; " +
				"let the App read the members of @acme/on-call, or name others, on line 5 of the policy."}},
		{name: "without an emergency", facts: with(forbidden, unlabel("EMERGENCY", "olga")), want: []string{"normal, failing", "blocked Security review"}},
	})
}

// isOverdue says whether a merged emergency owes something that was due before it was decided.
func isOverdue(d change.Decision) bool {
	return d.Declaration != nil && d.State == change.Merged &&
		slices.ContainsFunc(d.Requirements, func(r change.Requirement) bool { return isDebt(r) && r.State == change.Awaited })
}

func TestSettledAndOverdue(t *testing.T) {
	p := mustParse(t, emergencies)
	open := []edit{files("a.go"), body("## Justification\nDown."), ran("smoke", change.CheckSuccess), label("EMERGENCY", "olga")}
	for _, test := range []struct {
		name             string
		facts            change.Facts
		settled, overdue bool
		again            time.Time
	}{
		{"owed", pullRequest(files("a.go"), merged("olga")), false, false, due},
		{"settled", pullRequest(files("a.go"), merged("olga"), approved("bob")), true, false, time.Time{}},
		{"overdue", pullRequest(files("a.go"), merged("olga"), now(due)), false, true, time.Time{}},
		{"a security review", pullRequest(files("auth/a.go"), merged("olga"), approved("bob")), false, false, due},
		{"a security review that is overdue", pullRequest(files("auth/a.go"), merged("olga"), approved("bob"), now(due)), false, true, time.Time{}},
		{"an objection", pullRequest(files("a.go"), merged("olga"), approved("bob"), objected("carol")), false, false, due},
		{"an objection that is overdue", pullRequest(files("a.go"), merged("olga"), approved("bob"), objected("carol"), now(due)), false, true, time.Time{}},
		{"before the merge", pullRequest(append(open, approved("bob"))...), true, false, time.Time{}},
		{"before the merge, with a check that is awaited", pullRequest(append(open[:2:2], open[3], approved("bob"))...), true, false, time.Time{}},
		{"before the merge, owed", pullRequest(open...), false, false, morning.Add(24*time.Hour + time.Minute)},
		{"before the merge, with an objection", pullRequest(append(open, approved("bob"), objected("carol"))...), false, false, time.Time{}},
		{"no emergency", pullRequest(files("a.go"), approved("bob")), false, false, time.Time{}},
	} {
		d := p.Decide(test.facts)
		if Settled(d) != test.settled || isOverdue(d) != test.overdue || !d.RecheckAt.Equal(test.again) {
			t.Errorf("%s: settled %v, overdue %v, again at %s:\n%s", test.name, Settled(d), isOverdue(d), d.RecheckAt, lines(d))
		}
	}
}

// A decision's own declaration is what a later one goes by.
func TestDeclarationSurvivesTheMerge(t *testing.T) {
	p := mustParse(t, emergencies)
	f := pullRequest(files("a.go"), body("## Risk\nhigh\n## Justification\nDown.\n## Rollback\nRevert."), ran("smoke", change.CheckSuccess), label("EMERGENCY", "olga"))
	before := p.Decide(f)
	f.Pull.State, f.Pull.MergedAt, f.Declared = change.Merged, f.Now, before.Declaration
	f.Pull.Body, f.Pull.Labels = "## Risk\nlow", nil
	after := p.Decide(f)
	if *after.Declaration != *before.Declaration || after.Underlying != change.HighRisk || after.State != change.Merged {
		t.Errorf("before:\n%s\nafter:\n%s", lines(before), lines(after))
	}
	if f.Declared.Underlying != change.HighRisk || before.Underlying != change.HighRisk {
		t.Errorf("underlying %s and %s", f.Declared.Underlying, before.Underlying)
	}
}

// Whoever declared an emergency cannot approve it, nor the next one of the same pull request, whatever became of that person's role since.
func TestDeclarersAreRemembered(t *testing.T) {
	p := mustParse(t, brief)
	onCall := func(login string) edit {
		return func(f *change.Facts) {
			f.Teams["on-call"] = change.Team{Slug: "on-call", Members: []change.Account{account(login)}}
		}
	}
	remembered := func(d change.Decision) edit { return func(f *change.Facts) { f.Declarers = d.Declarers } }
	a, carol, olga := files("a.go"), label("EMERGENCY", "carol"), label("EMERGENCY", "olga")
	elsewhere := func(f *change.Facts) { f.LabelEvents[0].Head = oldHead }

	first := p.Decide(pullRequest(a, onCall("carol"), carol))
	ended := p.Decide(pullRequest(a, onCall("olga"), carol, elsewhere, remembered(first)))
	if first.Declaration == nil || ended.Declaration != nil || len(ended.Declarers) != 1 {
		t.Fatalf("declared:\n%s\nended, with %v:\n%s", lines(first), ended.Declarers, lines(ended))
	}
	late := p.Decide(pullRequest(a, onCall("carol"), owes("carol", 12, morning.Add(-time.Hour)), carol))
	vain := p.Decide(pullRequest(a, onCall("olga"), carol))
	again := []edit{a, onCall("olga"), carol, elsewhere, unlabel("EMERGENCY", "carol"), olga, approved("carol")}
	never := "carol does not count: declared the emergency, and cannot approve it"
	play(t, brief, []scenario{
		{name: "who declared it, and is on call no more", facts: pullRequest(append(again, remembered(ended))...),
			want: []string{"emergency, satisfied", "owed Reviewer", "except alice (author), carol (declared it), olga (declared it)", never}},
		{name: "who owed something overdue", facts: pullRequest(append(again, remembered(late))...), want: []string{"emergency, satisfied", "owed Reviewer", never}},
		{name: "who might not", facts: pullRequest(append(again, remembered(vain))...), want: []string{"emergency, satisfied", "met Reviewer carol"}},
		{name: "after the merge", facts: pullRequest(append(again, remembered(ended), merged("olga"))...), want: []string{"emergency, satisfied", "owed Reviewer", never}},
		{name: "without an emergency", facts: pullRequest(a, approved("carol"), remembered(ended)), want: []string{"normal, satisfied", "carol counts"}},
	})
}

func TestDeclarersAreNotAsked(t *testing.T) {
	play(t, `
version: 1
roles: {reviewer: {permission: write}, incident: {teams: [on-call]}, guard: {users: [sam, olga]}}
emergency: {declared_by: incident, record: []}
categories: {normal: {record: []}}
security_review: {role: guard, triggers: {auth: {paths: ["auth/**"]}}}
`, []scenario{{name: "whom the role names", facts: pullRequest(files("auth/a.go"), label("EMERGENCY", "olga")),
		want: []string{"emergency, satisfied", "owed Security review [security review] → sam is asked to review, because", "ask guard of [][sam] round 0"}, never: []string{"except olga"}}})
}

// owes adds a debt that nobody has settled.
func owes(login string, number change.Number, due time.Time) edit {
	return func(f *change.Facts) {
		f.Debts = append(f.Debts, change.Debt{Pull: change.PullKey{Repository: 7, Number: number}, Kind: change.DebtReview, Owner: account(login).ID, Due: due})
	}
}

// theDebt changes the debt that was added last.
func theDebt(e func(*change.Debt)) edit {
	return func(f *change.Facts) { e(&f.Debts[len(f.Debts)-1]) }
}

func TestDebtsBarFromDeclaring(t *testing.T) {
	yesterday := morning.Add(-24 * time.Hour)
	a, declared := files("a.go"), label("EMERGENCY", "olga")
	bothOnCall := func(f *change.Facts) {
		f.Teams["on-call"] = change.Team{Slug: "on-call", Members: []change.Account{account("carol"), account("olga")}}
	}
	ignored := "note: EMERGENCY is ignored: olga added it, who owed the approval of #12 since 1 March 2026 09:00 UTC. Anyone else who may declare an emergency can remove it and add it again now; olga can once that is settled."
	play(t, brief, []scenario{
		{name: "an overdue approval", facts: pullRequest(a, owes("olga", 12, yesterday), declared), want: []string{"normal, waiting", ignored}},
		{name: "an overdue retrospective in another repository", facts: pullRequest(a, owes("olga", 12, yesterday), theDebt(func(d *change.Debt) {
			d.Kind, d.Pull.Repository = change.DebtRetrospective, 8
		}), declared), want: []string{"normal, waiting", "olga added it, who owed the retrospective of #12 in another repository (8) since"}},
		{name: "the longest overdue is named", facts: pullRequest(a, owes("olga", 13, yesterday.Add(time.Hour)), owes("olga", 12, yesterday), declared), want: []string{"normal, waiting", ignored}},
		{name: "one that is not due yet", facts: pullRequest(a, owes("olga", 12, morning.Add(time.Hour)), declared), want: []string{"emergency, satisfied"}},
		{name: "one that became overdue since", facts: pullRequest(a, owes("olga", 12, morning.Add(time.Hour)), declared, now(morning.Add(2*time.Hour))), want: []string{"emergency, satisfied"}},
		{name: "one that was settled before", facts: pullRequest(a, owes("olga", 12, yesterday), theDebt(func(d *change.Debt) { d.Settled = morning }), declared), want: []string{"emergency, satisfied"}},
		{name: "one that was settled after she set it", facts: pullRequest(a, owes("olga", 12, yesterday), theDebt(func(d *change.Debt) { d.Settled = morning.Add(2 * time.Hour) }), declared),
			want: []string{"normal, waiting", ignored}},
		{name: "and then set again", facts: pullRequest(a, owes("olga", 12, yesterday), theDebt(func(d *change.Debt) { d.Settled = morning.Add(2 * time.Minute) }), declared,
			unlabel("EMERGENCY", "olga"), declared), want: []string{"emergency, satisfied"}},
		{name: "somebody else's", facts: pullRequest(a, owes("carol", 12, yesterday), declared), want: []string{"emergency, satisfied"}},
		{name: "set again by somebody who owes nothing", facts: pullRequest(a, bothOnCall, owes("olga", 12, yesterday), declared, unlabel("EMERGENCY", "carol"), label("EMERGENCY", "carol")),
			want: []string{"emergency, satisfied", "olga (declared it)"}, never: []string{"ignored"}},
		{name: "whoever may not declare is told that, and not of debts", facts: pullRequest(a, owes("bob", 12, yesterday), label("EMERGENCY", "bob")),
			want: []string{"normal, waiting", "bob added it, and may not declare an emergency"}, never: []string{"owed the"}},
	})

	t.Run("the clock starts at the first that counts", func(t *testing.T) {
		p := mustParse(t, brief)
		f := pullRequest(a, bothOnCall, owes("olga", 12, yesterday), label("bug", "carol"), declared, unlabel("EMERGENCY", "carol"), label("EMERGENCY", "carol"))
		if d := p.Decide(f).Declaration; d == nil || !d.At.Equal(f.LabelEvents[3].At) || d.By.Login != "carol" {
			t.Errorf("declaration %+v", d)
		}
	})
	t.Run("the deadline of this pull request's own debt stays", func(t *testing.T) {
		p := mustParse(t, brief)
		first := morning.Add(23 * time.Hour)
		f := pullRequest(a, owes("stranger", 41, first), declared)
		if d := p.Decide(f).Declaration; d == nil || !d.Due.Equal(first) {
			t.Errorf("declaration %+v", d)
		}
		f = pullRequest(a, owes("stranger", 41, due.Add(time.Hour)), declared)
		if d := p.Decide(f).Declaration; d == nil || !d.Due.Equal(d.At.Add(24*time.Hour)) {
			t.Errorf("a later one extends it: %+v", d)
		}
	})
}

// brief is a policy with emergencies and little else.
const brief = `
version: 1
roles: {reviewer: {permission: write}, incident: {teams: [on-call]}}
emergency: {declared_by: incident, record: []}
categories: {normal: {record: []}}
`
