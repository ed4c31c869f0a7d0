// Package siege_test drives many concurrent and hostile pull requests at the real server and fails if one turns green that lacks something, or if
// delivery order changes the end state.
package siege_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/ramtest"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

func TestMain(m *testing.M) { ramtest.Main(m) }

// siegePolicy asks for a check and two people, four for what is risky, and one for documentation.
const siegePolicy = `version: 1
roles:
  reviewer:  {permission: write}
  tech-lead: {teams: [tech-leads]}
  security:  {teams: [security]}
  incident:  {teams: [on-call]}
labels: {lowered_by: tech-lead}
emergency:
  label: EMERGENCY
  declared_by: incident
  approvals: [{role: reviewer, count: 1}]
  within: 24h
categories:
  high-risk:
    when: {any: [{paths: ["**/migrations/**", "**/db/migrate/**"]}, {labels: [high-risk]}]}
    approvals: [{role: reviewer, count: 2}, {role: tech-lead, count: 1}]
    security_review: always
    unattributed: block
  normal:
    approvals: [{role: reviewer, count: 2}]
  standard:
    when: {any: [{only_paths: ["docs/**"]}, {labels: [routine]}]}
    approvals: [{role: reviewer, count: 1}]
    record: []
checks:
  - {name: build}
security_review:
  role: security
  triggers:
    authentication: {paths: ["**/auth/**"]}
`

const (
	sieges   = 10
	hostiles = 20 // in each siege
)

// siege is a world with many pull requests, each of which is made of steps that are written down.
type siege struct {
	*worldtest.World
	t       *testing.T
	r       *rand.Rand
	n       int // of the pull request, so that no two change the same
	pull    githubsim.Pull
	author  string
	recipe  []string
	refused bool // whether GitHub may refuse the next step, as it does much of what outsiders try
}

// flaw makes a pull request that lacks something. It gets each approval that it needs but for what it lacks.
type flaw struct {
	lacks string
	make  func(s *siege)
}

// step does something, some time after the step before. What the server has seen by then differs.
func (s *siege) step(name string, do func() error) {
	s.t.Helper()
	s.recipe = append(s.recipe, name)
	s.Forward(worldtest.Pace)
	var no *githubsim.Refused
	if err := do(); err != nil && (!s.refused || !errors.As(err, &no)) {
		s.t.Fatalf("%v\n%s", err, s.told())
	}
	if s.r.IntN(4) == 0 {
		s.settled()
	}
}

func (s *siege) settled() {
	s.t.Helper()
	if err := s.Quiet(); err != nil {
		s.t.Fatalf("%v\n%s", err, s.told())
	}
}

func (s *siege) told() string { return strings.Join(s.recipe, "\n") }

// path returns a path that only this pull request has.
func (s *siege) path(format string) string {
	return placeholder.ReplaceAllString(format, fmt.Sprint(s.n))
}

// placeholder is an N that is a word of its own.
var placeholder = regexp.MustCompile(`\bN\b`)

func (s *siege) one(of ...string) string { return of[s.r.IntN(len(of))] }

// some returns so many of the people, in any order.
func (s *siege) some(n int, of ...string) []string {
	s.r.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
	return of[:n]
}

func (s *siege) write(format string) githubsim.Commit {
	return githubsim.Commit{Files: map[string]string{s.path(format): fmt.Sprintf("text %d\n", s.r.Uint32())}}
}

func (s *siege) opens(by string, o githubsim.PullOptions) {
	o.Title = "Change it"
	if o.Body == "" {
		o.Body = worldtest.FullRecord
	}
	s.author = by
	s.step(fmt.Sprintf("%s opens %+v", by, shown(o)), func() (err error) {
		s.pull, err = s.Sim.As(by).OpenPull(s.Repo, o)
		return err
	})
}

// shown returns the options without what is too long to show.
func shown(o githubsim.PullOptions) githubsim.PullOptions {
	if o.Body == worldtest.FullRecord {
		o.Body = ""
	}
	if len(o.Files) > 3 {
		o.Files = nil
	}
	o.Commits = o.Commits[:min(3, len(o.Commits))]
	return o
}

// alters has alice open a pull request that changes a file.
func (s *siege) alters(format string) {
	s.opens("alice", githubsim.PullOptions{Commits: []githubsim.Commit{s.write(format)}})
}

func (s *siege) pushes(by string, c githubsim.Commit) {
	s.step(fmt.Sprintf("%s pushes %+v", by, c), func() (err error) {
		s.pull, err = s.Sim.As(by).Push(s.pull, c)
		return err
	})
}

func (s *siege) approved(by ...string) {
	for _, login := range by {
		s.step(login+" approves", func() error { return s.Sim.As(login).Approve(s.pull) })
	}
}

func (s *siege) labelled(by, label string) {
	s.step(by+" labels "+label, func() error { return s.Sim.As(by).AddLabel(s.pull, label) })
}

func (s *siege) unlabelled(by, label string) {
	s.step(by+" unlabels "+label, func() error { return s.Sim.As(by).RemoveLabel(s.pull, label) })
}

func (s *siege) edited(by, body string) {
	s.step(fmt.Sprintf("%s edits %.30q", by, body), func() error { return s.Sim.As(by).EditBody(s.pull, body) })
}

func (s *siege) said(by, text string) {
	s.step(by+" comments "+text, func() error {
		_, err := s.Sim.As(by).Comment(s.pull, text)
		return err
	})
}

func (s *siege) posted(app, name, conclusion string) {
	s.step(fmt.Sprintf("%s posts %s: %s", app, name, conclusion), func() error {
		_, err := s.Sim.PostCheckRun(s.Repo, s.pull.Head, githubsim.CheckRun{App: app, Name: name, Conclusion: conclusion})
		return err
	})
}

// disguised adds things that give nothing: they make no pull request green, and keep none from it.
func (s *siege) disguised() {
	disguises := []func(){
		func() {
			s.said(s.one("mallory", "alice", "frank", "bob"), s.one("/change approve", "LGTM", "Approved-by: dave"))
		},
		func() { s.said(s.one("mallory", "trent"), "/change refresh") },
		func() { s.posted("github-actions", worldtest.CheckName, s.one("success", "neutral", "skipped")) },
		func() {
			by := s.one("alice", "helper[bot]")
			s.step(by+" reports a status of our name", func() error { return s.Sim.As(by).PostStatus(s.Repo, s.pull.Head, worldtest.CheckName, "success", "") })
		},
		func() { s.approved(s.one("mallory", "trent")) },
		func() { s.approved("frank") },
		func() { s.approved("dependabot[bot]") },
		func() { s.approved(s.author) },
		func() { s.labelled(s.one("alice", "bob", "dave", "frank", "helper[bot]"), "EMERGENCY") },
		func() { s.labelled(s.one("alice", "frank", "helper[bot]"), "routine") },
	}
	s.refused = true
	for range s.r.IntN(4) {
		disguises[s.r.IntN(len(disguises))]()
	}
	s.refused = false
}

// signedBy returns a commit that says in one of Git's ways that somebody had a part in it.
func (s *siege) signedBy(who string) githubsim.Commit {
	c := s.write("src/N.go")
	switch s.r.IntN(4) {
	case 0:
		c.Author = worldtest.Signature(who)
	case 1:
		c.Committer = worldtest.Signature(who)
	case 2:
		c.CoAuthors = []string{who}
	default:
		c.Author, c.Committer = worldtest.Signature(who), worldtest.Signature("GitHub <noreply@github.com>")
	}
	return c
}

// flaws are the ways in which a pull request lacks something.
func flaws() []flaw {
	return []flaw{
		{"a second person: outsiders, bots and triage do not count", func(s *siege) {
			s.alters("src/N.go")
			s.approved(append(s.some(1, "bob", "carol", "dave"), s.some(2, "mallory", "trent", "frank", "helper[bot]")...)...)
		}},
		{"an approver who had no part in the commits", func(s *siege) {
			s.opens("alice", githubsim.PullOptions{Commits: []githubsim.Commit{s.signedBy("bob"), s.write("src/N.txt")}})
			s.approved("bob", s.one("carol", "dave"))
		}},
		{"an approver who is not named as a co-author", func(s *siege) {
			c := s.write("src/N.go")
			c.CoAuthors = []string{"bob", "carol", "dave", "erin", "sam"}
			s.opens("alice", githubsim.PullOptions{Commits: []githubsim.Commit{c}})
			s.approved("bob", "carol", "dave", "erin", "sam")
		}},
		{"somebody who committed it: GitHub signed nothing", func(s *siege) {
			c := s.write("db/migrate/N.rb")
			c.Committer = worldtest.Signature("GitHub <noreply@github.com>")
			s.opens("alice", githubsim.PullOptions{Commits: []githubsim.Commit{c}})
			s.approved("bob", "carol", "dave", "sam")
		}},
		{"an approver who did not push", func(s *siege) {
			s.alters("src/N.go")
			c := s.write("src/more/N.go")
			c.Author, c.Committer = worldtest.Signature("alice"), worldtest.Signature("alice")
			s.pushes("bob", c)
			s.approved("bob", s.one("carol", "dave"))
		}},
		{"an approver who did not push before it was opened", func(s *siege) {
			c := s.write("src/N.go")
			c.Author, c.Committer = worldtest.Signature("alice"), worldtest.Signature("alice")
			branch := s.path("early-N")
			s.step("bob pushes "+branch, func() error {
				_, err := s.Sim.As("bob").PushBranch(s.Repo, branch, c)
				return err
			})
			s.opens("alice", githubsim.PullOptions{Branch: branch})
			s.approved("bob", s.one("carol", "dave"))
		}},
		{"the one more whom a bot's work needs", func(s *siege) {
			s.opens("helper[bot]", githubsim.PullOptions{Commits: []githubsim.Commit{s.write("src/N.go")}})
			s.approved(append(s.some(2, "alice", "bob", "carol"), "dependabot[bot]")...)
		}},
		{"a tech lead and security: the path is risky in any case", func(s *siege) {
			s.alters(s.one("DB/Migrate/N.rb", "src/Migrations/N.sql", "docs/MIGRATIONS/N.md", "docs/db/migrate/N.md", "migrations/x/y/N"))
			s.approved("bob", "carol")
		}},
		{"a tech lead and security: a rename has two names", func(s *siege) {
			from, to := s.path("old/migrations/N.sql"), s.path("src/N.sql")
			if s.r.IntN(2) == 0 {
				from, to = s.path("old/src/N.go"), s.path("db/migrate/N.go")
			}
			s.opens("alice", githubsim.PullOptions{Commits: []githubsim.Commit{{Rename: map[string]string{from: to}}}})
			s.approved("bob", "carol")
		}},
		{"a second person: it only looks like documentation", func(s *siege) {
			c := s.write(s.one("DOCS/N.md", "Docs/N.md", "docs./N.md", "src/docs/N.md", "docs", "docs.N"))
			switch s.r.IntN(3) {
			case 0:
				path := s.path("docs/N.md")
				c = githubsim.Commit{Files: map[string]string{path: "../src/app.go"}, Modes: map[string]string{path: "120000"}}
			case 1:
				c = githubsim.Commit{Rename: map[string]string{s.path("old/src/N.go"): s.path("docs/N.go")}}
			}
			s.opens("alice", githubsim.PullOptions{Commits: []githubsim.Commit{c}})
			s.approved(s.one("bob", "carol", "dave"))
		}},
		{"a tech lead and security: a submodule is never documentation", func(s *siege) {
			path := s.path("docs/N")
			c := githubsim.Commit{Files: map[string]string{path: strings.Repeat("c0ffee12", 5)}, Modes: map[string]string{path: "160000"}}
			s.opens("alice", githubsim.PullOptions{Commits: []githubsim.Commit{c}})
			s.approved("bob", "carol")
		}},
		{"a tech lead or security: what governs is no emergency", func(s *siege) {
			s.alters(s.one(worldtest.PolicyPath, "CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS", ".gitmodules", ".gitattributes"))
			s.labelled("carol", "EMERGENCY")
			s.approved("bob", s.one("dave", "sam"))
		}},
		{"somebody on call who declares it", func(s *siege) {
			s.alters(s.one("src/N.go", "db/migrate/N.rb"))
			s.labelled(s.one("alice", "bob", "dave", "frank", "helper[bot]"), "EMERGENCY")
			s.approved("bob")
		}},
		{"somebody on call who declares what is there now", func(s *siege) {
			s.alters("src/N.go")
			s.labelled("carol", "EMERGENCY")
			s.approved("bob", "dave")
			s.pushes(s.one("alice", "dave"), s.write("src/N.go"))
		}},
		{"security, and a third for the risk: its author took the label off", func(s *siege) {
			s.alters("src/N.go")
			s.labelled(s.one("frank", "bob", "helper[bot]"), "high-risk")
			s.unlabelled("alice", "high-risk")
			s.approved("bob", "carol")
		}},
		{"a second person: who said that it is routine may not", func(s *siege) {
			s.alters("src/N.go")
			s.labelled(s.one("alice", "bob", "carol", "frank", "helper[bot]"), "routine")
			s.approved(s.one("bob", "carol", "dave"))
		}},
		{"a second person: a fork has strangers", func(s *siege) {
			s.opens("mallory", githubsim.PullOptions{From: "mallory/shop", Branch: s.path("gift-N"), Commits: []githubsim.Commit{s.write("src/N.go")}})
			s.approved("trent", "frank", s.one("alice", "bob", "carol"))
		}},
		{"approvals of what is there now", func(s *siege) {
			s.alters("src/N.go")
			s.approved(s.some(2, "bob", "carol", "dave", "sam")...)
			s.pushes("alice", s.write(s.one("src/N.go", "src/more/N.go", "docs/N.md")))
		}},
		{"a description: it was emptied", func(s *siege) {
			s.alters("src/N.go")
			s.approved("bob", "carol")
			s.edited("alice", s.one(" ", "## Description\n", "<!-- "+worldtest.FullRecord+" -->", strings.ReplaceAll(worldtest.FullRecord, "- [x] by hand", "- [ ] by hand")))
		}},
		{"a tech lead and security: the risk was lowered by another", func(s *siege) {
			high := strings.Replace(worldtest.FullRecord, "\nlow\n", "\nhigh\n", 1)
			s.opens("alice", githubsim.PullOptions{Body: high, Commits: []githubsim.Commit{s.write("src/N.go")}})
			s.approved("bob", "carol")
			s.edited("carol", worldtest.FullRecord)
		}},
		{"readiness: it is a draft", func(s *siege) {
			s.opens("alice", githubsim.PullOptions{Draft: true, Commits: []githubsim.Commit{s.write("src/N.go")}})
			s.approved("bob", "carol", "dave")
		}},
		{"approvals: comments are none", func(s *siege) {
			s.alters(s.one("src/N.go", "docs/N.md"))
			for _, by := range []string{"bob", "dave"} {
				s.said(by, "/change approve")
				s.step(by+" reviews without an opinion", func() error { return s.Sim.As(by).CommentReview(s.pull, "APPROVED") })
			}
		}},
		{"a security review", func(s *siege) {
			s.alters(s.one("src/auth/N.go", "src/AUTH/N.go", "docs/auth/N.md"))
			s.approved(s.some(2, "bob", "carol", "dave")...)
		}},
		{"a fourth person: nobody fills two places", func(s *siege) {
			s.alters("db/migrate/N.rb")
			s.approved("dave", s.one("erin", "sam"), s.one("bob", "carol"))
		}},
		{"the objector's consent", func(s *siege) {
			s.alters("src/N.go")
			s.step("sam requests changes", func() error { return s.Sim.As("sam").RequestChanges(s.pull, "No.") })
			s.approved("bob", "carol")
			s.step("alice dismisses sam", func() error { return s.Sim.As("alice").DismissReview(s.pull, "sam", "settled") })
		}},
		{"an approval that was dismissed", func(s *siege) {
			s.alters("src/N.go")
			s.approved("bob", "carol")
			s.step("dave dismisses carol", func() error { return s.Sim.As("dave").DismissReview(s.pull, "carol", "too fast") })
		}},
	}
}

// rare are flaws that take long to make: each siege but the last has one of them at most.
func rare() []flaw {
	many := func(s *siege) {
		all := make([]githubsim.Commit, 255)
		for i := range all {
			all[i] = githubsim.Commit{Files: map[string]string{s.path("src/N.go"): fmt.Sprint(i)}}
		}
		all[s.r.IntN(250)].CoAuthors = []string{"bob"}
		s.opens("alice", githubsim.PullOptions{Commits: all})
		s.approved("bob", "carol")
	}
	return []flaw{
		{"an approver who is not hidden in hundreds of commits", many},
		{"an end: GitHub lists no more files", func(s *siege) {
			all := map[string]string{}
			for i := range 3001 {
				all[fmt.Sprintf("docs/%d/%04d.md", s.n, i)] = "x\n"
			}
			s.opens("alice", githubsim.PullOptions{Files: all})
			s.approved("bob", "carol", "dave", "sam")
		}},
		{"somebody who set the label that was renamed", func(s *siege) {
			s.alters("src/N.go")
			s.labelled("carol", "urgent")
			for _, names := range [][2]string{{"EMERGENCY", "retired"}, {"urgent", "EMERGENCY"}} {
				s.step("carol renames "+names[0]+" "+names[1], func() error { return s.Sim.As("carol").RenameLabel(s.Repo, names[0], names[1]) })
			}
			s.approved("bob")
		}},
	}
}

// attempt is a pull request as it was made.
type attempt struct {
	pull   githubsim.Pull
	author string
	lacks  string // "": nothing
	recipe string
}

// made makes a pull request, and does to it what gives nothing.
func (s *siege) made(f flaw, build string) attempt {
	s.n++
	s.recipe = nil
	f.make(s)
	s.posted("github-actions", "build", build)
	s.disguised()
	return attempt{s.pull, s.author, f.lacks, s.told()}
}

// generated makes the pull requests of a siege, two of which lack nothing.
func (s *siege) generated(number int) []attempt {
	var all []attempt
	kinds := flaws()
	normal := func(s *siege) {
		s.alters("src/N.go")
		s.approved(s.some(2, "bob", "carol", "dave", "erin", "sam")...)
	}
	honest := map[int]flaw{
		s.r.IntN(10): {make: normal},
		10 + s.r.IntN(10): {make: func(s *siege) {
			s.alters("db/migrate/N.rb")
			s.approved("bob", "carol", "dave", s.one("erin", "sam"))
		}},
	}
	for i := range hostiles {
		if f, ok := honest[i]; ok {
			all = append(all, s.made(f, "success"))
		}
		f, build := kinds[(number*hostiles+i)%len(kinds)], "success"
		switch {
		case i == 0 && number < 2*len(rare()):
			f = rare()[number%len(rare())]
		case i == 1:
			build = s.one("skipped", "neutral", "failure", "cancelled", "")
			f = flaw{lacks: "a check that passed", make: normal}
		}
		all = append(all, s.made(f, build))
	}
	return all
}

// judge compares what a pull request's page shows with what it lacks.
func (s *siege) judge(a attempt, when string) {
	s.t.Helper()
	v, err := s.Sim.PullView(s.Repo, a.pull.Number)
	if err != nil {
		s.t.Fatal(err)
	}
	c, _ := worldtest.OurCheck(v)
	switch got := worldtest.Outcome(c); {
	case a.lacks == "" && got != "success":
		s.t.Errorf("%s, an honest pull request is %q\n%s\n%s", when, got, a.recipe, s.Whole(v))
	case a.lacks != "" && got != "failure" && got != "in_progress":
		s.t.Errorf("%s, it is %q and lacks %s\n%s\n%s", when, got, a.lacks, a.recipe, s.Whole(v))
	}
}

// TestHostilePullRequests makes two hundred pull requests each of which lacks something by the way it is made, with what should not make
// up for it, and some that lack nothing. Only those may be green and be merged.
func TestHostilePullRequests(t *testing.T) {
	for number := range sieges {
		t.Run(fmt.Sprint("siege ", number), func(t *testing.T) {
			t.Parallel()
			files := map[string]string{}
			for i := range 2 * hostiles {
				files[fmt.Sprintf("old/migrations/%d.sql", i)] = fmt.Sprintf("create table t%d;\n", i)
				files[fmt.Sprintf("old/src/%d.go", i)] = fmt.Sprintf("package p%d\n", i)
			}
			w := worldtest.Begin(t, worldtest.Options{Dir: t.TempDir(), Policy: siegePolicy, Files: files})
			if _, err := w.Sim.As("mallory").Fork(w.Repo); err != nil {
				t.Fatal(err)
			}
			if err := w.Sim.AddLabel(w.Repo, "routine"); err != nil {
				t.Fatal(err)
			}
			// GitHub tells whose an address is that stands in a commit of theirs, and of no other co-author's.
			for _, login := range []string{"bob", "carol", "dave", "erin", "sam"} {
				c := githubsim.Commit{Author: worldtest.Signature(login), Files: map[string]string{"people/" + login: "here\n"}}
				if _, err := w.Sim.As("erin").PushBranch(w.Repo, "main", c); err != nil {
					t.Fatal(err)
				}
			}
			s := &siege{World: w, t: t, r: rand.New(rand.NewPCG(2026, uint64(number)))}
			all := s.generated(number)
			s.settled()
			for _, a := range all {
				s.judge(a, "once all is quiet")
			}
			s.Forward(5 * time.Minute)
			for _, a := range all {
				if _, err := w.Sim.As("bob").Comment(a.pull, "/change refresh"); err != nil {
					t.Fatal(err)
				}
			}
			s.settled()
			for _, a := range all {
				s.judge(a, "once it was looked at again")
				if a.lacks == "" {
					continue
				}
				var no *githubsim.Refused
				if err := w.Sim.As(a.author).Merge(a.pull, githubsim.MergeOptions{}); !errors.As(err, &no) {
					t.Errorf("%s could merge it (%v), and it lacks %s\n%s", a.author, err, a.lacks, a.recipe)
				}
			}
		})
	}
}
