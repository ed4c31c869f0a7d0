package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/change"
)

const fourEyes = `
version: 1
roles:
  reviewer:  {permission: write}
  tech-lead: {teams: [tech-leads]}
  security:  {teams: [security]}
  lifter:    {users: [dan]}
dismissals: {by: lifter}
bots: ["renovate[bot]"]
categories:
  high-risk:
    when: {any: [{paths: ["**/*.tf"]}]}
    approvals: [{role: reviewer, count: 2}, {role: tech-lead}]
    record: []
  normal: {approvals: [{role: reviewer}], record: []}
security_review: {role: security}
`

func TestApprovals(t *testing.T) {
	normal, risky := files("a.go"), files("a.tf")
	oldApproval := review(change.Approved, "bob", oldHead)
	play(t, fourEyes, []scenario{
		{name: "nobody", facts: pullRequest(normal), want: []string{"normal, waiting", "awaited Reviewer [0 of 1 approval] → an approval from anyone with write access, except alice (author)"}},
		{name: "a reviewer", facts: pullRequest(normal, approved("bob")), want: []string{"normal, satisfied", "met Reviewer bob", "bob counts for reviewer"}},
		{name: "without the permission", facts: pullRequest(normal, approved("eve")), want: []string{"normal, waiting", "eve does not count: holds none of the roles that are needed: reviewer"}},
		{name: "whose permission was not read", facts: pullRequest(normal, approved("bob"), func(f *change.Facts) { delete(f.People, account("bob").ID) }),
			want: []string{"normal, waiting", "bob does not count: which roles this person holds could not be read"}},
		{name: "whose permission cannot be read", facts: pullRequest(normal, approved("bob"), func(f *change.Facts) {
			f.People[account("bob").ID] = change.Person{Permission: change.PermissionAdmin, Problem: "502"}
		}), want: []string{"normal, waiting", "bob does not count: what this person may do could not be read: 502"}},
		{name: "a deleted account", facts: pullRequest(normal, approved("nobody")), want: []string{"normal, waiting"}, never: []string{"counts"}},
		{name: "more than needed", facts: pullRequest(normal, approved("bob", "carol")), want: []string{"normal, satisfied", "carol does not count: not needed, because every approval is there already"}},
		{name: "more than one role needs", facts: pullRequest(risky, approved("bob", "carol", "dan")), want: []string{"high-risk, waiting", "dan does not count: not needed, because all that it could count for is approved already"}},

		{name: "a comment is no opinion", facts: pullRequest(normal, review(change.Commented, "bob", head)), want: []string{"normal, waiting"}, never: []string{"bob"}},
		{name: "a comment takes nothing back", facts: pullRequest(normal, approved("bob"), review(change.Commented, "bob", head)), want: []string{"normal, satisfied"}},
		{name: "the latest opinion counts", facts: pullRequest(normal, approved("bob"), objected("bob")), want: []string{"normal, failing", "failed No changes requested [changes requested by bob]", "bob objects"}},
		{name: "whatever order they are listed in", facts: pullRequest(normal, approved("bob"), objected("bob"), func(f *change.Facts) { slices.Reverse(f.Reviews) }),
			want: []string{"normal, failing", "bob objects"}},
		{name: "an approval ends one's own objection", facts: pullRequest(normal, objected("bob"), approved("bob")), want: []string{"normal, satisfied"}},
		{name: "payloads in lower case", facts: pullRequest(normal, review("approved", "bob", head)), want: []string{"normal, satisfied"}},
		{name: "a dismissed approval is no opinion", facts: pullRequest(normal, approved("bob"), dismissed("carol")), want: []string{"normal, waiting"}, never: []string{"bob"}},
		{name: "and revives none", facts: pullRequest(normal, approved("bob"), approved("bob"), dismissed("carol")), want: []string{"normal, waiting"}, never: []string{"bob"}},
		{name: "nor an objection", facts: pullRequest(normal, objected("bob"), approved("bob"), dismissed("carol")), want: []string{"normal, waiting"}, never: []string{"bob"}},
		{name: "an approval of other content leaves no objection to the present that could count", facts: pullRequest(normal, objected("bob"), oldApproval), want: []string{"normal, waiting", "bob does not count: it was for 3f2c1aa"}},
		{name: "an objection ends the approvals before it", facts: pullRequest(normal, approved("bob"), objected("bob"), oldApproval), want: []string{"normal, waiting", "bob does not count: it was for 3f2c1aa"}},

		{name: "an objection by somebody without a role", facts: pullRequest(normal, objected("stranger"), approved("bob")),
			want: []string{"normal, satisfied", "stranger does not count: holds no role of the policy"}},
		{name: "an objection by somebody who held a role then", facts: pullRequest(normal, objected("stranger"), func(f *change.Facts) { f.Reviews[0].Held = true }, approved("bob")),
			want: []string{"normal, failing", "stranger objects"}},
		{name: "an objection by somebody whose roles cannot be read", facts: pullRequest(normal, objected("bob"), approved("carol"), func(f *change.Facts) { delete(f.People, account("bob").ID) }),
			want: []string{"normal, failing", "bob objects", "requested by bob; it counts, because whether bob holds a role could not be read → an approval from bob"}},
		{name: "or who may be in a team that cannot be read", facts: pullRequest(normal, objected("stranger"), approved("carol"), func(f *change.Facts) {
			f.Teams["security"] = change.Team{Slug: "security", Problem: "403 Forbidden"}
		}), want: []string{"normal, failing", "requested by stranger; it counts, because whether stranger holds a role could not be read, because @acme/security cannot be read: 403 Forbidden; " +
			"let the App read the members of @acme/security, or name others, on line 6 of the policy → an approval from stranger"}},
		{name: "an objection on an older head", facts: pullRequest(normal, review(change.ChangesRequested, "bob", oldHead), approved("carol")), want: []string{"normal, failing"}},
		{name: "an objection by a contributor", facts: pullRequest(normal, objected("bob"), pushedBy("bob"), approved("carol")), want: []string{"normal, failing", "changes requested by bob"}},
		{name: "an objection that its author dismissed", facts: pullRequest(normal, objected("bob"), dismissed("bob"), approved("carol")), want: []string{"normal, satisfied"}},
		{name: "an objection that a holder dismissed", facts: pullRequest(normal, objected("bob"), dismissed("dan"), approved("carol")), want: []string{"normal, satisfied"}},
		{name: "an objection that somebody else dismissed", facts: pullRequest(normal, objected("bob"), dismissed("carol"), approved("carol")),
			want:  []string{"normal, failing", "carol dismissed what bob asked for, and may not → an approval from bob, because GitHub lets nobody dismiss a review twice"},
			never: []string{"a dismissal by"}},
		{name: "beside one that nobody dismissed", facts: pullRequest(normal, objected("bob"), dismissed("carol"), objected("lea"), approved("carol")),
			want: []string{"normal, failing", "→ an approval from lea, or a dismissal by dan who did not contribute; an approval from bob, because GitHub lets nobody dismiss a review twice"}},
		{name: "an objection that a contributor dismissed who holds the role", facts: pullRequest(normal, objected("bob"), dismissed("dan"), pushedBy("dan"), approved("carol")), want: []string{"normal, failing"}},
		{name: "a dismissed review of which nobody knows what it was", facts: pullRequest(normal, objected("bob"), dismissed("carol"), func(f *change.Facts) { f.Reviews[0].Was = "" }, approved("carol")),
			want: []string{"normal, failing"}},
		{name: "an objection that was dismissed by nobody known", facts: pullRequest(normal, objected("bob"), dismissed("nobody"), approved("carol")),
			want: []string{"normal, failing", "requested by bob → an approval from bob, because GitHub lets nobody dismiss a review twice"}, never: []string{"a dismissal by"}},

		{name: "an objection by an account that is gone", facts: pullRequest(normal, objected("nobody"), approved("bob")),
			want: []string{"normal, failing", "requested by an account that is gone → a dismissal by dan who did not contribute"}, never: []string{"an approval by"}},
		{name: "which nobody else's opinion replaces", facts: pullRequest(normal, objected("nobody"), approved("nobody"), approved("bob")), want: []string{"normal, failing"}},
		{name: "beside another objection", facts: pullRequest(normal, objected("nobody"), objected("carol"), approved("bob")),
			want: []string{"normal, failing", "→ an approval from carol, and for the account that is gone a dismissal by dan who did not contribute"}},
		{name: "that a holder dismissed", facts: pullRequest(normal, objected("nobody"), dismissed("dan"), approved("bob")), want: []string{"normal, satisfied"}},
		{name: "that somebody else dismissed", facts: pullRequest(normal, objected("nobody"), dismissed("carol"), approved("bob")),
			want:  []string{"normal, failing", "carol dismissed what an account that is gone asked for, and may not → another pull request in the place of this one, because the account"},
			never: []string{"a dismissal by"}},
		{name: "that nobody may dismiss", policy: `
version: 1
roles: {reviewer: {permission: write}}
categories: {normal: {record: []}}
`, facts: pullRequest(normal, objected("nobody"), approved("bob")),
			want: []string{"normal, failing", "→ a dismissal by a holder of a role that the policy names under dismissals, which it does not so far"}},

		{name: "the author", facts: pullRequest(normal, approved("alice")), want: []string{"normal, waiting", "alice does not count: the author cannot approve"}},
		{name: "who wrote a commit", facts: pullRequest(normal, commit(change.Commit{SHA: oldHead, Author: by("bob"), Committer: by("alice")}), approved("bob")),
			want: []string{"normal, waiting", "bob does not count: wrote 3f2c1aa, and contributors cannot approve", "except alice (author), bob (wrote 3f2c1aa)"}},
		{name: "who committed it", facts: pullRequest(normal, commit(change.Commit{SHA: oldHead, Author: by("alice"), Committer: by("bob")}), approved("bob")),
			want: []string{"normal, waiting", "bob does not count: committed 3f2c1aa"}},
		{name: "a co-author", facts: pullRequest(normal, commit(change.Commit{SHA: oldHead, Author: by("alice"), Committer: by("alice"), CoAuthors: []change.Signature{by("bob")}}), approved("bob")),
			want: []string{"normal, waiting", "bob does not count: co-authored 3f2c1aa"}},
		{name: "who committed it under GitHub's address", want: []string{"normal, waiting", "bob does not count: committed 3f2c1aa"},
			facts: pullRequest(normal, commit(change.Commit{SHA: oldHead, Author: by("alice"), Committer: change.Signature{Email: "noreply@github.com", Account: account("bob")}}), approved("bob"))},
		{name: "who owns the fork", facts: pullRequest(normal, func(f *change.Facts) { f.Pull.HeadOwner = account("bob") }, approved("bob")),
			want: []string{"normal, waiting", "bob does not count: owns the fork, and contributors cannot approve", "except alice (author), bob (owns the fork)"}},
		{name: "who owns the fork and opened it", facts: pullRequest(normal, func(f *change.Facts) { f.Pull.HeadOwner = account("alice") }, approved("bob")), want: []string{"normal, satisfied"}},
		{name: "who pushed", facts: pullRequest(normal, pushedBy("bob"), approved("bob")), want: []string{"normal, waiting", "bob does not count: pushed 9e8d7c6"}},
		{name: "GitHub with its signature is nobody", facts: pullRequest(risky, commit(change.Commit{SHA: oldHead, Author: by("alice"), Committer: by("web-flow"), Verified: true}), approved("bob", "carol", "lea", "sam")),
			want: []string{"high-risk, satisfied"}, never: []string{"web-flow"}},
		{name: "GitHub without its signature is somebody unknown", facts: pullRequest(risky, commit(change.Commit{SHA: oldHead, Author: by("alice"), Committer: by("web-flow")}), approved("bob", "carol", "lea", "sam")),
			want: []string{"high-risk, failing", "3f2c1aa claims to be made by GitHub, whose signature it does not have → write the commit anew under your own name"}},
		{name: "an accepted suggestion makes a contributor", facts: pullRequest(normal, commit(change.Commit{SHA: oldHead, Author: by("alice"), Committer: by("web-flow"), Verified: true, CoAuthors: []change.Signature{by("bob")}}), approved("bob")),
			want: []string{"normal, waiting", "co-authored"}},
		{name: "unless the policy allows it", policy: fourEyes + "suggestions: allow\n",
			facts: pullRequest(normal, commit(change.Commit{SHA: oldHead, Author: by("alice"), Committer: by("web-flow"), Verified: true, CoAuthors: []change.Signature{by("bob")}}), approved("bob")),
			want:  []string{"normal, satisfied"}},
		{name: "but not for a commit without GitHub's signature", policy: fourEyes + "suggestions: allow\n",
			facts: pullRequest(normal, commit(change.Commit{SHA: oldHead, Author: by("alice"), Committer: by("web-flow"), CoAuthors: []change.Signature{by("bob")}}), approved("bob")),
			want:  []string{"normal, waiting"}},

		{name: "nor for one that its author signed", policy: fourEyes + "suggestions: allow\n",
			facts: pullRequest(normal, commit(change.Commit{SHA: oldHead, Author: by("alice"), Committer: by("alice"), Verified: true, CoAuthors: []change.Signature{by("bob")}}), approved("bob")),
			want:  []string{"normal, waiting", "bob does not count: co-authored 3f2c1aa"}},

		{name: "a bot", facts: pullRequest(normal, approved("dependabot[bot]")), want: []string{"normal, waiting", "dependabot[bot] does not count: a bot that no role names"}},
		{name: "a bot that the role names", policy: `
version: 1
roles: {reviewer: {permission: write, bots: ["dependabot[bot]"]}}
categories: {normal: {record: []}}
`, facts: pullRequest(normal, approved("dependabot[bot]")), want: []string{"normal, satisfied"}},
		{name: "an author that is a bot nobody trusts", facts: pullRequest(normal, authoredBy("dependabot[bot]"), approved("bob")),
			want: []string{"normal, waiting", "awaited 2 reviewers [1 of 2 approvals] bob", "(one more because the policy does not trust dependabot[bot])"}},
		{name: "and two approvals", facts: pullRequest(normal, authoredBy("dependabot[bot]"), approved("bob", "carol")), want: []string{"normal, satisfied"}},
		{name: "where its category asks for nobody, one of those whom the next one asks for", policy: `
version: 1
roles: {lead: {teams: [tech-leads]}}
categories: {standard: {when: {any: [{only_paths: ["*.go"]}]}, approvals: []}, normal: {approvals: [{role: lead}], record: []}}
`, facts: pullRequest(normal, authoredBy("dependabot[bot]"), approved("bob")), want: []string{"standard, waiting", "awaited Lead [0 of 1 approval]"}},
		{name: "a push by a bot that nobody trusts", facts: pullRequest(normal, pushedBy("dependabot[bot]"), approved("bob")), want: []string{"normal, waiting"}},
		{name: "an author that is a trusted bot", facts: pullRequest(normal, authoredBy("renovate[bot]"), approved("bob")), want: []string{"normal, satisfied"}},
		{name: "a trusted bot's name that another account took", facts: pullRequest(normal, authoredBy("renovate[bot]"), func(f *change.Facts) { f.Pull.Author.ID = 99 }, approved("bob")), want: []string{"normal, waiting"}},

		{name: "a commit by nobody known blocks high-risk", facts: pullRequest(risky, commit(change.Commit{SHA: oldHead, Author: change.Signature{Name: "Bob", Email: "bob@home"}, Committer: by("alice")}), approved("bob", "carol", "lea", "sam")),
			want: []string{"high-risk, failing", "missing Known contributors [contributor unknown] 3f2c1aa was written by Bob <bob@home>, who has no GitHub account → link its e-mail address to a GitHub account"}},
		{name: "a co-author whom nobody knows blocks high-risk", facts: pullRequest(risky, commit(change.Commit{SHA: oldHead, Author: by("alice"), Committer: by("alice"), CoAuthors: []change.Signature{{Name: "Bob", Email: "bob@home"}}}), approved("bob", "carol", "lea", "sam")),
			want: []string{"high-risk, failing", "missing Known contributors [contributor unknown] 3f2c1aa was co-authored by Bob <bob@home>, who has no GitHub account → link its e-mail address to a GitHub account"}},
		{name: "one who was not looked up may have an account", facts: pullRequest(normal, commit(change.Commit{SHA: oldHead, Author: by("alice"), Committer: by("alice"), CoAuthors: []change.Signature{{Name: "Bob", Email: "bob@home", Unresolved: true}}}), approved("bob")),
			want: []string{"normal, satisfied", "note: 3f2c1aa was co-authored by Bob <bob@home>, whose account was not looked up"}},
		{name: "who suggested what was accepted need not be known where that is allowed", policy: fourEyes + "suggestions: allow\n",
			facts: pullRequest(risky, commit(change.Commit{SHA: oldHead, Author: by("alice"), Committer: by("web-flow"), Verified: true, CoAuthors: []change.Signature{{Name: "Bob"}}}), approved("bob", "carol", "lea", "sam")),
			want:  []string{"high-risk, satisfied"}},
		{name: "a committer whom nobody knows blocks high-risk", facts: pullRequest(risky, commit(change.Commit{SHA: oldHead, Author: by("alice"), Committer: change.Signature{Name: "Bob", Email: "bob@home"}}), approved("bob", "carol", "lea", "sam")),
			want: []string{"high-risk, failing", "3f2c1aa was committed by Bob <bob@home>, who has no GitHub account → link its e-mail address to a GitHub account"}},
		{name: "GitHub's own signed commit, which it gives no account", facts: pullRequest(risky, commit(change.Commit{
			SHA: oldHead, Author: by("alice"), Committer: change.Signature{Name: "GitHub", Email: "NoReply@github.com"}, Verified: true,
		}), approved("bob", "carol", "lea", "sam")), want: []string{"high-risk, satisfied"}},
		{name: "a push by nobody known blocks high-risk", facts: pullRequest(risky, func(f *change.Facts) { f.PushesKnown = false }, approved("bob", "carol", "lea", "sam")),
			want: []string{"high-risk, failing", "it is not known who made every push"}},
		{name: "one of several by nobody known too", facts: pullRequest(risky, pushedBy("nobody"), func(f *change.Facts) {
			f.Pushes = append(f.Pushes, change.Push{Before: head, After: head, By: account("alice"), At: later(f)})
		}, approved("bob", "carol", "lea", "sam")), want: []string{"high-risk, failing", "it is not known who made every push"}},
		{name: "and is remarked in a normal change", facts: pullRequest(normal, func(f *change.Facts) { f.PushesKnown = false }, approved("bob")),
			want: []string{"normal, satisfied", "note: it is not known who made every push"}},
		{name: "unless the policy blocks that too", policy: `
version: 1
roles: {reviewer: {permission: write}}
categories: {normal: {record: [], unattributed: block}}
`, facts: pullRequest(normal, func(f *change.Facts) { f.PushesKnown = false }, approved("bob")), want: []string{"normal, failing"}},

		{name: "an older head", facts: pullRequest(normal, oldApproval), want: []string{"normal, waiting", "bob does not count: it was for 3f2c1aa, not for the current head 9e8d7c6"}},
		{name: "the push that voided it is named", facts: pullRequest(normal, oldApproval, pushedBy("alice")), want: []string{"normal, waiting", "bob does not count: it was for 3f2c1aa; alice has since pushed 9e8d7c6"}},
		{name: "a commit that is gone", facts: pullRequest(normal, review(change.Approved, "bob", "")), want: []string{"normal, waiting", "it was for a commit that is gone"}},
		{name: "approved again", facts: pullRequest(normal, oldApproval, pushedBy("alice"), approved("bob")), want: []string{"normal, satisfied"}},

		{name: "three people and security", facts: pullRequest(risky, approved("bob", "carol", "lea", "sam")),
			want: []string{"high-risk, satisfied", "met 2 reviewers bob and carol", "met Tech lead lea", "met Security review sam"}},
		{name: "nobody fills two places", facts: pullRequest(risky, approved("bob", "lea", "sam")),
			want: []string{"high-risk, waiting", "awaited 2 reviewers [1 of 2 approvals] bob → one more approval from anyone with write access", "met Tech lead lea", "met Security review sam"}},
		{name: "nor the review of a role that approves as well", policy: `
version: 1
roles: {security: {teams: [security]}}
categories: {normal: {approvals: [{role: security}], security_review: always, record: []}}
security_review: {role: security}
`, facts: pullRequest(normal, approved("sam")), want: []string{"normal, failing", "met Security sam", "blocked Security review"}},
		{name: "a security review by more than one", policy: strings.Replace(fourEyes, "security_review: {role: security}", "security_review: {role: security, count: 2}", 1),
			facts: pullRequest(risky, approved("bob", "carol", "lea", "sam")), want: []string{"high-risk, failing", "blocked Security review by 2 people [1 of 2 security reviews (too few can approve)] sam; only 1 person is in security, and 2 must approve → add people"}},
		{name: "the lead alone fills the rarer place", facts: pullRequest(risky, approved("lea")),
			want: []string{"high-risk, waiting", "awaited 2 reviewers [0 of 2 approvals] → 2 approvals from anyone with write access", "met Tech lead lea", "lea counts for tech-lead"}},
		{name: "who is asked", facts: pullRequest(risky),
			want: []string{"high-risk, waiting", "awaited Tech lead [tech lead] → @acme/tech-leads is asked to review",
				"awaited Security review [security review] → @acme/security is asked to review, because it is high-risk", "ask security of [security][] round 0", "ask tech-lead of [tech-leads][] round 0"}},
		{name: "it breaks the policy", facts: pullRequest(files("docs/a.md"), func(f *change.Facts) {
			f.Unusable = []change.UnusablePolicy{{Path: change.PolicyPath, Problems: []string{"line 1: no", "line 2: no"}}}
		}), want: []string{"normal, waiting", "note: Do not merge this yet: with it .github/change-policy.yml cannot be used, and every check would fail, even that of the pull request that fixes it. “line 1: no”, and 1 more. changegate policy lint lists all."}},
		{name: "GitHub refused to ask", facts: pullRequest(risky, notAsked("security", 0)),
			want: []string{"high-risk, waiting", "awaited Tech lead [tech lead] → @acme/tech-leads is asked to review",
				"awaited Security review [security review] → an approval from @acme/security, because it is high-risk; GitHub refused to ask @acme/security: ask them yourself, and see that they have access to this repository",
				"ask security of [security][] round 0"}},
		{name: "GitHub refused to ask in another round", facts: pullRequest(risky, notAsked("security", 1)),
			want: []string{"high-risk, waiting", "awaited Security review [security review] → @acme/security is asked to review, because it is high-risk"}, never: []string{"refused"}},
		{name: "one is not asked twice for the same content", facts: pullRequest(risky, review(change.Approved, "sam", oldHead), pushedBy("alice")), want: []string{"high-risk, waiting", "ask security of [security][] round 1"}},
		{name: "but again after each void review", facts: pullRequest(risky, review(change.Approved, "sam", oldHead), pushedBy("alice"), approved("sam"), dismissed("alice")), want: []string{"high-risk, waiting", "ask security of [security][] round 2"}},
		{name: "and after whoever approved holds the role no more", facts: pullRequest(risky, approved("bob"), counted("security")),
			want: []string{"high-risk, waiting", "awaited Security review [security review] bob approved but no longer holds security → @acme/security is asked to review", "ask security of [security][] round 1"}},
		{name: "which is no news of a role that another fills", facts: pullRequest(risky, approved("bob"), counted("security"), approved("sam")), want: []string{"high-risk, waiting", "met Security review sam"}, never: []string{"no more"}},
		{name: "nor where a push took it", facts: pullRequest(risky, review(change.Approved, "bob", oldHead), counted("security"), pushedBy("alice")),
			want: []string{"high-risk, waiting", "ask security of [security][] round 1"}, never: []string{"no more"}},
		{name: "and a round stays counted when its reviewer goes", facts: pullRequest(risky, review(change.Approved, "bob", oldHead), pushedBy("alice"), voided("security", 100), approved("bob"), counted("security")), want: []string{"high-risk, waiting", "ask security of [security][] round 2"}},
		{name: "also when it said something else since", facts: pullRequest(risky, review(change.Approved, "bob", oldHead), voided("security", 100), review(change.Approved, "sam", oldHead), pushedBy("alice")), want: []string{"high-risk, waiting", "ask security of [security][] round 2"}},
		{name: "who approved holds a permission no more", facts: pullRequest(normal, approved("stranger"), counted("reviewer")),
			want: []string{"normal, waiting", "awaited Reviewer [0 of 1 approval] stranger approved but no longer holds reviewer → an approval from anyone with write access"}},
		{name: "a draft says nothing of that", facts: pullRequest(normal, approved("stranger"), counted("reviewer"), draft), want: []string{"normal, waiting"}, never: []string{"no more"}},
		{name: "who is not asked any more", facts: pullRequest(risky, approved("sam", "lea")), want: []string{"high-risk, waiting"}, never: []string{"ask "}},
		{name: "a member who contributed is named", facts: pullRequest(risky, pushedBy("lea"), func(f *change.Facts) {
			f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Members: []change.Account{account("lea"), account("dan")}}
		}), want: []string{"high-risk, waiting", "@acme/tech-leads is asked to review, except lea (pushed 9e8d7c6)"}},

		{name: "watching pings nobody", policy: fourEyes + "mode: observe\n", facts: pullRequest(risky),
			want: []string{"high-risk, waiting", "awaited Security review [security review] → an approval from @acme/security, because it is high-risk"}, never: []string{"ask ", "is asked to review, "}},
		{name: "a draft asks nobody", facts: pullRequest(risky, draft), want: []string{"high-risk, waiting", "awaited Ready for review [draft]",
			"awaited Security review [security review] → an approval from @acme/security, because it is high-risk; asked once this is ready for review",
			"awaited Tech lead [tech lead] → an approval from @acme/tech-leads; asked once this is ready for review"}, never: []string{"ask ", "is asked to review, "}},
		{name: "a draft is never green", facts: pullRequest(normal, draft, approved("bob")), want: []string{"normal, waiting"}},
		{name: "a draft is never red", facts: pullRequest(normal, draft, objected("bob")), want: []string{"normal, waiting", "whether the request of bob counts is decided once this is ready for review"}},

		{name: "a team that cannot be read blocks what needs it, and only that", facts: pullRequest(risky, approved("bob", "carol", "sam"), func(f *change.Facts) {
			f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Problem: "403 Forbidden"}
		}), want: []string{"high-risk, failing", "met 2 reviewers", "met Security review",
			"blocked Tech lead [tech lead (nobody can approve)] @acme/tech-leads cannot be read: 403 Forbidden → let the App read the members of @acme/tech-leads, or name others, on line 5 of the policy"}},
		{name: "where others could hold the role it is a note", policy: `
version: 1
roles: {reviewer: {permission: write, teams: [guild]}}
categories: {normal: {record: []}}
`, facts: pullRequest(normal, func(f *change.Facts) { f.Teams["guild"] = change.Team{Slug: "guild", Missing: true} }), want: []string{"normal, waiting", "awaited Reviewer",
			"note: @acme/guild does not exist; create @acme/guild, or name another team, on line 3 of the policy."}},
		{name: "a dismissal by somebody who may be in it", policy: `
version: 1
roles: {reviewer: {permission: write}, lifter: {teams: [tech-leads]}}
dismissals: {by: lifter}
categories: {normal: {record: []}}
`, facts: pullRequest(normal, objected("bob"), dismissed("lea"), approved("carol"), func(f *change.Facts) {
			f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Problem: "403 Forbidden"}
		}), want: []string{"normal, failing", "lea dismissed what bob asked for; whether lea may could not be read, because @acme/tech-leads cannot be read: 403 Forbidden; " +
			"let the App read the members of @acme/tech-leads, or name others, on line 3 of the policy → an approval from bob, because GitHub lets nobody dismiss a review twice"}, never: []string{"may not", "a dismissal by"}},
		{name: "a team that took another's name", facts: pullRequest(risky, approved("bob", "carol", "lea", "sam"), func(f *change.Facts) {
			f.Teams["security"] = change.Team{ID: 9, Slug: "security", Replaced: true, Problem: "another"}
		}), want: []string{"high-risk, failing", "blocked Security review [security review (nobody can approve)] @acme/security is not the team that first had this name → if this team is meant, an owner of the organization removes the App and installs it again"}},
		{name: "a team that does not exist", facts: pullRequest(risky, func(f *change.Facts) { f.Teams["security"] = change.Team{Slug: "security", Missing: true} }),
			want: []string{"high-risk, failing", "blocked Security review [security review (nobody can approve)] @acme/security does not exist → create @acme/security, or name another team, on line 6 of the policy"}},
		{name: "a team that is listed in part", facts: pullRequest(risky, approved("lea"), func(f *change.Facts) { f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Partial: true} }),
			want: []string{"high-risk, waiting", "awaited Tech lead", "lea counts for reviewer"}},
		{name: "a user's own repository has no teams", facts: pullRequest(risky, func(f *change.Facts) { f.Repository.OwnerIsUser = true }),
			want: []string{"high-risk, failing", "blocked Tech lead [tech lead (nobody can approve)] nobody can hold tech-lead: a user's repository has no teams"}},

		{name: "the comparison of another head", facts: pullRequest(normal, approved("bob"), func(f *change.Facts) { f.Content.Head = oldHead }), want: []string{"normal, waiting", "waiting for the comparison"}},
		{name: "files beyond GitHub's limit", facts: pullRequest(normal, approved("bob"), func(f *change.Facts) { f.Content.FilesCut = true }), want: []string{"normal, failing", "blocked The whole change [too many files]"}},
		{name: "commits beyond GitHub's limit", facts: pullRequest(normal, approved("bob"), func(f *change.Facts) { f.Content.CommitsCut = true }), want: []string{"normal, failing", "too many commits"}},
		{name: "files that GitHub counts and does not list", facts: pullRequest(normal, approved("bob"), func(f *change.Facts) { f.Pull.ChangedFiles = 2 }), want: []string{"normal, failing", "GitHub counts 2 files and listed 1"}},
	})
}

// Each push that takes an approval is a reason of its own to ask, wherever the head was before and returns to: no round comes twice.
func TestEveryLossIsAskedFor(t *testing.T) {
	const third, fourth = change.SHA("3333333333333333333333333333333333333333"), change.SHA("4444444444444444444444444444444444444444")
	type step struct {
		push  change.SHA // alice pushes it; empty: sam reviews the head
		round int        // that is asked for then; -1: none
	}
	for name, steps := range map[string][]step{
		"back to what was approved before":        {{"", -1}, {oldHead, 1}, {"", -1}, {head, -1}, {third, 2}},
		"away, back, and away":                    {{"", -1}, {oldHead, 1}, {head, -1}, {third, 2}},
		"approved after that":                     {{"", -1}, {oldHead, 1}, {head, -1}, {third, 2}, {"", -1}, {fourth, 3}},
		"however many pushes follow":              {{"", -1}, {oldHead, 1}, {third, 1}, {fourth, 1}, {"", -1}, {oldHead, 2}},
		"approved twice":                          {{"", -1}, {"", -1}, {oldHead, 1}},
		"approved again where it was, and pushed": {{"", -1}, {oldHead, 1}, {head, -1}, {"", -1}, {third, 2}},
	} {
		f := pullRequest(files("a.tf"), approved("bob", "carol", "lea"))
		p := mustParse(t, fourEyes)
		for i, s := range steps {
			if s.push == "" {
				review(change.Approved, "sam", f.Pull.Head.SHA)(&f)
			} else {
				f.Pushes = append(f.Pushes, change.Push{Before: f.Pull.Head.SHA, After: s.push, By: account("alice"), At: later(&f)})
				f.Pull.Head.SHA, f.Content.Head = s.push, s.push
			}
			round := -1
			for _, a := range p.Decide(f).Asks {
				if a.Role == "security" {
					round = a.Round
				}
			}
			if round != s.round {
				t.Errorf("%s: step %d asks for round %d, want %d", name, i, round, s.round)
			}
		}
	}
}

// Whose earlier approval counts again has nothing left to do.
func TestWhoeverCountsIsNotAskedAgain(t *testing.T) {
	pushed := func(sha change.SHA) edit {
		return func(f *change.Facts) {
			f.Pushes = append(f.Pushes, change.Push{Before: f.Pull.Head.SHA, After: sha, By: account("alice"), At: later(f)})
			f.Pull.Head.SHA, f.Content.Head = sha, sha
		}
	}
	risky := files("a.tf")
	play(t, fourEyes, []scenario{
		{name: "the latest is of other content", facts: pullRequest(risky, approved("bob", "lea", "sam"), pushed(oldHead), review(change.Approved, "bob", oldHead)),
			want: []string{"high-risk, waiting", "ask security of [security][] round 1"}, never: []string{"ask reviewer"}},
		{name: "back to what was approved before", facts: pullRequest(risky, approved("bob", "lea", "sam"), pushed(oldHead), review(change.Approved, "bob", oldHead), pushed(head)),
			want: []string{"high-risk, waiting", "awaited 2 reviewers [1 of 2 approvals] bob → one more approval from anyone with write access", "bob counts for reviewer"}, never: []string{"ask "}},
		{name: "on to something else", facts: pullRequest(risky, approved("bob", "lea", "sam"), pushed(oldHead), review(change.Approved, "bob", oldHead), pushed("3333333333333333333333333333333333333333")),
			want: []string{"high-risk, waiting", "ask reviewer of [][bob]"}},
	})
	const inTwoRoles = `version: 1
roles: {lead: {users: [bob, carol]}, auditor: {users: [bob]}}
categories:
  high-risk: {when: {any: [{paths: ["**/*.tf"]}]}, approvals: [{role: lead}, {role: auditor}], record: []}
  standard: {approvals: []}
`
	play(t, inTwoRoles, []scenario{{name: "who approved fills the place that nobody else can", facts: pullRequest(risky, approved("bob")),
		want: []string{"high-risk, waiting", "met Auditor bob", "awaited Lead [0 of 1 approval] → carol is asked to review", "ask lead of [][carol]", "bob counts for auditor"}}})
	const many = `version: 1
roles: {tech-leads: {teams: [tech-leads], permission: write}}
categories: {normal: {approvals: [{role: tech-leads, count: 2}], record: []}, high-risk: {approvals: []}, standard: {approvals: []}}
`
	play(t, many, []scenario{{name: "a role named in the plural", facts: pullRequest(files("a.go")), want: []string{"normal, waiting", "awaited 2 tech leads [0 of 2 approvals]"}}})
	const twoOfThree = `version: 1
roles: {reviewer: {permission: write}, qa: {users: [bob, carol, dan]}}
categories:
  high-risk: {when: {any: [{paths: ["**/*.tf"]}]}, approvals: [{role: qa, count: 2}], record: []}
  standard: {when: {any: [{only_paths: ["docs/**"]}]}, approvals: [{role: qa, count: 2}]}
`
	play(t, twoOfThree, []scenario{
		{name: "who is asked by name", facts: pullRequest(risky, approved("carol")),
			want: []string{"high-risk, waiting", "awaited 2 from qa [1 of 2 approvals] carol → bob and dan are asked to review", "ask qa of [][bob dan]"}},
		{name: "who may be asked by name", facts: pullRequest(files("docs/a.md"), approved("carol")), want: []string{"standard, waiting", "awaited 2 from qa [1 of 2 approvals] carol → one more approval from bob or dan"}},
		{name: "who contributed is not named", facts: pullRequest(files("docs/a.md"), authoredBy("bob"), approved("carol")), want: []string{"standard, waiting", "one more approval from dan"}, never: []string{"bob", "except"}},
		{name: "who contributed to a draft, and nobody else is left", facts: pullRequest(files("docs/a.md"), authoredBy("bob"), pushedBy("carol"), pushedBy("dan"), draft),
			want: []string{"standard, waiting", "2 approvals from people in qa who did not contribute"}, never: []string{"except"}},
	})
	const aProgram = `version: 1
roles: {reviewer: {permission: write}, robot: {users: [bob], bots: ["renovate[bot]"]}}
categories: {normal: {approvals: [{role: robot}], record: []}}
`
	play(t, aProgram, []scenario{
		{name: "a program that the role names, where none of its people is left", facts: pullRequest(files("a.go"), pushedBy("bob")),
			want: []string{"normal, waiting", "awaited Robot [0 of 1 approval] → an approval from renovate[bot]"}, never: []string{"people in robot"}},
	})
}

func TestFallbackStandsInForMissingTeams(t *testing.T) {
	const text = `
version: 1
roles:
  reviewer:  {permission: write}
  tech-lead: {teams: [tech-leads], fallback: maintain}
categories:
  normal: {approvals: [{role: tech-lead}], record: []}
`
	maintains := func(f *change.Facts) {
		f.People[account("bob").ID] = change.Person{Account: account("bob"), Permission: change.PermissionMaintain}
	}
	missing := func(f *change.Facts) { f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Missing: true} }
	play(t, text, []scenario{
		{name: "not while the team exists", facts: pullRequest(files("a.go"), maintains, approved("bob")), want: []string{"normal, waiting"}},
		{name: "where it does not", facts: pullRequest(files("a.go"), maintains, missing, approved("bob")), want: []string{"normal, satisfied"}},
		{name: "in a user's repository", facts: pullRequest(files("a.go"), maintains, func(f *change.Facts) { f.Repository.OwnerIsUser = true }, approved("bob")), want: []string{"normal, satisfied"}},
		{name: "not for a lesser permission", facts: pullRequest(files("a.go"), missing, approved("bob")), want: []string{"normal, waiting", "an approval from anyone with maintain access"}},
		{name: "not where the team cannot be read", facts: pullRequest(files("a.go"), maintains, approved("bob"), func(f *change.Facts) {
			f.Teams["tech-leads"] = change.Team{Slug: "tech-leads", Problem: "403"}
		}), want: []string{"normal, failing", "blocked Tech lead"}},
	})
}

func TestSeveral(t *testing.T) {
	for role, want := range map[string]string{
		"reviewer": "reviewers", "tech-lead": "tech leads", "Tech Leads": "Tech Leads", "contributor": "contributors", "architects": "architects",
		"security": "from security", "on-call": "from on-call", "QA": "from QA", "ops": "from ops", "s": "from s",
	} {
		if got := several(role); got != want {
			t.Errorf("2 %s, want 2 %s", got, want)
		}
	}
}
