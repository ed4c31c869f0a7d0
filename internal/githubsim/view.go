package githubsim

import (
	"maps"
	"slices"
	"sort"
	"strings"
	"time"
)

// PullView is a pull request as its page shows it: a copy, which nothing changes any more.
type PullView struct {
	Pull
	Title, Body              string
	State                    string // open, closed or merged
	Draft                    bool
	Author                   string
	Base                     string
	HeadRepo                 string // "" once it is gone
	MergedBy                 string
	Created                  time.Time
	Labels                   []string
	Commits                  []CommitView // oldest first
	Files                    []FileView
	Additions, Deletions     int
	Events                   []EventView // oldest first
	RequestedUsers           []string
	RequestedTeams           []string // org/slug
	Reviews                  []ReviewView
	Checks                   []CheckView
	Required                 []string // the checks that protection requires
	Refusal                  string   // what GitHub would say to someone who merged now; "" if it would merge
	HeadIsBehind, HasMerging bool     // the base has commits that the head lacks; the two can be merged without a conflict
}

// CommitView is one commit of a pull request.
type CommitView struct {
	SHA     string
	Subject string
	Author  string // the account's login, or the name in the commit where it has none
	At      time.Time
}

// FileView is one changed file.
type FileView struct {
	Path, Previous       string
	Status               string
	Additions, Deletions int
	Patch                string // "" where GitHub shows none
}

// EventView is one entry of the history of a pull request or an issue.
type EventView struct {
	ID    int64
	Kind  string // in GitHub's words: committed, labeled, reviewed, commented, review_requested, merged …
	Actor string
	At    time.Time
	Label string
	// Subject is who or what it is about: the commit's first line, the reviewer asked, who was assigned, the title before.
	Subject string
	SHA     string
	State   string // of a review, or of the review that was dismissed
	Body    string // of a comment or review
	// Reactions are those to a comment, oldest first.
	Reactions []ReactionView
}

// ReviewView is the latest opinion of one person, or of one who gave none the latest review.
type ReviewView struct {
	Author string
	State  string // APPROVED, CHANGES_REQUESTED, COMMENTED or DISMISSED
	SHA    string
	At     time.Time
	// Writes says that the person may write, without which GitHub's own protection does not count an approval.
	Writes bool
}

// CheckView is the latest check run of its name by its App, or the latest commit status of its context, on the head.
type CheckView struct {
	ID                   int64 // 0 for a commit status
	Name, App            string
	Status, Conclusion   string
	Title, Summary, Text string // Markdown, but for the title
	Required             bool
	Started, Completed   time.Time
	Actions              []ActionView
}

// ActionView is a button that a check run's App gave it.
type ActionView struct {
	Label, Description, Identifier string
}

// RepositoryView is a repository as its page shows it.
type RepositoryView struct {
	Name, Description, DefaultBranch string
	Labels                           []string
	Pulls                            []PullSummary // newest first
	Required                         []string      // the checks that the default branch requires
}

// PullSummary is a pull request in a list.
type PullSummary struct {
	Pull
	Title, Author, State string
	Draft                bool
	Created              time.Time
	Labels               []string
	// Check and CheckTitle are how the first required check stands: success, failure, pending or "".
	Check, CheckTitle string
}

// PersonView is one account and what it may do in a repository.
type PersonView struct {
	Login string
	Bot   bool
	Role  Role
	Owner bool     // of the organization
	Teams []string // slugs
}

// TeamView is a team and what it may do in a repository.
type TeamView struct {
	Slug    string
	Role    Role
	Members []string
}

func viewName(a *account) string {
	if a == nil || a.deleted {
		return "ghost"
	}
	return a.login
}

func viewLabels(labels []*label) []string {
	var out []string
	for _, l := range labels {
		out = append(out, l.name)
	}
	return out
}

func (i *issue) stateWord() string {
	if i.pull != nil && i.pull.merged {
		return "merged"
	}
	return i.state
}

// look returns what is seen of a repository, while nobody changes anything.
func look[T any](s *Sim, repo string, see func(r *repository) (T, error)) (seen T, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return seen, err
	}
	return see(r)
}

// PullView returns the pull request as it is now.
func (s *Sim) PullView(repo string, number int) (PullView, error) {
	return look(s, repo, func(r *repository) (PullView, error) {
		i := r.issue(number)
		if i == nil || i.pull == nil {
			return PullView{}, refuse("Not Found")
		}
		return s.pullView(r, i), nil
	})
}

func (s *Sim) pullView(r *repository, i *issue) PullView {
	p := i.pull
	v := PullView{
		Pull: pullOf(i), Title: i.title, Body: i.body, State: i.stateWord(), Draft: p.draft, Author: viewName(i.author), Base: p.base,
		Created: i.created, Labels: viewLabels(i.labels), Additions: p.diff.additions, Deletions: p.diff.deletions,
		Reviews: s.latestReviews(r, p.reviews), Checks: s.checkViews(r, p.base, p.head), Required: viewRequired(r.protection(p.base)),
	}
	if p.headRepo != nil {
		v.HeadRepo = p.headRepo.fullName()
	}
	if p.merged {
		v.MergedBy = viewName(p.mergedBy)
	}
	for _, c := range p.commits {
		v.Commits = append(v.Commits, s.commitView(c))
	}
	for _, f := range p.diff.files {
		v.Files = append(v.Files, FileView{f.path, f.previous, f.status, f.additions, f.deletions, f.patch})
	}
	for n, e := range i.timeline {
		if e.kind == "closed" && n > 0 && i.timeline[n-1].kind == "merged" {
			continue // the merge says it
		}
		v.Events = append(v.Events, s.eventView(e))
	}
	for _, a := range p.reviewers {
		v.RequestedUsers = append(v.RequestedUsers, a.login)
	}
	for _, t := range p.teams {
		v.RequestedTeams = append(v.RequestedTeams, t.org.account.login+"/"+t.slug)
	}
	if i.state == "open" {
		_, conflict := s.testMerge(i)
		v.HasMerging = conflict == nil
		v.HeadIsBehind = !r.st.reaches(p.head, r.branches[p.base])
		switch blocked := s.unmergeable(i); {
		case p.draft:
			v.Refusal = "Pull Request is still a draft"
		case blocked != nil:
			v.Refusal = blocked.Error()
		case conflict != nil:
			v.Refusal = "Pull Request is not mergeable"
		}
	}
	return v
}

func (s *Sim) commitView(c *commit) CommitView {
	subject, _, _ := strings.Cut(c.message, "\n")
	v := CommitView{SHA: c.sha, Subject: subject, Author: c.author.name, At: c.author.at}
	if a := s.accountOf(c.author); a != nil {
		v.Author = a.login
	}
	return v
}

func (s *Sim) eventView(e *event) EventView {
	v := EventView{ID: e.id, Kind: e.kind, Actor: viewName(e.actor), At: e.at, Label: e.labelName, SHA: e.sha, Subject: e.from}
	switch {
	case e.commit != nil:
		c := s.commitView(e.commit)
		v.Actor, v.SHA, v.Subject = c.Author, c.SHA, c.Subject
	case e.kind == "review_dismissed":
		v.State, v.Body, v.Subject = e.reviewState, e.to, viewName(e.review.author)
	case e.review != nil:
		// One that was dismissed since says so here too, as GitHub shows it.
		v.State, v.Body, v.SHA = e.review.state, e.review.body, e.review.sha
	case e.comment != nil:
		v.Body, v.Reactions = e.comment.body, reactionViews(e.comment)
	case e.user != nil:
		v.Subject = e.user.login
	case e.team != nil:
		v.Subject = e.team.org.account.login + "/" + e.team.slug
	case e.kind == "base_ref_changed" || e.kind == "renamed":
		v.Body = e.to
	}
	return v
}

// latestReviews returns each person's latest opinion, and of those without one the latest review, in the order of the first.
func (s *Sim) latestReviews(r *repository, reviews []*review) []ReviewView {
	latest := map[*account]*review{}
	var order []*account
	for _, rv := range reviews {
		old, seen := latest[rv.author]
		if !seen {
			order = append(order, rv.author)
		}
		if !seen || rv.state != "COMMENTED" || old.state == "COMMENTED" {
			latest[rv.author] = rv
		}
	}
	var out []ReviewView
	for _, a := range order {
		rv := latest[a]
		out = append(out, ReviewView{viewName(a), rv.state, rv.sha, rv.at, s.role(r, a).AtLeast(Write)})
	}
	return out
}

func viewRequired(p *protection) []string {
	if p == nil {
		return nil
	}
	var out []string
	for _, c := range p.RequiredChecks {
		out = append(out, c.Context)
	}
	return out
}

func (s *Sim) checkViews(r *repository, base, sha string) []CheckView {
	requires := func(name string, app int64) bool {
		p := r.protection(base)
		return p != nil && slices.ContainsFunc(p.RequiredChecks, func(c RequiredCheck) bool {
			return c.Context == name && (c.AppID == 0 || c.AppID == app)
		})
	}
	deref := func(text *string) string {
		if text == nil {
			return ""
		}
		return *text
	}
	var out []CheckView
	for _, cs := range r.suites[sha] {
		for _, run := range cs.latest() {
			v := CheckView{ID: run.id, Name: run.name, App: cs.app.name, Status: run.status, Conclusion: run.conclusion,
				Title: deref(run.title), Summary: deref(run.summary), Text: deref(run.text), Required: requires(run.name, cs.app.id),
				Started: run.started, Completed: run.completed}
			for _, a := range run.actions {
				word := func(key string) string { text, _ := a[key].(string); return text }
				v.Actions = append(v.Actions, ActionView{word("label"), word("description"), word("identifier")})
			}
			out = append(out, v)
		}
	}
	for _, st := range r.latestStatuses(sha) {
		v := CheckView{Name: st.context, App: viewName(st.creator), Status: "completed", Conclusion: st.state, Title: deref(st.description),
			Required: requires(st.context, 0), Started: st.at, Completed: st.at}
		switch st.state {
		case "pending":
			v.Status, v.Conclusion = "in_progress", ""
		case "error":
			v.Conclusion = "failure"
		}
		out = append(out, v)
	}
	sort.SliceStable(out, func(a, b int) bool {
		if out[a].Required != out[b].Required {
			return out[a].Required
		}
		return out[a].Name < out[b].Name
	})
	return out
}

// RepositoryView returns the repository as it is now.
func (s *Sim) RepositoryView(repo string) (RepositoryView, error) {
	return look(s, repo, s.repositoryView)
}

func (s *Sim) repositoryView(r *repository) (RepositoryView, error) {
	v := RepositoryView{Name: r.fullName(), Description: r.description, DefaultBranch: r.defaultBranch,
		Required: viewRequired(r.protection(r.defaultBranch))}
	for _, key := range sortedKeys(r.labels) {
		v.Labels = append(v.Labels, r.labels[key].name)
	}
	for _, i := range slices.Backward(r.issues) {
		if i.pull == nil {
			continue
		}
		p := PullSummary{Pull: pullOf(i), Title: i.title, Author: viewName(i.author), State: i.stateWord(), Draft: i.pull.draft,
			Created: i.created, Labels: viewLabels(i.labels)}
		if pr := r.protection(i.pull.base); pr != nil && len(pr.RequiredChecks) > 0 {
			p.Check = s.checkState(r, i.pull.head, pr.RequiredChecks[0])
			for _, c := range s.checkViews(r, i.pull.base, i.pull.head) {
				if c.Name == pr.RequiredChecks[0].Context && c.Required {
					p.CheckTitle = c.Title
				}
			}
		}
		v.Pulls = append(v.Pulls, p)
	}
	return v, nil
}

// PeopleView returns everyone who has more to do with the repository than reading what is public, by login, and the teams of its
// organization, by slug.
func (s *Sim) PeopleView(repo string) ([]PersonView, []TeamView, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.repository(repo)
	if err != nil {
		return nil, nil, err
	}
	concerned := map[*account]bool{}
	for a := range r.collaborators {
		concerned[a] = true
	}
	org := s.orgs[r.owner]
	var teams []TeamView
	if org == nil {
		concerned[r.owner] = true
	} else {
		for a := range org.members {
			concerned[a] = true
		}
		for _, slug := range sortedKeys(org.teams) {
			t := org.teams[slug]
			v := TeamView{Slug: slug, Role: None}
			for at := t; at != nil; at = at.parent {
				if role := at.repos[r]; role.rank() > v.Role.rank() {
					v.Role = role
				}
			}
			for _, a := range t.everyone() {
				v.Members = append(v.Members, a.login)
			}
			teams = append(teams, v)
		}
	}
	everyone := slices.Collect(maps.Keys(concerned))
	sort.Slice(everyone, func(a, b int) bool { return everyone[a].login < everyone[b].login })
	var people []PersonView
	for _, a := range everyone {
		v := PersonView{Login: a.login, Bot: a.kind == kindBot, Role: s.role(r, a)}
		if org != nil {
			v.Owner = org.members[a]
			for _, t := range teams {
				if slices.Contains(t.Members, a.login) {
					v.Teams = append(v.Teams, t.Slug)
				}
			}
		}
		people = append(people, v)
	}
	return people, teams, nil
}

// ApproveSaying submits an approval of the head with some words.
func (p *Person) ApproveSaying(pr Pull, body string) error { return p.review(pr, "APPROVED", body) }
