package githubsim

import (
	"net/http"
	"slices"
	"strings"
)

func pullRoutes() []route {
	const one = "/repos/{owner}/{repo}/pulls/{pull_number}"
	return []route{
		{"GET", "/repos/{owner}/{repo}/pulls", reads("pull_requests"), listPulls},
		{"GET", one, reads("pull_requests"), onPull(func(c *call, i *issue) (any, error) { return c.pullJSON(i, true), nil })},
		{"GET", one + "/files", reads("pull_requests"), onPull(func(c *call, i *issue) (any, error) {
			files := i.pull.diff.files
			return c.filesJSON(i.pull.mergeBase, i.pull.head, paginate(c, files[:min(len(files), pullFiles)])), nil
		})},
		{"GET", one + "/commits", reads("pull_requests"), onPull(func(c *call, i *issue) (any, error) {
			commits := i.pull.commits
			return each(paginate(c, commits[:min(len(commits), pullCommits)]), func(x *commit) obj { return c.commitJSON(c.repo, x) }), nil
		})},
		{"GET", one + "/reviews", reads("pull_requests"), onPull(func(c *call, i *issue) (any, error) {
			return each(paginate(c, i.pull.reviews), func(rv *review) obj { return c.reviewJSON(i, rv) }), nil
		})},
		{"POST", one + "/reviews", writes("pull_requests"), onPull(createReview)},
		{"GET", one + "/requested_reviewers", reads("pull_requests"), onPull(func(c *call, i *issue) (any, error) {
			return obj{"users": c.usersJSON(i.pull.reviewers), "teams": each(i.pull.teams, c.teamJSON)}, nil
		})},
		{"POST", one + "/requested_reviewers", writes("pull_requests"), onPull(requestReviewers)},
		{"DELETE", one + "/requested_reviewers", writes("pull_requests"), onPull(removeReviewers)},
		{"GET", "/repos/{owner}/{repo}/commits/{commit_sha}/pulls", reads("pull_requests", "contents"), commitPulls},
	}
}

// onPull finds the route's pull request.
func onPull(f func(c *call, i *issue) (any, error)) func(c *call) (any, error) {
	return func(c *call) (any, error) {
		i := c.repo.issue(c.number("pull_number"))
		if i == nil || i.pull == nil {
			return nil, errNotFound
		}
		return f(c, i)
	}
}

func listPulls(c *call) (any, error) {
	state := c.query("state")
	if state == "" {
		state = "open"
	}
	if !slices.Contains([]string{"open", "closed", "all"}, state) {
		return nil, invalid("PullRequest", "state", "is not open, closed or all")
	}
	var list []*issue
	for _, i := range c.repo.issues {
		if i.pull == nil || (state != "all" && i.state != state) {
			continue
		}
		if base := c.query("base"); base != "" && i.pull.base != base {
			continue
		}
		if head := c.query("head"); head != "" && !strings.EqualFold(i.pull.headOwner.login+":"+i.pull.headRef, head) {
			continue
		}
		list = append(list, i)
	}
	if c.query("sort") == "updated" {
		slices.SortStableFunc(list, func(a, b *issue) int { return a.updated.Compare(b.updated) })
	}
	descending := c.query("direction") == "desc" || c.query("direction") == "" && (c.query("sort") == "" || c.query("sort") == "created")
	if descending {
		slices.Reverse(list)
	}
	return each(paginate(c, list), func(i *issue) obj { return c.pullJSON(i, false) }), nil
}

// commitPulls lists the pull requests that a commit belongs to: those that brought it into the default branch, and those, open
// or closed, that have it among their commits.
func commitPulls(c *call) (any, error) {
	at, err := c.repo.resolve(c.path("commit_sha"))
	if err != nil {
		return nil, unprocessable("No commit found for SHA: %s", c.path("commit_sha"))
	}
	var list []*issue
	for _, i := range c.repo.issues {
		p := i.pull
		if p == nil {
			continue
		}
		has := p.head == at.sha || p.merged && p.mergeCommit == at.sha ||
			slices.ContainsFunc(slices.Concat(p.commits, p.landed), func(x *commit) bool { return x.sha == at.sha })
		if has {
			list = append(list, i)
		}
	}
	return each(paginate(c, list), func(i *issue) obj { return c.pullJSON(i, false) }), nil
}

var reviewEvents = map[string]string{"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}

// createReview submits a review at once. A pending one, which GitHub makes where no event is named, is refused.
func createReview(c *call, i *issue) (any, error) {
	var ask struct {
		CommitID string `json:"commit_id"`
		Body     string `json:"body"`
		Event    string `json:"event"`
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	state := reviewEvents[ask.Event]
	if state == "" {
		return nil, unprocessable("A review needs an event: APPROVE, REQUEST_CHANGES or COMMENT.")
	}
	if ask.CommitID == "" {
		ask.CommitID = i.pull.head
	}
	if _, err := c.repo.st.commit(ask.CommitID); err != nil {
		return nil, unprocessable("No commit found for SHA: %s", ask.CommitID)
	}
	rv, err := c.submitReview(i, state, ask.Body, ask.CommitID, c.by())
	if err != nil {
		return nil, err
	}
	return c.reviewJSON(i, rv), nil
}

type reviewersBody struct {
	Reviewers     []string `json:"reviewers"`
	TeamReviewers []string `json:"team_reviewers"`
}

// maxReviewers is how many people one request may ask.
const maxReviewers = 15

func requestReviewers(c *call, i *issue) (any, error) {
	var ask reviewersBody
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if len(ask.Reviewers)+len(ask.TeamReviewers) == 0 {
		return nil, unprocessable("Reviewers or team_reviewers must be given.")
	}
	if len(ask.Reviewers) > maxReviewers {
		return nil, unprocessable("Could not add requested reviewers to pull request.")
	}
	var users []*account
	for _, login := range ask.Reviewers {
		a, err := c.account(login)
		switch {
		case err == nil && a == i.author:
			return nil, unprocessable("Review cannot be requested from pull request author.")
		case err != nil || !c.collaborates(c.repo, a):
			return nil, unprocessable("Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator of the %s repository.", c.repo.fullName())
		}
		users = append(users, a)
	}
	var teams []*team
	for _, slug := range ask.TeamReviewers {
		// Without the right to see the organization's teams they do not exist.
		t, err := c.team(c.repo.owner.login, slug)
		if err != nil || !c.may("members", "read") {
			return nil, unprocessable("Could not resolve to a node with the global id of '%s'.", slug)
		}
		reaches := false
		for at := t; at != nil; at = at.parent {
			reaches = reaches || at.repos[c.repo] != ""
		}
		if !reaches {
			return nil, unprocessable("Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator of the %s repository.", c.repo.fullName())
		}
		teams = append(teams, t)
	}
	for _, a := range users {
		c.requestUser(i, a, c.by())
	}
	for _, t := range teams {
		c.requestTeam(i, t, c.by())
	}
	c.status = http.StatusCreated
	return c.pullJSON(i, false), nil
}

// collaborates says whether GitHub takes the account for a collaborator, who may be asked for a review.
func (s *Sim) collaborates(r *repository, a *account) bool {
	if _, direct := r.collaborators[a]; direct || r.owner == a {
		return true
	}
	org := s.orgs[r.owner]
	if org == nil {
		return false
	}
	_, member := org.members[a]
	return member && s.role(r, a).AtLeast(Read)
}

func removeReviewers(c *call, i *issue) (any, error) {
	var ask reviewersBody
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if ask.Reviewers == nil {
		return nil, unprocessable("Invalid request.\n\n\"reviewers\" wasn't supplied.")
	}
	for _, login := range ask.Reviewers {
		if a, err := c.account(login); err == nil {
			c.unrequest(i, a, nil, c.by())
		}
	}
	for _, slug := range ask.TeamReviewers {
		if t, err := c.team(c.repo.owner.login, slug); err == nil {
			c.unrequest(i, nil, t, c.by())
		}
	}
	return c.pullJSON(i, false), nil
}
