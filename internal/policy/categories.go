package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

func (c *compiler) categories(s categoriesShape) map[change.Category]*Category {
	standard := s.Standard
	if c.policy.Floor != nil {
		standard = categoryShape{} // reported as reserved, and not looked into
	}
	out := map[change.Category]*Category{
		change.HighRisk: c.category(change.HighRisk, s.HighRisk, Category{
			Approvals: []Approvals{{Role: "reviewer", Count: 2}, {Role: "tech-lead", Count: 1}}, SecurityReview: c.policy.Security != nil,
			Record: []string{"description", "risk", "rollback", "testing", "security"},
			Ships:  "by-hand", Monitor: 2 * time.Hour, Unattributed: "block",
		}),
		change.Normal: c.category(change.Normal, s.Normal, Category{
			Approvals: []Approvals{{Role: "reviewer", Count: 1}},
			Record:    []string{"description", "risk", "rollback", "testing"},
			Ships:     "after-staging", Monitor: 30 * time.Minute, Unattributed: "warn",
		}),
		change.Standard: c.category(change.Standard, standard, Category{
			Approvals: []Approvals{{Role: "reviewer", Count: 1}},
			Record:    []string{},
			Ships:     "automatically", Monitor: 30 * time.Minute, Unattributed: "warn",
		}),
	}
	c.besideFloor(out)
	if s.Normal.When.present() {
		c.problem(s.Normal.When.at, "normal has no `when`: it is what matches neither of the others", "move its rules to high-risk or standard")
	}
	return out
}

// category reads one category over its defaults.
func (c *compiler) category(name change.Category, s categoryShape, defaults Category) *Category {
	cat := defaults
	cat.Category, cat.Line = name, s.line
	if s.Approvals.present() {
		cat.Approvals = c.approvals(s.Approvals)
	} else {
		for i := range cat.Approvals {
			cat.Approvals[i].Role = c.impliedRole(cat.Approvals[i].Role)
			cat.Approvals[i].Line = s.line
		}
	}
	if s.SecurityReview.present() {
		cat.SecurityReview = c.oneOf(s.SecurityReview, "security_review", "always", "triggered") == "always"
		if cat.SecurityReview && c.policy.Security == nil {
			c.problem(s.SecurityReview.at, fmt.Sprintf("%s always has a security review, and nobody is named to do it", name),
				"add `security_review: {role: …}` to the policy")
		}
	}
	if s.Record.present() {
		cat.Record = c.fieldNames(s.Record)
	}
	cat.Checks = c.checks(s.Checks)
	if s.Ships.present() {
		cat.Ships = c.oneOf(s.Ships, "ships", "automatically", "after-staging", "by-hand")
	}
	cat.Monitor = c.duration(s.Monitor, "monitor", cat.Monitor, time.Minute, 14*24*time.Hour)
	if s.Unattributed.present() {
		cat.Unattributed = c.oneOf(s.Unattributed, "unattributed", "block", "warn")
	}
	c.requires(s.When.at, s.When.Any, "when", "any")
	if len(s.When.Any.items) > MaxRules {
		c.problem(s.When.Any.at, fmt.Sprintf("%s has %d rules", name, len(s.When.Any.items)), fmt.Sprintf("keep it to %d, or put patterns together", MaxRules))
		return &cat
	}
	for _, rs := range s.When.Any.items {
		if rs.present() {
			cat.When = append(cat.When, c.rule(name, rs))
		}
	}
	return &cat
}

func (c *compiler) rule(category change.Category, s ruleShape) *Rule {
	rule := &Rule{
		Paths:        c.globs(s.Paths, "paths", true),
		OnlyPaths:    c.globs(s.OnlyPaths, "only_paths", false),
		Labels:       values(s.Labels),
		ChangedLines: c.comparison(s.ChangedLines, "changed_lines"),
		ChangedFiles: c.comparison(s.ChangedFiles, "changed_files"),
		Authors:      c.logins(s.Authors, "authors"),
		BumpsOnly:    s.BumpsOnly.value,
		Expression:   c.expression(s.Expression),
		Because:      s.Because.value,
		Line:         s.line,
	}
	c.onlyTrue(s.BumpsOnly)
	c.notEmpty(s.Labels, "labels")
	c.notEmpty(s.Authors, "authors")
	if !anyStated(s.Paths.at, s.OnlyPaths.at, s.Labels.at, s.ChangedLines.at, s.ChangedFiles.at, s.Authors.at, s.BumpsOnly.at, s.Expression.at) {
		c.problem(s.at, "this rule has no condition", "give it `paths`, `labels`, `changed_lines` or another")
	}
	if u := s.Unless; u.present() {
		rule.Unless = &Rule{
			OnlyPaths: c.globs(u.OnlyPaths, "only_paths", false),
			Authors:   c.logins(u.Authors, "authors"),
			BumpsOnly: u.BumpsOnly.value,
			Line:      u.line,
		}
		c.onlyTrue(u.BumpsOnly)
		c.notEmpty(u.Authors, "authors")
		if !anyStated(u.OnlyPaths.at, u.Authors.at, u.BumpsOnly.at) {
			c.problem(u.at, "unless has no condition, so the rule would never hold", "give it `only_paths`, `authors` or `bumps_only`")
		}
	}
	if category == change.Standard && s.Paths.present() && !s.OnlyPaths.stated() && !s.Expression.stated() {
		c.problem(s.Paths.at, "in standard, paths would hold as soon as one file matches, whatever else is changed", "use `only_paths`")
	}
	return rule
}

// onlyTrue reports a condition that is written as false, because that is not its opposite.
func (c *compiler) onlyTrue(f boolean) {
	if f.present() && !f.value {
		c.problem(f.at, "bumps_only is a condition only when it is true", "take it away")
	}
}

func (c *compiler) notEmpty(l list[text], what string) {
	if l.present() && len(l.items) == 0 {
		c.problem(l.at, what+" is an empty list", "list one, or take the key away")
	}
}

func anyStated(places ...at) bool {
	return slices.ContainsFunc(places, at.stated)
}

// comparison reads "> 1500"; nil where it is absent.
func (c *compiler) comparison(t text, what string) *Comparison {
	if !t.present() {
		return nil
	}
	for _, op := range []string{">=", "<=", "!=", ">", "<", "="} {
		rest, ok := strings.CutPrefix(strings.TrimSpace(t.value), op)
		if !ok {
			continue
		}
		digits := strings.TrimSpace(rest)
		n, err := strconv.Atoi(digits)
		if err != nil || n < 0 || strings.HasPrefix(digits, "+") || n > 1_000_000_000 {
			break
		}
		return &Comparison{op, n}
	}
	c.problem(t.at, fmt.Sprintf("%s is %q", what, t.value), `compare with a number: "> 1500"; the operators are > >= < <= = !=`)
	return nil
}

// fieldNames reads a list of the record's fields.
func (c *compiler) fieldNames(l list[text]) []string {
	out := []string{}
	for _, t := range l.items {
		if !t.present() {
			continue
		}
		if known := c.knownFields(); !slices.Contains(known, t.value) {
			mend := didYouMean(t.value, known)
			if nearest(t.value, known) == "" {
				mend = fmt.Sprintf("define it under `record`: `%s: {headings: […]}`", t.value)
			}
			c.problem(t.at, fmt.Sprintf("the record has no field %q", t.value), mend)
			continue
		}
		if slices.Contains(out, t.value) {
			c.problem(t.at, fmt.Sprintf("%q is here twice", t.value), "take one away")
			continue
		}
		out = append(out, t.value)
	}
	return out
}

func (c *compiler) knownFields() []string {
	var out []string
	for _, f := range c.policy.Fields {
		out = append(out, f.Name)
	}
	return out
}
