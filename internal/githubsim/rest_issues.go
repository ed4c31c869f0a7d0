package githubsim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

func issueRoutes() []route {
	const issues, labels = "/repos/{owner}/{repo}/issues", "/repos/{owner}/{repo}/labels"
	const one, comments = issues + "/{issue_number}", issues + "/comments"
	read, write := reads("issues", "pull_requests"), writes("issues", "pull_requests")
	return []route{
		{"GET", issues, read, listIssues},
		{"POST", issues, writes("issues"), createIssue},
		{"GET", one, read, onIssue("read", getIssue)},
		{"PATCH", one, write, onIssue("write", updateIssue)},
		{"GET", one + "/events", read, onIssue("read", listIssueEvents)},
		{"GET", one + "/timeline", read, onIssue("read", listTimeline)},
		{"GET", one + "/labels", read, onIssue("read", listIssueLabels)},
		{"POST", one + "/labels", write, onIssue("write", addLabels)},
		{"PUT", one + "/labels", write, onIssue("write", setLabels)},
		{"DELETE", one + "/labels/{name}", write, onIssue("write", removeLabel)},
		{"GET", one + "/comments", read, onIssue("read", listIssueComments)},
		{"POST", one + "/comments", write, onIssue("write", createComment)},
		{"POST", one + "/assignees", write, onIssue("write", assign(true))},
		{"DELETE", one + "/assignees", write, onIssue("write", assign(false))},
		{"GET", comments, read, listComments},
		{"GET", comments + "/{comment_id}", read, onComment("read", getComment)},
		{"PATCH", comments + "/{comment_id}", write, onComment("write", updateComment)},
		{"DELETE", comments + "/{comment_id}", write, onComment("write", deleteComment)},
		{"POST", comments + "/{comment_id}/reactions", write, onComment("write", react)},
		{"GET", labels, read, listLabels},
		{"POST", labels, write, createLabel},
		{"GET", labels + "/{name}", read, onLabel(getLabel)},
		{"PATCH", labels + "/{name}", write, onLabel(updateLabel)},
		{"DELETE", labels + "/{name}", write, onLabel(deleteLabel)},
	}
}

// onIssue finds the route's issue or pull request. Both kinds share these routes; each asks for its own permission.
func onIssue(level string, f func(c *call, i *issue) (any, error)) func(c *call) (any, error) {
	return func(c *call) (any, error) {
		i := c.repo.issue(c.number("issue_number"))
		if i == nil {
			return nil, errNotFound
		}
		if i.pull == nil && !c.may("issues", level) {
			return nil, errForbidden
		}
		return f(c, i)
	}
}

func onComment(level string, f func(c *call, x *comment) (any, error)) func(c *call) (any, error) {
	return func(c *call) (any, error) {
		x := c.comment(c.repo, c.id("comment_id"))
		if x == nil {
			return nil, errNotFound
		}
		if x.issue.pull == nil && !c.may("issues", level) {
			return nil, errForbidden
		}
		return f(c, x)
	}
}

func onLabel(f func(c *call, l *label) (any, error)) func(c *call) (any, error) {
	return func(c *call) (any, error) {
		l := c.repo.labels[strings.ToLower(c.path("name"))]
		if l == nil {
			return nil, errNotFound
		}
		return f(c, l)
	}
}

func listIssues(c *call) (any, error) {
	state := c.query("state")
	since, _ := time.Parse(time.RFC3339, c.query("since")) // without one: everything
	var list []*issue
	for _, i := range slices.Backward(c.repo.issues) {
		if state != "all" && i.state != state && !(state == "" && i.state == "open") {
			continue
		}
		if i.pull == nil && !c.may("issues", "read") || i.updated.Before(since) {
			continue
		}
		if who := c.query("creator"); who != "" && (i.author == nil || !strings.EqualFold(i.author.login, who)) {
			continue
		}
		fits := c.assignedTo(i, c.query("assignee"))
		for _, name := range strings.FieldsFunc(c.query("labels"), func(r rune) bool { return r == ',' }) {
			l := c.repo.labels[strings.ToLower(name)]
			fits = fits && l != nil && i.hasLabel(l)
		}
		if fits {
			list = append(list, i)
		}
	}
	switch c.query("sort") {
	case "updated":
		slices.SortStableFunc(list, func(a, b *issue) int { return b.updated.Compare(a.updated) })
	case "comments":
		slices.SortStableFunc(list, func(a, b *issue) int { return len(b.comments) - len(a.comments) })
	}
	if c.query("direction") == "asc" {
		slices.Reverse(list)
	}
	return each(paginate(c, list), c.issueJSON), nil
}

// assignedTo says whether the issue is assigned to somebody ("*"), nobody ("none") or a login; "": whoever it is.
func (c *call) assignedTo(i *issue, who string) bool {
	switch who {
	case "":
		return true
	case "*", "none":
		return (who == "*") == (len(i.assignees) > 0)
	}
	return slices.ContainsFunc(i.assignees, func(a *account) bool { return strings.EqualFold(a.login, who) })
}

func getIssue(c *call, i *issue) (any, error) { return c.issueJSON(i), nil }

func listIssueEvents(c *call, i *issue) (any, error) {
	list := slices.DeleteFunc(slices.Clone(i.timeline), (*event).timelineOnly)
	return each(paginate(c, list), func(e *event) obj { return c.eventJSON(i, e) }), nil
}

func listTimeline(c *call, i *issue) (any, error) {
	return each(paginate(c, i.timeline), func(e *event) obj { return c.eventJSON(i, e) }), nil
}

func listIssueComments(c *call, i *issue) (any, error) {
	list := i.comments
	if since, err := time.Parse(time.RFC3339, c.query("since")); err == nil {
		list = slices.DeleteFunc(slices.Clone(list), func(x *comment) bool { return x.updated.Before(since) })
	}
	return each(paginate(c, list), c.commentJSON), nil
}

// listComments lists the comments of all issues and pull requests.
func listComments(c *call) (any, error) {
	since, _ := time.Parse(time.RFC3339, c.query("since")) // without one: everything
	var list []*comment
	for _, i := range c.repo.issues {
		for _, x := range i.comments {
			if (i.pull != nil || c.may("issues", "read")) && !x.updated.Before(since) {
				list = append(list, x)
			}
		}
	}
	by := func(x *comment) time.Time { return x.created }
	if c.query("sort") == "updated" {
		by = func(x *comment) time.Time { return x.updated }
	}
	slices.SortStableFunc(list, func(a, b *comment) int { return by(a).Compare(by(b)) })
	if c.query("direction") == "desc" {
		slices.Reverse(list)
	}
	return each(paginate(c, list), c.commentJSON), nil
}

// readLabels reads labels that are written as names or as objects with a name.
func readLabels(list []json.RawMessage) ([]string, error) {
	var names []string
	for _, item := range list {
		var name string
		if json.Unmarshal(item, &name) != nil {
			var named struct {
				Name string `json:"name"`
			}
			if json.Unmarshal(item, &named) != nil {
				return nil, invalid("Label", "name", "is invalid")
			}
			name = named.Name
		}
		if name == "" {
			return nil, invalid("Label", "name", "is missing")
		}
		names = append(names, name)
	}
	return names, nil
}

func createIssue(c *call) (any, error) {
	var ask struct {
		Title     string            `json:"title"`
		Body      string            `json:"body"`
		Labels    []json.RawMessage `json:"labels"`
		Assignees []string          `json:"assignees"`
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if ask.Title == "" {
		return nil, invalid("Issue", "title", "is missing")
	}
	names, err := readLabels(ask.Labels)
	if err != nil {
		return nil, err
	}
	i := c.newIssue(c.repo, c.by(), ask.Title, ask.Body)
	c.emitIssue(i, "opened", c.by(), nil)
	for _, name := range names {
		c.addLabel(i, name, c.by())
	}
	c.assign(i, ask.Assignees, true, c.by())
	c.status = http.StatusCreated
	return c.issueJSON(i), nil
}

// stateReasons are why an issue may be said to be closed.
var stateReasons = []string{"completed", "not_planned", "duplicate", "reopened"}

func updateIssue(c *call, i *issue) (any, error) {
	var ask struct {
		Title       *string           `json:"title"`
		Body        *string           `json:"body"`
		State       *string           `json:"state"`
		StateReason *string           `json:"state_reason"`
		Labels      []json.RawMessage `json:"labels"`
		Assignees   []string          `json:"assignees"`
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if ask.StateReason != nil && !slices.Contains(stateReasons, *ask.StateReason) {
		return nil, invalid("Issue", "state_reason", "is not one of "+strings.Join(stateReasons, ", "))
	}
	c.editIssue(i, c.by(), ask.Title, ask.Body)
	if ask.Assignees != nil {
		var gone []string
		for _, a := range i.assignees {
			if !slices.ContainsFunc(ask.Assignees, func(login string) bool { return strings.EqualFold(login, a.login) }) {
				gone = append(gone, a.login)
			}
		}
		c.assign(i, gone, false, c.by())
		c.assign(i, ask.Assignees, true, c.by())
	}
	if ask.Labels != nil {
		if err := c.replaceLabels(i, ask.Labels); err != nil {
			return nil, err
		}
	}
	if ask.State != nil {
		switch *ask.State {
		case "closed":
			reason := ""
			if ask.StateReason != nil {
				reason = *ask.StateReason
			}
			c.closeIssue(i, c.by(), reason)
		case "open":
			if err := c.reopenIssue(i, c.by()); err != nil {
				return nil, err
			}
		default:
			return nil, invalid("Issue", "state", "is not open or closed")
		}
	}
	return c.issueJSON(i), nil
}

func (c *call) labelsBody() ([]string, []json.RawMessage, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(c.body, &list); err != nil {
		var ask struct {
			Labels []json.RawMessage `json:"labels"`
		}
		if err := c.decode(&ask); err != nil {
			return nil, nil, err
		}
		list = ask.Labels
	}
	names, err := readLabels(list)
	return names, list, err
}

func listIssueLabels(c *call, i *issue) (any, error) {
	return each(paginate(c, i.labels), func(l *label) obj { return c.labelJSON(c.repo, l) }), nil
}

func addLabels(c *call, i *issue) (any, error) {
	names, _, err := c.labelsBody()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		c.addLabel(i, name, c.by())
	}
	return c.labelsJSON(i), nil
}

func setLabels(c *call, i *issue) (any, error) {
	_, list, err := c.labelsBody()
	if err != nil {
		return nil, err
	}
	return c.labelsJSON(i), c.replaceLabels(i, list)
}

func removeLabel(c *call, i *issue) (any, error) {
	l := c.repo.labels[strings.ToLower(c.path("name"))]
	if l == nil || !i.hasLabel(l) {
		return nil, &apiError{status: http.StatusNotFound, message: "Label does not exist"}
	}
	c.removeLabel(i, l, c.by())
	return c.labelsJSON(i), nil
}

func (c *call) replaceLabels(i *issue, list []json.RawMessage) error {
	names, err := readLabels(list)
	if err != nil {
		return err
	}
	for _, l := range slices.Clone(i.labels) {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, l.name) }) {
			c.removeLabel(i, l, c.by())
		}
	}
	for _, name := range names {
		c.addLabel(i, name, c.by())
	}
	return nil
}

// maxBody is how long a comment may be.
const maxBody = 65_536

func checkBody(body string) error {
	if strings.TrimSpace(body) == "" {
		return invalid("IssueComment", "body", "can't be blank")
	}
	if len([]rune(body)) > maxBody {
		return invalid("IssueComment", "body", "is too long (maximum is 65536 characters)")
	}
	return nil
}

func createComment(c *call, i *issue) (any, error) {
	var ask struct {
		Body string `json:"body"`
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if err := checkBody(ask.Body); err != nil {
		return nil, err
	}
	c.status = http.StatusCreated
	return c.commentJSON(c.addComment(i, ask.Body, c.by())), nil
}

func updateComment(c *call, x *comment) (any, error) {
	var ask struct {
		Body string `json:"body"`
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if err := checkBody(ask.Body); err != nil {
		return nil, err
	}
	c.editComment(x, ask.Body, c.by())
	return c.commentJSON(x), nil
}

func getComment(c *call, x *comment) (any, error) { return c.commentJSON(x), nil }

func deleteComment(c *call, x *comment) (any, error) {
	c.deleteComment(x, c.by())
	c.status = http.StatusNoContent
	return nil, nil
}

func react(c *call, x *comment) (any, error) {
	var ask struct {
		Content string `json:"content"`
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if !slices.Contains(reactionNames, ask.Content) {
		return nil, invalid("Reaction", "content", "is not one of "+strings.Join(reactionNames, ", "))
	}
	for _, r := range x.reactions {
		if r.author == c.app.bot && r.content == ask.Content {
			return c.reactionJSON(r), nil
		}
	}
	r := &reaction{id: c.nextID(), author: c.app.bot, content: ask.Content, at: c.Now()}
	x.reactions = append(x.reactions, r)
	c.status = http.StatusCreated
	return c.reactionJSON(r), nil
}

func assign(add bool) func(c *call, i *issue) (any, error) {
	return func(c *call, i *issue) (any, error) {
		var ask struct {
			Assignees []string `json:"assignees"`
		}
		if err := c.decode(&ask); err != nil {
			return nil, err
		}
		c.assign(i, ask.Assignees, add, c.by())
		if add {
			c.status = http.StatusCreated
		}
		return c.issueJSON(i), nil
	}
}

type labelBody struct {
	Name        string  `json:"name"`
	NewName     string  `json:"new_name"`
	Color       string  `json:"color"`
	Description *string `json:"description"`
}

func listLabels(c *call) (any, error) {
	return each(paginate(c, sortedKeys(c.repo.labels)), func(key string) obj { return c.labelJSON(c.repo, c.repo.labels[key]) }), nil
}

func getLabel(c *call, l *label) (any, error) { return c.labelJSON(c.repo, l), nil }

func deleteLabel(c *call, l *label) (any, error) {
	c.Sim.deleteLabel(c.repo, l, c.by())
	c.status = http.StatusNoContent
	return nil, nil
}

func createLabel(c *call) (any, error) {
	var ask labelBody
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if ask.Name == "" {
		return nil, invalid("Label", "name", "is missing")
	}
	if c.repo.labels[strings.ToLower(ask.Name)] != nil {
		return nil, &apiError{status: http.StatusUnprocessableEntity, message: "Validation Failed",
			errors: []obj{{"resource": "Label", "code": "already_exists", "field": "name"}}}
	}
	if ask.Color == "" {
		ask.Color = "ededed"
	}
	l := c.newLabel(c.repo, ask.Name, ask.Color)
	if ask.Description != nil {
		l.description = *ask.Description
	}
	c.emitLabel(c.repo, l, "created", c.app.bot, nil)
	c.status = http.StatusCreated
	return c.labelJSON(c.repo, l), nil
}

func updateLabel(c *call, l *label) (any, error) {
	var ask labelBody
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if err := c.editLabel(c.repo, l, ask.NewName, ask.Color, ask.Description, c.by()); err != nil {
		return nil, err
	}
	return c.labelJSON(c.repo, l), nil
}
