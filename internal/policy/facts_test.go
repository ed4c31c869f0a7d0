package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// The cast of the tests: alice writes; bob, carol and dan review; lea leads; sam does security; olga is on call; eve may only triage.
var cast = []string{"alice", "bob", "carol", "dan", "lea", "sam", "olga", "eve", "dependabot[bot]", "renovate[bot]", "web-flow", "stranger"}

func account(login string) change.Account {
	if !slices.Contains(cast, login) {
		return change.Account{}
	}
	kind := change.KindUser
	if strings.HasSuffix(login, "[bot]") {
		kind = change.KindBot
	}
	return change.Account{ID: change.AccountID(slices.Index(cast, login) + 1), Login: login, Kind: kind}
}

const (
	head    = change.SHA("9e8d7c6b5a49382716059e8d7c6b5a4938271605")
	oldHead = change.SHA("3f2c1aa03f2c1aa03f2c1aa03f2c1aa03f2c1aa0")
)

var morning = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

const fullRecord = `## Description
Adds an index.
## Risk
low
## Rollback plan
Revert.
## Testing
- [x] unit
## Security considerations
None of note: no new data.
## Downtime
none
`

// edit changes the facts of a pull request by alice that has everything but approvals.
type edit func(*change.Facts)

func pullRequest(edits ...edit) change.Facts {
	f := change.Facts{
		Now:        morning.Add(3 * time.Hour),
		Repository: change.Repository{ID: 7, Owner: "acme", Name: "shop", DefaultBranch: "main"},
		Governed:   true,
		Pull: change.Pull{
			Number: 41, Title: "Add an index", Body: fullRecord, Author: account("alice"), State: change.Open,
			Head: change.Branch{Repository: 7, Owner: "acme", Name: "index", SHA: head},
			Base: change.Branch{Repository: 7, Owner: "acme", Name: "main"},
		},
		Content: change.Content{
			Head:    head,
			Commits: []change.Commit{{SHA: head, Author: change.Signature{Account: account("alice")}, Committer: change.Signature{Account: account("alice")}}},
		},
		Pushes: []change.Push{{After: head, By: account("alice"), At: morning}}, PushesKnown: true,
		Users:  map[string]change.Account{},
		People: map[change.AccountID]change.Person{},
		Teams: map[string]change.Team{
			"tech-leads": {Slug: "tech-leads", Members: []change.Account{account("lea")}},
			"security":   {Slug: "security", Members: []change.Account{account("sam")}},
			"on-call":    {Slug: "on-call", Members: []change.Account{account("olga")}},
		},
	}
	for _, login := range cast {
		permission := change.PermissionWrite
		switch login {
		case "eve":
			permission = change.PermissionTriage
		case "stranger":
			permission = change.PermissionRead
		}
		a := account(login)
		f.Users[login] = a
		f.People[a.ID] = change.Person{Account: a, Permission: permission}
	}
	for _, e := range edits {
		e(&f)
	}
	return f
}

// files adds changed files whose one line changes.
func files(paths ...string) edit {
	return func(f *change.Facts) {
		for _, p := range paths {
			patch(p, "-old", "+new")(f)
		}
	}
}

// patch adds a file with the lines of its diff.
func patch(path string, lines ...string) edit {
	return func(f *change.Facts) {
		file := change.File{Path: path, Status: change.FileModified, Mode: change.ModeRegular, Patch: "@@ -1,9 +1,9 @@\n" + strings.Join(lines, "\n")}
		for _, l := range lines {
			switch l[0] {
			case '+':
				file.Additions++
			case '-':
				file.Deletions++
			}
		}
		f.Content.Files = append(f.Content.Files, file)
	}
}

func rename(from, to string) edit {
	return func(f *change.Facts) {
		f.Content.Files = append(f.Content.Files, change.File{Path: to, PreviousPath: from, Status: change.FileRenamed, Mode: change.ModeRegular, Blob: "b1", PreviousBlob: "b1"})
	}
}

// theFile changes the file that was added last.
func theFile(e func(*change.File)) edit {
	return func(f *change.Facts) { e(&f.Content.Files[len(f.Content.Files)-1]) }
}

func mode(m change.Mode) edit { return theFile(func(f *change.File) { f.Mode = m }) }

// unreadable takes the last file's patch away, as GitHub does with a binary or a large one.
func unreadable(f *change.Facts) {
	theFile(func(f *change.File) { f.Patch = "" })(f)
}

func body(s string) edit { return func(f *change.Facts) { f.Pull.Body = s } }

func later(f *change.Facts) time.Time {
	n := len(f.Reviews) + len(f.LabelEvents) + len(f.Pushes)
	return morning.Add(time.Duration(n) * time.Minute)
}

// label sets a label; by is empty where nobody is known to have.
func label(name, by string) edit {
	return func(f *change.Facts) {
		if by != "" {
			f.LabelEvents = append(f.LabelEvents, change.LabelEvent{Label: name, Added: true, By: account(by), At: later(f), Head: f.Pull.Head.SHA})
		}
		f.Pull.Labels = append(f.Pull.Labels, name)
	}
}

func unlabel(name, by string) edit {
	return func(f *change.Facts) {
		f.LabelEvents = append(f.LabelEvents, change.LabelEvent{Label: name, By: account(by), At: later(f), Head: f.Pull.Head.SHA})
		f.Pull.Labels = slices.DeleteFunc(f.Pull.Labels, func(l string) bool { return change.SameLabel(l, name) })
	}
}

func review(state change.ReviewState, by string, sha change.SHA) edit {
	return func(f *change.Facts) {
		f.Reviews = append(f.Reviews, change.Review{ID: int64(100 + len(f.Reviews)), By: account(by), State: state, SHA: sha, At: later(f)})
	}
}

func approved(by ...string) edit {
	return func(f *change.Facts) {
		for _, b := range by {
			review(change.Approved, b, head)(f)
		}
	}
}

// counted says that the last review was seen to count for a role.
func counted(role string) edit {
	return func(f *change.Facts) {
		r := &f.Reviews[len(f.Reviews)-1]
		r.Held, r.Counted = true, []string{role}
	}
}

// voided says that a review was counted as a reason to ask a role anew.
func voided(role string, review int64) edit {
	return func(f *change.Facts) { f.Voids = append(f.Voids, change.Void{Role: role, Review: review, Times: 1}) }
}

// notAsked has GitHub refuse to ask a role in a round.
func notAsked(role string, round int) edit {
	return func(f *change.Facts) { f.AsksRefused = map[string]int{role: round} }
}

func objected(by string) edit { return review(change.ChangesRequested, by, head) }

// dismissed dismisses the last review.
func dismissed(by string) edit {
	return func(f *change.Facts) {
		r := &f.Reviews[len(f.Reviews)-1]
		r.Was, r.State, r.DismissedBy, r.DismissedAt = r.State, change.Dismissed, account(by), later(f)
	}
}

func commit(c change.Commit) edit {
	return func(f *change.Facts) { f.Content.Commits = append(f.Content.Commits, c) }
}

func by(login string) change.Signature {
	return change.Signature{Name: login, Email: login + "@example.com", Account: account(login)}
}

// pushedBy makes the present head the work of somebody who pushed after the one before.
func pushedBy(login string) edit {
	return func(f *change.Facts) {
		f.Pushes[len(f.Pushes)-1].After = oldHead
		f.Pushes = append(f.Pushes, change.Push{Before: oldHead, After: head, By: account(login), At: later(f)})
	}
}

func ran(name string, state change.CheckState) edit {
	return func(f *change.Facts) {
		f.ChecksKnown = true
		f.Checks = append(f.Checks, change.Check{Name: name, State: state, App: "github-actions", Workflow: ".github/workflows/ci.yml"})
	}
}

func draft(f *change.Facts) { f.Pull.Draft = true }

func authoredBy(login string) edit {
	return func(f *change.Facts) {
		f.Pull.Author = account(login)
		f.Content.Commits = []change.Commit{{SHA: head, Author: by(login), Committer: by(login)}}
		f.Pushes = []change.Push{{After: head, By: account(login), At: morning}}
	}
}

// lines shows a decision as the tests compare it, a line for each thing that it says.
func lines(d change.Decision) string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	add("%s, %s", d.Category, d.Verdict)
	for _, m := range d.Matches {
		kind := m.Category.String()
		if m.Trigger != "" {
			kind = m.Trigger
		}
		more := ""
		if m.More > 0 {
			more = fmt.Sprintf(" +%d", m.More)
		}
		add("%s: %s%s matches %s", kind, m.Subject, more, m.Rule)
	}
	for _, r := range d.Requirements {
		line := fmt.Sprintf("%s %s", r.State, r.Name)
		if r.State != change.Met {
			line += fmt.Sprintf(" [%s]", r.Short)
		}
		if !r.Found.IsEmpty() {
			line += " " + r.Found.String()
		}
		if !r.Next.IsEmpty() {
			line += " → " + r.Next.String()
		}
		out = append(out, line)
	}
	if checks := d.AwaitedChecks(); len(checks) > 0 {
		add("awaits checks %s", strings.Join(checks, " "))
	}
	for _, o := range d.Opinions {
		switch {
		case o.Counts:
			add("%s counts for %s", o.By.Login, strings.Join(o.Roles, ", "))
		case o.Why.IsEmpty():
			add("%s objects", o.By.Login)
		default:
			add("%s does not count: %s", o.By.Login, o.Why)
		}
	}
	for _, a := range d.Asks {
		add("ask %s of %v%v round %d", a.Role, a.Teams, a.Users, a.Round)
	}
	for _, n := range d.Notes {
		add("note: %s", n)
	}
	return strings.Join(out, "\n")
}

// scenario is one behaviour: a policy, a pull request, and what the decision must and must not say.
type scenario struct {
	name   string
	policy string // replaces the table's
	facts  change.Facts
	want   []string // lines of lines, or parts of them; the first is "category, verdict"
	never  []string
}

func play(t *testing.T, policy string, scenarios []scenario) {
	t.Helper()
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			text := policy
			if s.policy != "" {
				text = s.policy
			}
			d := mustParse(t, text).Decide(s.facts)
			got := lines(d)
			if !strings.HasPrefix(got, s.want[0]+"\n") && got != s.want[0] {
				t.Errorf("want %q:\n%s", s.want[0], got)
			}
			for _, w := range s.want[1:] {
				if !strings.Contains(got, w) {
					t.Errorf("does not say %q:\n%s", w, got)
				}
			}
			for _, n := range s.never {
				if strings.Contains(got, n) {
					t.Errorf("says %q:\n%s", n, got)
				}
			}
		})
	}
}

func toJSON(t interface{ Fatalf(string, ...any) }, d change.Decision) string {
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	return string(b)
}
