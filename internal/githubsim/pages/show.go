package pages

import (
	"crypto/sha256"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/githubsim"
)

// frame is what every page has around it.
type frame struct {
	Title   string
	Repo    string
	Acting  githubsim.PersonView
	People  []githubsim.PersonView // whom one can act as
	Back    string
	Flash   flash
	Server  string
	Section string // pulls, issues, deployments, people or new
	Now     time.Time
	Leaps   []leap // none: the time goes on by itself alone
	// OpenIssues is how many issues are open.
	OpenIssues int
}

func (s *site) frame(r *http.Request, title string) frame {
	f := frame{Title: title, Repo: s.Repo, Back: r.URL.RequestURI(), Server: s.Server, Now: s.sim.Now()}
	if s.Later != nil {
		f.Leaps = leaps()
	}
	if r.Method != http.MethodGet {
		f.Back = "/" + s.Repo
	}
	// Where the repository cannot be read the page is an error's, and shows no people and no issues.
	everyone, _, _ := s.sim.PeopleView(s.Repo)
	issues, _ := s.sim.Issues(s.Repo)
	for _, i := range issues {
		if i.State == "open" {
			f.OpenIssues++
		}
	}
	f.Acting = s.acting(r, everyone)
	for _, p := range everyone {
		if !p.Bot {
			f.People = append(f.People, p)
		}
	}
	return f
}

func (s *site) functions() template.FuncMap {
	return template.FuncMap{
		"markdown": func(text string) template.HTML { return s.markdown(text) },
		"comment":  s.comment,
		"ago":      s.ago,
		"emoji":    emoji,
		"clock":    func(t time.Time) string { return t.UTC().Format("Mon 2 Jan 2006, 15:04 UTC") },
		"stamp":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"short":    func(sha string) string { return sha[:min(7, len(sha))] },
		"join":     strings.Join,
		"contains": strings.Contains,
		"words":    func(state string) string { return strings.ReplaceAll(state, "_", " ") },
		"runform": func(repo string, id int64, action, text, class string) runForm {
			return runForm{repo, id, action, text, class}
		},
		"minutes": func(d time.Duration) int { return int(d / time.Minute) },
		"inc":     func(n int) int { return n + 1 },
		"plural": func(n int, one, many string) string {
			if n == 1 {
				return "1 " + one
			}
			return fmt.Sprintf("%d %s", n, many)
		},
		"standing": func(p githubsim.PersonView) string {
			words := []string{string(p.Role)}
			if p.Owner {
				words = []string{"owner"}
			}
			for _, t := range p.Teams {
				if t != "engineers" {
					words = append(words, t)
				}
			}
			return strings.Join(words, ", ")
		},
	}
}

// emoji shows a reaction.
func emoji(content string) string {
	if shown, ok := map[string]string{
		"+1": "👍", "-1": "👎", "laugh": "😄", "hooray": "🎉", "confused": "😕", "heart": "❤️", "rocket": "🚀", "eyes": "👀",
	}[content]; ok {
		return shown
	}
	return content
}

// ago says how long ago something was, by GitHub's clock.
func (s *site) ago(t time.Time) string {
	n, unit := int(s.sim.Now().Sub(t)/time.Second), "second"
	for _, step := range []struct {
		of   int
		unit string
	}{{60, "minute"}, {60, "hour"}, {24, "day"}} {
		if n < step.of {
			break
		}
		n, unit = n/step.of, step.unit
	}
	switch {
	case unit == "second" && n < 10:
		return "just now"
	case n == 1:
		return "1 " + unit + " ago"
	}
	return fmt.Sprintf("%d %ss ago", n, unit)
}

func (s *site) repository(w http.ResponseWriter, r *http.Request) error {
	view, err := s.sim.RepositoryView(s.Repo)
	if err != nil {
		return err
	}
	data := struct {
		frame
		View         githubsim.RepositoryView
		Pulls        []githubsim.PullSummary
		Open, Closed int
		ShowClosed   bool
	}{frame: s.frame(r, s.Repo), View: view, ShowClosed: r.URL.Query().Get("state") == "closed"}
	data.Section, data.Flash = "pulls", s.flashes.take(r)
	for _, p := range view.Pulls {
		isOpen := p.State == "open"
		if isOpen {
			data.Open++
		} else {
			data.Closed++
		}
		if isOpen != data.ShowClosed {
			data.Pulls = append(data.Pulls, p)
		}
	}
	s.render(w, http.StatusOK, "repository.html", data)
	return nil
}

func (s *site) people(w http.ResponseWriter, r *http.Request) error {
	people, teams, err := s.sim.PeopleView(s.Repo)
	if err != nil {
		return err
	}
	data := struct {
		frame
		Everyone []githubsim.PersonView
		Teams    []githubsim.TeamView
		Owner    string
	}{s.frame(r, "People and teams"), people, teams, strings.Split(s.Repo, "/")[0]}
	data.Section = "people"
	s.render(w, http.StatusOK, "people.html", data)
	return nil
}

// choose offers the changes, or shows the form of the one that was chosen.
func (s *site) choose(w http.ResponseWriter, r *http.Request) error {
	data := struct {
		frame
		Changes []Change
		Change  *Change
		Paths   []string
		Body    string
	}{frame: s.frame(r, "Open a pull request"), Changes: s.Changes}
	data.Section, data.Flash = "new", s.flashes.take(r)
	if id := r.URL.Query().Get("change"); id != "" {
		c, ok := s.change(id)
		if !ok {
			return errNotFound
		}
		data.Change, data.Body, data.Paths = &c, c.Body, slices.Sorted(maps.Keys(c.Files))
		if data.Flash.Field == "new" {
			data.Body = data.Flash.Draft
		}
	}
	s.render(w, http.StatusOK, "new.html", data)
	return nil
}

// file shows one file of a branch, so that "line 41 of the policy" can be looked at.
func (s *site) file(w http.ResponseWriter, r *http.Request) error {
	path, branch := r.PathValue("path"), r.PathValue("branch")
	text, err := s.sim.FileAt(s.Repo, branch, path)
	if err != nil {
		return errNotFound
	}
	data := struct {
		frame
		Path, Branch string
		Lines        []string
	}{s.frame(r, path), path, branch, strings.Split(strings.TrimSuffix(text, "\n"), "\n")}
	s.render(w, http.StatusOK, "file.html", data)
	return nil
}

// live is the part of a pull request's page that changes by itself: its checks, and whether it can be merged.
type live struct {
	Repo    string
	View    githubsim.PullView
	Version string
}

func newLive(repo string, v githubsim.PullView) live {
	l := live{Repo: repo, View: v}
	l.Version = fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, v.Checks, v.Refusal, v.State, v.Head, v.HeadIsBehind)))[:16]
	return l
}

// told is the timeline of a pull request, which grows by itself.
type told struct {
	Events  []githubsim.EventView
	Version string
}

func newTold(v githubsim.PullView) told {
	return told{v.Events, fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, v.Events)))[:16]}
}

func (s *site) timeline(w http.ResponseWriter, r *http.Request) error {
	v, err := s.pullView(r)
	if err != nil {
		return err
	}
	t := newTold(v)
	w.Header().Set("X-Version", t.Version)
	s.render(w, http.StatusOK, "timeline", t)
	return nil
}

func (s *site) live(w http.ResponseWriter, r *http.Request) error {
	v, err := s.pullView(r)
	if err != nil {
		return err
	}
	l := newLive(s.Repo, v)
	w.Header().Set("X-Version", l.Version)
	s.render(w, http.StatusOK, "live", l)
	return nil
}

// pullPage is what both pages of a pull request have.
type pullPage struct {
	frame
	Tab  string // conversation or files
	View githubsim.PullView
}

func (s *site) pullPage(r *http.Request, tab string) (pullPage, error) {
	v, err := s.pullView(r)
	if err != nil {
		return pullPage{}, err
	}
	return pullPage{s.frame(r, fmt.Sprintf("%s · #%d", v.Title, v.Number)), tab, v}, nil
}

func (s *site) pull(w http.ResponseWriter, r *http.Request) error {
	page, err := s.pullPage(r, "conversation")
	if err != nil {
		if i, notIssue := s.issueView(r); notIssue == nil {
			http.Redirect(w, r, fmt.Sprintf("/%s/issues/%d", s.Repo, i.Number), http.StatusSeeOther)
			return nil
		}
		return err
	}
	repo, err := s.sim.RepositoryView(s.Repo)
	if err != nil {
		return err
	}
	_, teams, err := s.sim.PeopleView(s.Repo)
	if err != nil {
		return err
	}
	v := page.View
	mentions, err := s.mentions(v.Number)
	if err != nil {
		return err
	}
	page.Flash = s.flashes.take(r)
	data := struct {
		pullPage
		Live      live
		Told      told
		Labels    []string // that it could carry
		Reviewers []string // who could be asked
		Edits     []Edit
		Mentions  []githubsim.IssueView // the issues that name it
	}{pullPage: page, Live: newLive(s.Repo, v), Told: newTold(v), Mentions: mentions}
	for _, l := range repo.Labels {
		if !slices.Contains(v.Labels, l) {
			data.Labels = append(data.Labels, l)
		}
	}
	owner, _, _ := strings.Cut(s.Repo, "/")
	for _, t := range teams {
		if name := owner + "/" + t.Slug; !slices.Contains(v.RequestedTeams, name) {
			data.Reviewers = append(data.Reviewers, name)
		}
	}
	for _, p := range page.People {
		if p.Login != v.Author && !slices.Contains(v.RequestedUsers, p.Login) {
			data.Reviewers = append(data.Reviewers, p.Login)
		}
	}
	for _, e := range s.Edits {
		if _, ok := e.Commit(v); ok {
			data.Edits = append(data.Edits, e)
		}
	}
	s.render(w, http.StatusOK, "pull.html", data)
	return nil
}

func (s *site) files(w http.ResponseWriter, r *http.Request) error {
	page, err := s.pullPage(r, "files")
	if err != nil {
		return err
	}
	data := struct {
		pullPage
		Files []patched
	}{pullPage: page}
	for _, f := range page.View.Files {
		data.Files = append(data.Files, patched{f, patchLines(f.Patch)})
	}
	s.render(w, http.StatusOK, "files.html", data)
	return nil
}
