package demo

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/githubsim/pages"
)

//go:embed world
var world embed.FS

// shopFiles returns what is in the repository at the start.
func shopFiles() (map[string]string, error) {
	text, err := world.ReadFile("world/shop.txtar")
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, f := range txtar.Parse(text).Files {
		files[f.Name] = string(f.Data)
	}
	return files, nil
}

// proposal is a pull request that somebody could open: one file in world/changes. Its first lines are "key: value":
//
//	title    the title
//	by       whose it is; nobody: that of whoever opens it
//	branch   the head branch
//	note     what to expect of it
//	story    yes: it is the story's, and not offered on the pages
//	replace  a file of the repository to write with its old text replaced by its new
//	huge     a file to write with more lines than anybody reads
//
// The file description.md is its description; the others are what it writes, whole.
type proposal struct {
	pages.Change
	story bool
}

// proposals returns all of them in the order of their files' names.
func proposals(shop map[string]string) ([]proposal, error) {
	names, err := fs.Glob(world, "world/changes/*.txtar")
	if err != nil {
		return nil, err
	}
	var out []proposal
	for _, name := range names {
		text, err := world.ReadFile(name)
		if err != nil {
			return nil, err
		}
		p, err := parseProposal(txtar.Parse(text), shop)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		p.ID = strings.TrimSuffix(strings.TrimPrefix(name, "world/changes/"), ".txtar")
		out = append(out, p)
	}
	return out, nil
}

func parseProposal(a *txtar.Archive, shop map[string]string) (proposal, error) {
	p := proposal{Change: pages.Change{Files: map[string]string{}}}
	said := map[string]string{}
	for line := range strings.Lines(string(a.Comment)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			said[key] = value
		}
	}
	p.Title, p.By, p.Branch, p.Note, p.story = said["title"], said["by"], said["branch"], said["note"], said["story"] == "yes"
	for _, f := range a.Files {
		if f.Name == "description.md" {
			p.Body = string(f.Data)
			continue
		}
		p.Files[f.Name] = string(f.Data)
	}
	if path := said["replace"]; path != "" {
		if !strings.Contains(shop[path], said["old"]) {
			return p, fmt.Errorf("%s has no %q", path, said["old"])
		}
		p.Files[path] = strings.ReplaceAll(shop[path], said["old"], said["new"])
	}
	if path := said["huge"]; path != "" {
		p.Files[path] = translations()
	}
	if p.Title == "" || p.Branch == "" || len(p.Files) == 0 {
		return p, fmt.Errorf("it has no title, no branch or no file")
	}
	return p, nil
}

// translations returns more lines than anybody reads.
func translations() string {
	var b strings.Builder
	for _, language := range strings.Fields("bg cs da de el es fi fr it nl pl sv") {
		fmt.Fprintf(&b, "%s:\n  products:\n", language)
		for n := range 140 {
			fmt.Fprintf(&b, "    product_%03d: \"%s %d\"\n", n+1, language, n+1)
		}
	}
	return b.String()
}

// brokenTest is the file that makes the tests fail while it is there.
const brokenTest = "test/broken_test.rb"

// edits are the small commits that the pages offer to push to a pull request.
func edits() []pages.Edit {
	return []pages.Edit{
		{ID: "remark", Title: "Follow a reviewer's remark", Commit: func(v githubsim.PullView) (githubsim.Commit, bool) {
			n := len(v.Commits)
			return githubsim.Commit{
				Message: "Follow a reviewer's remark",
				Files:   map[string]string{"docs/notes.md": fmt.Sprintf("# Notes\n\nRemark %d on #%d was followed.\n", n, v.Number)},
			}, true
		}},
		{ID: "helper", Title: "Add a helper to the code", Commit: func(v githubsim.PullView) (githubsim.Commit, bool) {
			n := len(v.Commits)
			return githubsim.Commit{
				Message: "Add a helper",
				Files: map[string]string{fmt.Sprintf("app/helpers/helper_%d_%d.rb", v.Number, n): fmt.Sprintf(
					"# What #%d needed in two places.\nmodule Helper%d\n  def self.cents(euros) = (euros * 100).to_i\nend\n", v.Number, n)},
			}, true
		}},
		{ID: "session", Title: "Touch authentication as well", Commit: func(v githubsim.PullView) (githubsim.Commit, bool) {
			n := len(v.Commits)
			return githubsim.Commit{
				Message: "Refresh the session",
				Files: map[string]string{"lib/auth/session.rb": fmt.Sprintf(
					"module Auth\n  # Keeps a customer signed in while they are active.\n  class Session\n    IDLE = %d.minutes\n  end\nend\n", 10+n)},
			}, true
		}},
		{ID: "break", Title: "Break the tests", Commit: func(v githubsim.PullView) (githubsim.Commit, bool) {
			n := len(v.Commits)
			return githubsim.Commit{
				Message: "Start on a test",
				Files:   map[string]string{brokenTest: fmt.Sprintf("require \"test_helper\"\n\nflunk \"not written yet (%d)\"\n", n)},
			}, true
		}},
		{ID: "mend", Title: "Mend the tests", Commit: func(v githubsim.PullView) (githubsim.Commit, bool) {
			isBroken := slices.ContainsFunc(v.Files, func(f githubsim.FileView) bool { return f.Path == brokenTest })
			return githubsim.Commit{Message: "Take the unfinished test out", Delete: []string{brokenTest}}, isBroken
		}},
	}
}
