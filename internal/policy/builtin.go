package policy

import (
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
		case strings.EqualFold(path, ".github/change-policy.yml"), strings.EqualFold(path, ".github/change-policy.yaml"):
			return path, ".github/change-policy.yml", "the policy"
		case strings.EqualFold(repository, ".github") && (strings.EqualFold(path, "change-policy.yml") || strings.EqualFold(path, "change-policy.yaml")):
			return path, "change-policy.yml", "the owner's policy"
		case strings.EqualFold(name, "CODEOWNERS"):
			return path, "**/CODEOWNERS", "who must review"
		case strings.EqualFold(name, ".gitattributes"):
			return path, "**/.gitattributes", "what a diff shows"
		case strings.EqualFold(path, ".gitmodules"):
			return path, ".gitmodules", "code from other repositories"
		}
	}
	return "", "", ""
}

// submodule says whether a file is a submodule's pointer. Where neither mode nor patch tells, and the file could be one, it is
// unknown.
func submodule(f change.File) answer {
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
	var (
		pointer  string
		pointers int
		found    [5]change.Match // one for each reason that guarded gives
		n        int
	)
	for i := range q.facts.Content.Files {
		f := &q.facts.Content.Files[i]
		if path, pattern, because := guarded(f, q.facts.Repository.Name); pattern != "" {
			at := 0
			for at < n && found[at].Because != because {
				at++
			}
			if at == n {
				n++
				found[at] = change.Match{Category: change.HighRisk, Rule: change.Code(pattern), Subject: change.Code(path), Because: because, Source: builtInSource}
				continue
			}
			found[at].More++
			if path < found[at].Subject[0].Text {
				found[at].Subject = change.Code(path)
			}
		}
		if q.measure == PathsOnly {
			continue
		}
		switch submodule(*f) {
		case yes:
			if pointers++; pointers == 1 || f.Path < pointer {
				pointer = f.Path
			}
		case unknown:
			q.modesMissing++
		}
	}
	q.matches = append(q.matches, found[:n]...)
	if pointers > 0 {
		q.matches = append(q.matches, change.Match{
			Category: change.HighRisk, Rule: change.Words("a submodule"), Subject: change.Code(pointer), More: pointers - 1,
			Because: "code from other repositories", Source: builtInSource,
		})
	}
	q.guarded = n+pointers > 0
}
