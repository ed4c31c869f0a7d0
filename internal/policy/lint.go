package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Lint returns all that is wrong with a policy file and all that is probably not meant at a time, in the order of the file. A file with
// errors is not looked at for warnings that would only follow from them.
func Lint(source string, text []byte, now time.Time) Problems {
	return LintBeside(nil, source, text, now)
}

// LintBeside is Lint for a repository's policy where its owner has a floor; see ParseBeside.
func LintBeside(floor *Policy, source string, text []byte, now time.Time) Problems {
	p, shape, problems := parse(floor, source, text)
	if len(problems.Errors()) > 0 {
		return problems
	}
	l := &linter{reader: &reader{problems: problems}, policy: p, shape: shape, now: now}
	l.roles()
	l.bots()
	l.emergency()
	l.categories()
	l.checks(shape.Checks)
	l.checks(shape.Emergency.Checks)
	l.security()
	l.fields()
	l.deployments()
	l.labels()
	l.freezes()
	return l.problems.sorted()
}

type linter struct {
	*reader
	policy *Policy
	shape  *policyShape
	now    time.Time
}

// roles warns of roles that nobody asks for, and of those that one person or anyone at all can fill.
func (l *linter) roles() {
	used := l.usedRoles()
	for _, e := range l.shape.Roles.entries {
		role := l.policy.Roles[e.name.value]
		if !used[role.Name] {
			l.warn(e.name.at, fmt.Sprintf("the role %q is not used", role.Name), "name it somewhere, or take it away")
			continue
		}
		if len(role.Users) == 1 && len(role.Teams)+len(role.Bots) == 0 && role.Permission == change.PermissionNone {
			l.warn(e.name.at, fmt.Sprintf("only %s can fill the role %q, and not on their own changes", role.Users[0], role.Name), "add a team or a second person")
		}
		if (role.Permission == change.PermissionRead || role.Permission == change.PermissionTriage) && l.approves(role.Name) {
			l.warn(e.value.Permission.at, fmt.Sprintf("everyone with %s access counts as %q", role.Permission, role.Name), "ask for write, unless that is meant")
		}
	}
}

func (l *linter) usedRoles() map[string]bool {
	p := l.policy
	used := map[string]bool{
		p.Labels.LoweredBy: true, p.DismissedBy: true, p.Override: true,
		p.Commands.Refresh: true, p.Commands.Reject: true, p.Commands.Explain: true,
		p.Commands.Deploy: true, p.Commands.Verify: true, p.Commands.Rollback: true, p.Commands.Freeze: true,
	}
	for _, e := range p.Environments {
		used[e.Verify.Role] = true
		for _, a := range e.Release {
			used[a.Role] = true
		}
	}
	for _, c := range p.Categories {
		for _, a := range c.Approvals {
			used[a.Role] = true
		}
	}
	if p.Security != nil {
		used[p.Security.Role] = true
	}
	if p.Emergency != nil {
		used[p.Emergency.DeclaredBy] = true
		for _, a := range p.Emergency.Approvals {
			used[a.Role] = true
		}
	}
	return used
}

// approves says whether the role's approval is asked for anywhere, or its word counts: its no, its explanations, what it has deployed.
func (l *linter) approves(role string) bool {
	if c := l.policy.Commands; slices.Contains([]string{c.Reject, c.Explain, c.Deploy, c.Verify, c.Rollback, c.Freeze, l.policy.Override}, role) {
		return true
	}
	asked := func(as []Approvals) bool {
		return slices.ContainsFunc(as, func(a Approvals) bool { return a.Role == role })
	}
	for _, e := range l.policy.Environments {
		if asked(e.Release) || e.Verify.Role == role {
			return true
		}
	}
	for _, c := range l.policy.Categories {
		if asked(c.Approvals) {
			return true
		}
	}
	return l.policy.Emergency != nil && asked(l.policy.Emergency.Approvals) || l.policy.Security != nil && l.policy.Security.Role == role
}

func (l *linter) emergency() {
	e, s := l.policy.Emergency, l.shape.Emergency
	if e == nil {
		return
	}
	if len(e.Announce) == 0 {
		l.warn(s.at, "an emergency is announced nowhere", `write announce: ["slack:#engineering"]`)
	}
	if len(e.Approvals) == 0 {
		l.warn(s.Approvals.at, "an emergency is never approved by anyone", "ask for one reviewer, who may come after the merge")
	}
	if len(e.Record) == 0 {
		l.warn(s.Record.at, "an emergency needs no justification", "list justification")
	}
}

func (l *linter) categories() {
	for _, c := range []struct {
		category change.Category
		shape    categoryShape
	}{{change.HighRisk, l.shape.Categories.HighRisk}, {change.Normal, l.shape.Categories.Normal}, {change.Standard, l.shape.Categories.Standard}} {
		compiled := l.policy.Categories[c.category]
		alone := l.policy.Floor == nil // beside a floor it is no gap to ask for nothing
		if alone && len(compiled.Approvals) == 0 {
			l.warn(c.shape.Approvals.at, fmt.Sprintf("nobody needs to approve %s changes", c.category), "ask for one reviewer")
		}
		if alone && c.category == change.HighRisk && len(compiled.When) == 0 {
			where := c.shape.at
			if !where.present() {
				where = l.shape.at
			}
			l.warn(where, "nothing is high-risk but the policy itself", "say `when`: migrations, infrastructure")
		}
		if s := c.shape.SecurityReview; c.category == change.HighRisk && s.present() && !compiled.SecurityReview {
			l.warn(s.at, "high-risk changes get a security review only if something triggers it", "write `security_review: always`")
		}
		l.checks(c.shape.Checks)
		l.monitor(c.category, c.shape.Monitor)
		for _, r := range c.shape.When.Any.items {
			l.rule(c.category, r)
		}
	}
}

// relaxing says whether a category asks for less than what it is compared with: normal.
func relaxing(c change.Category) bool { return c < change.Normal }

func (l *linter) rule(category change.Category, r ruleShape) {
	l.patterns(r.Paths, true)
	l.patterns(r.OnlyPaths, false)
	l.patterns(r.Unless.OnlyPaths, false)
	if relaxing(category) {
		l.smallness(r)
		l.prose(r.Expression)
		// Manifests are fine where only versions change or only a trusted bot changed them, and code where little changes.
		guarded := r.BumpsOnly.present() || r.Authors.present() || r.ChangedLines.present() || r.Expression.present()
		l.tooWide(r.OnlyPaths, guarded)
		l.newDependencies(r)
		if r.Labels.present() && l.policy.Labels.LoweredBy == "" {
			l.warn(r.Labels.at, "this label lowers the risk, and nobody has the authority to add it", "write `labels: {lowered_by: …}` at the top level")
		}
		// bumps_only says nothing of files that list no dependencies.
		if (r.Authors.present() || r.BumpsOnly.present()) && !r.OnlyPaths.present() && !r.Expression.present() {
			l.warn(r.at, "this rule does not say which files may change", "add `only_paths`: manifests and lock files")
		}
	}
	if u := r.Unless; u.present() && !u.OnlyPaths.present() {
		l.warn(u.at, "unless does not say which files may change", "add `only_paths`: manifests and lock files")
	}
	if e := l.policy.Emergency; e != nil {
		for _, t := range r.Labels.items {
			if change.SameLabel(t.value, e.Label) {
				l.warn(t.at, fmt.Sprintf("the label %q declares an emergency", t.value), "use another label for the category")
			}
		}
	}
}

// smallness warns of a rule that any small change satisfies, whatever it touches.
func (l *linter) smallness(r ruleShape) {
	size := r.ChangedLines
	if !size.present() {
		size = r.ChangedFiles
	}
	narrowed := r.OnlyPaths.present() && !slices.ContainsFunc(r.OnlyPaths.items, func(t text) bool { return len(riskyAmong(t.value)) == len(riskyFiles) })
	// Who may set a label, or what an expression asks besides, is an answer of its own.
	other := r.Authors.present() || r.BumpsOnly.present() || r.Labels.present() || r.Expression.present() || r.Paths.present()
	if size.present() && !narrowed && !other {
		l.warn(size.at, "any small change is standard, one line of a sign-in too", "add `only_paths`: the files that are low-risk")
	}
}

var readsProse = regexp.MustCompile(`\bchange\.(title|body)\b`)

// prose warns of an expression that lowers the risk by what the author wrote.
func (l *linter) prose(expression text) {
	if readsProse.MatchString(expression.value) {
		l.warn(expression.at, "whoever opens or edits the pull request writes its title and body, and so makes it standard", "rest it on files, or on a label that counts only from some")
	}
}

// Files of which a change is hardly ever low-risk: what runs, and what decides how it is built and reviewed.
var riskyFiles = []string{
	"main.go", "app/models/user.rb", "src/app.py", "src/Main.java", "src/index.ts", "src/Kernel.php",
	".github/workflows/ci.yml", ".github/CODEOWNERS", "infra/main.tf", "db/migrate/20260101000000_add_users.rb", "Dockerfile",
}

// riskyAmong returns those of the risky files that a pattern matches.
func riskyAmong(pattern string) []string {
	g, err := NewGlobs([]string{pattern}, false)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(riskyFiles), func(file string) bool { return g.Find(file) < 0 })
}

// tooWide warns of patterns that call code, CI or infrastructure low-risk.
func (l *linter) tooWide(only list[text], guarded bool) {
	for _, t := range only.items {
		covered := riskyAmong(t.value)
		switch {
		case len(covered) == len(riskyFiles) && !guarded:
			l.warn(t.at, fmt.Sprintf("with %q every change is standard", t.value), "list the files that are low-risk")
		case len(covered) > 0 && !guarded:
			l.warn(t.at, fmt.Sprintf("%q makes a change of %s standard", t.value, covered[0]), "list the files that are low-risk")
		}
	}
}

var regexpSigns = regexp.MustCompile(`(^|/)\.\*|\.\+|\\[.bdws]|^\^|\$$|\([^)]*\|[^)]*\)`)

// patterns warns of patterns that match nothing, or nothing more than others do.
func (l *linter) patterns(all list[text], raises bool) {
	seen := map[string]at{}
	for i, t := range all.items {
		key := t.value
		if raises {
			key = fold(key)
		}
		first, twice := seen[key]
		seen[key] = t.at
		switch {
		case twice:
			l.warn(t.at, fmt.Sprintf("the pattern %q is here twice", t.value), fmt.Sprintf("it is on line %d already", first.line))
		case regexpSigns.MatchString(t.value):
			l.warn(t.at, fmt.Sprintf("the pattern %q looks like a regular expression", t.value), "patterns are globs: `**/*.sql`, `db/{migrate,seeds}/**`")
		case strings.TrimSpace(t.value) != t.value:
			l.warn(t.at, fmt.Sprintf("the pattern %q begins or ends with a space", t.value), "take it away")
		case strings.Contains(t.value, `\`) && !strings.ContainsAny(t.value, `*?[]{}`), strings.Contains(t.value, `\**`):
			l.warn(t.at, fmt.Sprintf("the pattern %q has a backslash", t.value), "paths have slashes: /")
		case len(splitCommas(t.value)) > 1 && strings.Contains(t.value, "*"):
			l.warn(t.at, fmt.Sprintf("the pattern %q has a comma outside of braces, where it separates nothing", t.value), "make two patterns of it, or take the comma out")
		case raises && strings.ContainsAny(t.value, "*") && !strings.ContainsAny(t.value, `/\`) && t.value != "**":
			l.warn(t.at, fmt.Sprintf("the pattern %q matches at the root of the repository only", t.value), fmt.Sprintf(`write "**/%s" for any folder`, t.value))
		default:
			l.shadowed(all.items, i, raises)
		}
	}
}

// shadowed warns of a pattern that can add nothing, because another of the list matches all that it could.
func (l *linter) shadowed(all []text, i int, foldCase bool) {
	same := func(a, b string) bool { return a == b || foldCase && fold(a) == fold(b) }
	for _, other := range all {
		if !same(other.value, all[i].value) && covers(other.value, all[i].value, foldCase) {
			l.warn(all[i].at, fmt.Sprintf("the pattern %q adds nothing to %q", all[i].value, other.value), "take one of the two away")
			return
		}
	}
}

// covers says whether every path that matches narrow surely matches wide: wide is "**", "dir/**" or "**/dir/**" over the literal
// beginning of narrow, or "**/*.ext" over its literal end.
func covers(wide, narrow string, foldCase bool) bool {
	if foldCase {
		wide, narrow = fold(wide), fold(narrow)
	}
	if wide == "**" {
		return true
	}
	const special = `*?[]{}\`
	if folder, ok := strings.CutSuffix(wide, "/**"); ok && !strings.ContainsAny(folder, special) {
		return strings.HasPrefix(narrow, folder+"/")
	}
	if folder, ok := strings.CutPrefix(wide, "**/"); ok {
		if folder, ok := strings.CutSuffix(folder, "/**"); ok && !strings.ContainsAny(folder, special) {
			return strings.Contains("/"+narrow, "/"+folder+"/") && !strings.ContainsAny(narrow, `[]{}\`)
		}
		if ext, ok := strings.CutPrefix(folder, "*"); ok && strings.HasPrefix(ext, ".") && !strings.ContainsAny(ext, special+"/") {
			return strings.HasSuffix(narrow, ext) && !strings.ContainsAny(narrow, `[]{}\`)
		}
	}
	return false
}

// checks warns of checks that any workflow of any branch could post.
func (l *linter) checks(all list[checkShape]) {
	seen := map[string]at{}
	for _, c := range all.items {
		key := strings.Join([]string{c.Name.value, c.NoneFailing.value, c.App.value, c.Workflow.value}, "\x00")
		if first, ok := seen[key]; ok {
			l.warn(c.at, "this check is here twice", fmt.Sprintf("it is on line %d already", first.line))
		}
		seen[key] = c.at
		switch {
		case !c.Name.present():
		case !c.App.present():
			l.warn(c.Name.at, fmt.Sprintf("anyone who can write may post a check named %q", c.Name.value), "say which `app` must have posted it: app: github-actions")
		case c.App.value == "github-actions" && !c.Workflow.present():
			l.warn(c.Name.at, fmt.Sprintf("any workflow of any branch can post a check named %q", c.Name.value), "say which `workflow` must have posted it: workflow: .github/workflows/ci.yml")
		}
	}
}

func (l *linter) security() {
	if l.policy.Security == nil {
		if l.policy.Floor != nil {
			return
		}
		l.warn(l.shape.at, "there is no security review", "write `security_review`, with the role that reviews and what triggers it")
		return
	}
	for _, e := range l.shape.Security.Triggers.entries {
		l.patterns(e.value.Paths, true)
		l.patterns(e.value.ContentIn, true)
		l.patterns(e.value.NewDependencies, true)
		if g := l.trigger(e.name.value).Paths; g != nil && g.Find("README.md") >= 0 && g.Find("main.go") >= 0 {
			l.warn(e.name.at, fmt.Sprintf("the trigger %q asks for a review of nearly every change", e.name.value), "list what it is about")
		}
	}
	l.patterns(l.shape.Security.Unread, false)
}

func (l *linter) trigger(name string) *Trigger {
	for _, t := range l.policy.Security.Triggers {
		if t.Name == name {
			return t
		}
	}
	return &Trigger{}
}

// fields warns of sections that nothing ever requires.
func (l *linter) fields() {
	used := map[string]bool{}
	for _, f := range standardFields() {
		used[f.Name] = true
	}
	for _, c := range l.policy.Categories {
		for _, name := range c.Record {
			used[name] = true
		}
	}
	if l.policy.Emergency != nil {
		for _, name := range l.policy.Emergency.Record {
			used[name] = true
		}
	}
	for _, e := range l.shape.Record.entries {
		if near := builtInField(e.name.value); near != "" {
			l.warn(e.name.at, fmt.Sprintf("%q is not the built-in section %q", e.name.value, near), fmt.Sprintf("did you mean %q?", near))
			continue
		}
		if !used[e.name.value] && len(e.value.RequiredIn.items) == 0 {
			l.warn(e.name.at, fmt.Sprintf("nothing requires the section %q", e.name.value), "say `required_in: [high-risk]`")
		}
	}
}

// bots warns of trust in the account under which whoever may push a workflow can push code, and in programs under the name of a person.
func (l *linter) bots() {
	for _, t := range l.shape.Bots.items {
		switch {
		case strings.EqualFold(t.value, gitHubActions):
			l.warn(t.at, fmt.Sprintf("whoever can push a workflow can push code as %s, and then approve it", t.value), "take it away: one person more then approves what it pushed")
		case t.present() && !strings.HasSuffix(t.value, "[bot]"):
			l.warn(t.at, fmt.Sprintf("%q is a person's login, and an App's ends in [bot]", t.value), fmt.Sprintf(`write "%s[bot]" if it is an App`, t.value))
		}
	}
}

// labels warns of a label that cannot lower the risk, because it raises it.
func (l *linter) labels() {
	raising := map[string]at{}
	for _, r := range l.shape.Categories.HighRisk.When.Any.items {
		for _, t := range r.Labels.items {
			raising[fold(t.value)] = t.at
		}
	}
	for _, r := range l.shape.Categories.Standard.When.Any.items {
		for _, t := range r.Labels.items {
			if first, ok := raising[fold(t.value)]; ok {
				l.warn(t.at, fmt.Sprintf("the label %q makes a change high-risk already", t.value), fmt.Sprintf("keep it here or on line %d", first.line))
			}
		}
	}
}

// freezes warns of those that never end, for which each is looked at so late that a rule with an end is over, and of those that are over now.
func (l *linter) freezes() {
	late := time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, f := range l.policy.Freezes {
		until, frozen := f.At(late)
		i := slices.IndexFunc(l.shape.Freezes.items, func(s freezeShape) bool { return s.line == f.Line })
		if i < 0 {
			continue
		}
		_, holds := f.At(l.now)
		_, comes := f.NextEdge(l.now)
		switch s := l.shape.Freezes.items[i]; {
		case !holds && !comes && s.Every.present():
			l.warn(s.Every.at, fmt.Sprintf("the freeze %q does not come again, in ten years at least", f.Name), "remove it, or fix its rule")
		case !holds && !comes:
			l.warn(s.Until.at, fmt.Sprintf("the freeze %q has been over since %s", f.Name, s.Until.value), "remove it, or give it its next days")
		case frozen && until.IsZero():
			l.warn(s.Lasts.at, fmt.Sprintf("the freeze %q never ends: it lasts until it comes again", f.Name), "let it last for less")
		case f.Until.Sub(f.From) > 366*24*time.Hour:
			l.warn(s.Until.at, fmt.Sprintf("the freeze %q lasts for more than a year", f.Name), "correct the year, unless that is meant")
		}
	}
}

// builtInField returns the built-in field whose name differs in case only; empty if none does.
func builtInField(name string) string {
	for _, f := range standardFields() {
		if f.Name != name && strings.EqualFold(f.Name, name) {
			return f.Name
		}
	}
	return ""
}
