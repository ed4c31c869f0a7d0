package policy

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// inquiry is one evaluation of a policy, and of the owner's floor beside it, on one set of facts. What one policy finds alone is in its layer;
// what concerns them together (the category, who fills which slot) is here. Every question about the world beyond the pull request is asked
// through it and noted, so Needs cannot miss what Decide looks at.
type inquiry struct {
	*layer    // the one that is looked at; see each
	layers    []layer
	facts     *change.Facts
	measure   Measure
	questions *questions // what was asked; nil: nobody wants to know

	category    change.Category // what it would be without an emergency
	declaration *change.Declaration
	declarers   []change.Account // everyone who declared it, now or before, or may have; none without a declaration
	seenDeclare []change.Account // everyone who was seen to declare one while they might, now or at an earlier decision
	// merged says that the change was merged as an emergency: what it still owes is all that there is to decide.
	merged bool
	broken []brokenExpression
	// guarded says that the change touches what is never an emergency.
	guarded bool
	// modesMissing counts the files that may be submodules, for all that was read of them.
	modesMissing int

	requirements []change.Requirement
	matches      []change.Match
	opinions     []change.Opinion
	asks         []change.Ask
	voids        []change.Void // those of earlier decisions included
	remarks      []change.Text
	recheckAt    time.Time // when time alone may change the decision; zero: never

	contributors map[change.AccountID]involvement
	activation   *Activation            // what expressions see, once one was evaluated
	now          *shown                 // the present content, once it was compared
	looked       map[change.View]*shown // others that were looked at
	wants        []asked
}

type brokenExpression struct {
	policy *Policy
	line   int
	err    error
}

func newInquiry(f *change.Facts, policies ...*Policy) *inquiry {
	q := &inquiry{facts: f, layers: make([]layer, len(policies)), seenDeclare: slices.Clone(f.Declarers), voids: slices.Clone(f.Voids)}
	for i, p := range policies {
		q.layers[i].policy = p
	}
	q.layer = &q.layers[0]
	if f.Declared != nil && f.Pull.State == change.Merged {
		q.merged = true
		if f.Pull.Draft { // a push to the base merges a draft too
			ready := *f
			ready.Pull.Draft = false
			q.facts = &ready
		}
	}
	return q
}

// answer is what is known about a question with yes and no. Its zero value is no.
type answer int

const (
	no answer = iota
	unknown
	yes
)

// questions are what an inquiry asked of the world.
type questions struct {
	people                          map[change.AccountID]change.Account
	teams, users                    map[string]bool
	members                         map[change.Membership]bool
	seen                            map[change.View]bool
	trees                           map[change.SHA][]string
	checks, workflows, modes, blobs bool
}

func note[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

// needs returns the questions in a stable order.
func (n *questions) needs() change.Needs {
	needs := change.Needs{Checks: n.checks, Workflows: n.workflows, Modes: n.modes, Blobs: n.blobs}
	for _, a := range n.people {
		needs.People = append(needs.People, a)
	}
	slices.SortFunc(needs.People, func(a, b change.Account) int { return cmp.Compare(a.ID, b.ID) })
	for t := range n.teams {
		needs.Teams = append(needs.Teams, t)
	}
	slices.Sort(needs.Teams)
	for u := range n.users {
		needs.Users = append(needs.Users, u)
	}
	slices.Sort(needs.Users)
	for m := range n.members {
		needs.Members = append(needs.Members, m)
	}
	slices.SortFunc(needs.Members, func(a, b change.Membership) int {
		return cmp.Or(cmp.Compare(a.Team, b.Team), cmp.Compare(a.Account.ID, b.Account.ID))
	})
	for v := range n.seen {
		needs.Seen = append(needs.Seen, v)
	}
	slices.SortFunc(needs.Seen, func(a, b change.View) int { return cmp.Or(cmp.Compare(a.Head, b.Head), cmp.Compare(a.Base, b.Base)) })
	needs.Trees = orderedPaths(n.trees)
	return needs
}

// holds says whether an account holds a role at the time of the decision. Nobody holds a role that is nil, and an unknown account holds no role. A
// program holds a role only if the role names it.
func (q *inquiry) holds(role *Role, a change.Account) answer {
	if role == nil || !a.Known() {
		return no
	}
	if a.IsBot() {
		return q.named(role.Bots, a)
	}
	if q.isOneOf(role.Users, a) == yes {
		return yes
	}
	held := no
	if role.Permission > change.PermissionNone {
		if held = max(held, q.may(a, role.Permission)); held == yes {
			return yes
		}
	}
	if !q.facts.Repository.OwnerIsUser {
		for _, slug := range role.Teams {
			if held = max(held, q.isMember(slug, a)); held == yes {
				return yes
			}
		}
	}
	if role.Fallback > change.PermissionNone && q.withoutTeams(role) {
		held = max(held, q.may(a, role.Fallback))
	}
	return held
}

// role returns the role of a name in the policy that is looked at, nil if there is none.
func (q *inquiry) role(name string) *Role { return q.policy.Roles[name] }

// may says whether an account has at least a permission in the repository.
func (q *inquiry) may(a change.Account, permission change.Permission) answer {
	if q.questions != nil {
		note(&q.questions.people, a.ID, a)
	}
	person, ok := q.facts.People[a.ID]
	switch {
	case !ok, person.Problem != "":
		return unknown
	case person.Permission >= permission:
		return yes
	}
	return no
}

// team returns a team as far as it is known.
func (q *inquiry) team(slug string) (change.Team, bool) {
	if q.questions != nil {
		note(&q.questions.teams, slug, true)
	}
	t, ok := q.facts.Teams[slug]
	return t, ok
}

func (q *inquiry) isMember(slug string, a change.Account) answer {
	t, ok := q.team(slug)
	switch {
	case !ok, t.Problem != "":
		return unknown
	case t.Has(a.ID):
		return yes
	case t.Partial && !t.Missing && !slices.Contains(t.Absent, a.ID):
		if q.questions != nil {
			note(&q.questions.members, change.Membership{Team: slug, Account: a}, true)
		}
		return unknown
	}
	return no
}

// withoutTeams says whether a role's teams are known not to exist, so that its fallback stands in.
func (q *inquiry) withoutTeams(role *Role) bool {
	if q.facts.Repository.OwnerIsUser {
		return true
	}
	for _, slug := range role.Teams {
		if t, ok := q.team(slug); !ok || !t.Missing {
			return false
		}
	}
	return true
}

// user returns the account behind a login that the policy names.
func (q *inquiry) user(login string) (change.Account, bool) {
	login = strings.ToLower(login)
	if q.questions != nil {
		note(&q.questions.users, login, true)
	}
	a, ok := q.facts.Users[login]
	return a, ok && a.Known()
}

// isOneOf says whether a person's account is one that the policy means by these logins, whatever it is called today.
func (q *inquiry) isOneOf(logins []string, a change.Account) answer {
	found := no
	for _, login := range logins {
		if strings.HasSuffix(login, "[bot]") {
			continue // GitHub gives no person such a name
		}
		if named, ok := q.user(login); ok && named.ID == a.ID {
			found = yes
		}
	}
	return found
}

// named is isOneOf for programs. Their logins are given by GitHub and change rarely, so only one of the same login is looked up.
func (q *inquiry) named(logins []string, a change.Account) answer {
	for _, login := range logins {
		if !strings.EqualFold(login, a.Login) {
			continue
		}
		if q.measure == PathsOnly {
			return yes
		}
		if named, ok := q.user(login); ok && named.ID == a.ID {
			return yes
		}
	}
	return no
}

// isTrustedBot says whether an account is a program that the policy that is looked at trusts as author and pusher.
func (q *inquiry) isTrustedBot(a change.Account) bool {
	return a.IsBot() && q.named(q.policy.Bots, a) == yes
}
