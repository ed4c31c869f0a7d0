package siege_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// twoOfAny asks for two people whatever changes, on two branches.
const twoOfAny = `version: 1
branches: ["release/*"]
roles: {reviewer: {permission: write}}
categories:
  high-risk: {approvals: [{role: reviewer, count: 2}], record: []}
  normal: {approvals: [{role: reviewer, count: 2}], record: []}
`

// history is a pull request whose content Git is asked for, step by step.
type history struct {
	*worldtest.World
	rt      *rapid.T
	objects string                       // where Git's objects are
	trees   map[string]map[string]string // by commit
	pull    githubsim.Pull
	base    string
	heads   []string
	n       int
	saw     map[string][]map[string]string // what each approver saw each time
	pushes  []arrival
	// many says that Git found several merge bases, so that what is compared with what is not one thing.
	many bool
}

// arrival is a push of somebody else than the author, with the content that it found and the one that it made.
type arrival struct {
	by            string
	before, after map[string]string
}

func (h *history) git(args ...string) string {
	h.rt.Helper()
	out, err := exec.Command("git", append([]string{"--git-dir", h.objects}, args...)...).Output()
	if err != nil {
		h.rt.Fatalf("git %v: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

// find finds the repository on disk: the one that has the head.
func (h *history) find() {
	dirs, err := filepath.Glob(filepath.Join(h.Dir, ".github-sim", "*"))
	if err != nil {
		h.rt.Fatal(err)
	}
	i := slices.IndexFunc(dirs, func(dir string) bool {
		return exec.Command("git", "--git-dir", dir, "cat-file", "-e", h.pull.Head).Run() == nil
	})
	if i < 0 {
		h.rt.Fatalf("no repository in %v has %s", dirs, h.pull.Head)
	}
	h.objects = dirs[i]
}

// tree returns the entries of a commit by path.
func (h *history) tree(commit string) map[string]string {
	if entries, ok := h.trees[commit]; ok {
		return entries
	}
	entries := map[string]string{}
	for line := range strings.Lines(h.git("ls-tree", "-r", commit)) {
		entry, path, _ := strings.Cut(strings.TrimSpace(line), "\t")
		entries[path] = entry
	}
	h.trees[commit] = entries
	return entries
}

// content returns what the pull request changes: by path, what was there and what is.
func (h *history) content() map[string]string {
	tip, err := h.Sim.Tip(h.Repo, h.base)
	if err != nil {
		h.rt.Fatal(err)
	}
	bases := strings.Fields(h.git("merge-base", "--all", tip, h.pull.Head))
	h.many = h.many || len(bases) > 1
	before, after := h.tree(bases[0]), h.tree(h.pull.Head)
	changed := map[string]string{}
	for _, path := range slices.Concat(slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(after))) {
		if before[path] != after[path] {
			changed[path] = before[path] + " → " + after[path]
		}
	}
	return changed
}

// settled waits, and ignores what GitHub refuses: a conflict, nothing to update.
func (h *history) settled(err error) {
	var refused *githubsim.Refused
	if err != nil && !errors.As(err, &refused) && !strings.Contains(err.Error(), "conflict") {
		h.rt.Fatal(err)
	}
	if err := h.Quiet(); err != nil {
		h.rt.Fatal(err)
	}
}

// push has somebody move the head.
func (h *history) push(by string, do func(p *githubsim.Person) (githubsim.Pull, error)) {
	before := h.content()
	pull, err := do(h.Sim.As(by))
	if err == nil {
		h.pull = pull
	}
	h.settled(err)
	h.heads = append(h.heads, h.pull.Head)
	if by != "alice" {
		h.pushes = append(h.pushes, arrival{by, before, h.content()})
	}
}

// commit changes something in one of the ways in which Git can.
func (h *history) commit(base string) githubsim.Commit {
	files := slices.Sorted(maps.Keys(h.tree(base)))
	files = slices.DeleteFunc(files, func(f string) bool { return strings.HasPrefix(f, ".github/") })
	h.n++
	c := githubsim.Commit{Message: fmt.Sprint("step ", h.n), Files: map[string]string{}, Modes: map[string]string{}, Rename: map[string]string{}}
	path := rapid.SampledFrom(append(files, "new/a.txt", "new/b.txt")).Draw(h.rt, "path")
	there := slices.Contains(files, path)
	isFile := strings.HasPrefix(h.tree(base)[path], "100")
	lines := []string{"one\n", "two\n", "three\n", "four\n"}
	text := func() string {
		return strings.Join(rapid.Permutation(lines).Draw(h.rt, "lines"), "")
	}
	switch kind := rapid.SampledFrom([]string{"edit", "chmod", "link", "submodule", "rename", "binary", "delete", "empty"}).Draw(h.rt, "kind"); {
	case kind == "chmod" && isFile:
		c.Modes[path] = rapid.SampledFrom([]string{"100644", "100755"}).Draw(h.rt, "mode")
	case kind == "link":
		c.Files[path], c.Modes[path] = "README.md", "120000"
	case kind == "submodule":
		c.Files[path], c.Modes[path] = strings.Repeat(rapid.SampledFrom([]string{"c0ffee12", "deadbeef"}).Draw(h.rt, "commit"), 5), "160000"
	case kind == "rename" && there:
		c.Rename[path] = fmt.Sprintf("moved/%d.txt", h.n)
	case kind == "binary":
		c.Files[path] = "\x00\x01" + text()
	case kind == "delete" && there && len(files) > 2:
		c.Delete = []string{path}
	case kind == "empty":
	default:
		c.Files[path], c.Modes[path] = text(), "100644"
	}
	return c
}

// step does one thing.
func (h *history) step() string {
	who := rapid.SampledFrom([]string{"alice", "alice", "carol"}).Draw(h.rt, "who")
	kind := rapid.SampledFrom([]string{
		"commit", "commit", "rebase", "update", "back", "land", "land", "retarget", "approve", "approve", "approve",
	}).Draw(h.rt, "step")
	h.Forward(worldtest.Pace)
	switch kind {
	case "commit":
		h.push(who, func(p *githubsim.Person) (githubsim.Pull, error) { return p.Push(h.pull, h.commit(h.pull.Head)) })
	case "rebase":
		h.push(who, func(p *githubsim.Person) (githubsim.Pull, error) { return p.Rebase(h.pull) })
	case "update":
		h.push(who, func(p *githubsim.Person) (githubsim.Pull, error) { return p.UpdateBranch(h.pull) })
	case "back":
		to := rapid.SampledFrom(h.heads).Draw(h.rt, "head")
		h.push(who, func(p *githubsim.Person) (githubsim.Pull, error) { return p.PushSHA(h.pull, to) })
	case "land":
		tip, err := h.Sim.Tip(h.Repo, h.base)
		if err != nil {
			h.rt.Fatal(err)
		}
		_, err = h.Sim.As("erin").PushBranch(h.Repo, h.base, h.commit(tip))
		h.settled(err)
	case "retarget":
		to := map[string]string{"main": "release/1", "release/1": "main"}[h.base]
		err := h.Sim.As("alice").Retarget(h.pull, to)
		if err == nil {
			h.base = to
		}
		h.settled(err)
	case "approve":
		h.approve(rapid.SampledFrom([]string{"bob", "carol", "dave"}).Draw(h.rt, "reviewer"))
	}
	return kind
}

func (h *history) approve(by string) {
	h.Forward(worldtest.Pace)
	err := h.Sim.As(by).Approve(h.pull)
	if err == nil {
		h.saw[by] = append(h.saw[by], h.content())
	}
	h.settled(err)
}

// contributed says whether something that somebody pushed is certainly in the content.
func (h *history) contributed(who string, now map[string]string) bool {
	return slices.ContainsFunc(h.pushes, func(a arrival) bool {
		for path, entry := range a.after {
			if a.by == who && a.before[path] != entry && now[path] == entry {
				return true
			}
		}
		return false
	})
}

// TestNothingIsGreenUnseen has people do all that Git lets them do to a pull request, and asks Git what it changes: it is green only if
// two people who have no part in it approved exactly that, and whenever two who never pushed did.
func TestNothingIsGreenUnseen(t *testing.T) {
	t.Parallel()
	w := worldtest.Begin(t, worldtest.Options{Dir: t.TempDir(), Policy: twoOfAny})
	// The server takes its time, so that a hundred histories would take too long.
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		if err := flag.Set(f.Name, "15"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = flag.Set(f.Name, f.DefValue) })
	}
	repos, greens := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		repos++
		name := fmt.Sprint("repo", repos)
		files := map[string]string{worldtest.PolicyPath: twoOfAny, "README.md": "# Shop\n", "a.txt": "one\ntwo\nthree\nfour\n", "sub/b.txt": "1\n2\n3\n4\n5\n"}
		if err := w.AddRepository("acme", name, files); err != nil {
			rt.Fatal(err)
		}
		w.Repo = "acme/" + name
		h := &history{World: w, rt: rt, base: "main", trees: map[string]map[string]string{}, saw: map[string][]map[string]string{}}
		if _, err := w.Sim.As("erin").PushBranch(w.Repo, "release/1", githubsim.Commit{Message: "Release", Files: map[string]string{"VERSION": "1\n"}}); err != nil {
			rt.Fatal(err)
		}
		var err error
		if h.pull, err = w.Sim.As("alice").OpenPull(w.Repo, githubsim.PullOptions{Title: "Change it", Files: map[string]string{"a.txt": "two\none\n"}}); err != nil {
			rt.Fatal(err)
		}
		h.settled(nil)
		h.find()
		for _, by := range []string{"bob", "dave"} {
			h.approve(by)
		}
		h.heads = []string{h.pull.Head}
		for range 12 {
			kind := h.step()
			now := h.content()
			if h.many {
				return
			}
			seen, idle := 0, 0
			for by, contents := range h.saw {
				sawNow := slices.ContainsFunc(contents, func(saw map[string]string) bool { return maps.Equal(saw, now) })
				if sawNow && !h.contributed(by, now) {
					seen++
					if by != "carol" {
						idle++
					}
				}
			}
			v, err := w.Sim.PullView(w.Repo, h.pull.Number)
			if err != nil {
				rt.Fatal(err)
			}
			c, _ := worldtest.OurCheck(v)
			green := c.Conclusion == "success"
			if green {
				greens++
			}
			switch {
			case green && seen < 2:
				rt.Fatalf("after %s it is green, and %d have seen %v\n%s", kind, seen, now, w.Whole(v))
			case !green && idle == 2:
				rt.Fatalf("after %s it is not green, and bob and dave have seen %v\n%s", kind, now, w.Whole(v))
			}
		}
	})
	if greens == 0 {
		t.Error("nothing was ever green")
	}
	t.Logf("%d greens in %d histories", greens, repos)
}
