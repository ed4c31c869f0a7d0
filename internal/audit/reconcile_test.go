package audit_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
)

// clone is a Git repository that a test commits to.
type clone struct {
	t *testing.T
	audit.Git
	files int
}

func newClone(t *testing.T) *clone {
	c := &clone{t: t, Git: audit.Git{Dir: t.TempDir()}}
	for key, value := range map[string]string{
		"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com",
		"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com",
	} {
		t.Setenv(key, value)
	}
	c.git("init", "-q", "-b", "main")
	return c
}

func (c *clone) git(args ...string) string {
	c.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = c.Dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %s: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// before has lines of shell be run before git is, with its arguments.
func before(t *testing.T, lines string) {
	t.Helper()
	git, err := exec.LookPath("git")
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "git"), []byte("#!/bin/sh\n"+lines+"\nexec '"+git+"' \"$@\"\n"), 0o700))
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

// commit commits another file and returns the commit.
func (c *clone) commit(subject string) string {
	c.t.Helper()
	c.files++
	blob := exec.Command("git", "hash-object", "-w", "--stdin")
	blob.Dir, blob.Stdin = c.Dir, strings.NewReader(fmt.Sprintf("file %d\n", c.files))
	sha, err := blob.Output()
	if err != nil {
		c.t.Fatal(err)
	}
	c.git("update-index", "--add", "--cacheinfo", "100644,"+strings.TrimSpace(string(sha))+fmt.Sprintf(",file%d", c.files))
	c.git("commit", "-q", "-m", subject)
	return c.git("rev-parse", "HEAD")
}

// write writes a file that the next commit has.
func (c *clone) write(name, text string) {
	c.t.Helper()
	must(c.t, os.WriteFile(filepath.Join(c.Dir, name), []byte(text), 0o600))
	c.git("add", name)
}

// merged is the entry of a pull request that was merged.
func merged(n int, head, commit, base string) ledger.Entry {
	return entry(ledger.PullEnded, n, head, map[string]any{"state": "merged", "merge_commit": commit, "base": base, "category": "normal", "verdict": "satisfied"})
}

func entry(kind ledger.Kind, n int, sha string, body any) ledger.Entry {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return ledger.Entry{Seq: int64(n), Kind: kind, Subject: ledger.Subject{Repository: 7, Number: n, SHA: sha}, Body: text}
}

func recordOf(t *testing.T, entries ...ledger.Entry) *audit.Record {
	t.Helper()
	r := &audit.Record{}
	for _, e := range entries {
		must(t, r.Add(e))
	}
	return r
}

func TestReconcile(t *testing.T) {
	g := newClone(t)
	g.commit("before there was a ledger")
	g.commit("before there was a ledger")
	squashed := g.commit("squashed")

	g.git("checkout", "-q", "-b", "topic")
	own := g.commit("of a merge")
	g.git("checkout", "-q", "main")
	g.git("merge", "-q", "--no-ff", "-m", "merge", "topic")
	merge := g.git("rev-parse", "HEAD")

	g.git("checkout", "-q", "-b", "long")
	g.commit("one of three")
	g.commit("two of three")
	head := g.commit("three of three")
	g.git("checkout", "-q", "main")
	direct := g.commit("pushed past the policy")
	g.git("cherry-pick", "main..long")
	rebased := g.git("rev-parse", "HEAD")

	unknown := g.commit("nobody knows \x1b[31mthis")
	g.commit("one of many")
	many := g.commit("many")
	late := g.commit("squashed, and not green")
	elsewhere := g.commit("merged into another branch")

	record := recordOf(t,
		merged(1, "", squashed, "main"), merged(2, own, merge, "main"), merged(3, head, rebased, "main"), merged(4, "", late, "main"),
		merged(5, "", elsewhere, "develop"), merged(6, "", strings.Repeat("0", 40), "main"),
		entry(ledger.PullEnded, 9, "", map[string]string{"state": "closed"}), entry(ledger.DecisionChanged, 9, "", map[string]any{}),
		entry(ledger.ExceptionFound, 0, "", change.Exception{Key: "direct", Kind: change.NoPullRequest, Branch: "main", Commits: []change.SHA{change.SHA(direct)}}),
		entry(ledger.ExceptionExplained, 0, "", map[string]string{"key": "direct"}),
		entry(ledger.ExceptionNamed, 0, "", map[string]any{"key": "direct", "by": []change.Account{{ID: 2}}}),
		entry(ledger.ExceptionFound, 4, "", change.Exception{Key: "late", Kind: change.MergedWithoutGreen, Branch: "main", Number: 4}),
		entry(ledger.ExceptionExplained, 4, "", map[string]string{"key": "late"}),
		entry(ledger.ExceptionNamed, 4, "", map[string]any{"key": "late", "withdrawn": map[string]string{"key": "late"}}),
		entry(ledger.ExceptionFound, 0, "", change.Exception{Key: "many", Kind: change.TooManyCommits, Branch: "main", Before: change.SHA(unknown), After: change.SHA(many)}),
		entry(ledger.ExceptionFound, 0, "", change.Exception{Key: "other", Kind: change.NoPullRequest, Branch: "develop", Commits: []change.SHA{change.SHA(unknown)}}),
	)
	show := func(o audit.ReconcileOptions) (string, audit.Reconciliation) {
		t.Helper()
		r, err := audit.Reconcile(t.Context(), g.Git, record, o)
		must(t, err)
		var lines []string
		for _, l := range r.Landed {
			text := l.Subject + ":"
			if l.Pull != nil {
				text += fmt.Sprintf(" #%d", l.Pull.Number)
			}
			for _, e := range l.Exceptions {
				text += fmt.Sprintf(" %s %t", e.Key, e.Explained)
			}
			lines = append(lines, text)
		}
		return strings.Join(lines, "\n"), r
	}
	const want = `squashed: #1
merge: #2
pushed past the policy: direct true
one of three: #3
two of three: #3
three of three: #3
nobody knows ` + "\x1b" + `[31mthis:
one of many: many false
many: many false
squashed, and not green: #4 late false
merged into another branch:`
	got, r := show(audit.ReconcileOptions{})
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(r.Unfetched) != 0 {
		t.Errorf("said to be missing: %+v", r.Unfetched)
	}
	if r.Branch != "main" || r.Before != 2 || len(r.Unknown()) != 2 || len(r.Missing) != 1 || r.Missing[0].Number != 6 {
		t.Errorf("got %+v", r)
	}
	lines := strings.Split(want, "\n")
	if got, r := show(audit.ReconcileOptions{After: merge, Until: unknown}); got != strings.Join(lines[2:7], "\n") || r.Before != 4 {
		t.Errorf("got\n%s\n%d before", got, r.Before)
	}
	if got, r := show(audit.ReconcileOptions{After: unknown, Until: merge}); got != "" || len(r.Landed) != 0 {
		t.Errorf("got\n%s", got)
	}

	// Without the pull request's own commits nobody knows what was rebased.
	g.git("branch", "-q", "-D", "long")
	bare := audit.Git{Dir: t.TempDir()}
	g.git("clone", "-q", "--bare", "--no-local", g.Dir, bare.Dir)
	r, err := audit.Reconcile(t.Context(), bare, record, audit.ReconcileOptions{Branch: "main"})
	must(t, err)
	var subjects []string
	for _, l := range r.Unknown() {
		subjects = append(subjects, l.Subject)
	}
	if !slices.Equal(subjects[:2], []string{"one of three", "two of three"}) {
		t.Errorf("unknown: %q", subjects)
	}
	if len(r.Unfetched) != 1 || r.Unfetched[0].Number != 3 {
		t.Errorf("said to be missing: %+v", r.Unfetched)
	}
	shallow := audit.Git{Dir: t.TempDir()}
	g.git("clone", "-q", "--bare", "--depth=3", "file://"+g.Dir, shallow.Dir)
	if _, err := audit.Reconcile(t.Context(), shallow, record, audit.ReconcileOptions{}); err == nil || !strings.Contains(err.Error(), "fetch --unshallow") {
		t.Errorf("of a clone with few commits: %v", err)
	}

	if _, err := audit.Reconcile(t.Context(), g.Git, record, audit.ReconcileOptions{After: own}); err == nil || !strings.Contains(err.Error(), "is not on the line of first parents of main") {
		t.Errorf("%v", err)
	}
	for _, o := range []audit.ReconcileOptions{{Branch: "no"}, {Branch: "--all"}, {After: "--all"}, {Until: "no"}} {
		if _, err := audit.Reconcile(t.Context(), g.Git, record, o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	if _, err := audit.Reconcile(t.Context(), audit.Git{Dir: t.TempDir()}, record, audit.ReconcileOptions{}); err == nil {
		t.Error("a directory that is no repository is taken")
	}
	// A ledger that knows nothing accounts for nothing.
	r, err = audit.Reconcile(t.Context(), g.Git, &audit.Record{}, audit.ReconcileOptions{})
	if err != nil || len(r.Unknown()) != 13 {
		t.Errorf("%d are unknown, %v", len(r.Unknown()), err)
	}
}

// What only looks like a rebase is not one.
func TestRebasesAreKnownByWhatTheyChange(t *testing.T) {
	g := newClone(t)
	base := g.commit("base")
	g.git("checkout", "-q", "-b", "long")
	g.commit("one of two")
	head := g.commit("two of two")
	g.git("checkout", "-q", "main")
	g.commit("one of two") // of another content
	g.git("cherry-pick", head)
	record := recordOf(t, merged(1, "", base, "main"), merged(2, head, g.git("rev-parse", "HEAD"), "main"))
	onlyUnknown(t, "the branch", g.Git, record, "one of two")
}

// onlyUnknown reconciles a clone and wants all commits to be known but the one with a subject.
func onlyUnknown(t *testing.T, what string, g audit.Git, record *audit.Record, subject string) {
	t.Helper()
	r, err := audit.Reconcile(t.Context(), g, record, audit.ReconcileOptions{})
	must(t, err)
	if unknown := r.Unknown(); len(unknown) != 1 || unknown[0].Subject != subject {
		t.Errorf("%s: only %q is unknown, got %+v", what, subject, unknown)
	}
}

// TestABranchThatIsNoFirstParent has the branch be followed to where it was, although it is not the first parent any more of what somebody merged it into
// and pushed: nothing that was pushed to it before is hidden so, nor is what came with that unknown.
func TestABranchThatIsNoFirstParent(t *testing.T) {
	g := newClone(t)
	first := g.commit("of another")
	g.git("checkout", "-q", "-b", "topic")
	own := g.commit("its own")
	g.git("checkout", "-q", "main")
	g.commit("nobody knows this")
	onto := g.commit("squashed")
	g.git("checkout", "-q", "topic")
	g.git("merge", "-q", "-m", "main into topic", "main")
	head := g.git("rev-parse", "HEAD")
	g.git("checkout", "-q", "main")
	g.git("merge", "-q", "--ff-only", "topic")
	last := g.commit("squashed after it")
	for _, row := range []struct {
		name    string
		entries []ledger.Entry
		want    string
	}{
		{"of a pull request", []ledger.Entry{
			entry(ledger.DecisionChanged, 3, head, map[string]string{"head": head, "merge_base": onto}), merged(3, head, head, "main"),
		}, "its own: 3 0|main into topic: 3 0"},
		{"past the policy", []ledger.Entry{entry(ledger.ExceptionFound, 0, "", change.Exception{
			Key: "k", Kind: change.NoPullRequest, Branch: "main", Before: change.SHA(first), Beside: change.SHA(onto), After: change.SHA(head),
			Commits: []change.SHA{change.SHA(own), change.SHA(head)},
		})}, "its own: 0 1|main into topic: 0 1"},
	} {
		record := recordOf(t, append(row.entries, merged(1, "", first, "main"), merged(2, "", onto, "main"), merged(4, "", last, "main"))...)
		r, err := audit.Reconcile(t.Context(), g.Git, record, audit.ReconcileOptions{})
		must(t, err)
		var got []string
		for _, l := range r.Landed {
			number := 0
			if l.Pull != nil {
				number = l.Pull.Number
			}
			got = append(got, fmt.Sprintf("%s: %d %d", l.Subject, number, len(l.Exceptions)))
		}
		want := "of another: 1 0|nobody knows this: 0 0|squashed: 2 0|" + row.want + "|squashed after it: 4 0"
		if strings.Join(got, "|") != want || len(r.Missing) != 0 {
			t.Errorf("%s: got %q, want %q; missing %+v", row.name, got, want, r.Missing)
		}
	}
}

// TestALongBranchAside has git run no more often for the more commits that the branch was merged into.
func TestALongBranchAside(t *testing.T) {
	runs := func(commits int) int {
		g := newClone(t)
		first := g.commit("squashed")
		g.git("checkout", "-q", "-b", "topic")
		for range commits {
			g.git("commit", "-q", "--allow-empty", "-m", "its own")
		}
		g.git("checkout", "-q", "main")
		onto := g.commit("squashed as well")
		g.git("checkout", "-q", "topic")
		g.git("merge", "-q", "-m", "main into topic", "main")
		head := g.git("rev-parse", "HEAD")
		g.git("checkout", "-q", "main")
		g.git("merge", "-q", "--ff-only", "topic")
		record := recordOf(t, merged(1, "", first, "main"), merged(2, "", onto, "main"),
			entry(ledger.DecisionChanged, 3, head, map[string]string{"head": head, "merge_base": onto}), merged(3, head, head, "main"))
		log, path := filepath.Join(t.TempDir(), "log"), os.Getenv("PATH")
		before(t, "echo >>'"+log+"'")
		r, err := audit.Reconcile(t.Context(), g.Git, record, audit.ReconcileOptions{})
		must(t, err)
		t.Setenv("PATH", path)
		if len(r.Landed) != commits+3 || len(r.Unknown()) != 0 {
			t.Errorf("%d commits, unknown: %+v", len(r.Landed), r.Unknown())
		}
		count, err := os.ReadFile(log)
		must(t, err)
		return len(count)
	}
	if few, many := runs(2), runs(12); few != many {
		t.Errorf("git ran %d times, and %d times", few, many)
	}
}

// TestABranchThatWasRenamed has what landed under the name before be known to who names it.
func TestABranchThatWasRenamed(t *testing.T) {
	g := newClone(t)
	first := g.commit("the first policy")
	blob := g.git("rev-parse", "HEAD:file1")
	direct := g.commit("pushed past the policy")
	last := g.commit("squashed after the branch was renamed")
	inForce := func(hour int64, branch string) ledger.Entry {
		e := entry(ledger.PolicyInForce, 0, last, map[string]any{"branch": branch, "commit": last, "policy": map[string]string{"sha": blob}})
		e.At = at(hour)
		return e
	}
	record := recordOf(t, inForce(1, "master"), merged(1, "", first, "master"), merged(3, "", strings.Repeat("0", 40), "master"),
		entry(ledger.ExceptionFound, 0, "", change.Exception{Key: "k", Kind: change.NoPullRequest, Branch: "master", Commits: []change.SHA{change.SHA(direct)}}),
		inForce(2, "main"), merged(2, "", last, "main"))
	r, err := audit.Reconcile(t.Context(), g.Git, record, audit.ReconcileOptions{})
	must(t, err)
	if len(r.Landed) != 1 || r.Before != 2 || !slices.Equal(r.Elsewhere, []string{"master"}) || len(r.Policies) != 1 {
		t.Errorf("by its name: %+v", r)
	}
	r, err = audit.Reconcile(t.Context(), g.Git, record, audit.ReconcileOptions{Formerly: []string{"master"}})
	must(t, err)
	if len(r.Landed) != 3 || len(r.Unknown()) != 0 || len(r.Elsewhere) != 0 || len(r.Missing) != 1 {
		t.Errorf("by both names: %+v", r)
	}
	if len(r.Policies) != 2 || r.Policies[0].Until != r.Policies[1].From || !r.Policies[1].Until.IsZero() || r.Policies[0].Brought == nil {
		t.Errorf("policies by both names: %+v", r.Policies)
	}
}

// TestABranchThatLeftAnother has a branch that was made from another one, which is still there, not be taken for that one under a new name.
func TestABranchThatLeftAnother(t *testing.T) {
	g := newClone(t)
	first := g.commit("squashed on main")
	second := g.commit("squashed on main as well")
	g.git("checkout", "-q", "-b", "release")
	fix := g.commit("squashed on release")
	record := recordOf(t, merged(1, "", first, "main"), merged(2, "", second, "main"), merged(3, "", fix, "release"))
	for after, want := range map[string][]string{"": nil, first: {"main"}} {
		r, err := audit.Reconcile(t.Context(), g.Git, record, audit.ReconcileOptions{Branch: "release", After: after})
		must(t, err)
		if !slices.Equal(r.Elsewhere, want) {
			t.Errorf("after %q: %q, want %q", after, r.Elsewhere, want)
		}
	}
}

// TestRebasesWithCommitsThatChangeNothing has those be known, and the ones around them, whether or not they were rebased as well.
func TestRebasesWithCommitsThatChangeNothing(t *testing.T) {
	for _, kept := range []bool{true, false} {
		g := newClone(t)
		before := g.commit("before")
		g.git("checkout", "-q", "-b", "topic")
		one := g.commit("one")
		g.git("commit", "-q", "--allow-empty", "-m", "run the checks again")
		head := g.commit("two")
		g.git("checkout", "-q", "main")
		direct := g.commit("nobody knows this")
		if kept {
			g.git("cherry-pick", "--allow-empty", before+".."+head)
		} else {
			g.git("cherry-pick", one, head)
		}
		record := recordOf(t, merged(1, "", before, "main"), merged(2, head, g.git("rev-parse", "HEAD"), "main"))
		r, err := audit.Reconcile(t.Context(), g.Git, record, audit.ReconcileOptions{})
		must(t, err)
		if unknown := r.Unknown(); len(unknown) != 1 || unknown[0].SHA != direct {
			t.Errorf("kept %t: unknown: %+v", kept, unknown)
		}
	}
}

// TestAnOldGit has whoever has one be told what to do.
func TestAnOldGit(t *testing.T) {
	g := newClone(t)
	first := g.commit("before")
	g.git("checkout", "-q", "-b", "topic")
	g.commit("one of two")
	head := g.commit("two of two")
	g.git("checkout", "-q", "main")
	g.commit("past the policy")
	g.git("cherry-pick", first+".."+head)
	record := recordOf(t, merged(1, "", first, "main"), merged(2, head, g.git("rev-parse", "HEAD"), "main"))
	before(t, `case "$*" in *" patch-id --verbatim"*) echo 'usage: git patch-id [--stable | --unstable]' >&2; exit 129;; esac`)
	_, err := audit.Reconcile(t.Context(), g.Git, record, audit.ReconcileOptions{})
	if err == nil || !strings.HasPrefix(err.Error(), "to compare what commits change takes Git 2.39 or later: git patch-id in ") {
		t.Errorf("got %v", err)
	}
}

// TestSignedCommits has them be read by who has Git print each signature.
func TestSignedCommits(t *testing.T) {
	g := newClone(t)
	g.commit("squashed")
	signed := strings.Replace(g.git("cat-file", "commit", "HEAD"), "\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----\n\n", 1)
	must(t, os.WriteFile(filepath.Join(g.Dir, ".git", "signed"), []byte(signed), 0o600))
	commit := g.git("hash-object", "-t", "commit", "-w", filepath.Join(".git", "signed"))
	g.git("reset", "-q", commit)
	g.git("config", "log.showSignature", "true")
	program := filepath.Join(g.Dir, ".git", "gpg")
	must(t, os.WriteFile(program, []byte("#!/bin/sh\necho gpg: Signature made by somebody >&2\n"), 0o700))
	g.git("config", "gpg.program", program)
	r, err := audit.Reconcile(t.Context(), g.Git, recordOf(t, merged(1, "", commit, "main")), audit.ReconcileOptions{})
	if err != nil || len(r.Landed) != 1 || len(r.Unknown()) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestContentThatGitWouldNotCompare has a commit that was pushed past the policy not pass for one of a pull request: what the two change differs in
// white space, or in a submodule that the repository has Git leave out.
func TestContentThatGitWouldNotCompare(t *testing.T) {
	for name, row := range map[string]struct{ before, decided, pushed func(*clone) }{
		"white space": {
			func(c *clone) { c.write("grant.py", "if admin:\n    log()\n") },
			func(c *clone) { c.write("grant.py", "if admin:\n    log()\n    grant()\n") },
			func(c *clone) { c.write("grant.py", "if admin:\n    log()\ngrant()\n") },
		},
		"a submodule": {
			func(c *clone) {
				c.write(".gitmodules", "[submodule \"lib\"]\n\tpath = lib\n\turl = ../lib\n\tignore = all\n")
				c.git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("1", 40)+",lib")
			},
			func(c *clone) { c.write("use.txt", "lib\n") },
			func(c *clone) {
				c.write("use.txt", "lib\n")
				c.git("update-index", "--cacheinfo", "160000,"+strings.Repeat("2", 40)+",lib")
			},
		},
	} {
		g := newClone(t)
		row.before(g)
		before := g.commit("before")
		g.git("checkout", "-q", "-b", "topic")
		row.decided(g)
		g.git("commit", "-q", "-m", "one of two")
		head := g.commit("two of two")
		g.git("checkout", "-q", "-f", "main")
		row.pushed(g)
		g.git("commit", "-q", "-m", "past the policy")
		g.git("cherry-pick", head)
		record := recordOf(t, merged(1, "", before, "main"), merged(2, head, g.git("rev-parse", "HEAD"), "main"))
		onlyUnknown(t, name, g.Git, record, "past the policy")
	}
}

// TestAClonesDirectory has what was pushed past the policy be found from a directory of a clone whose git shows only what changes in that.
func TestAClonesDirectory(t *testing.T) {
	g := newClone(t)
	must(t, os.Mkdir(filepath.Join(g.Dir, "doc"), 0o700))
	g.write(filepath.Join("doc", "page"), "text\n")
	first := g.commit("before")
	g.git("checkout", "-q", "-b", "topic")
	g.commit("one of two")
	head := g.commit("two of two")
	g.git("checkout", "-q", "main")
	g.commit("past the policy")
	g.git("cherry-pick", head)
	g.git("config", "diff.relative", "true")
	record := recordOf(t, merged(1, "", first, "main"), merged(2, head, g.git("rev-parse", "HEAD"), "main"))
	onlyUnknown(t, "the branch", audit.Git{Dir: filepath.Join(g.Dir, "doc")}, record, "past the policy")
}

// TestCommitsAreAsTheyWereMade has a commit be found that a clone was told to leave out: with a mirror come replacements that somebody pushed.
func TestCommitsAreAsTheyWereMade(t *testing.T) {
	g := newClone(t)
	first := g.commit("squashed")
	g.commit("nobody knows this")
	last := g.commit("squashed as well")
	g.git("replace", "--graft", last, first)
	grafts := t.TempDir()
	mirror := audit.Git{Dir: t.TempDir()}
	g.git("clone", "-q", "--mirror", "--no-local", g.Dir, mirror.Dir)
	g.git("replace", "-d", last)
	g.git("clone", "-q", g.Dir, grafts)
	must(t, os.WriteFile(filepath.Join(grafts, ".git", "info", "grafts"), []byte(last+" "+first+"\n"), 0o600))
	record := recordOf(t, merged(1, "", first, "main"), merged(2, "", last, "main"))
	for _, clone := range []audit.Git{mirror, {Dir: grafts}} {
		onlyUnknown(t, clone.Dir, clone, record, "nobody knows this")
	}
}

// TestOneCommitOfTwoPullRequests has a commit be known on each of the branches that a pull request brought it to: a release branch that was put
// forward to a commit of main ends with that too.
func TestOneCommitOfTwoPullRequests(t *testing.T) {
	g := newClone(t)
	g.commit("before")
	g.git("branch", "release")
	squashed := g.commit("squashed")
	g.git("branch", "-f", "release", squashed)
	record := recordOf(t, merged(1, "", squashed, "main"), merged(2, squashed, squashed, "release"))
	for branch, number := range map[string]int{"main": 1, "release": 2} {
		r, err := audit.Reconcile(t.Context(), g.Git, record, audit.ReconcileOptions{Branch: branch})
		must(t, err)
		if n := len(r.Landed); n == 0 || r.Landed[n-1].Pull == nil || r.Landed[n-1].Pull.Number != number {
			t.Errorf("%s: %+v", branch, r.Landed)
		}
	}
}

// TestPushedAfterAMergeOnSomebodysMachine has all commits of a pull request be known that were put onto the branch as they are.
func TestPushedAfterAMergeOnSomebodysMachine(t *testing.T) {
	g := newClone(t)
	before := g.commit("of another")
	decided := func(n int, head, base string) ledger.Entry {
		return entry(ledger.DecisionChanged, n, head, map[string]string{"head": head, "merge_base": base})
	}
	g.git("checkout", "-q", "-b", "topic")
	g.commit("one of three")
	g.commit("two of three")
	head := g.commit("three of three")
	g.git("checkout", "-q", "main")
	g.git("merge", "-q", "--ff-only", "topic")
	unknown := g.commit("nobody knows this")
	single := g.commit("single")
	for _, row := range []struct {
		name    string
		entries []ledger.Entry
		unknown []string
	}{
		{"as it was decided", []ledger.Entry{decided(2, head, before)}, []string{"nobody knows this"}},
		{"of another head nothing is known", []ledger.Entry{decided(2, single, before)}, []string{"one of three", "two of three", "nobody knows this"}},
		{"nothing was decided", nil, []string{"one of three", "two of three", "nobody knows this"}},
	} {
		record := recordOf(t, append(row.entries, merged(1, "", before, "main"), merged(2, head, head, "main"), decided(3, single, unknown), merged(3, single, single, "main"))...)
		r, err := audit.Reconcile(t.Context(), g.Git, record, audit.ReconcileOptions{})
		must(t, err)
		var got []string
		for _, l := range r.Unknown() {
			got = append(got, l.Subject)
		}
		if !slices.Equal(got, row.unknown) {
			t.Errorf("%s: unknown are %q", row.name, got)
		}
	}
}

func TestRecordsAreOfOneRepository(t *testing.T) {
	r := recordOf(t, merged(1, "", "a", "main"))
	e := merged(2, "", "b", "main")
	e.Subject.Repository = 8
	if err := r.Add(e); err == nil || err.Error() != "entry 2 is about repository 8, and others are about 7: say which one it is" {
		t.Errorf("%v", err)
	}
	e.Body = json.RawMessage(`[]`)
	if err := r.Add(e); err == nil {
		t.Error("what cannot be read is taken")
	}
}

// Each policy is known by the commit that brought its file, and that by who approved it.
func TestPoliciesThatWereInForce(t *testing.T) {
	g := newClone(t)
	first := g.commit("the first policy") // its blob stands for the policy's
	blob := func() string { return g.git("rev-parse", fmt.Sprintf("HEAD:file%d", g.files)) }
	one := blob()
	second := g.commit("the second policy")
	two := blob()
	last := g.commit("another change")
	decision := func(n int, counts bool) ledger.Entry {
		return entry(ledger.DecisionChanged, n, "", map[string]any{"opinions": []any{
			map[string]any{"by": map[string]string{"login": "bob"}, "counts": true}, map[string]any{"by": map[string]string{"login": "carol"}, "counts": counts},
		}})
	}
	inForce := func(hour int, branch, blob, read string) ledger.Entry {
		e := entry(ledger.PolicyInForce, 0, read, map[string]any{
			"branch": branch, "commit": read, "policy": map[string]string{"source": ".github/change-policy.yml", "sha": blob, "digest": "d" + blob},
		})
		e.At = at(int64(hour + 1))
		return e
	}
	record := recordOf(t, inForce(0, "main", one, first), decision(2, false), decision(2, true), merged(2, "", second, "main"), inForce(1, "develop", one, first),
		inForce(2, "main", two, last), inForce(3, "main", "", last), inForce(4, "main", two, strings.Repeat("0", 40)))
	r, err := audit.Reconcile(t.Context(), g.Git, record, audit.ReconcileOptions{})
	must(t, err)
	var got []string
	for _, p := range r.Policies {
		text := fmt.Sprintf("%d to %d:", p.From.Sub(began)/time.Hour, max(-1, p.Until.Sub(began)/time.Hour))
		if p.Brought != nil {
			text += " " + p.Brought.Subject
		}
		if p.Brought != nil && p.Brought.Pull != nil {
			text += fmt.Sprint(" ", p.Brought.Pull.Number, p.Brought.Pull.Approvers)
		}
		got = append(got, text)
	}
	want := []string{"0 to 2: the first policy", "2 to 3: the second policy 2 [bob carol]", "3 to 4:", "4 to -1:"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
