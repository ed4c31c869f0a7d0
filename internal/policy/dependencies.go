package policy

import (
	"slices"

	"github.com/changegate/changegate/internal/change"
)

// anyNewDependency returns the manifests in which a name appears that was not there before, and those whose diff cannot be read.
func (q *inquiry) anyNewDependency(manifests *Globs) []condition {
	var found, unread tally
	listed := func(path string) bool { return manifests.Find(path) >= 0 }
	for i := range q.facts.Content.Files {
		f := &q.facts.Content.Files[i]
		if !listed(f.Path) || f.Status == change.FileRemoved {
			continue
		}
		if names := newDependencies(f); len(names) > 0 {
			found.add(f.Path, names[0])
			continue
		}
		if becameManifest(f, listed) || f.Mode == change.ModeSymlink || !q.readable(f) {
			unread.add(f.Path, "")
		}
	}
	var out []condition
	if found.n > 0 {
		out = append(out, condition{
			rule:    change.Say(change.Words("a new dependency, "), change.Code(found.rule)),
			subject: change.Code(found.path), more: found.n - 1,
		})
	}
	if unread.n > 0 {
		out = append(out, condition{rule: unreadManifest, subject: change.Code(unread.path), more: unread.n - 1})
	}
	return out
}

// isManifest says whether a file lists dependencies: by its name, or because the policy looks for new ones in it.
func (q *inquiry) isManifest(path string) bool {
	if manifestKind(path) >= 0 {
		return true
	}
	s := q.policy.Security
	return s != nil && slices.ContainsFunc(s.Triggers, func(t *Trigger) bool { return t.NewDependencies.Find(path) >= 0 })
}

// becameManifest says whether a file got its name by this change and was no manifest of this kind before, so that all that it lists is new,
// whatever its diff shows.
func becameManifest(f *change.File, isManifest func(path string) bool) bool {
	from := f.PreviousPath
	return from != "" && (f.Status == change.FileCopied || !isManifest(from) || manifestKind(from) != manifestKind(f.Path))
}
