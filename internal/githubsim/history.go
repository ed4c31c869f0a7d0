package githubsim

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// diffFile is one changed file of a diff, as GitHub's API shows it.
type diffFile struct {
	path, previous       string
	status               string
	mode                 string // at the head; at the base where it was removed
	sha                  string // of the head's blob; of the base's where it was removed
	additions, deletions int
	patch                string // from the first @@, without the last newline; "" where there is none to show
}

type diff struct {
	files                []diffFile
	additions, deletions int
}

// GitHub shows no patch for a file beyond maxPatch bytes, nor once a diff has shown maxDiff bytes or maxDiffLines lines.
const (
	maxPatch     = 500 << 10
	maxDiff      = 1 << 20
	maxDiffLines = 20_000
)

// git runs Git's binary on the repository, untouched by any configuration of the user or the machine.
func (st *store) git(args ...string) ([]byte, error) {
	st.gitRuns++
	cmd := exec.Command("git", append([]string{"--git-dir", st.dir, "-c", "core.attributesFile=/dev/null"}, args...)...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + st.dir, "XDG_CONFIG_HOME=" + st.dir, "LC_ALL=C", "TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x@localhost", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x@localhost",
	}
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(problem.String()))
	}
	return out.Bytes(), nil
}

// diff compares two trees with Git's own rename detection, in one run of Git the first time and none afterwards.
func (st *store) diff(from, to string) (*diff, error) {
	key := [2]string{from, to}
	if d, ok := st.diffs[key]; ok {
		return d, nil
	}
	d := &diff{}
	if from != to {
		out, err := st.git("-c", "diff.renameLimit=3000", "diff-tree", "-r", "-M", "--raw", "--numstat", "-p", "-z",
			"--full-index", "--no-ext-diff", "--no-textconv", from, to)
		if err != nil {
			return nil, err
		}
		if d, err = parseDiff(out); err != nil {
			return nil, err
		}
	}
	st.diffs[key] = d
	return d, nil
}

var statusWords = map[byte]string{'A': "added", 'D': "removed", 'M': "modified", 'R': "renamed", 'C': "copied", 'T': "changed"}

// parseDiff reads the three sections that git diff-tree --raw --numstat -p -z writes one after the other.
func parseDiff(out []byte) (*diff, error) {
	d, in := &diff{}, &fields{out}
	for bytes.HasPrefix(in.left, []byte{':'}) {
		f, err := parseRaw(in)
		if err != nil {
			return nil, err
		}
		d.files = append(d.files, f)
	}
	for i := range d.files {
		if err := d.parseCounts(in, &d.files[i]); err != nil {
			return nil, err
		}
	}
	d.showPatches(splitPatches(string(bytes.TrimPrefix(in.left, []byte{0}))))
	return d, nil
}

// fields are what Git wrote, of which each field ends with a zero byte.
type fields struct{ left []byte }

func (f *fields) next() string {
	field, rest, _ := bytes.Cut(f.left, []byte{0})
	f.left = rest
	return string(field)
}

// parseRaw reads what --raw says of a file: both modes, both blobs, what was done, and its name or both.
func parseRaw(in *fields) (diffFile, error) {
	raw := strings.Fields(in.next())
	if len(raw) != 5 {
		return diffFile{}, fmt.Errorf("git diff-tree: unexpected %q", raw)
	}
	f := diffFile{mode: raw[1], sha: raw[3], status: statusWords[raw[4][0]], path: in.next()}
	switch f.status {
	case "renamed", "copied":
		f.previous, f.path = f.path, in.next()
	case "removed":
		f.mode, f.sha = strings.TrimPrefix(raw[0], ":"), raw[2]
	}
	return f, nil
}

// parseCounts reads what --numstat says of a file, and adds it up.
func (d *diff) parseCounts(in *fields, f *diffFile) error {
	counts := strings.SplitN(in.next(), "\t", 3)
	if len(counts) != 3 {
		return fmt.Errorf("git diff-tree: unexpected counts %q", counts)
	}
	if counts[2] == "" { // a rename's two names follow
		in.next()
		in.next()
	}
	f.additions, _ = strconv.Atoi(counts[0]) // "-" for a binary file
	f.deletions, _ = strconv.Atoi(counts[1])
	d.additions += f.additions
	d.deletions += f.deletions
	return nil
}

// showPatches gives each file its patch, as far as GitHub shows them.
func (d *diff) showPatches(patches []string) {
	bytesLeft, linesLeft := maxDiff, maxDiffLines
	for i := range d.files {
		f := &d.files[i]
		pieces := 1
		if f.status == "changed" { // one kind of file is removed and another added
			pieces = 2
		}
		pieces = min(pieces, len(patches))
		hunks := slices.DeleteFunc(slices.Clone(patches[:pieces]), func(h string) bool { return h == "" })
		patches = patches[pieces:]
		patch := strings.Join(hunks, "\n")
		lines := strings.Count(patch, "\n")
		if len(patch) > maxPatch || len(patch) > bytesLeft || lines > linesLeft {
			continue
		}
		f.patch = patch
		bytesLeft -= len(patch)
		linesLeft -= lines
	}
}

// splitPatches returns each file's hunks. No line within a hunk starts with "diff".
func splitPatches(text string) []string {
	var out []string
	for i, piece := range strings.Split("\n"+text, "\ndiff --git ") {
		if i == 0 {
			continue
		}
		_, hunks, found := strings.Cut(piece, "\n@@ ")
		if found {
			hunks = "@@ " + strings.TrimSuffix(hunks, "\n")
		}
		out = append(out, hunks)
	}
	return out
}

// ancestors returns every commit reachable from sha, itself included.
func (st *store) ancestors(sha string) map[string]bool {
	seen := map[string]bool{}
	queue := []string{sha}
	for len(queue) > 0 {
		at := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		c := st.commits[at]
		if c == nil || seen[at] {
			continue
		}
		seen[at] = true
		queue = append(queue, c.parents...)
	}
	return seen
}

// reaches says whether ancestor is reachable from sha.
func (st *store) reaches(sha, ancestor string) bool { return st.ancestors(sha)[ancestor] }

// mergeBase returns the best common ancestor, or "" if the two share no history.
func (st *store) mergeBase(a, b string) string {
	if a == b {
		return a
	}
	key := [2]string{a, b}
	if base, ok := st.bases[key]; ok {
		return base
	}
	ofA := st.ancestors(a)
	var common []*commit
	for sha := range st.ancestors(b) {
		if ofA[sha] {
			common = append(common, st.commits[sha])
		}
	}
	inferior := map[string]bool{} // reachable from another common ancestor
	for _, c := range common {
		for _, p := range c.parents {
			inferior[p] = true
		}
	}
	best := slices.DeleteFunc(common, func(c *commit) bool { return inferior[c.sha] })
	sort.Slice(best, func(i, j int) bool {
		if !best[i].committer.at.Equal(best[j].committer.at) {
			return best[i].committer.at.After(best[j].committer.at)
		}
		return best[i].sha < best[j].sha
	})
	base := ""
	if len(best) > 0 {
		base = best[0].sha
	}
	st.bases[key] = base
	return base
}

// between returns the commits that are in head and not in base, parents before their children, the older branch first.
func (st *store) between(base, head string) []*commit {
	key := [2]string{base, head}
	if r, ok := st.ranges[key]; ok {
		return r
	}
	seen := st.ancestors(base)
	var out []*commit
	// An explicit stack, because a history may be thousands of commits long.
	type step struct {
		c    *commit
		next int
	}
	var stack []step
	push := func(sha string) {
		if c := st.commits[sha]; c != nil && !seen[sha] {
			seen[sha] = true
			stack = append(stack, step{c: c})
		}
	}
	push(head)
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if top.next < len(top.c.parents) {
			top.next++
			push(top.c.parents[top.next-1])
			continue
		}
		out = append(out, top.c)
		stack = stack[:len(stack)-1]
	}
	st.ranges[key] = out
	return out
}

var errConflict = errors.New("merge conflict")

// merge returns the tree that has both sides' changes since base. Git's binary is asked only where both changed the same path.
func (st *store) merge(base, ours, theirs string) (string, error) {
	key := [3]string{base, ours, theirs}
	if tree, ok := st.merges[key]; ok {
		if tree == "" {
			return "", errConflict
		}
		return tree, nil
	}
	tree, err := st.mergeTrees(base, ours, theirs)
	if err == nil || errors.Is(err, errConflict) {
		st.merges[key] = tree
	}
	return tree, err
}

func (st *store) mergeTrees(base, ours, theirsTree string) (string, error) {
	switch {
	case base == theirsTree || ours == theirsTree:
		return ours, nil
	case base == ours:
		return theirsTree, nil
	}
	b, err := st.flat(base)
	if err != nil {
		return "", err
	}
	o, err := st.flat(ours)
	if err != nil {
		return "", err
	}
	t, err := st.flat(theirsTree)
	if err != nil {
		return "", err
	}
	merged := maps.Clone(o)
	removed := false
	for path := range b {
		_, kept := t[path]
		_, keptByUs := o[path]
		removed = removed || !kept || !keptByUs
	}
	if removed { // one side may have renamed what the other changed
		return st.mergeByGit(base, ours, theirsTree)
	}
	for path, theirs := range t {
		switch was, mine := b[path], o[path]; {
		case theirs == was || theirs == mine:
		case mine == was:
			merged[path] = theirs
		default:
			return st.mergeByGit(base, ours, theirsTree)
		}
	}
	return st.writeTree(merged)
}

func (st *store) mergeByGit(base, ours, theirs string) (string, error) {
	// Three commits that no ref will ever name give Git the merge base it is to use.
	nobody := signature{"nobody", "nobody@localhost", time.Unix(0, 0)}
	root, err := st.writeCommit(commit{tree: base, author: nobody, committer: nobody, message: "base"})
	if err != nil {
		return "", err
	}
	sides := [2]string{}
	for i, tree := range []string{ours, theirs} {
		c, err := st.writeCommit(commit{tree: tree, parents: []string{root.sha}, author: nobody, committer: nobody, message: "side"})
		if err != nil {
			return "", err
		}
		sides[i] = c.sha
	}
	out, err := st.git("merge-tree", "--write-tree", "--no-messages", sides[0], sides[1])
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return "", errConflict
	}
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(out)), nil
}
