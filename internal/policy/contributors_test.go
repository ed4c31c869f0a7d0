package policy

import (
	"testing"

	"github.com/changegate/changegate/internal/change"
)

// Whoever pushed a file contributes for as long as that is in the content, at whatever path.
func TestWhatWasPushedAndMoved(t *testing.T) {
	const (
		opened = change.SHA("1111111111111111111111111111111111111111")
		pushed = change.SHA("2222222222222222222222222222222222222222")
		hers   = change.SHA("a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1")
		his    = change.SHA("b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1")
		other  = change.SHA("c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1")
	)
	type files []change.File
	file := func(path string, blob change.SHA) change.File {
		return change.File{Path: path, Status: change.FileAdded, Blob: blob, Mode: change.ModeRegular, Patch: "@@ -0,0 +1 @@\n+x", Additions: 1}
	}
	as := func(status change.FileStatus, from string, f change.File) change.File {
		f.Status, f.PreviousPath = status, from
		return f
	}
	a := file("a", hers)
	runs := func(f change.File) change.File {
		f.Mode = change.ModeExecutable
		return f
	}
	// Alice opens it, bob pushes, and alice forces one commit of her own; bob approves that.
	history := func(first, second, now files) change.Facts {
		return pullRequest(approved("bob"), func(f *change.Facts) {
			seen := func(head change.SHA, all files) change.Seen {
				return change.Seen{View: change.View{Head: head, Base: oldBase}, MergeBase: oldBase, Files: all}
			}
			f.Content.Files, f.Content.MergeBase, f.Content.BaseTip = now, oldBase, oldBase
			f.Seen = []change.Seen{seen(opened, first), seen(pushed, second)}
			f.Pushes = []change.Push{
				{After: opened, Base: oldBase, MergeBase: oldBase, By: account("alice"), At: morning},
				{Before: opened, After: pushed, Base: oldBase, MergeBase: oldBase, By: account("bob"), At: morning.Add(1)},
				{Before: pushed, After: head, Base: oldBase, MergeBase: oldBase, By: account("alice"), At: morning.Add(2)},
			}
			f.Trees = map[change.SHA]change.Tree{}
			for commit, all := range map[change.SHA]files{opened: first, pushed: second, head: now, oldBase: nil} {
				tree := change.Tree{Commit: commit, Entries: map[string]change.Entry{"a": {}, "f": {}, "g": {}}}
				for _, file := range all {
					tree.Entries[file.Path] = change.Entry{Mode: file.Mode, Blob: file.Blob}
				}
				f.Trees[commit] = tree
			}
		})
	}
	// committed adds a commit of alice's that bob committed and that came with his push.
	committed := func(f change.Facts) change.Facts {
		f.Content.Commits = append(f.Content.Commits, change.Commit{SHA: pushed, Author: by("alice"), Committer: by("bob")})
		f.Seen[1].Commits = []change.SHA{pushed}
		return f
	}
	later := func(f change.Facts) change.Facts {
		f.Seen[1].Commits = nil
		return f
	}
	unread := func(commit change.SHA, f change.Facts) change.Facts {
		delete(f.Trees, commit)
		return f
	}
	waits, passes := []string{"normal, waiting", "bob does not count: pushed 2222222"}, []string{"normal, satisfied", "bob counts"}
	play(t, fourEyes, []scenario{
		{name: "it is there", facts: history(files{a}, files{a, file("f", his)}, files{a, file("f", his)}), want: waits},
		{name: "it is moved", facts: history(files{a}, files{a, file("f", his)}, files{a, file("g", his)}), want: waits},
		{name: "it is moved, and changed as it is", facts: history(files{a}, files{a, file("f", his)}, files{a, file("g", other)}), want: waits},
		{name: "it is moved over what was there", facts: history(files{a}, files{a, file("f", his)}, files{file("a", his)}), want: waits},
		{name: "a file of the base is moved with what was pushed to it", want: waits,
			facts: history(files{a}, files{a, as(change.FileModified, "", file("f", his))}, files{a, as(change.FileRenamed, "f", file("g", his))})},
		{name: "over what was there, and changed as it is", want: waits,
			facts: history(files{a}, files{a, as(change.FileModified, "", file("f", his))}, files{as(change.FileRenamed, "f", file("a", other))})},
		{name: "to elsewhere, and its path is as it was before", facts: history(files{a, file("f", hers)}, files{a, file("f", his)}, files{a, file("f", hers), file("g", his)}), want: waits},
		{name: "another changed it on", facts: history(files{a}, files{a, file("f", his)}, files{a, file("f", other)}), want: waits},
		{name: "it put a file back as the base has it", facts: history(files{a, file("f", hers)}, files{a}, files{a}), want: waits},
		{name: "one file is as it was before, and another's mode is not", want: waits,
			facts: history(files{a, file("f", hers)}, files{runs(a), file("f", his)}, files{runs(a), file("f", hers)})},
		{name: "another's mode is as it made it, and a file is changed since", want: waits,
			facts: history(files{a, file("f", hers)}, files{runs(a), file("f", hers)}, files{runs(a), file("f", other)})},
		{name: "it is gone, as far as is known of what it did", facts: unread(pushed, history(files{a}, files{a, file("f", his)}, files{file("a", other)})), want: waits},
		{name: "it is gone, as far as is known of what is there", want: waits,
			facts: unread(head, history(files{a, file("g", hers)}, files{a, file("g", hers), file("f", his)}, files{file("a", other), file("g", hers)}))},

		{name: "it is gone", facts: history(files{a}, files{a, file("f", his)}, files{a}), want: passes},
		{name: "it is gone, and what bob committed with it is there", facts: committed(history(files{a}, files{a, file("f", his)}, files{a})),
			want: []string{"normal, waiting", "bob does not count: committed 2222222"}},
		{name: "it changed nothing, and what bob committed came later", facts: later(committed(history(files{a}, files{a}, files{a, file("f", other)}))),
			want: []string{"normal, waiting", "bob does not count: committed 2222222"}},
		{name: "it changed a file that is gone", facts: history(files{a, file("f", hers)}, files{a, file("f", his)}, files{a}), want: passes},
		{name: "it is gone, and what was there is changed", facts: history(files{a}, files{a, file("f", his)}, files{file("a", other)}), want: passes},
		{name: "it is gone, and a file is removed", facts: history(files{a}, files{a, file("f", his)}, files{a, as(change.FileRemoved, "", file("g", other))}), want: passes},
		{name: "it took a file away, which is there again beside another", facts: history(files{a, file("f", hers)}, files{a}, files{a, file("f", hers), file("g", other)}), want: passes},
	})
}
