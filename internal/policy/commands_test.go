package policy

import (
	"fmt"
	"slices"
	"testing"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
)

const (
	commanded = `
version: 1
roles: {reviewer: {permission: write}, tech-lead: {teams: [tech-leads], users: [dan]}, guard: {teams: [security]}}
emergency: {declared_by: guard, announce: ["slack:#ops", "slack:#all"]}
commands: {refresh: reviewer, reject: tech-lead, explain: guard}
exceptions: {announce: ["slack:#audit", "slack:#all"]}
`
	silent = "version: 1\nroles: {reviewer: {permission: write}}\n"
)

func TestMayCommand(t *testing.T) {
	maintainer := func(login string) edit {
		return func(f *change.Facts) {
			f.People[account(login).ID] = change.Person{Account: account(login), Permission: change.PermissionMaintain}
		}
	}
	none := edit(func(*change.Facts) {})
	for _, test := range []struct {
		name       string
		floor, own string // without a floor there is one policy
		verb       command.Verb
		by         string
		facts      edit
		want       string // yes, no or unknown, with the role and who may
	}{
		{"refresh: the author", "", silent, "refresh", "alice", none, "yes permission:write: alice or anyone with write access"},
		{"refresh: the author without write access", "", silent, "refresh", "alice", func(f *change.Facts) {
			f.People[1] = change.Person{Account: account("alice"), Permission: change.PermissionRead}
		}, "yes permission:write: alice or anyone with write access"},
		{"refresh: a writer", "", silent, "refresh", "bob", none, "yes permission:write: alice or anyone with write access"},
		{"refresh: nobody else", "", silent, "refresh", "eve", none, "no permission:write: alice or anyone with write access"},
		{"refresh: somebody whose permission cannot be read", "", silent, "refresh", "bob", func(f *change.Facts) {
			f.People[2] = change.Person{Problem: "403"}
		}, "untold permission:write: alice or anyone with write access"},
		{"refresh: a role", "", commanded, "refresh", "bob", none, "yes reviewer: anyone with write access"},
		{"refresh: a role that the author does not hold", "", commanded, "refresh", "eve", authoredBy("eve"), "no reviewer: anyone with write access"},
		{"reject: a maintainer", "", silent, "reject", "bob", maintainer("bob"), "yes permission:maintain: anyone with maintain access"},
		{"reject: no writer", "", silent, "reject", "bob", none, "no permission:maintain: anyone with maintain access"},
		{"reject: a role", "", commanded, "reject", "lea", none, "yes tech-lead: @acme/tech-leads or dan"},
		{"reject: no maintainer, where it is a role's", "", commanded, "reject", "bob", maintainer("bob"), "no tech-lead: @acme/tech-leads or dan"},
		{"reject: somebody whose team cannot be read", "", commanded, "reject", "lea", func(f *change.Facts) {
			f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Problem: "403"}
		}, "unknown tech-lead: @acme/tech-leads or dan"},
		{"reject: a program", "", commanded, "reject", "dependabot[bot]", none, "no tech-lead: @acme/tech-leads or dan"},
		{"explain: a role", "", commanded, "explain", "sam", none, "yes guard: @acme/security"},
		{"explain: a maintainer", "", silent, "explain", "carol", maintainer("carol"), "yes permission:maintain: anyone with maintain access"},
		{"somebody without an account", "", silent, "refresh", "nobody", none, "no permission:write: alice or anyone with write access"},
		{"nobody known wrote it", "", silent, "refresh", "nobody", func(f *change.Facts) { f.Pull.Author = change.Account{} }, "no permission:write: anyone with write access"},
		{"no command", "", silent, "merge", "alice", none, "no : nobody"},

		{"a floor's role, of which the repository says nothing", commanded, silent1, "reject", "lea", none, "yes tech-lead: @acme/tech-leads or dan"},
		{"both roles", commanded, silent1 + "commands: {reject: crew}\n", "reject", "dan", none, "yes tech-lead, crew: @acme/tech-leads or dan who is also dan or sam"},
		{"the floor's is not enough", commanded, silent1 + "commands: {reject: crew}\n", "reject", "lea", none, "no tech-lead, crew: @acme/tech-leads or dan who is also dan or sam"},
		{"nor is the repository's", commanded, silent1 + "commands: {reject: crew}\n", "reject", "sam", none, "no tech-lead, crew: @acme/tech-leads or dan who is also dan or sam"},
		{"the repository's beside what a silent floor asks for", silent, silent1 + "commands: {reject: crew}\n", "reject", "dan", none,
			"no permission:maintain, crew: anyone with maintain access who is also dan or sam"},
		{"held both", silent, silent1 + "commands: {reject: crew}\n", "reject", "dan", maintainer("dan"),
			"yes permission:maintain, crew: anyone with maintain access who is also dan or sam"},
		{"the author no more, where the repository names a role", silent, silent1 + "commands: {refresh: crew}\n", "refresh", "alice", none,
			"no permission:write, crew: anyone with write access who is also dan or sam"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := mustParse(t, test.own)
			if test.floor != "" {
				p = mustParseBeside(t, test.floor, test.own)
			}
			f := pullRequest(files("a.go"), test.facts)
			may := p.MayCommand(test.verb, account(test.by))
			a := may.Answer(f)
			if got := fmt.Sprintf("%s %s: %s", answered(a), a.Role, a.Who); got != test.want {
				t.Errorf("%s\nwant %s", got, test.want)
			}
			if b := may.Answer(known(f, may.Needs)); answered(b) != answered(a) {
				t.Errorf("%s with everything, %s with what was needed", answered(a), answered(b))
			}
		})
	}
}

// silent1 is a repository's policy that says nothing of commands.
const silent1 = "version: 1\nroles: {crew: {users: [dan, sam]}}\n"

func answered(a Authority) string {
	switch {
	case a.May && a.Unknown:
		return "both"
	case a.May:
		return "yes"
	case a.Untold && a.Unknown:
		return "untold"
	case a.Unknown:
		return "unknown"
	}
	return "no"
}

// known returns the facts with only what was needed, asked for until nothing is new.
func known(full change.Facts, needs func(change.Facts) change.Needs) change.Facts {
	var all change.Needs
	for range 4 {
		all = merge(all, needs(know(full, all)))
	}
	all.Timeline = true // is no fact about people
	return know(full, all)
}

func TestMayWithdraw(t *testing.T) {
	by := func(login, role string) change.Rejection {
		return change.Rejection{Comment: 1, By: account(login), Role: role, Reason: "No."}
	}
	none := edit(func(*change.Facts) {})
	for _, test := range []struct {
		name  string
		r     change.Rejection
		by    string
		facts edit
		want  string
	}{
		{"who rejected", by("lea", "tech-lead"), "lea", none, "yes"},
		{"who rejected, and contributed since", by("lea", "tech-lead"), "lea", pushedBy("lea"), "yes"},
		{"who rejected, without the role by now", by("bob", "tech-lead"), "bob", none, "no"},
		{"another holder", by("lea", "tech-lead"), "dan", none, "yes"},
		{"a holder of another role", by("lea", "tech-lead"), "sam", none, "no"},
		{"the author, whatever roles they hold", by("lea", "tech-lead"), "dan", authoredBy("dan"), "no"},
		{"a contributor", by("lea", "tech-lead"), "dan", pushedBy("dan"), "no"},
		{"while it is not known who contributed", by("lea", "tech-lead"), "dan", func(f *change.Facts) { f.Content = change.Content{} }, "unknown"},
		{"who cannot be known to hold it", by("lea", "tech-lead"), "lea", func(f *change.Facts) { delete(f.Teams, "tech-leads") }, "unknown"},
		{"a holder of both roles", by("dan", "tech-lead, reviewer"), "dan", none, "yes"},
		{"a holder of one of two", by("dan", "tech-lead, reviewer"), "bob", none, "no"},
		{"by permission", by("lea", "permission:admin"), "dan", func(f *change.Facts) {
			f.People[account("dan").ID] = change.Person{Account: account("dan"), Permission: change.PermissionAdmin}
		}, "yes"},
		{"a permission that is not enough", by("lea", "permission:admin"), "dan", none, "no"},
		{"of a role that is no more: who may reject", by("lea", "chief"), "dan", none, "yes"},
		{"of a role that is no more: nobody else", by("lea", "chief"), "bob", none, "no"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := mustParse(t, commanded)
			f := pullRequest(files("a.go"), test.facts)
			may := p.MayWithdraw(test.r, account(test.by))
			a := may.Answer(f)
			if got := answered(a); got != test.want || a.Who.IsEmpty() {
				t.Errorf("%s, want %s (%s)", got, test.want, a.Who)
			}
			if b := may.Answer(known(f, may.Needs)); answered(b) != answered(a) {
				t.Errorf("%s with everything, %s with what was needed", answered(a), answered(b))
			}
		})
	}
}

func TestAnnounced(t *testing.T) {
	p := mustParseBeside(t, commanded, silent1+"exceptions: {announce: ['slack:#shop', 'slack:#audit']}\n")
	if got, want := p.AnnounceExceptions(), []string{"slack:#audit", "slack:#all", "slack:#shop"}; !slices.Equal(got, want) {
		t.Errorf("exceptions at %q, want %q", got, want)
	}
	if got, want := p.AnnounceEmergency(), []string{"slack:#ops", "slack:#all"}; !slices.Equal(got, want) {
		t.Errorf("emergencies at %q, want %q", got, want)
	}
	if p := mustParse(t, silent); len(p.AnnounceExceptions())+len(p.AnnounceEmergency()) > 0 {
		t.Error("announced where nobody asked for it")
	}
}
