package policy

import (
	"testing"

	"github.com/changegate/changegate/internal/change"
)

// A process that cannot succeed says so, with the commit that is in the way and who pushed it.
func TestNobodyIsLeft(t *testing.T) {
	const policy = `version: 1
roles:
  reviewer:  {permission: write}
  tech-lead: {teams: [tech-leads]}
  security:  {teams: [security]}
categories:
  high-risk: {when: {any: [{paths: ["**/*.tf"]}]}, approvals: [{role: tech-lead}], record: []}
  normal:    {approvals: [{role: reviewer}], record: []}
security_review: {role: security, triggers: {login: {paths: ["**/auth/**"]}}}
`
	team := func(slug string, logins ...string) edit {
		return func(f *change.Facts) {
			var members []change.Account
			for _, l := range logins {
				members = append(members, account(l))
			}
			f.Teams[slug] = change.Team{Slug: slug, Members: members}
		}
	}
	coauthored := func(who string) edit {
		return func(f *change.Facts) {
			f.Content.Commits[0].CoAuthors = append(f.Content.Commits[0].CoAuthors, by(who))
		}
	}
	auth, risky := files("auth/a.go"), files("a.tf")
	play(t, policy, []scenario{
		{name: "somebody is left", facts: pullRequest(auth), want: []string{"normal, waiting", "awaited Security review"}},
		{name: "an empty team", facts: pullRequest(auth, team("security")), want: []string{"normal, failing", "blocked Security review", "nobody holds security", "line 5 of the policy"}},
		{name: "all of a team made co-authors", facts: pullRequest(auth, coauthored("sam")),
			want: []string{"normal, failing", "blocked Security review", "cannot approve: sam (co-authored 9e8d7c6, pushed by alice)", "without the trailers"}},
		{name: "one person for two places", facts: pullRequest(risky, team("tech-leads", "lea"), team("security", "lea")),
			want: []string{"high-risk, failing", "enough people in security can approve, but other roles need the same people, and nobody counts for two → add people"}},
		{name: "and for the other where it is filled", facts: pullRequest(risky, team("tech-leads", "lea"), team("security", "lea"), approved("lea")),
			want: []string{"high-risk, failing", "lea counts for"}},
		{name: "two people for two places", facts: pullRequest(risky, team("tech-leads", "lea", "sam"), team("security", "lea")), want: []string{"high-risk, waiting"}, never: []string{"blocked"}},
		{name: "a team that was not listed to its end", facts: pullRequest(auth, func(f *change.Facts) { f.Teams["security"] = change.Team{Slug: "security", Partial: true} }),
			want: []string{"normal, waiting"}, never: []string{"blocked"}},
		{name: "a draft", facts: pullRequest(auth, team("security"), draft), want: []string{"normal, waiting"}, never: []string{"blocked"}},
	})
	play(t, `version: 1
roles:
  reviewer: {users: [bob]}
categories:
  normal: {approvals: [{role: reviewer}]}
`, []scenario{
		{name: "a role that names people, who have contributed", facts: pullRequest(files("a.go"), coauthored("bob")), want: []string{
			"normal, failing", "blocked Reviewer [0 of 1 approval (nobody can approve)] the only person in reviewer cannot approve: bob (co-authored 9e8d7c6, pushed by alice) → " +
				"name others, who did not contribute, in the role on line 3 of the policy; or push"},
			never: []string{"add people to bob"}},
	})
	play(t, "version: 1\nroles: {qa: {users: [bob, dan]}}\ncategories: {normal: {approvals: [{role: qa, count: 2}], record: []}}\n", []scenario{
		{name: "too few of those", facts: pullRequest(files("a.go"), coauthored("bob")), want: []string{"normal, failing",
			"blocked 2 from qa [0 of 2 approvals (too few can approve)] only 1 of 2 people in qa can approve, and 2 must; bob (co-authored 9e8d7c6, pushed by alice) cannot → name others"}},
		{name: "none of those", facts: pullRequest(files("a.go"), coauthored("bob"), coauthored("dan")), want: []string{"normal, failing",
			"none of the 2 people in qa can approve: bob (co-authored 9e8d7c6, pushed by alice) and dan (co-authored 9e8d7c6, pushed by alice) → name others"}},
	})
	gone := func(logins ...string) edit {
		return func(f *change.Facts) {
			for _, l := range logins {
				f.Users[l] = change.Account{}
			}
		}
	}
	const named = `version: 1
roles:
  reviewer: {permission: write}
  qa: {users: [bob, carl]}
  lead: {teams: [tech-leads], users: [dora]}
categories:
  high-risk: {when: {any: [{paths: ["**/*.tf"]}]}, approvals: [{role: lead}], record: []}
  normal: {approvals: [{role: qa}], record: []}
  standard: {when: {any: [{only_paths: ["docs/**"]}]}, approvals: [{role: qa, count: 2}]}
`
	play(t, named, []scenario{
		{name: "a name that is nobody's", facts: pullRequest(files("a.go"), gone("carl")), want: []string{"normal, waiting", "awaited Qa [0 of 1 approval] → an approval from bob\n",
			"note: carl is not a GitHub account, or not the one that first had this name; write the new name of whoever was renamed, or name others, on line 4 of the policy."}},
		{name: "of which too few are left", facts: pullRequest(files("docs/a.md"), gone("carl")), want: []string{"standard, failing",
			"blocked 2 from qa [0 of 2 approvals (too few can approve)] only 1 person is in qa, and 2 must approve; carl is not a GitHub account, or not the one that first had this name → " +
				"write the new name of whoever was renamed, or name others who did not contribute, in the role on line 4 of the policy"}},
		{name: "of which nobody is left", facts: pullRequest(files("a.go"), gone("bob", "carl")), want: []string{"normal, failing",
			"blocked Qa [0 of 1 approval (nobody can approve)] bob and carl are not GitHub accounts, or not those that first had these names → write the new name of whoever was renamed, or name others, on line 4 of the policy"}},
		{name: "beside a team that cannot be read", facts: pullRequest(risky, gone("dora"), func(f *change.Facts) {
			f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Problem: "403 Forbidden"}
		}),
			want: []string{"high-risk, failing", "blocked Lead [0 of 1 approval (nobody can approve)] @acme/tech-leads cannot be read: 403 Forbidden; dora is not a GitHub account"}},
		{name: "beside a team that does not exist", facts: pullRequest(risky, gone("dora"), func(f *change.Facts) { f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Missing: true} }),
			want: []string{"high-risk, failing", "blocked Lead [0 of 1 approval (nobody can approve)] @acme/tech-leads does not exist; dora is not a GitHub account"}},
		{name: "in a user's own repository", facts: pullRequest(risky, gone("dora"), func(f *change.Facts) { f.Repository.OwnerIsUser = true }),
			want: []string{"high-risk, failing", "blocked Lead [0 of 1 approval (nobody can approve)] dora is not a GitHub account"}},
	})
}
