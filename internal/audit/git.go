package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Git is a clone of a repository, bare or not. It is read by the program git.
type Git struct{ Dir string }

// Commit is a commit on a branch.
type Commit struct {
	SHA     string
	Merge   bool      // it has more than one parent
	At      time.Time // when it was committed, as it says itself
	Subject string    // what a stranger wrote
}

// run runs git and returns what it prints. Commits are as they were made: what a clone puts in their place, by refs/replace, which a mirror fetches,
// or by grafts, could leave out others that are between them.
func (g Git) run(ctx context.Context, in io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", g.Dir, "--no-pager", "--no-replace-objects", "-c", "log.showSignature=false"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_GRAFT_FILE="+os.DevNull)
	cmd.Stdin = in
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	err := cmd.Run()
	if err != nil {
		if text := strings.TrimSpace(problem.String()); text != "" {
			err = errors.New(text)
		}
		return nil, fmt.Errorf("git %s in %s: %w", args[0], g.Dir, err)
	}
	return out.Bytes(), nil
}

// resolve returns the commit of a name, which is never taken for an option.
func (g Git) resolve(ctx context.Context, name string) (string, error) {
	out, err := g.run(ctx, nil, "rev-parse", "--verify", "--end-of-options", name+"^{commit}")
	return strings.TrimSpace(string(out)), err
}

// has says whether a commit is in the clone. Names that are no SHA are not.
func (g Git) has(ctx context.Context, sha string) bool {
	got, err := g.resolve(ctx, sha)
	return err == nil && got == sha
}

// isOn says whether a commit is another or comes before it. One that the clone does not have does not.
func (g Git) isOn(ctx context.Context, sha, tip string) bool {
	_, err := g.run(ctx, nil, "merge-base", "--is-ancestor", sha, tip)
	return err == nil
}

// aside returns the commits on the line of first parents of a commit that are not on another. However many they are, git runs once.
func (g Git) aside(ctx context.Context, tip, other string) (map[string]bool, error) {
	out, err := g.run(ctx, nil, "rev-list", "--first-parent", tip, "^"+other, "--")
	commits := map[string]bool{}
	for _, sha := range strings.Fields(string(out)) {
		commits[sha] = true
	}
	return commits, err
}

// isShallow says whether the clone was made without what came before some commits.
func (g Git) isShallow(ctx context.Context) (bool, error) {
	out, err := g.run(ctx, nil, "rev-parse", "--is-shallow-repository")
	return strings.TrimSpace(string(out)) == "true", err
}

// DefaultBranch returns the branch that the clone's origin has as its default, or the one that is checked out.
func (g Git) DefaultBranch(ctx context.Context) (string, error) {
	if out, err := g.run(ctx, nil, "symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"); err == nil {
		return strings.TrimPrefix(strings.TrimSpace(string(out)), "refs/remotes/origin/"), nil
	}
	out, err := g.run(ctx, nil, "symbolic-ref", "HEAD")
	return strings.TrimPrefix(strings.TrimSpace(string(out)), "refs/heads/"), err
}

// tip returns the last commit of a branch: as the clone's origin has it, where there is one.
func (g Git) tip(ctx context.Context, branch string) (string, error) {
	if sha, err := g.resolve(ctx, "refs/remotes/origin/"+branch); err == nil {
		return sha, nil
	}
	sha, err := g.resolve(ctx, "refs/heads/"+branch)
	if err != nil {
		err = fmt.Errorf("the clone in %s has no branch %s: fetch it, or name another", g.Dir, branch)
	}
	return sha, err
}

// line returns the commits on a line of first parents, newest first.
func (g Git) line(ctx context.Context, tip string) (commits []Commit, err error) {
	out, err := g.run(ctx, nil, "log", "--first-parent", "--format=%H%x00%P%x00%ct%x00%s", tip, "--")
	if err != nil {
		return nil, err
	}
	for text := range strings.Lines(string(out)) {
		part := strings.SplitN(strings.TrimSuffix(text, "\n"), "\x00", 4)
		var seconds int64
		if len(part) == 4 {
			_, err = fmt.Sscan(part[2], &seconds)
		}
		if len(part) != 4 || err != nil {
			return nil, fmt.Errorf("git log in %s: it prints %q", g.Dir, text)
		}
		commits = append(commits, Commit{SHA: part[0], Merge: strings.Contains(part[1], " "), At: time.Unix(seconds, 0).UTC(), Subject: part[3]})
	}
	return commits, nil
}

// patches returns the identifiers of what the commits of a range change, without merges, newest first: equal where the same lines are changed
// in the same way, to the last space; empty where nothing is. What the clone is told to leave out of differences, as by a .gitmodules, is in them.
func (g Git) patches(ctx context.Context, revisions ...string) (ids []string, err error) {
	commits, err := g.run(ctx, nil, append(append([]string{"rev-list", "--no-merges"}, revisions...), "--")...)
	if err != nil {
		return nil, err
	}
	// Unlike log, diff-tree goes by none of what a clone's configuration says of differences but what is switched off here.
	text, err := g.run(ctx, bytes.NewReader(commits), "diff-tree", "--stdin", "--root", "-p", "--full-index", "--no-ext-diff", "--ignore-submodules=none")
	if err != nil {
		return nil, err
	}
	out, err := g.run(ctx, bytes.NewReader(text), "patch-id", "--verbatim")
	if err != nil {
		return nil, fmt.Errorf("to compare what commits change takes Git 2.39 or later: %w", err)
	}
	known := map[string]string{}
	for text := range strings.Lines(string(out)) {
		id, sha, _ := strings.Cut(strings.TrimSpace(text), " ")
		known[sha] = id
	}
	for _, sha := range strings.Fields(string(commits)) {
		ids = append(ids, known[sha])
	}
	return ids, nil
}
