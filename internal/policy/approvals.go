package policy

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// slot is a place that one person's approval fills.
type slot struct {
	role *Role
	row  int            // the requirement that it belongs to
	by   change.Account // who fills it
}

// asked is a requirement for people.
type asked struct {
	kind      change.RequirementKind
	role      *Role
	count     int
	line      int
	extra     change.Text    // why one more is asked for than the policy's count
	triggered []change.Match // what asks for a security review besides the category

	// Once it is known who fills it:
	by    []change.Account // by their logins
	short int              // how many people are missing
	stuck bool             // some place would stay empty even if everyone approved who still can; see inquiry.stuck
}

// wanted returns whose approvals the change needs: what each policy asks for, and for one role the larger count.
func (q *inquiry) wanted() []asked {
	var all []asked
	for range q.each {
		for _, w := range q.wantedHere() {
			i := slices.IndexFunc(all, func(o asked) bool { return o.kind == w.kind && o.role.Name == w.role.Name })
			if i < 0 {
				all = append(all, w)
				continue
			}
			all[i].triggered = slices.Concat(all[i].triggered, w.triggered)
			if w.count > all[i].count {
				all[i].count, all[i].extra = w.count, w.extra
			}
		}
	}
	slices.SortStableFunc(all, func(a, b asked) int { return cmp.Compare(kindOrder(a.kind), kindOrder(b.kind)) })
	return all
}

// wantedHere returns whose approvals the policy that is looked at asks for.
func (q *inquiry) wantedHere() []asked {
	var wanted []asked
	add := func(a Approvals) {
		role := q.role(a.Role)
		if role == nil {
			role = &Role{Name: a.Role, Line: a.Line}
		}
		wanted = append(wanted, asked{kind: change.KindApprovals, role: role, count: a.Count, line: a.Line})
	}
	if q.declaration != nil && q.emergency() != nil {
		if e := q.policy.Emergency; e != nil {
			for _, a := range e.Approvals {
				add(a)
			}
		}
	} else { // where a policy knows emergencies no more, a merged one owes what it would have needed without
		if c := q.policy.Categories[q.category]; c != nil {
			for _, a := range c.Approvals {
				add(a)
			}
		}
		saysNothing := q.policy.Floor != nil && q.category == change.Standard // what that owes is the floor's to say
		if bot, ok := q.untrustedBot(); ok && !saysNothing {
			if len(wanted) == 0 {
				add(Approvals{Role: q.leastRole()})
			}
			wanted[0].count++
			wanted[0].extra = change.Say(change.Words("one more because the policy does not trust "), change.Login(bot))
		}
	}
	if q.needsSecurityReview() {
		s := q.policy.Security
		if s == nil {
			s = &Security{}
		}
		role := q.role(s.Role)
		if role == nil {
			role = &Role{Name: "security", Line: s.Line}
		}
		wanted = append(wanted, asked{kind: change.KindSecurityReview, role: role, count: max(s.Count, 1), line: s.Line, triggered: q.triggered})
	}
	return wanted
}

// untrustedBot returns the program that made the change or pushed to it and that the policy does not trust: somebody may hide
// behind it.
func (q *inquiry) untrustedBot() (change.Account, bool) {
	if a := q.facts.Pull.Author; a.IsBot() && !q.isTrustedBot(a) {
		return a, true
	}
	for _, p := range q.facts.Pushes {
		if p.By.IsBot() && !q.isTrustedBot(p.By) {
			return p.By, true
		}
	}
	return change.Account{}, false
}

// leastRole returns the role that a category asks for first, from the least risky category that asks for any.
func (q *inquiry) leastRole() string {
	for _, category := range [...]change.Category{change.Standard, change.Normal, change.HighRisk} {
		if c := q.policy.Categories[category]; c != nil && len(c.Approvals) > 0 {
			return c.Approvals[0].Role
		}
	}
	return "reviewer"
}

func (q *inquiry) roleNames() []string { return slices.Sorted(maps.Keys(q.policy.Roles)) }

// slots returns the places to fill. Those that fewer people can fill come first, so that somebody who could fill two is shown in the
// rarer one and the rest is asked of the many.
func (q *inquiry) slots() []slot {
	q.wants = q.wanted()
	n := 0
	for _, w := range q.wants {
		n += w.count
	}
	slots := make([]slot, 0, n)
	for row, w := range q.wants {
		for range w.count {
			slots = append(slots, slot{role: w.role, row: row})
		}
	}
	rarity := func(s slot) change.Permission {
		if s.role.Permission == change.PermissionNone {
			return -change.PermissionAdmin - 1
		}
		return -s.role.Permission
	}
	slices.SortStableFunc(slots, func(a, b slot) int { return cmp.Compare(rarity(a), rarity(b)) })
	return slots
}

// fills says whether a person may fill a slot.
func (q *inquiry) fills(s slot, a change.Account) answer { return q.holds(s.role, a) }

// whyUnused says why an approval that nothing disqualifies fills no slot.
func (q *inquiry) whyUnused(slots []slot, by change.Account) change.Text {
	if len(slots) == 0 {
		return change.Words("no approval is needed")
	}
	if !slices.ContainsFunc(slots, func(s slot) bool { return !s.by.Known() }) {
		return change.Words("not needed, because every approval is there already")
	}
	held := no
	var roles []string
	for _, s := range slots {
		if held = max(held, q.fills(s, by)); held == yes {
			return change.Words("not needed, because all that it could count for is approved already")
		}
		if !slices.Contains(roles, s.role.Name) {
			roles = append(roles, s.role.Name)
		}
	}
	if held == unknown {
		if p := q.facts.People[by.ID]; p.Problem != "" {
			return change.Say(change.Words("what this person may do could not be read: "), change.Quote(p.Problem))
		}
		return change.Words("which roles this person holds could not be read")
	}
	slices.Sort(roles)
	return change.Say(change.Words("holds none of the roles that are needed: "), change.Quote(strings.Join(roles, ", ")))
}

// approvalRows makes a requirement of each role that is asked for, and asks those who are to be asked.
func (q *inquiry) approvalRows(slots []slot) {
	stuck := q.stuck(slots)
	for _, s := range slots {
		if w := &q.wants[s.row]; s.by.Known() {
			w.by = append(w.by, s.by)
		}
	}
	for row := range q.wants {
		w := &q.wants[row]
		w.short, w.stuck = w.count-len(w.by), stuck[row]
		slices.SortFunc(w.by, func(a, b change.Account) int {
			return strings.Compare(strings.ToLower(a.Login), strings.ToLower(b.Login))
		})
	}
	for row, w := range q.wants {
		q.require(q.approvalRow(w, row == 0))
	}
}

// approvalRow makes a requirement of a role that is asked for. The first of them is called by the number of approvals in the title.
func (q *inquiry) approvalRow(w asked, first bool) change.Requirement {
	r := change.Requirement{Kind: w.kind, Role: w.role.Name, Need: w.count, By: w.by, State: change.Met, Found: logins(w.by), Due: q.due()}
	r.Name, r.Short = approvalNames(w, first)
	if w.short <= 0 {
		return r
	}
	if r.State = q.owed(); q.declaration != nil && w.kind == change.KindApprovals {
		r.Short = change.Words(plural(w.short, "approval", "approvals"))
	}
	found, mend, others := q.unfillable(w.role)
	if others && w.stuck && (r.State == change.Awaited || q.merged) {
		found, mend = q.nobodyLeft(w)
		others = false
	}
	if !others {
		r.Next = mend
		if r.State != change.Owed && !q.merged { // what is owed holds nothing up, and stays owed after the merge
			r.State = change.Blocked
			r.Short = change.Say(r.Short, change.Words(" ("+nobodyCan(w.count)+")"))
		}
		if r.Found.IsEmpty() {
			r.Found = found
		} else {
			r.Found = change.Say(r.Found, change.Words("; "), found)
		}
		return r
	}
	if found != nil {
		q.remark(found, change.Words("; "), mend, change.Words("."))
	}
	r.Next = q.nextApprover(w)
	if lost := q.lapsed(w.role); len(lost) > 0 {
		hold := " approved but no longer holds "
		if len(lost) > 1 {
			hold = " approved but no longer hold "
		}
		lapse := change.Say(logins(lost), change.Words(hold), change.Quote(w.role.Name))
		if !r.Found.IsEmpty() {
			lapse = change.Say(r.Found, change.Words("; "), lapse)
		}
		r.Found = lapse
	}
	return r
}

// nobodyCan says in the title of a check why it is red, and not waiting for people.
func nobodyCan(count int) string {
	if count == 1 {
		return "nobody can approve"
	}
	return "too few can approve"
}

// approvalNames returns what a requirement for people is called in the table and in the title.
func approvalNames(w asked, first bool) (name, short change.Text) {
	have := len(w.by)
	if w.kind == change.KindSecurityReview {
		name, short = change.Words("Security review"), change.Words("security review")
		if w.count > 1 {
			name = change.Words("Security review by " + strconv.Itoa(w.count) + " people")
			short = change.Words(strconv.Itoa(have) + " of " + plural(w.count, "security review", "security reviews"))
		}
		return name, short
	}
	if w.count == 1 {
		role := strings.ReplaceAll(w.role.Name, "-", " ")
		name = change.Quote(capitalized(role))
		short = change.Quote(role)
	} else {
		people := several(w.role.Name)
		name = change.Quote(strconv.Itoa(w.count) + " " + people)
		short = change.Quote(strconv.Itoa(have) + " of " + strconv.Itoa(w.count) + " " + people)
	}
	if first {
		short = change.Words(strconv.Itoa(have) + " of " + plural(w.count, "approval", "approvals"))
	}
	return name, short
}

// several names more than one holder of a role, after their number: as people where the role's name is a word for a person ("tech leads"), else as
// people from it ("from on-call", "from security").
func several(role string) string {
	words := strings.ReplaceAll(role, "-", " ")
	one := strings.TrimSuffix(words, "s")
	last := strings.ToLower(one[strings.LastIndexByte(one, ' ')+1:])
	for _, ending := range [...]string{"er", "or", "lead", "ist", "admin", "architect"} {
		if strings.HasSuffix(last, ending) {
			return one + "s"
		}
	}
	return "from " + role
}

func capitalized(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}

// logins lists accounts as in "alice, bob and carol".
func logins(by []change.Account) change.Text {
	texts := make([]change.Text, len(by))
	for i, a := range by {
		texts[i] = change.Login(a)
	}
	return enumerated(texts, "and")
}

// enumerated lists texts as in "alice, bob and carol".
func enumerated(texts []change.Text, conjunction string) change.Text {
	switch n := len(texts); n {
	case 0:
		return nil
	case 1:
		return texts[0]
	default:
		return change.Say(change.Join(", ", texts[:n-1]), change.Words(" "+conjunction+" "), texts[n-1])
	}
}

// nextApprover says whom one could still ask.
func (q *inquiry) nextApprover(w asked) change.Text {
	what := ""
	switch {
	case w.short == w.count && w.short == 1:
		what = "an approval from "
	case w.short == w.count:
		what = strconv.Itoa(w.short) + " approvals from "
	case w.short == 1:
		what = "one more approval from "
	default:
		what = strconv.Itoa(w.short) + " more approvals from "
	}
	left := q.candidatesWho(w.role, func(a change.Account) bool { return !q.isCounted(a) && q.mayYetApprove(a) })
	if len(left) == 0 {
		left = []change.Text{change.Say(change.Words("people in "), change.Quote(w.role.Name), change.Words(" who did not contribute"))}
	}
	who := change.Say(change.Words(what), enumerated(left, "or"))
	ask, ok := q.ask(w)
	refused := ok && q.isRefused(ask)
	if ok {
		q.asks = append(q.asks, ask)
	}
	if ok && !refused {
		asked := change.Say(enumerated(q.askedNames(ask), "and"), change.Words(isOrAre(ask)+" asked to review"))
		if q.isAskedFor(w) {
			who = asked
		} else {
			who = change.Say(asked, change.Words(" again; "), who)
		}
	}
	if except := q.exceptions(w.role); except != nil {
		who = change.Say(who, change.Words(", except "), except)
	}
	if reason := q.reasonFor(w); reason != nil {
		who = change.Say(who, change.Words(", because "), reason)
	}
	if w.extra != nil {
		who = change.Say(who, change.Words(" ("), w.extra, change.Words(")"))
	}
	if q.facts.Pull.Draft && q.isAskedFor(w) && len(q.teamsOf(w.role))+len(w.role.Users) > 0 {
		who = change.Say(who, change.Words("; asked once this is ready for review"))
	}
	if refused {
		who = change.Say(who, change.Words("; GitHub refused to ask "), enumerated(q.askedNames(ask), "and"),
			change.Words(": ask them yourself, and see that they have access to this repository, with which they are asked here too"))
	}
	return who
}

func isOrAre(a change.Ask) string {
	if len(a.Teams)+len(a.Users) > 1 {
		return " are"
	}
	return " is"
}

// candidates names who holds a role, as far as that is known without asking.
func (q *inquiry) candidates(role *Role) change.Text { return enumerated(q.eachCandidate(role), "or") }

// eachCandidate is candidates one by one.
func (q *inquiry) eachCandidate(role *Role) []change.Text {
	if who := q.candidatesWho(role, func(change.Account) bool { return true }); len(who) > 0 {
		return who
	}
	return []change.Text{change.Words("nobody")}
}

// candidatesWho is eachCandidate, with only those of the people whom the role names who can, and with its programs where nobody else is left. It
// may be empty.
func (q *inquiry) candidatesWho(role *Role, can func(change.Account) bool) []change.Text {
	f := q.facts
	who := q.teamsOf(role)
	existing := len(who)
	for _, login := range role.Users {
		a := f.Users[strings.ToLower(login)]
		switch {
		case q.isNobody(login), a.Known() && !can(a):
			continue
		case a.Known():
			login = a.Login
		}
		who = append(who, change.Text{{Kind: change.PartLogin, Text: login}})
	}
	if role.Permission > change.PermissionNone {
		who = append(who, change.Words("anyone with "+role.Permission.String()+" access"))
	}
	if role.Fallback > change.PermissionNone && existing == 0 {
		who = append(who, change.Words("anyone with "+role.Fallback.String()+" access"))
	}
	if len(who) == 0 {
		for _, login := range role.Bots {
			who = append(who, change.Text{{Kind: change.PartLogin, Text: login}})
		}
	}
	return who
}

// teamsOf names a role's teams that may exist.
func (q *inquiry) teamsOf(role *Role) (all []change.Text) {
	f := q.facts
	if f.Repository.OwnerIsUser {
		return nil
	}
	for _, slug := range role.Teams {
		if !f.Teams[slug].Missing {
			all = append(all, change.TeamName(f.Repository.Owner, slug))
		}
	}
	return all
}

// exceptions names those who would be asked for a role and cannot approve because they contributed: all of them where a permission
// gives the role, because looking each up would cost more than it tells; members only where a team does. Those whom the role
// names are left out from the start.
func (q *inquiry) exceptions(role *Role) change.Text {
	open := role.Permission > change.PermissionNone || role.Fallback > change.PermissionNone && q.knownWithoutTeams(role)
	var who []change.Text
	for _, i := range q.inOrder() {
		if i.account.IsBot() || !open && !q.knownInTeam(role, i.account) {
			continue
		}
		who = append(who, change.Say(change.Login(i.account), change.Words(" ("), i.text(), change.Words(")")))
	}
	for _, d := range q.declarers {
		if _, contributed := q.contributors[d.ID]; !contributed && !d.IsBot() && (open || q.knownInTeam(role, d)) {
			who = append(who, change.Say(change.Login(d), change.Words(" (declared it)")))
		}
	}
	return change.Join(", ", abridged(who, 5))
}

// knownWithoutTeams is withoutTeams from what is known already.
func (q *inquiry) knownWithoutTeams(role *Role) bool {
	return q.facts.Repository.OwnerIsUser || !slices.ContainsFunc(role.Teams, func(slug string) bool { return !q.facts.Teams[slug].Missing })
}

// knownMember says whether someone is known to be in one of a role's teams, or is named by it.
func (q *inquiry) knownMember(role *Role, a change.Account) bool {
	named := func(login string) bool { return q.facts.Users[strings.ToLower(login)].ID == a.ID }
	return q.knownInTeam(role, a) || slices.ContainsFunc(role.Users, named)
}

func (q *inquiry) knownInTeam(role *Role, a change.Account) bool {
	return slices.ContainsFunc(role.Teams, func(slug string) bool { return q.facts.Teams[slug].Has(a.ID) })
}
