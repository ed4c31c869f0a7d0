package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/changegate/changegate/internal/change"
)

// Measure says which facts there are to classify by.
type Measure int

// The measures.
const (
	Everything Measure = iota // what is missing counts against the change
	// PathsOnly is for changes of which only the files' names and sizes are known, and whether the author is a bot, which then stands
	// for every bot that the policy lists. Rules on anything else stay unmeasured: they neither match nor keep others from it.
	PathsOnly
)

// Classification is the kind of a change and the rules that say so.
type Classification struct {
	Category change.Category
	Matches  []change.Match // the riskiest first, security triggers last
	Problems []string       // expressions that could not be evaluated
}

// Classify returns the kind of a change and what triggers a security review, without asking who approves it. An emergency is not
// declared by paths, so that none is found by PathsOnly.
func (p *Policy) Classify(f change.Facts, m Measure) Classification {
	q := newInquiry(&f, p.Layers()...)
	q.measure = m
	q.classify()
	for range q.each {
		q.findTriggers()
	}
	c := Classification{Category: q.category, Matches: q.matches}
	if q.declaration != nil {
		c.Category = change.Emergency
	}
	for _, b := range q.broken {
		c.Problems = append(c.Problems, fmt.Sprintf("line %d: %v", b.line, b.err))
	}
	return c
}

// byRisk are the categories that rules decide, riskiest first. Normal is what matches none, unless it has rules of its own.
var byRisk = [...]change.Category{change.HighRisk, change.Normal, change.Standard}

// riskField is the name of the record's field that says how risky its author finds the change; high makes it high-risk.
const (
	riskField = "risk"
	high      = "high"
)

// classify evaluates every rule of every category, and whether an emergency was declared.
func (q *inquiry) classify() {
	for range q.each {
		q.readRecord()
	}
	q.builtInRules()
	if q.any(q.statesHighRisk) || q.any(q.riskHeldHigh) {
		q.matches = append(q.matches, change.Match{
			Category: change.HighRisk, Rule: change.Code(high), Subject: change.Words("the risk that its record states"), Source: builtInSource,
		})
	}
	for range q.each {
		q.matchRules()
	}
	q.category = change.Uncategorized
	for _, m := range q.matches {
		q.category = max(q.category, m.Category)
	}
	// What matches nothing is normal, and so is an empty diff: there is nothing in it that could be harmless.
	if q.category == change.Uncategorized || q.category == change.Standard && len(q.facts.Content.Files) == 0 {
		q.category = change.Normal
	}
	slices.SortStableFunc(q.matches, func(a, b change.Match) int {
		return cmp.Or(-cmp.Compare(a.Category, b.Category), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Line, b.Line))
	})
	if q.merged {
		q.keepDeclared()
		return
	}
	for range q.each {
		q.findEmergency()
	}
}

// statesHighRisk says whether the change record says that the change is one of high risk.
func (q *inquiry) statesHighRisk() bool { return slices.Contains(q.record.Get(riskField).Said, high) }

// matchRules evaluates every rule of the policy that is looked at.
func (q *inquiry) matchRules() {
	for _, category := range byRisk {
		rules := q.policy.Categories[category]
		if rules == nil {
			continue
		}
		for _, rule := range rules.When {
			if m, ok := q.match(rule, category); ok {
				q.matches = append(q.matches, m)
			}
		}
	}
}

// condition is one part of a rule that holds, as a match shows it. Its zero value is a part that the rule does not name.
type condition struct {
	rule, subject change.Text
	more          int // other files of which it holds
	line          int // of the pattern; 0: of the rule
}

// match says whether all that a rule names holds. What costs a call to GitHub is asked last, and only if all else holds.
func (q *inquiry) match(r *Rule, category change.Category) (change.Match, bool) {
	var held [8]condition
	n := 0
	for _, test := range [...]func(*inquiry, *Rule, change.Category) (condition, bool){
		(*inquiry).matchLines, (*inquiry).matchFiles, (*inquiry).matchPaths, (*inquiry).matchOnlyPaths, (*inquiry).matchBumps,
		(*inquiry).matchExpression, (*inquiry).matchAuthors, (*inquiry).matchLabels,
	} {
		c, ok := test(q, r, category)
		if !ok {
			return change.Match{}, false
		}
		if c.rule != nil {
			held[n] = c
			n++
		}
	}
	if n == 0 || r.OnlyPaths != nil && !q.plainFiles() {
		return change.Match{}, false
	}
	if r.Unless != nil {
		if _, exempt := q.match(r.Unless, category); exempt {
			return change.Match{}, false
		}
	}
	m := change.Match{Category: category, Rule: held[0].rule, Subject: held[0].subject, Because: r.Because, Source: q.policy.Ref.Source, Line: r.Line, More: held[0].more}
	if n == 1 && held[0].line > 0 {
		m.Line = held[0].line
	}
	for _, c := range held[1:n] {
		m.Rule = change.Say(m.Rule, change.Words(" and "), c.rule)
		m.Subject = change.Say(m.Subject, change.Words(" and "), c.subject)
		m.More = max(m.More, c.more)
	}
	return m, true
}

// holds says whether n stands in the comparison's relation to its number. An operator that is not known holds for nothing.
func (c *Comparison) holds(n int) bool {
	switch c.Op {
	case ">":
		return n > c.Number
	case ">=":
		return n >= c.Number
	case "<":
		return n < c.Number
	case "<=":
		return n <= c.Number
	case "=":
		return n == c.Number
	case "!=":
		return n != c.Number
	}
	return false
}

// String returns the comparison as a policy writes it.
func (c *Comparison) String() string { return c.Op + " " + strconv.Itoa(c.Number) }

func (q *inquiry) matchLines(r *Rule, _ change.Category) (condition, bool) {
	if r.ChangedLines == nil {
		return condition{}, true
	}
	n := 0
	for i := range q.facts.Content.Files {
		n += q.facts.Content.Files[i].Additions + q.facts.Content.Files[i].Deletions
	}
	return condition{
		rule:    change.Code("changed_lines: " + r.ChangedLines.String()),
		subject: change.Words("a change of " + plural(n, "line", "lines")),
	}, r.ChangedLines.holds(n)
}

func (q *inquiry) matchFiles(r *Rule, _ change.Category) (condition, bool) {
	if r.ChangedFiles == nil {
		return condition{}, true
	}
	n := len(q.facts.Content.Files)
	return condition{
		rule:    change.Code("changed_files: " + r.ChangedFiles.String()),
		subject: change.Words("a change of " + plural(n, "file", "files")),
	}, r.ChangedFiles.holds(n)
}

func (q *inquiry) matchPaths(r *Rule, _ change.Category) (condition, bool) {
	if r.Paths == nil {
		return condition{}, true
	}
	return q.anyPath(r.Paths)
}

// anyPath says whether some file matches by one of its names, and shows the first of them in the alphabet.
func (q *inquiry) anyPath(globs *Globs) (condition, bool) {
	var (
		path    string
		pattern int
		n       int
	)
	for i := range q.facts.Content.Files {
		f := &q.facts.Content.Files[i]
		name, at := f.Path, globs.Find(f.Path)
		if at < 0 && f.PreviousPath != "" {
			name, at = f.PreviousPath, globs.Find(f.PreviousPath)
		}
		if at < 0 {
			continue
		}
		if n++; n == 1 || name < path {
			path, pattern = name, at
		}
	}
	if n == 0 {
		return condition{}, false
	}
	return condition{change.Code(globs.Pattern(pattern)), change.Code(path), n - 1, globs.Line(pattern)}, true
}

func (q *inquiry) matchOnlyPaths(r *Rule, _ change.Category) (condition, bool) {
	if r.OnlyPaths == nil {
		return condition{}, true
	}
	files := q.facts.Content.Files
	first, pattern := -1, 0
	for i := range files {
		f := &files[i]
		at := r.OnlyPaths.Find(f.Path)
		if at < 0 || f.PreviousPath != "" && r.OnlyPaths.Find(f.PreviousPath) < 0 {
			return condition{}, false
		}
		if first < 0 || f.Path < files[first].Path {
			first, pattern = i, at
		}
	}
	if first < 0 {
		return condition{}, false
	}
	return condition{
		rule:    change.Code(r.OnlyPaths.Pattern(pattern)),
		subject: change.Say(change.Words("every file (such as "), change.Code(files[first].Path), change.Words(")")),
		line:    r.OnlyPaths.Line(pattern),
	}, true
}

// plainFiles says whether no file is a symlink or a submodule, for which a name says nothing of what is behind it. A removed file is
// nothing at the head.
func (q *inquiry) plainFiles() bool {
	if q.measure == PathsOnly {
		return true
	}
	plain := true
	for i := range q.facts.Content.Files {
		f := &q.facts.Content.Files[i]
		switch {
		case f.Status == change.FileRemoved:
			plain = plain && !f.IsSubmodule()
		case f.Mode == "":
			if q.questions != nil {
				q.questions.modes = true
			}
			plain = plain && f.IsPlain()
		case f.Mode != change.ModeRegular && f.Mode != change.ModeExecutable:
			plain = false
		}
	}
	return plain
}

// matchAuthors says whether all that is known of who made the change are accounts that the rule lists. Someone unknown is not.
func (q *inquiry) matchAuthors(r *Rule, _ change.Category) (condition, bool) {
	if len(r.Authors) == 0 {
		return condition{}, true
	}
	f := q.facts
	c := condition{rule: change.Code("authors"), subject: change.Login(f.Pull.Author)}
	if q.measure == PathsOnly {
		return c, f.Pull.Author.IsBot()
	}
	listed := func(a change.Account) bool {
		if a.IsBot() {
			return q.named(r.Authors, a) == yes
		}
		return a.Known() && q.isOneOf(r.Authors, a) == yes
	}
	if !f.PushesKnown || f.Content.CommitsCut || !listed(f.Pull.Author) {
		return c, false
	}
	for _, push := range f.Pushes {
		if !listed(push.By) {
			return c, false
		}
	}
	for i := range f.Content.Commits {
		commit := &f.Content.Commits[i]
		if !listed(commit.Author.Account) || !isGitHub(commit) && !listed(commit.Committer.Account) {
			return c, false
		}
		for _, s := range commit.CoAuthors {
			if !listed(s.Account) {
				return c, false
			}
		}
	}
	return c, true
}

// matchExpression evaluates an expression. One that fails is a requirement of its own, because nobody knows what it would have said.
func (q *inquiry) matchExpression(r *Rule, category change.Category) (condition, bool) {
	if r.Expression == nil {
		return condition{}, true
	}
	held, err := q.evaluate(r.Expression, category)
	if err != nil {
		q.broken = append(q.broken, brokenExpression{q.policy, r.Line, err})
		return condition{}, false
	}
	return condition{rule: change.Code(r.Expression.Source()), subject: change.Words("the change")}, held
}

// maxDoubtful bounds how often one expression is evaluated: for each choice among so many labels.
const maxDoubtful = 8

// evaluate says whether an expression holds, whichever of the labels count that were set or taken off without authority: one that raises the
// risk holds if it does with any choice of them, and one that lowers it only if it does with all. So a label that anyone may set never
// lowers the risk, be it by being there or by being absent, and one that nobody may take off goes on raising it.
func (q *inquiry) evaluate(e *Expression, category change.Category) (bool, error) {
	if q.activation == nil {
		q.activation = NewActivation(*q.facts)
	}
	held, failed := e.Eval(q.activation)
	if !e.readsLabels() || failed == nil && held != relaxes(category) {
		return held, failed
	}
	doubtful := q.doubtfulLabels(e)
	if len(doubtful) > maxDoubtful {
		return !relaxes(category), nil
	}
	for choice := 1; choice < 1<<len(doubtful); choice++ {
		labels := slices.Clone(q.facts.Pull.Labels)
		var others []string
		for i, label := range doubtful {
			if choice&(1<<i) != 0 {
				labels, others = turned(labels, label), append(others, label)
			}
		}
		held, err := e.Eval(q.activation.withLabels(labels))
		if err != nil {
			failed = err
			continue
		}
		if held != relaxes(category) {
			// No part of this choice is enough for that, because those were tried before.
			for _, label := range others {
				q.remarkDoubtful(label)
			}
			return held, nil
		}
	}
	return relaxes(category), failed
}
