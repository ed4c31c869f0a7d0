package pages

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/changegate/changegate/internal/githubsim"
)

func (s *site) issues(w http.ResponseWriter, r *http.Request) error {
	all, err := s.sim.Issues(s.Repo)
	if err != nil {
		return err
	}
	data := struct {
		frame
		Issues     []githubsim.IssueView // newest first
		Closed     int
		ShowClosed bool
	}{frame: s.frame(r, "Issues"), ShowClosed: r.URL.Query().Get("state") == "closed"}
	data.Section, data.Flash = "issues", s.flashes.take(r)
	data.Closed = len(all) - data.OpenIssues
	for _, i := range slices.Backward(all) {
		if (i.State == "closed") == data.ShowClosed {
			data.Issues = append(data.Issues, i)
		}
	}
	s.render(w, http.StatusOK, "issues.html", data)
	return nil
}

// issueLive is what of an issue's page changes by itself: its state and its timeline.
type issueLive struct {
	View    githubsim.IssueView
	Version string
}

// Events are the timeline's, as those of a pull request's are.
func (l issueLive) Events() []githubsim.EventView { return l.View.Events }

func newIssueLive(v githubsim.IssueView) issueLive {
	return issueLive{v, fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, v.State, v.StateReason, v.Events)))[:16]}
}

func (s *site) issue(w http.ResponseWriter, r *http.Request) error {
	v, err := s.issueView(r)
	if err != nil {
		if p, notPull := s.pullView(r); notPull == nil {
			http.Redirect(w, r, fmt.Sprintf("/%s/pull/%d", s.Repo, p.Number), http.StatusSeeOther)
			return nil
		}
		return err
	}
	data := struct {
		frame
		View githubsim.IssueView
		Live issueLive
	}{s.frame(r, fmt.Sprintf("%s · #%d", v.Title, v.Number)), v, newIssueLive(v)}
	data.Section, data.Flash = "issues", s.flashes.take(r)
	s.render(w, http.StatusOK, "issue.html", data)
	return nil
}

// livePart returns a handler of a part of an issue's page that changes by itself.
func (s *site) livePart(template string) http.Handler {
	return s.page(func(w http.ResponseWriter, r *http.Request) error {
		v, err := s.issueView(r)
		if err != nil {
			return err
		}
		l := newIssueLive(v)
		w.Header().Set("X-Version", l.Version)
		s.render(w, http.StatusOK, template, l)
		return nil
	})
}

func (s *site) issueView(r *http.Request) (githubsim.IssueView, error) {
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil {
		return githubsim.IssueView{}, errNotFound
	}
	return s.sim.IssueView(s.Repo, number)
}

// mentions returns the issues that name the pull request, by number.
func (s *site) mentions(number int) ([]githubsim.IssueView, error) {
	all, err := s.sim.Issues(s.Repo)
	return slices.DeleteFunc(all, func(i githubsim.IssueView) bool {
		texts := []string{i.Title, i.Body}
		for _, c := range i.Comments {
			texts = append(texts, c.Body)
		}
		return !refersTo(number, texts...)
	}), err
}

// issueDeeds are the actions of an issue's forms: what can be done to a pull request without its content too.
func (s *site) issueDeeds() map[string]func(*deed) error {
	all := s.deeds()
	// What was written in the comment's form is said first, so that whoever looks at the closed issue finds it there.
	saying := func(do func(*deed) error) func(*deed) error {
		return func(d *deed) error {
			if strings.TrimSpace(d.form.Get("body")) != "" {
				if err := all["comment"](d); err != nil {
					return err
				}
			}
			return do(d)
		}
	}
	return map[string]func(*deed) error{
		"comment": all["comment"], "title": all["title"], "body": all["body"], "close": saying(all["close"]), "reopen": saying(all["reopen"]),
	}
}

// actOnIssue does what a form of an issue asks for, and shows the issue again.
func (s *site) actOnIssue(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	action := r.PathValue("action")
	do := s.issueDeeds()[action]
	if do == nil {
		return errNotFound
	}
	v, err := s.issueView(r)
	if err != nil {
		return err
	}
	who, err := s.person(r)
	if err != nil {
		return err
	}
	message, err := refusal(do(&deed{who: who, pull: v.Pull, form: r.PostForm}))
	if err != nil {
		return err
	}
	if message != "" {
		s.flashes.set(w, flash{Message: message, Refused: true, Field: action, Draft: r.PostForm.Get("body")})
	}
	s.settle(r.Context())
	http.Redirect(w, r, fmt.Sprintf("/%s/issues/%d", s.Repo, v.Number), http.StatusSeeOther)
	return nil
}
