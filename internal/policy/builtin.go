package policy

import (
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/change"
)

// builtInSource is the source of rules that hold in every policy and that no policy can take away.
const builtInSource = "built in"

// guarded says why a file is high-risk in every policy and never part of an emergency: who controls it controls the process.
// Both names of a rename are asked, and case does not matter.
func guarded(f *change.File, repository string) (path, pattern, because string) {
	for _, path := range [...]string{f.Path, f.PreviousPath} {
		name := path[strings.LastIndexByte(path, '/')+1:]
		switch {
		case strings.EqualFold(path, change.PolicyPath), strings.EqualFold(path, ".github/change-policy.yaml"):
			return path, change.PolicyPath, "the policy"
		case strings.EqualFold(repository, ".github") && (strings.EqualFold(path, change.OwnerPolicyPath) || strings.EqualFold(path, "change-policy.yaml")):
			return path, change.OwnerPolicyPath, "the owner's policy"
		case strings.EqualFold(name, "CODEOWNERS"):
			return path, "**/CODEOWNERS", "who must review"
		case strings.EqualFold(name, ".gitattributes"):
			return path, "**/.gitattributes", "what a diff shows"
		case strings.EqualFold(path, ".gitmodules"):
			return path, ".gitmodules", "where code from other repositories comes from"
		}
	}
	return "", "", ""
}

// submodule says whether a file is a submodule's pointer. Where neither mode nor patch tells, and the file could be one, it is
// unknown.
func submodule(f *change.File) answer {
	switch {
	case f.IsSubmodule():
		return yes
	case f.Mode != "" || f.Patch != "":
		return no
	// A pointer is one line, before and after; GitHub gives no patch for it when it moves, or when the whole diff is too large.
	case f.Additions+f.Deletions > 2:
		return no
	case f.Status == change.FileRemoved:
		return no
	}
	return unknown
}

// builtInRules finds the files that are guarded, and submodules. They match whatever the policy says.
func (q *inquiry) builtInRules() {
	const pointer = "code from other repositories"
	var reasons []change.Match // one for each reason
	add := func(path string, rule change.Text, because string) {
		for i := range reasons {
			if r := &reasons[i]; r.Because == because {
				r.More++
				if path < r.Subject[0].Text {
					r.Subject = change.Code(path)
				}
				return
			}
		}
		reasons = append(reasons, change.Match{Category: change.HighRisk, Rule: rule, Subject: change.Code(path), Because: because, Source: builtInSource})
	}
	for i := range q.facts.Content.Files {
		f := &q.facts.Content.Files[i]
		if path, pattern, because := guarded(f, q.facts.Repository.Name); pattern != "" {
			add(path, change.Code(pattern), because)
		}
		if q.measure == PathsOnly {
			continue
		}
		switch submodule(f) {
		case yes:
			add(f.Path, change.Words("a submodule"), pointer)
		case unknown:
			q.modesMissing++
		}
	}
	slices.SortFunc(reasons, func(a, b change.Match) int { return strings.Compare(a.Because, b.Because) })
	q.matches = append(q.matches, reasons...)
	q.guarded = len(reasons) > 0
}
