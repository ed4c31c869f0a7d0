package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/changegate/changegate/internal/change"
)

// The limits of what a policy may hold besides those of its text and of one list of patterns.
const (
	MaxExpressions    = 50
	MaxRegexps        = 200
	MaxRegexpBytes    = 1024
	MaxPatternsBytes  = 64 << 10 // of all patterns, when their braces are written out: memory and work grow with them
	MaxRules          = 100      // in one category
	MaxBranches       = 50
	MaxRequiredPeople = 20 // of one role
	MaxEnvironments   = 50
	MaxWindows        = 50  // in the hours of one environment
	MaxHolidays       = 400 // of one environment
	MaxFreezes        = 50
	maxNameBytes      = 64
)

// Parse reads, checks and compiles a policy file. Source is what people call it: a path in the repository, or "the built-in
// default". All that is wrong is reported at once: the error is Problems, with the place and the mend of each. A policy that
// could mean less than its author thinks is refused; Lint says what is merely doubtful.
//
// What a file leaves out:
//
//   - mode is enforce; suggestions count; every other top-level key is empty.
//   - A category has the approvals that are usual: 1 reviewer; for high-risk 2 reviewers and 1 tech-lead. A role that only
//     this default names and that the file does not define is held by permission: reviewer write, tech-lead maintain.
//   - High-risk always has a security review, if the file has security_review; ships by-hand; is monitored for 2h; blocks the
//     unattributed; and has the record description, risk, rollback, testing and security.
//   - Normal ships after-staging and has the record description, risk, rollback and testing; standard ships automatically
//     and has none. Both are monitored for 30m, warn of the unattributed, and have a security review if one is triggered.
//   - An emergency has the label EMERGENCY, is approved by 1 reviewer, within 24h, and has the record justification.
func Parse(source string, text []byte) (*Policy, error) {
	return ParseBeside(nil, source, text)
}

// parse is Parse with everything that Lint looks at: the file's shape, and warnings among the problems.
func parse(floor *Policy, source string, text []byte) (*Policy, *policyShape, Problems) {
	r := &reader{}
	shape := &policyShape{}
	sum := sha256.Sum256(text)
	c := &compiler{reader: r, rolePlace: map[string]at{}, policy: &Policy{
		Ref:   change.PolicyRef{Source: source, Digest: hex.EncodeToString(sum[:])},
		Floor: floor,
		Line:  map[string]int{},
	}}
	if n := r.document(text); n != nil {
		r.mapping(n, shape, "the policy")
		if entries, ok := (&reader{}).entries(n, "", shape); ok {
			for _, e := range entries {
				c.policy.Line[e.key.value] = e.key.line
			}
		}
		if shape.present() {
			c.compile(shape)
		}
	}
	return c.policy, shape, r.problems.sorted()
}

// compiler turns a file's shape into a policy.
type compiler struct {
	*reader
	policy      *Policy
	rolePlace   map[string]at
	expressions int
	regexps     int
	steps       int // that the regular expressions so far come to
	written     int // bytes of the patterns so far, when their braces are written out
}

func (c *compiler) compile(s *policyShape) {
	p := c.policy
	switch {
	case s.Version.unread:
	case !s.Version.present():
		c.problem(s.at, "the policy does not say its version", "write `version: 1`")
	case s.Version.value != 1:
		c.problem(s.Version.at, fmt.Sprintf("version %d is not known", s.Version.value), "write `version: 1`")
	}
	c.reservedKeys(s)
	p.Mode = Mode(c.oneOf(s.Mode, "mode", string(Enforce), string(Observe)))
	if p.Floor != nil {
		p.Mode = p.Floor.Mode
	}
	p.Branches = c.branches(s.Branches)
	p.Roles = c.roles(s.Roles)
	p.Fields = c.fields(s.Record)
	p.Bots = c.logins(s.Bots, "bots")
	p.Suggestions = c.oneOf(s.Suggestions, "suggestions", "count", "allow")
	p.Checks = c.checks(s.Checks)
	p.Security = c.security(s.Security)
	p.Emergency = c.emergency(s.Emergency)
	p.Categories = c.categories(s.Categories)
	p.Labels = LabelRule{LoweredBy: c.role(s.Labels.LoweredBy), Line: s.Labels.line}
	c.requires(s.Labels.at, s.Labels.LoweredBy, "labels", "lowered_by")
	p.DismissedBy = c.role(s.Dismissals.By)
	c.requires(s.Dismissals.at, s.Dismissals.By, "dismissals", "by")
	p.Override = c.role(s.Override)
	p.Commands = Commands{
		Refresh: c.role(s.Commands.Refresh), Reject: c.role(s.Commands.Reject), Explain: c.role(s.Commands.Explain),
		Deploy: c.role(s.Commands.Deploy), Verify: c.role(s.Commands.Verify), Rollback: c.role(s.Commands.Rollback), Freeze: c.role(s.Commands.Freeze),
		Line: s.Commands.line,
	}
	p.Exceptions = Exceptions{Announce: c.announce(s.Exceptions.Announce), Line: s.Exceptions.line}
	c.requires(s.Exceptions.at, s.Exceptions.Announce, "exceptions", "announce")
	p.Environments = c.environments(s.Environment)
	p.Deployments = c.deployments(s.Deployments)
	p.Freezes = c.freezes(s.Freezes)
}

// requires reports that a mapping that is there lacks a key.
func (c *compiler) requires(where at, value interface{ place() at }, what, key string) {
	if where.present() && !value.place().stated() {
		c.problem(where, fmt.Sprintf("%s does not say %q", what, key), fmt.Sprintf("write `%s: …`", key))
	}
}

// oneOf returns the text if it is allowed; the first of the allowed where the text is absent or wrong.
func (c *compiler) oneOf(t text, what string, allowed ...string) string {
	if !t.present() {
		return allowed[0]
	}
	if !slices.Contains(allowed, t.value) {
		c.problem(t.at, fmt.Sprintf("%s cannot be %q", what, t.value), didYouMean(t.value, allowed))
		return allowed[0]
	}
	return t.value
}

var (
	nameForm     = regexp.MustCompile(`^[\pL\pN][\pL\pN _/&.+-]*$`)
	loginForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*(\[bot\])?$`)
	slugForm     = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]*$`)
	workflowForm = regexp.MustCompile(`^\.github/workflows/[^/]+\.ya?ml$`)
	announceForm = regexp.MustCompile(`^slack:#[\pL\pN][\pL\pN_-]*$`)
)

// goodName says whether a name of the policy's own choosing can be shown everywhere, and reports it if not.
func (c *compiler) goodName(t text, what string) bool {
	if !nameForm.MatchString(t.value) || len(t.value) > maxNameBytes {
		c.problem(t.at, fmt.Sprintf("%q cannot name %s", t.value, what),
			fmt.Sprintf("use letters, digits, spaces and - _ / & . +, %d at most", maxNameBytes))
		return false
	}
	return true
}

func (c *compiler) branches(l list[text]) []string {
	if len(l.items) > MaxBranches {
		c.problem(l.at, fmt.Sprintf("branches has %d patterns", len(l.items)), fmt.Sprintf("keep it to %d: `release/*` is one", MaxBranches))
		return nil
	}
	for _, t := range l.items {
		if t.present() {
			c.pattern(t, false)
		}
	}
	return values(l)
}

// pattern reports what is wrong with one pattern.
func (c *compiler) pattern(t text, foldCase bool) bool {
	if e := checkPattern(t.value, foldCase); e != nil {
		c.problem(t.at, fmt.Sprintf("the pattern %q %s", e.Pattern, e.Message), e.Mend)
		return false
	}
	c.write(t)
	return true
}

// write counts a pattern towards what all of them may come to, and reports the first that is too much.
func (c *compiler) write(t text) {
	before := c.written
	for _, a := range expandBraces(t.value) {
		c.written += len(a)
	}
	if before <= MaxPatternsBytes && c.written > MaxPatternsBytes {
		c.problem(t.at, fmt.Sprintf("the patterns up to here come to more than %d bytes with their braces written out", MaxPatternsBytes),
			"use fewer braces in one pattern, or fewer patterns")
	}
}

// globs compiles a list of patterns; nil where the list is absent.
func (c *compiler) globs(l list[text], what string, foldCase bool) *Globs {
	if !l.present() {
		return nil
	}
	if len(l.items) == 0 {
		c.problem(l.at, what+" is an empty list", "list a pattern, or take the key away")
		return nil
	}
	if len(l.items) > MaxPatterns {
		c.problem(l.at, fmt.Sprintf("%s has %d patterns", what, len(l.items)), fmt.Sprintf("keep it to %d, or split the rule", MaxPatterns))
		return nil
	}
	var patterns []string
	var lines []int
	for _, t := range l.items {
		if t.present() && c.pattern(t, foldCase) {
			patterns = append(patterns, t.value)
			lines = append(lines, t.line)
		}
	}
	if c.written > MaxPatternsBytes {
		return nil // that was said
	}
	g, err := NewGlobs(patterns, foldCase)
	if err != nil {
		c.problem(l.at, fmt.Sprintf("%s: %v", what, err), "fix the pattern")
		return nil
	}
	g.lines = lines
	return g
}

func (c *compiler) logins(l list[text], what string) []string {
	for _, t := range l.items {
		switch {
		case !t.present():
		case strings.HasPrefix(t.value, "@"):
			c.problem(t.at, fmt.Sprintf("%q is not a login", t.value), fmt.Sprintf("write %q", t.value[1:]))
		case !loginForm.MatchString(t.value):
			c.problem(t.at, fmt.Sprintf("%q in %s is not a login", t.value, what), `write it as GitHub does: "alice", "dependabot[bot]"`)
		}
	}
	return values(l)
}

func (c *compiler) roles(n names[roleShape]) map[string]*Role {
	roles := map[string]*Role{}
	for _, e := range n.entries {
		s := e.value
		if !c.goodName(e.name, "a role") || !s.present() {
			continue
		}
		role := &Role{Name: e.name.value, Line: e.name.line, Users: c.logins(s.Users, "users"), Bots: c.logins(s.Bots, "bots"), Teams: values(s.Teams)}
		for _, t := range s.Teams.items {
			slug := t.value[strings.LastIndexByte(t.value, '/')+1:]
			switch {
			case !t.present():
			case slug != t.value:
				c.problem(t.at, fmt.Sprintf("%q names a team with its organization", t.value),
					fmt.Sprintf("write %q: teams are those of the repository's organization", slug))
			case !slugForm.MatchString(t.value):
				c.problem(t.at, fmt.Sprintf("%q is not a team's slug", t.value),
					fmt.Sprintf("write it as in the team's address: %q", strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(t.value, "@")), " ", "-")))
			}
		}
		for _, t := range s.Users.items {
			if strings.HasSuffix(t.value, "[bot]") {
				c.problem(t.at, fmt.Sprintf("%q is a bot, and approvals of bots do not count", t.value), "list it under `bots` if it is to hold the role")
			}
		}
		for _, t := range s.Bots.items {
			if t.present() && !strings.HasSuffix(t.value, "[bot]") {
				c.problem(t.at, fmt.Sprintf("%q is not an App's account", t.value), fmt.Sprintf(`write "%s[bot]", or list it under "users" if it is a person`, t.value))
			}
		}
		role.Permission = c.permission(s.Permission, "permission", change.PermissionRead)
		role.Fallback = c.permission(s.Fallback, "fallback", change.PermissionWrite)
		if s.Fallback.present() && len(role.Teams) == 0 {
			c.problem(s.Fallback.at, fmt.Sprintf("the role %q has a fallback and no teams", role.Name), "write it as `permission`")
		}
		stated := s.Permission.stated() || s.Teams.unread || s.Users.unread || s.Bots.unread
		if !stated && len(role.Teams)+len(role.Users)+len(role.Bots) == 0 {
			c.problem(e.name.at, fmt.Sprintf("nobody can hold the role %q", role.Name), "give it `teams`, `users` or a `permission`")
		}
		roles[role.Name] = role
		c.rolePlace[role.Name] = e.name.at
	}
	c.ownersRoles(roles)
	return roles
}

func (c *compiler) permission(t text, what string, weakest change.Permission) change.Permission {
	if !t.present() {
		return change.PermissionNone
	}
	var allowed []string
	for p := weakest; p <= change.PermissionAdmin; p++ {
		allowed = append(allowed, p.String())
	}
	if p, err := change.ParsePermission(t.value); err == nil && p >= weakest {
		return p
	}
	c.problem(t.at, fmt.Sprintf("%s cannot be %q", what, t.value), didYouMean(t.value, allowed))
	return change.PermissionNone
}

// role returns the name of a role that the file defines, empty if it is absent or not defined.
func (c *compiler) role(t text) string {
	if !t.present() {
		return ""
	}
	if defined := c.policy.Roles[t.value]; defined == nil || defined.isImplied() {
		var known []string
		for _, name := range slices.Sorted(maps.Keys(c.policy.Roles)) {
			if !c.policy.Roles[name].isImplied() {
				known = append(known, name)
			}
		}
		mend := didYouMean(t.value, known)
		if nearest(t.value, known) == "" {
			mend = fmt.Sprintf("define it under `roles`: `%s: {teams: […]}`", t.value)
		}
		c.problem(t.at, fmt.Sprintf("the role %q is not defined", t.value), mend)
		return ""
	}
	return t.value
}

func (c *compiler) approvals(l list[approvalShape]) []Approvals {
	out := []Approvals{}
	seen := map[string]int{}
	for _, s := range l.items {
		if !s.present() {
			continue
		}
		a := Approvals{Role: c.role(s.Role), Count: c.people(s.Count), Line: s.line}
		c.requires(s.at, s.Role, "an approval", "role")
		if a.Role == "" {
			continue
		}
		if first, ok := seen[a.Role]; ok {
			c.problem(s.at, fmt.Sprintf("the role %q is asked for twice", a.Role), fmt.Sprintf("add its count to line %d", first))
		}
		seen[a.Role] = s.line
		c.holdable(s.at, a.Role, a.Count)
		out = append(out, a)
	}
	return out
}

// people reads how many people are asked for: 1 unless said otherwise.
func (c *compiler) people(n number) int {
	switch {
	case !n.present():
		return 1
	case n.value < 1:
		c.problem(n.at, fmt.Sprintf("count is %d", n.value), "ask for 1 or more; take the whole entry away if nobody needs to approve")
		return 1
	case n.value > MaxRequiredPeople:
		c.problem(n.at, fmt.Sprintf("count is %d", n.value), fmt.Sprintf("ask for %d at most", MaxRequiredPeople))
		return MaxRequiredPeople
	}
	return n.value
}

// holdable reports a role of which more people are asked for than it names.
func (c *compiler) holdable(where at, name string, count int) {
	role := c.policy.Roles[name]
	if role == nil || len(role.Teams) > 0 || role.Permission != change.PermissionNone {
		return
	}
	if holders := len(role.Users) + len(role.Bots); holders < count {
		c.problem(where, fmt.Sprintf("%d of %q are asked for, and %d can hold it", count, name, holders), "add holders to the role, or ask for fewer")
	}
}

func (c *compiler) checks(l list[checkShape]) []CheckRule {
	var out []CheckRule
	for _, s := range l.items {
		if !s.present() {
			continue
		}
		rule := CheckRule{Name: s.Name.value, NoneFailing: s.NoneFailing.value, App: s.App.value, Workflow: s.Workflow.value, Line: s.line}
		rule.Accept = slices.Compact(slices.Sorted(slices.Values(values(s.Accept)))) // two rules that differ in their order ask for the same
		switch {
		case s.Name.unread || s.NoneFailing.unread:
		case rule.Name == "" && rule.NoneFailing == "":
			c.problem(s.at, "this check names nothing", "write `name: build`, or `none_failing: \"ci/*\"`")
		case rule.Name != "" && rule.NoneFailing != "":
			c.problem(s.at, "this check has a name and none_failing", "make two of it")
		case rule.Name == change.CheckName:
			c.problem(s.Name.at, fmt.Sprintf("%q is this policy's own check", change.CheckName), "take it away: it would wait for itself")
		case rule.NoneFailing != "" && !doublestar.ValidatePattern(rule.NoneFailing):
			c.problem(s.NoneFailing.at, fmt.Sprintf("the pattern %q is malformed", rule.NoneFailing), `close every "[" and "{"`)
		case len(rule.NoneFailing) > MaxPatternBytes:
			c.problem(s.NoneFailing.at, fmt.Sprintf("the pattern has %d bytes", len(rule.NoneFailing)), fmt.Sprintf("keep it under %d, or split it", MaxPatternBytes))
		case expandBraces(rule.NoneFailing) == nil:
			c.problem(s.NoneFailing.at, fmt.Sprintf("the pattern %q has too many alternatives", rule.NoneFailing), tooManyAlternatives)
		default:
			c.write(s.NoneFailing)
		}
		if s.App.present() && !slugForm.MatchString(rule.App) {
			c.problem(s.App.at, fmt.Sprintf("%q is not an App's slug", rule.App), "write it as in the App's address: github-actions")
		}
		if s.Workflow.present() && !workflowForm.MatchString(rule.Workflow) {
			c.problem(s.Workflow.at, fmt.Sprintf("%q is not a workflow's path", rule.Workflow), "write it as .github/workflows/ci.yml")
		}
		for _, t := range s.Accept.items {
			if t.present() {
				c.oneOf(t, "accept", string(change.CheckSkipped), string(change.CheckNeutral))
			}
		}
		out = append(out, rule)
	}
	return out
}

func (c *compiler) emergency(s emergencyShape) *Emergency {
	if !s.present() || c.policy.Floor != nil {
		return nil
	}
	c.requires(s.at, s.DeclaredBy, "emergency", "declared_by")
	e := &Emergency{
		Label:      "EMERGENCY",
		DeclaredBy: c.role(s.DeclaredBy),
		Approvals:  []Approvals{{Role: c.impliedRole("reviewer"), Count: 1, Line: s.line}},
		Within:     c.duration(s.Within, "within", 24*time.Hour, time.Hour, 30*24*time.Hour),
		Announce:   c.announce(s.Announce),
		Record:     []string{"justification"},
		Checks:     c.checks(s.Checks),
		Line:       s.line,
	}
	if s.Label.present() {
		e.Label = s.Label.value
	}
	if s.Approvals.present() {
		e.Approvals = c.approvals(s.Approvals)
	}
	if s.Record.present() {
		e.Record = c.fieldNames(s.Record)
	}
	return e
}

// announce reads where something is announced.
func (c *compiler) announce(l list[text]) []string {
	for _, t := range l.items {
		if t.present() && !announceForm.MatchString(t.value) {
			c.problem(t.at, fmt.Sprintf("%q is not a place to announce at", t.value), `write "slack:#engineering"`)
		}
	}
	return values(l)
}

// impliedRole returns a role that a default names, and defines it by permission where the file does not.
func (c *compiler) impliedRole(name string) string {
	if c.policy.Roles[name] == nil {
		permission := map[string]change.Permission{"reviewer": change.PermissionWrite, "tech-lead": change.PermissionMaintain}[name]
		c.policy.Roles[name] = &Role{Name: name, Permission: permission}
	}
	return name
}

// isImplied says whether a default names the role and the file does not define it.
func (r *Role) isImplied() bool { return r.Line == 0 }

func (c *compiler) security(s securityShape) *Security {
	if !s.present() {
		return nil
	}
	c.requires(s.at, s.Role, "security_review", "role")
	sec := &Security{Role: c.role(s.Role), Count: c.people(s.Count), Unread: c.globs(s.Unread, "unread", false), Line: s.line}
	c.holdable(s.at, sec.Role, sec.Count)
	for _, e := range s.Triggers.entries {
		if c.goodName(e.name, "a trigger") && e.value.present() {
			sec.Triggers = append(sec.Triggers, c.trigger(e.name, e.value))
		}
	}
	slices.SortFunc(sec.Triggers, func(a, b *Trigger) int { return strings.Compare(a.Name, b.Name) })
	sec.index = newContentIndex(sec.Triggers)
	return sec
}

func (c *compiler) trigger(name text, s triggerShape) *Trigger {
	t := &Trigger{
		Name:            name.value,
		Paths:           c.globs(s.Paths, "paths", true),
		ContentIn:       c.globs(s.ContentIn, "content_in", true),
		NewDependencies: c.globs(s.NewDependencies, "new_dependencies", true),
		Because:         s.Because.value,
		Line:            name.line,
	}
	for _, e := range s.Content.items {
		if re := c.regexp(e); re != nil {
			t.Content = append(t.Content, re)
		}
	}
	if !s.Paths.stated() && !s.Content.unread && len(s.Content.items) == 0 && !s.NewDependencies.stated() {
		c.problem(name.at, fmt.Sprintf("the trigger %q can never fire", name.value), "give it `paths`, `content` or `new_dependencies`")
	}
	if s.ContentIn.present() && !s.Content.unread && len(s.Content.items) == 0 {
		c.problem(s.ContentIn.at, "content_in says where to look, and there is no content to look for", "add `content`, or move the patterns to `paths`")
	}
	return t
}

func (c *compiler) regexp(t text) *regexp.Regexp {
	if !t.present() {
		return nil
	}
	if c.regexps++; c.regexps == MaxRegexps+1 {
		c.problem(t.at, fmt.Sprintf("there are more than %d regular expressions", MaxRegexps), "join some with |")
	}
	if len(t.value) > MaxRegexpBytes {
		c.problem(t.at, fmt.Sprintf("the regular expression has %d bytes", len(t.value)), fmt.Sprintf("keep it under %d, or split it", MaxRegexpBytes))
		return nil
	}
	steps := regexpSteps(t.value)
	if steps > MaxRegexpSteps {
		c.problem(t.at, fmt.Sprintf("the regular expression comes to more than %d steps with its repetitions written out", MaxRegexpSteps), "repeat less")
		return nil
	}
	before := c.steps
	if c.steps += steps; before <= MaxRegexpsSteps && c.steps > MaxRegexpsSteps {
		c.problem(t.at, fmt.Sprintf("the regular expressions up to here come to more than %d steps with their repetitions written out", MaxRegexpsSteps), "repeat less, or look for less")
	}
	re, err := regexp.Compile(t.value)
	if err != nil {
		c.problem(t.at, "this is not a regular expression: "+regexpMessage(err), "fix it; the syntax is RE2's, without look-ahead and back-references")
		return nil
	}
	if re.MatchString("") {
		c.problem(t.at, fmt.Sprintf("%q matches every line", t.value), "let it ask for at least one letter")
		return nil
	}
	return re
}

func regexpMessage(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

func (c *compiler) expression(t text) *Expression {
	if !t.present() {
		return nil
	}
	if c.expressions++; c.expressions == MaxExpressions+1 {
		c.problem(t.at, fmt.Sprintf("there are more than %d expressions", MaxExpressions), "join some with ||")
	}
	e, err := CompileExpression(t.value)
	if wrong, ok := errors.AsType[*ExpressionError](err); ok {
		c.problem(t.at, "the expression "+wrong.Message, wrong.Mend)
		return nil
	}
	if err != nil {
		c.problem(t.at, "the expression cannot be read: "+err.Error(), mendCEL)
		return nil
	}
	return e
}
