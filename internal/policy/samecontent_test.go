package policy

import (
	"testing"

	"github.com/changegate/changegate/internal/change"
)

const (
	oldBase  = change.SHA("b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0")
	newBase  = change.SHA("b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1")
	app      = change.SHA("a000000000000000000000000000000000000000")
	otherApp = change.SHA("a111111111111111111111111111111111111111")
)

// moved makes the present head a push by somebody on a newer base, with app.go as its one file, where oldHead had it on the older one;
// GitHub shows all of that.
func moved(by string) edit {
	return func(f *change.Facts) {
		pushedBy(by)(f)
		file := change.File{Path: "app.go", Status: change.FileModified, Blob: app, Patch: "@@ -1 +1 @@\n-a\n+b", Additions: 1, Deletions: 1}
		f.Content.Files, f.Content.MergeBase, f.Content.BaseTip = []change.File{file}, newBase, newBase
		file.Patch = ""
		f.Seen = []change.Seen{{View: change.View{Head: oldHead, Base: oldBase}, MergeBase: oldBase, Files: []change.File{file}, Commits: []change.SHA{oldHead}}}
		f.Trees = map[change.SHA]change.Tree{}
		for _, commit := range [...]change.SHA{head, oldHead} {
			f.Trees[commit] = change.Tree{Commit: commit, Entries: map[string]change.Entry{"app.go": {Mode: change.ModeRegular, Blob: app}}}
		}
		for _, commit := range [...]change.SHA{newBase, oldBase} {
			f.Trees[commit] = change.Tree{Commit: commit, Entries: map[string]change.Entry{"app.go": {Mode: change.ModeRegular, Blob: otherApp}}}
		}
		f.Pushes[0].Base, f.Pushes[0].MergeBase = oldBase, oldBase
		for i := range f.Reviews {
			if r := &f.Reviews[i]; r.SHA == oldHead {
				r.Base, r.MergeBase = oldBase, oldBase
			}
		}
	}
}

func TestContentBoundApprovals(t *testing.T) {
	old := review(change.Approved, "bob", oldHead)
	entry := func(commit change.SHA, e change.Entry) edit {
		return func(f *change.Facts) { f.Trees[commit].Entries["app.go"] = e }
	}
	file := func(e func(*change.File)) edit { return func(f *change.Facts) { e(&f.Content.Files[0]) } }
	removed := func(f *change.Facts) {
		for _, file := range [...]*change.File{&f.Content.Files[0], &f.Seen[0].Files[0]} {
			file.Status = change.FileRemoved
		}
		for _, commit := range [...]change.SHA{head, oldHead} {
			f.Trees[commit] = change.Tree{Commit: commit, Entries: map[string]change.Entry{}}
		}
	}
	// tree has GitHub tell the trees of both heads, with app as that of the present one, and the merge base of the present one.
	tree := func(old, mergeBase change.SHA) edit {
		return func(f *change.Facts) {
			f.Content.Tree, f.Seen[0].Tree, f.Content.MergeBase = app, old, mergeBase
		}
	}
	waits := func(why string) []string {
		return []string{"normal, waiting", "bob does not count: it was for 3f2c1aa" + why, "bob is asked to review again"}
	}
	play(t, fourEyes, []scenario{
		{name: "the same on another base", facts: pullRequest(old, moved("alice")), want: []string{"normal, satisfied", "bob counts"}},
		{name: "another blob", facts: pullRequest(old, moved("alice"), file(func(f *change.File) { f.Blob = otherApp })), want: waits("; alice has since pushed 9e8d7c6, which changes app.go")},
		{name: "another mode", facts: pullRequest(old, moved("alice"), entry(head, change.Entry{Mode: change.ModeExecutable, Blob: app})), want: waits("; alice has since pushed 9e8d7c6, which changes app.go")},
		{name: "a symlink of the same text", facts: pullRequest(old, moved("alice"), entry(head, change.Entry{Mode: change.ModeSymlink, Blob: app})), want: waits("; alice has since pushed")},
		{name: "moved from elsewhere", facts: pullRequest(old, moved("alice"), file(func(f *change.File) { f.PreviousPath = "old.go" })), want: waits("; alice has since pushed")},
		{name: "deleted where it was changed", facts: pullRequest(old, moved("alice"), file(func(f *change.File) { f.Status = change.FileRemoved })), want: waits("; alice has since pushed")},
		{name: "one file more", facts: pullRequest(old, moved("alice"), files("b.go")), want: waits("; alice has since pushed 9e8d7c6, which changes b.go")},
		{name: "the base changed the same path", facts: pullRequest(old, moved("alice"), entry(newBase, change.Entry{Mode: change.ModeRegular, Blob: "c"})),
			want: waits("; alice has since pushed 9e8d7c6, on a base that changes app.go")},
		{name: "the base made the same path", facts: pullRequest(old, moved("alice"), entry(oldBase, change.Entry{})), want: waits("; alice has since pushed")},
		{name: "a blob that GitHub does not name", facts: pullRequest(old, moved("alice"), file(func(f *change.File) { f.Blob = "" })), want: waits("; alice has since pushed")},
		{name: "two blobs that GitHub does not name", facts: pullRequest(old, moved("alice"), file(func(f *change.File) { f.Blob = "" }), func(f *change.Facts) { f.Seen[0].Files[0].Blob = "" }), want: waits("; alice has since pushed")},
		{name: "a file that is removed in both", facts: pullRequest(old, moved("alice"), removed), want: []string{"normal, satisfied", "bob counts"}},
		{name: "the trees of the heads have not been read", facts: pullRequest(old, moved("alice"), func(f *change.Facts) { delete(f.Trees, head) }), want: waits("; alice has since pushed")},
		{name: "the trees of the bases have not been read", facts: pullRequest(old, moved("alice"), func(f *change.Facts) { delete(f.Trees, newBase) }), want: waits("; alice has since pushed")},
		{name: "one tree on one base is the same, whatever is listed", facts: pullRequest(old, moved("alice"), tree(app, oldBase), file(func(f *change.File) { f.Blob = otherApp })), want: []string{"normal, satisfied"}},
		{name: "one tree on two bases is not", facts: pullRequest(old, moved("alice"), tree(app, newBase), file(func(f *change.File) { f.Blob = otherApp })), want: waits("; alice has since pushed")},
		{name: "two trees on one base are not", facts: pullRequest(old, moved("alice"), tree(otherApp, oldBase), file(func(f *change.File) { f.Blob = otherApp })), want: waits("; alice has since pushed")},
		{name: "a tree that is cut", facts: pullRequest(old, moved("alice"), func(f *change.Facts) { f.Trees[oldHead] = change.Tree{Commit: oldHead, Cut: true} }),
			want: waits(", of whose tree GitHub shows only a part")},
		{name: "a head that is gone", facts: pullRequest(old, moved("alice"), func(f *change.Facts) { f.Seen[0].Gone = true }), want: waits(", which GitHub no longer has")},
		{name: "a head with too many files", facts: pullRequest(old, moved("alice"), func(f *change.Facts) { f.Seen[0].FilesCut = true }), want: waits(", of which GitHub lists only a part")},
		{name: "a head that has another merge base by now", facts: pullRequest(old, moved("alice"), func(f *change.Facts) { f.Seen[0].MergeBase = newBase }), want: waits(", which now has another merge base")},
		{name: "a head whose merge base is not known", facts: pullRequest(old, moved("alice"), func(f *change.Facts) { f.Seen[0].MergeBase, f.Reviews[0].MergeBase = "", "" }),
			want: waits(", whose merge base is not known")},
		{name: "one tree, on bases that are not known", facts: pullRequest(old, moved("alice"), tree(app, ""), func(f *change.Facts) { f.Seen[0].MergeBase, f.Reviews[0].MergeBase = "", "" },
			file(func(f *change.File) { f.Blob = otherApp })), want: waits("; alice has since pushed")},
		{name: "too many files at present", facts: pullRequest(old, moved("alice"), func(f *change.Facts) { f.Content.FilesCut = true }),
			want: []string{"normal, failing", "bob does not count: it was for 3f2c1aa, and GitHub lists only a part of the present content"}},
		{name: "what it saw has not been read", facts: pullRequest(old, moved("alice"), func(f *change.Facts) { f.Seen = nil }), want: waits("; alice has since pushed 9e8d7c6")},
		{name: "the same head against another base", facts: pullRequest(approved("bob"), moved("alice"), func(f *change.Facts) {
			f.Reviews[0].Base, f.Reviews[0].MergeBase = oldBase, oldBase
			f.Seen[0].Head = head
			f.Seen[0].Files = nil
		}), want: []string{"normal, waiting", "bob does not count: it was for 9e8d7c6 against another base for app.go"}},
		{name: "the same head, of which another merge base is known", facts: pullRequest(approved("bob"), moved("alice"), func(f *change.Facts) { f.Reviews[0].MergeBase = oldBase }),
			want: []string{"normal, waiting", "bob does not count: it was for 9e8d7c6 against another base"}},
		{name: "nobody knows against which base", facts: pullRequest(approved("bob"), moved("alice"), func(f *change.Facts) { f.Retargeted = f.Now }),
			want: []string{"normal, waiting", "before the pull request got another base branch"}},

		{name: "whoever updated it cleanly", facts: pullRequest(old, approved("carol"), moved("carol"), func(f *change.Facts) { f.Reviews = f.Reviews[1:] }),
			want: []string{"normal, satisfied", "carol counts"}},
		{name: "whoever rebased it cleanly is its committer", facts: pullRequest(approved("carol"), moved("carol"), func(f *change.Facts) {
			f.Content.Commits[0].Committer = by("carol")
		}), want: []string{"normal, satisfied", "carol counts"}},
		{name: "whoever merged the base cleanly is the merge's author", facts: pullRequest(approved("carol"), moved("carol"), func(f *change.Facts) {
			f.Content.Commits = append(f.Content.Commits, f.Content.Commits[0])
			f.Content.Commits[0] = change.Commit{SHA: head, Parents: []change.SHA{oldHead, newBase}, Author: by("carol"), Committer: by("web-flow"), Verified: true}
			f.Content.Commits[1].SHA = oldHead
		}), want: []string{"normal, satisfied", "carol counts"}},
		{name: "but whoever wrote a commit of it contributed", facts: pullRequest(approved("carol"), moved("carol"), func(f *change.Facts) { f.Content.Commits[0].Author = by("carol") }),
			want: []string{"normal, waiting", "carol does not count: wrote 9e8d7c6"}},
		{name: "but not of another's push", facts: pullRequest(approved("carol"), moved("dan"), func(f *change.Facts) { f.Content.Commits[0].Committer = by("carol") }),
			want: []string{"normal, waiting", "carol does not count: committed 9e8d7c6"}},
		{name: "nor if not every push is known", facts: pullRequest(approved("carol"), moved("carol"), func(f *change.Facts) { f.PushesKnown = false }),
			want: []string{"normal, waiting", "carol does not count: pushed 9e8d7c6"}},
		{name: "nor of a commit that was there before", facts: pullRequest(approved("carol"), moved("carol"), func(f *change.Facts) {
			f.Content.Commits[0].Committer = by("carol")
			f.Seen[0].Commits = []change.SHA{head}
		}), want: []string{"normal, waiting", "carol does not count: committed 9e8d7c6"}},
		{name: "nor where not every commit before it is known", facts: pullRequest(approved("carol"), moved("carol"), func(f *change.Facts) {
			f.Content.Commits[0].Committer = by("carol")
			f.Seen[0].CommitsCut = true
		}), want: []string{"normal, waiting", "carol does not count: committed 9e8d7c6"}},
		{name: "a push that changed it", facts: pullRequest(approved("carol"), moved("carol"), file(func(f *change.File) { f.Blob = otherApp })),
			want: []string{"normal, waiting", "carol does not count: pushed 9e8d7c6"}},
	})
}
