package storytest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v62/github"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// people returns the commands that act as somebody, with the login of each.
func people() map[string]string {
	all := map[string]string{"dependabot": "dependabot[bot]", "helper": "helper[bot]", "actions": "github-actions[bot]"}
	for _, login := range []string{"alice", "bob", "carol", "dave", "erin", "frank", "mallory", "trent", "sam"} {
		all[login] = login
	}
	return all
}

// scene is one command of a person.
type scene struct {
	*world
	ts   *testscript.TestScript
	who  *githubsim.Person
	args []string
}

// verbs are what people do. The arguments of each follow it in its comment; N is the number of a pull request, and CHANGE… is described
// at commit.
func verbs() map[string]func(*scene) error {
	return map[string]func(*scene) error{
		"opens":            (*scene).opens,           // TITLE [body:FILE] [base:B] [branch:B] [from:REPO] [draft] [label:L] CHANGE…
		"pushes":           (*scene).pushes,          // N CHANGE…
		"force-pushes":     (*scene).forcePushes,     // N CHANGE…, in place of what was there
		"pushes-back":      (*scene).pushesBack,      // N HEAD, a head that was remembered
		"remembers":        (*scene).remembers,       // N|BRANCH HEAD
		"rebases":          (*scene).rebases,         // N
		"updates":          (*scene).updates,         // N: merges the base into it, as GitHub's button does
		"lands":            (*scene).lands,           // BRANCH CHANGE…, without a pull request
		"branches":         (*scene).branches,        // BRANCH: makes it from the tip of main
		"approves":         (*scene).approves,        // N
		"requests-changes": (*scene).requestsChanges, // N WHY
		"comments":         (*scene).comments,        // N TEXT
		"says":             (*scene).says,            // N TEXT: a review that is neither
		"dismisses":        (*scene).dismisses,       // WHOM N
		"labels":           (*scene).labels,          // N LABEL
		"unlabels":         (*scene).unlabels,        // N LABEL
		"renames-label":    (*scene).renamesLabel,    // FROM TO
		"deletes-label":    (*scene).deletesLabel,    // LABEL, from the repository
		"edits":            (*scene).edits,           // N FILE: the description
		"retitles":         (*scene).retitles,        // N TITLE
		"retargets":        (*scene).retargets,       // N BRANCH
		"drafts":           (*scene).drafts,          // N
		"readies":          (*scene).readies,         // N
		"closes":           (*scene).closes,          // N
		"reopens":          (*scene).reopens,         // N
		"merges":           (*scene).merges,          // N [anyway]
		"reruns":           (*scene).reruns,          // N [queued]: presses the button of our check, there or on its merge group
		"reports":          (*scene).reports,         // CONTEXT STATE N: a commit status
		"asks":             (*scene).asks,            // N WHOM
		"forks":            (*scene).forks,
		"answers":          (*scene).answers,      // N TEXT: a comment on an issue
		"finishes":         (*scene).finishes,     // N [FILE]: closes an issue, its description being the file's
		"enqueues":         (*scene).enqueues,     // N: adds it to the merge queue
		"forces":           (*scene).forcesBack,   // BRANCH HEAD, a head that was remembered
		"drops":            (*scene).dropsBranch,  // BRANCH
		"deploys":          (*scene).deploys,      // N|HEAD ENVIRONMENT: creates a deployment by a call
		"marks":            (*scene).marks,        // N|HEAD ENVIRONMENT STATE: posts a status on the newest deployment
		"runs":             (*scene).runsWorkflow, // ENVIRONMENT [N|HEAD]: the workflow that deploys
		"cancels-run":      (*scene).cancelsRun,   // ENVIRONMENT, as in the others the newest run about it
		"reruns-job":       (*scene).rerunsJob,    // ENVIRONMENT
		"bypasses":         (*scene).bypasses,     // ENVIRONMENT: starts a job that waits for its rules
	}
}

// person returns the command that acts as somebody. With ! before it GitHub must refuse, and what it said is in stderr.
func person(login string) command {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if len(args) == 0 {
			ts.Fatalf("what does %s do?", login)
		}
		do := verbs()[args[0]]
		if do == nil {
			ts.Fatalf("%s cannot do %q", login, args[0])
		}
		w := worldOf(ts)
		s := &scene{world: w, ts: ts, who: w.Sim.As(login), args: args[1:]}
		w.act(ts, func() error {
			err := do(s)
			var refused *githubsim.Refused
			switch {
			case neg && err == nil:
				return errors.New("GitHub did not refuse")
			case neg && errors.As(err, &refused):
				fmt.Fprintln(ts.Stderr(), refused.Message)
				return nil
			}
			return err
		})
	}
}

// act does something and waits until nothing is left to do because of it.
func (w *world) act(ts *testscript.TestScript, do func() error) {
	w.Forward(worldtest.Pace)
	w.Sim.ResetCalls()
	ts.Check(do())
	ts.Check(w.Quiet())
	select {
	case act := <-w.late:
		w.Forward(2 * time.Second) // whoever is to try again has looked by then
		ts.Check(w.Server.Elapse(context.Background()))
		ts.Check(w.Quiet())
		act()
		ts.Check(w.Quiet())
	default:
	}
}

// next returns the next argument, and takes it.
func (s *scene) next(what string) string {
	if len(s.args) == 0 {
		s.ts.Fatalf("%s is missing", what)
	}
	a := s.args[0]
	s.args = s.args[1:]
	return a
}

// pull returns the pull request that the next argument numbers, as it is now.
func (s *scene) pull() githubsim.Pull { return s.view(s.ts, s.next("the pull request's number")).Pull }

func (w *world) view(ts *testscript.TestScript, number string) githubsim.PullView {
	n, err := strconv.Atoi(strings.TrimPrefix(number, "#"))
	if err != nil {
		ts.Fatalf("%q is not the number of a pull request", number)
	}
	v, err := w.Sim.PullView(w.Repo, n)
	ts.Check(err)
	return v
}

func (s *scene) rest() string { return strings.Join(s.args, " ") }

// earlier returns the commits that CHANGE… asks for before the one that it describes.
func earlier(changes []string) ([]githubsim.Commit, error) {
	var all []githubsim.Commit
	for _, a := range changes {
		count, ok := strings.CutPrefix(a, "commits:")
		if !ok {
			continue
		}
		n, err := strconv.Atoi(count)
		if err != nil {
			return nil, err
		}
		for range n {
			text := fmt.Sprintf("step %d\n", len(all))
			all = append(all, githubsim.Commit{Message: text, Files: map[string]string{"src/steps.go": text}})
		}
	}
	return all, nil
}

func (s *scene) opens() error {
	o := githubsim.PullOptions{Title: s.next("a title"), Body: worldtest.FullRecord}
	var changes []string
	for _, a := range s.args {
		name, value, _ := strings.Cut(a, ":")
		switch name {
		case "body":
			o.Body = s.ts.ReadFile(value)
		case "base":
			o.Base = value
		case "branch":
			o.Branch = value
		case "from":
			o.From = value
		case "draft":
			o.Draft = true
		case "label":
			o.Labels = append(o.Labels, value)
		default:
			changes = append(changes, a)
		}
	}
	commit, any, err := s.commit(o.Title, changes)
	if err != nil {
		return err
	}
	if o.Commits, err = earlier(changes); err != nil {
		return err
	}
	if any {
		o.Commits = append(o.Commits, commit)
	}
	_, err = s.who.OpenPull(s.Repo, o)
	return err
}

// commit makes a commit of CHANGE…, each of which is one of
//
//	PATH             a file: with the text of the script's file of that name, or with one of its own
//	PATH=FILE        a file with the text of the script's file FILE
//	PATH*N           a file of N lines
//	-PATH            a file that is deleted
//	OLD=>NEW         a file that gets another name
//	link:PATH        a symbolic link
//	submodule:PATH   a submodule
//	exec:PATH        an executable file, with the text that it has or one of its own
//	files:N          N files in many/
//	commits:N        N commits, each of which changes a file, before this one
//	by:WHO           the commit's author, a login or "Name <address>"
//	committer:WHO    its committer
//	with:WHO         a co-author
//	web              made on GitHub's pages
func (s *scene) commit(message string, changes []string) (githubsim.Commit, bool, error) {
	c := githubsim.Commit{Message: message, Files: map[string]string{}, Rename: map[string]string{}, Modes: map[string]string{}}
	for _, a := range changes {
		name, value, _ := strings.Cut(a, ":")
		switch {
		case name == "commits":
		case a == "web":
			c.Web = true
		case name == "by":
			c.Author = worldtest.Signature(value)
		case name == "committer":
			c.Committer = worldtest.Signature(value)
		case name == "with":
			c.CoAuthors = append(c.CoAuthors, value)
		case name == "link":
			c.Files[value], c.Modes[value] = "README.md", "120000"
		case name == "exec":
			c.Modes[value] = "100755"
		case name == "submodule":
			c.Files[value], c.Modes[value] = strings.Repeat("c0ffee12", 5), "160000"
		case name == "files":
			n, err := strconv.Atoi(value)
			if err != nil {
				return c, false, err
			}
			for i := range n {
				c.Files[fmt.Sprintf("many/of/them/and/each/with/a/name/that/is/long/enough/%05d.txt", i)] = "x\n"
			}
		case strings.HasPrefix(a, "-"):
			c.Delete = append(c.Delete, a[1:])
		case strings.Contains(a, "=>"):
			from, to, _ := strings.Cut(a, "=>")
			c.Rename[from] = to
		default:
			if err := s.write(&c, a); err != nil {
				return c, false, err
			}
		}
	}
	return c, len(c.Files)+len(c.Rename)+len(c.Delete)+len(c.Modes) > 0, nil
}

func (s *scene) write(c *githubsim.Commit, a string) error {
	if path, n, ok := strings.Cut(a, "*"); ok {
		lines, err := strconv.Atoi(n)
		c.Files[path] = strings.Repeat("line\n", lines)
		return err
	}
	path, file, named := strings.Cut(a, "=")
	if !named {
		file = path
	}
	text, err := os.ReadFile(filepath.Join(s.Dir, filepath.FromSlash(file)))
	if err != nil && named {
		return err
	}
	if err != nil {
		s.written++
		text = fmt.Appendf(nil, "text %d of %s\n", s.written, path)
	}
	c.Files[path] = string(text)
	return nil
}

func (s *scene) pushes() error {
	pr := s.pull()
	c, _, err := s.commit("Change it again", s.args)
	if err != nil {
		return err
	}
	_, err = s.who.Push(pr, c)
	return err
}

func (s *scene) forcePushes() error {
	pr := s.pull()
	c, _, err := s.commit("Write it anew", s.args)
	if err != nil {
		return err
	}
	_, err = s.who.ForcePush(pr, c)
	return err
}

func (s *scene) remembers() error {
	of := s.next("the pull request's number or the branch")
	tip, err := s.Sim.Tip(s.Repo, of)
	if _, isNumber := strconv.Atoi(of); isNumber == nil {
		tip, err = s.view(s.ts, of).Head, nil
	}
	s.ts.Setenv(s.next("a name for the head"), tip)
	return err
}

func (s *scene) pushesBack() error {
	pr := s.pull()
	_, err := s.who.PushSHA(pr, s.ts.Getenv(s.next("the head's name")))
	return err
}

func (s *scene) rebases() error {
	_, err := s.who.Rebase(s.pull())
	return err
}

func (s *scene) updates() error {
	_, err := s.who.UpdateBranch(s.pull())
	return err
}

func (s *scene) lands() error {
	branch := s.next("the branch")
	c, _, err := s.commit("Change "+branch, s.args)
	if err != nil {
		return err
	}
	_, err = s.who.PushBranch(s.Repo, branch, c)
	return err
}

func (s *scene) branches() error {
	tip, err := s.Sim.Tip(s.Repo, "main")
	if err != nil {
		return err
	}
	return s.who.PushRef(s.Repo, s.next("the branch"), tip)
}

func (s *scene) approves() error { return s.who.Approve(s.pull()) }

func (s *scene) requestsChanges() error {
	pr := s.pull()
	return s.who.RequestChanges(pr, s.rest())
}

func (s *scene) comments() error {
	pr := s.pull()
	_, err := s.who.Comment(pr, s.rest())
	return err
}

func (s *scene) says() error {
	pr := s.pull()
	return s.who.CommentReview(pr, s.rest())
}

func (s *scene) dismisses() error {
	whom := s.next("whose review")
	return s.who.DismissReview(s.pull(), whom, "settled")
}

func (s *scene) labels() error {
	pr := s.pull()
	return s.who.AddLabel(pr, s.next("the label"))
}

func (s *scene) unlabels() error {
	pr := s.pull()
	return s.who.RemoveLabel(pr, s.next("the label"))
}

func (s *scene) deletesLabel() error { return s.who.DeleteLabel(s.Repo, s.next("the label")) }

func (s *scene) renamesLabel() error {
	from := s.next("the label")
	return s.who.RenameLabel(s.Repo, from, s.next("its new name"))
}

func (s *scene) edits() error {
	pr := s.pull()
	return s.who.EditBody(pr, s.ts.ReadFile(s.next("the file with the description")))
}

func (s *scene) retitles() error {
	pr := s.pull()
	return s.who.EditTitle(pr, s.rest())
}

func (s *scene) retargets() error {
	pr := s.pull()
	return s.who.Retarget(pr, s.next("the branch"))
}

func (s *scene) drafts() error  { return s.who.ConvertToDraft(s.pull()) }
func (s *scene) readies() error { return s.who.ReadyForReview(s.pull()) }
func (s *scene) closes() error  { return s.who.Close(s.pull()) }
func (s *scene) reopens() error { return s.who.Reopen(s.pull()) }

func (s *scene) merges() error {
	pr := s.pull()
	return s.who.Merge(pr, githubsim.MergeOptions{Bypass: s.rest() == "anyway"})
}

func (s *scene) reruns() error {
	v := s.view(s.ts, s.next("the pull request's number"))
	if s.rest() == "queued" {
		runs := s.groupRuns(s.ts, v)
		if len(runs) == 0 {
			return errors.New("there is no check of its group to run again")
		}
		newest := slices.MaxFunc(runs, func(a, b *gh.CheckRun) int { return cmp.Compare(a.GetID(), b.GetID()) })
		return s.who.RerequestCheckRun(s.Repo, newest.GetID())
	}
	c, ok := worldtest.OurCheck(v)
	if !ok {
		return errors.New("there is no check to run again")
	}
	return s.who.RerequestCheckRun(s.Repo, c.ID)
}

func (s *scene) reports() error {
	context, state := s.next("the context"), s.next("the state")
	return s.who.PostStatus(s.Repo, s.pull().Head, context, state, "")
}

func (s *scene) asks() error {
	pr := s.pull()
	return s.who.RequestReview(pr, s.next("whom"))
}

func (s *scene) forks() error {
	_, err := s.who.Fork(s.Repo)
	return err
}

func (s *scene) answers() error {
	i := s.numbered(s.ts, s.next("the issue's number"))
	_, err := s.who.Comment(i, s.rest())
	return err
}

func (s *scene) finishes() error {
	i := s.numbered(s.ts, s.next("the issue's number"))
	if len(s.args) > 0 {
		if err := s.who.EditBody(i, s.ts.ReadFile(s.args[0])); err != nil {
			return err
		}
	}
	return s.who.Close(i)
}

func (s *scene) enqueues() error { return s.who.Enqueue(s.pull()) }

func (s *scene) forcesBack() error {
	branch := s.next("the branch")
	return s.who.PushRef(s.Repo, branch, s.ts.Getenv(s.next("what it is to be")))
}

func (s *scene) dropsBranch() error { return s.who.PushRef(s.Repo, s.next("the branch"), "") }
