package report

import (
	"slices"
	"strconv"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// Terminal returns the decision as a tree for a terminal, without colours. What strangers wrote can move no cursor in it.
func Terminal(d change.Decision) string {
	branches := []branch{
		{name: "why"}, {name: "security triggers"}, {name: "requirements"}, {name: "reviews"}, {name: "asked to review"}, {name: "notes"},
	}
	why, triggers, requirements, reviews, asks, notes := &branches[0], &branches[1], &branches[2], &branches[3], &branches[4], &branches[5]
	for _, m := range d.Matches {
		if m.Trigger != "" {
			triggers.add(change.Visible(m.Trigger) + ": " + plain(matchText(d, m)))
			continue
		}
		why.add(m.Category.String() + ": " + plain(matchText(d, m)))
	}
	if len(why.lines) == 0 && d.Category != change.Uncategorized {
		why.add("no rule for another category matches")
	}
	for _, r := range d.Requirements {
		requirements.add(requirementLine(d, r))
	}
	for _, o := range d.Opinions {
		line := plain(change.Login(o.By)) + " " + stateWords(o.State) + " at " + change.Visible(o.SHA.Short())
		switch {
		case o.Counts:
			line += ", which counts for " + change.Visible(strings.Join(o.Roles, ", "))
		case !o.Why.IsEmpty():
			line += ", which does not count: " + plain(o.Why)
		}
		reviews.add(line)
	}
	for _, a := range d.Asks {
		line := change.Visible(strings.Join(slices.Concat(a.Teams, a.Users), ", ")) + " for " + change.Visible(a.Role)
		if reason := plain(a.Reason); reason != "" {
			line += ", because " + reason
		}
		asks.add(line)
	}
	for _, n := range d.Notes {
		notes.add(plain(n))
	}

	branches = slices.DeleteFunc(branches, func(b branch) bool { return len(b.lines) == 0 })
	var b strings.Builder
	b.WriteString(Title(d) + "\n")
	b.WriteString("pull request " + strconv.Itoa(int(d.Pull.Number)) + " at " + change.Visible(d.Head.Short()) + " is " + d.Verdict.String() + "\n")
	for i, branch := range branches {
		mark, indent := limb(i == len(branches)-1)
		b.WriteString(mark + branch.name + "\n")
		for j, line := range branch.lines {
			mark, _ := limb(j == len(branch.lines)-1)
			b.WriteString(indent + mark + line + "\n")
		}
	}
	return b.String()
}

func requirementLine(d change.Decision, r change.Requirement) string {
	line := marks[r.State] + " " + plain(r.Name)
	if found := plain(r.Found); found != "" {
		line += ": " + found
	}
	if next := plain(r.Next); next != "" {
		line += " → " + next
	}
	if when := term(d, r); when != "" {
		line += ", " + when
	}
	return line
}

// branch is a part of the tree.
type branch struct {
	name  string
	lines []string
}

func (b *branch) add(line string) { b.lines = append(b.lines, line) }

// limb returns the mark before a node, and what stands before the nodes below it.
func limb(last bool) (mark, indent string) {
	if last {
		return "└─ ", "   "
	}
	return "├─ ", "│  "
}
