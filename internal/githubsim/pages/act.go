package pages

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/githubsim"
)

// actingCookie says who acts.
const actingCookie = "acting"

// acting returns who acts: somebody who is there, whatever the cookie says.
func (s *site) acting(r *http.Request, people []githubsim.PersonView) githubsim.PersonView {
	login := s.Home
	if c, err := r.Cookie(actingCookie); err == nil {
		login = c.Value
	}
	for _, wanted := range []string{login, s.Home} {
		for _, p := range people {
			if p.Login == wanted && !p.Bot {
				return p
			}
		}
	}
	return githubsim.PersonView{Login: s.Home, Role: githubsim.None}
}

func (s *site) person(r *http.Request) (*githubsim.Person, error) {
	people, _, err := s.sim.PeopleView(s.Repo)
	if err != nil {
		return nil, err
	}
	return s.sim.As(s.acting(r, people).Login), nil
}

// choosePerson changes who acts, and goes back to where one was.
func (s *site) choosePerson(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	people, _, err := s.sim.PeopleView(s.Repo)
	if err != nil {
		return err
	}
	login := r.PostForm.Get("login")
	if !slices.ContainsFunc(people, func(p githubsim.PersonView) bool { return p.Login == login && !p.Bot }) {
		return &pageError{http.StatusBadRequest, "There is nobody of that name here."}
	}
	setCookie(w, actingCookie, login)
	s.goBack(w, r)
	return nil
}

// goBack goes back to where the form was.
func (s *site) goBack(w http.ResponseWriter, r *http.Request) {
	back := "/" + s.Repo
	// Only the path is taken from the form: a form cannot send anyone to another site.
	if u, err := url.Parse(r.PostForm.Get("back")); err == nil && strings.HasPrefix(u.Path, back) {
		back = u.EscapedPath()
		if u.RawQuery != "" {
			back += "?" + u.RawQuery
		}
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// leap is by how much the time can be set forward.
type leap struct {
	ID, Text string
	by       func(now time.Time) time.Duration
}

func leaps() []leap {
	after := func(d time.Duration) func(time.Time) time.Duration { return func(time.Time) time.Duration { return d } }
	return []leap{
		{"half", "30 minutes later", after(30 * time.Minute)},
		{"two", "2 hours later", after(2 * time.Hour)},
		{"morning", "The next morning", func(now time.Time) time.Duration {
			year, month, day := now.UTC().Date()
			at := time.Date(year, month, day, 9, 0, 0, 0, time.UTC)
			if !at.After(now) {
				at = at.AddDate(0, 0, 1)
			}
			return at.Sub(now)
		}},
	}
}

// later sets the time forward.
func (s *site) later(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	all := leaps()
	i := slices.IndexFunc(all, func(l leap) bool { return l.ID == r.PostForm.Get("leap") })
	if s.Later == nil || i < 0 {
		return &pageError{http.StatusBadRequest, "The time cannot be set forward by that."}
	}
	by := all[i].by(s.sim.Now())
	if err := s.Later(r.Context(), by); err != nil {
		return err
	}
	s.settle(r.Context())
	s.goBack(w, r)
	return nil
}

// refusal returns what to show of an error that is an answer of GitHub's, and the error if it is another.
func refusal(err error) (string, error) {
	var refused *githubsim.Refused
	if errors.As(err, &refused) {
		return refused.Message, nil
	}
	return "", err
}

// openPull opens a pull request from one of the changes.
func (s *site) openPull(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	id := r.PostForm.Get("change")
	c, ok := s.change(id)
	if !ok {
		return &pageError{http.StatusBadRequest, "There is no such change to propose."}
	}
	who, err := s.person(r)
	if err != nil {
		return err
	}
	if c.By != "" {
		who = s.sim.As(c.By)
	}
	pull, err := s.propose(who, c, r.PostForm)
	message, err := refusal(err)
	if err != nil {
		return err
	}
	if message != "" {
		s.flashes.set(w, flash{Message: message, Refused: true, Field: "new", Draft: r.PostForm.Get("body")})
		http.Redirect(w, r, "/"+s.Repo+"/new?change="+url.QueryEscape(c.ID), http.StatusSeeOther)
		return nil
	}
	if err := s.pushed(pull); err != nil {
		return err
	}
	s.settle(r.Context())
	http.Redirect(w, r, fmt.Sprintf("/%s/pull/%d", s.Repo, pull.Number), http.StatusSeeOther)
	return nil
}

func (s *site) propose(who *githubsim.Person, c Change, form url.Values) (githubsim.Pull, error) {
	repo, err := s.sim.RepositoryView(s.Repo)
	if err != nil {
		return githubsim.Pull{}, err
	}
	isThere := true
	for path, content := range c.Files {
		at, err := s.sim.FileAt(s.Repo, repo.DefaultBranch, path)
		isThere = isThere && err == nil && at == content
	}
	if isThere {
		return githubsim.Pull{}, &githubsim.Refused{Message: "There are no new commits: " + repo.DefaultBranch + " has this change already."}
	}
	branch := c.Branch
	for n := 2; ; n++ {
		if _, err := s.sim.Tip(s.Repo, branch); err != nil {
			break
		}
		branch = fmt.Sprintf("%s-%d", c.Branch, n)
	}
	title := strings.TrimSpace(form.Get("title"))
	if title == "" {
		title = c.Title
	}
	return who.OpenPull(s.Repo, githubsim.PullOptions{
		Title: title, Body: unix(form.Get("body")), Branch: branch, Files: c.Files, Draft: form.Get("draft") != "",
	})
}

func (s *site) pushed(p githubsim.Pull) error {
	if s.Pushed == nil {
		return nil
	}
	return s.Pushed(p)
}

func (s *site) change(id string) (Change, bool) {
	for _, c := range s.Changes {
		if c.ID == id {
			return c, true
		}
	}
	return Change{}, false
}

// unix takes out the carriage returns that browsers put into forms.
func unix(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

// deed is one thing that somebody does to a pull request or an issue by a form.
type deed struct {
	who   *githubsim.Person
	view  githubsim.PullView // zero for an issue
	pull  githubsim.Pull     // what to act on
	form  url.Values
	moved bool // the pull request has a new head
}

// deeds are the actions of the pull request's forms.
func (s *site) deeds() map[string]func(*deed) error {
	move := func(f func(*deed) (githubsim.Pull, error)) func(*deed) error {
		return func(d *deed) error {
			after, err := f(d)
			d.moved = err == nil && after.Head != d.pull.Head
			if err == nil {
				d.pull = after
			}
			return err
		}
	}
	return map[string]func(*deed) error{
		"comment": func(d *deed) error {
			body := unix(d.form.Get("body"))
			if strings.TrimSpace(body) == "" {
				return &githubsim.Refused{Message: "Comment can't be blank."}
			}
			_, err := d.who.Comment(d.pull, body)
			return err
		},
		"title": func(d *deed) error {
			title := strings.TrimSpace(d.form.Get("title"))
			if title == "" {
				return &githubsim.Refused{Message: "Title can't be blank."}
			}
			return d.who.EditTitle(d.pull, title)
		},
		"body":    func(d *deed) error { return d.who.EditBody(d.pull, unix(d.form.Get("body"))) },
		"label":   func(d *deed) error { return d.who.AddLabel(d.pull, d.form.Get("label")) },
		"unlabel": func(d *deed) error { return d.who.RemoveLabel(d.pull, d.form.Get("label")) },
		"review":  review,
		"dismiss": func(d *deed) error {
			return d.who.DismissReview(d.pull, d.form.Get("of"), d.form.Get("message"))
		},
		"request":   func(d *deed) error { return d.who.RequestReview(d.pull, d.form.Get("who")) },
		"unrequest": func(d *deed) error { return d.who.RemoveReviewRequest(d.pull, d.form.Get("who")) },
		"push": move(func(d *deed) (githubsim.Pull, error) {
			for _, e := range s.Edits {
				if c, ok := e.Commit(d.view); ok && e.ID == d.form.Get("edit") {
					return d.who.Push(d.pull, c)
				}
			}
			return d.pull, &githubsim.Refused{Message: "There is nothing to commit."}
		}),
		"update": move(func(d *deed) (githubsim.Pull, error) { return d.who.UpdateBranch(d.pull) }),
		"draft":  func(d *deed) error { return d.who.ConvertToDraft(d.pull) },
		"ready":  func(d *deed) error { return d.who.ReadyForReview(d.pull) },
		"close":  func(d *deed) error { return d.who.Close(d.pull) },
		"reopen": func(d *deed) error { return d.who.Reopen(d.pull) },
		"merge": func(d *deed) error {
			// What is merged is what was seen: the form carries its head.
			return d.who.Merge(d.pull, githubsim.MergeOptions{Method: githubsim.MergeMethod(d.form.Get("method")), SHA: d.form.Get("head")})
		},
		"rerun": func(d *deed) error {
			id, err := d.run()
			if err != nil {
				return err
			}
			return d.who.RerequestCheckRun(d.pull.Repo, id)
		},
		"button": func(d *deed) error {
			id, err := d.run()
			if err != nil {
				return err
			}
			return d.who.RequestedAction(d.pull.Repo, id, d.form.Get("identifier"))
		},
	}
}

func (d *deed) run() (int64, error) {
	id, err := strconv.ParseInt(d.form.Get("run"), 10, 64)
	if err != nil {
		return 0, &pageError{http.StatusBadRequest, "The form names no check run."}
	}
	return id, nil
}

func review(d *deed) error {
	body := unix(d.form.Get("body"))
	switch d.form.Get("opinion") {
	case "approve":
		return d.who.ApproveSaying(d.pull, body)
	case "request":
		return d.who.RequestChanges(d.pull, body)
	default:
		return d.who.CommentReview(d.pull, body)
	}
}

// act does what a form of a pull request asks for, and shows the pull request again.
func (s *site) act(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	action := r.PathValue("action")
	do := s.deeds()[action]
	if do == nil {
		return errNotFound
	}
	v, err := s.pullView(r)
	if err != nil {
		return err
	}
	who, err := s.person(r)
	if err != nil {
		return err
	}
	d := &deed{who: who, view: v, pull: v.Pull, form: r.PostForm}
	message, err := refusal(do(d))
	if err != nil {
		return err
	}
	if message != "" {
		s.flashes.set(w, flash{Message: message, Refused: true, Field: action, Draft: r.PostForm.Get("body")})
	}
	if d.moved {
		if err := s.pushed(d.pull); err != nil {
			return err
		}
	}
	s.settle(r.Context())
	http.Redirect(w, r, fmt.Sprintf("/%s/pull/%d%s", s.Repo, v.Number, anchor(action, message)), http.StatusSeeOther)
	return nil
}

// anchor returns where to look after an action: at the top where it was refused.
func anchor(action, refused string) string {
	switch {
	case refused != "":
		return ""
	case action == "merge", action == "rerun", action == "button":
		return "#checks"
	}
	return ""
}

func (s *site) pullView(r *http.Request) (githubsim.PullView, error) {
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil {
		return githubsim.PullView{}, errNotFound
	}
	return s.sim.PullView(s.Repo, number)
}
