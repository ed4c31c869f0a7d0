package githubsim

import (
	"encoding/base64"
	"fmt"
	"net/http"
)

// graphQLRoute is GraphQL's route in Calls and for a Fault. On a GitHub of one's own it is under /api.
const graphQLRoute = "/graphql"

// NoGraphQL has GraphQL be answered 404 from now on, as by a GitHub that has none.
func (s *Sim) NoGraphQL() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noGraphQL = true
}

// FailGraphQL has GraphQL answer 200 with an error that says so, and without data; "" ends it.
func (s *Sim) FailGraphQL(message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.graphQLFailure = message
}

// answerQuery answers a query about repositories' merge queues, which are all that can be asked for.
func answerQuery(c *call) (any, error) {
	if c.noGraphQL {
		return nil, errNotFound
	}
	if c.graphQLFailure != "" {
		return obj{"errors": []obj{{"message": c.graphQLFailure}}}, nil
	}
	var ask struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	if ask.Query == "" {
		return nil, &apiError{status: http.StatusBadRequest, message: "A query attribute must be specified and must be a string."}
	}
	fields, err := parseQuery(ask.Query, ask.Variables)
	if err != nil {
		return obj{"errors": []obj{{"message": err.Error()}}}, nil
	}
	var rs resolver
	answer := obj{"data": rs.object(c.queryObject(), fields, nil)}
	if rs.errors != nil {
		answer["errors"] = rs.errors
	}
	return answer, nil
}

// fieldsOf are an object's fields.
type fieldsOf = map[string]func(args map[string]any) (any, error)

// always is a field that takes no arguments and cannot fail.
func always(v any) func(map[string]any) (any, error) {
	return func(map[string]any) (any, error) { return v, nil }
}

func (c *call) queryObject() *gqlObject {
	return &gqlObject{"Query", fieldsOf{
		"repository": func(args map[string]any) (any, error) {
			name := fmt.Sprintf("%v/%v", args["owner"], args["name"])
			r, err := c.repository(name)
			if err != nil || !c.sees(r) {
				return nil, &gqlError{"NOT_FOUND", fmt.Sprintf("Could not resolve to a Repository with the name '%s'.", name)}
			}
			return c.repositoryObject(r), nil
		},
	}}
}

func (c *call) repositoryObject(r *repository) *gqlObject {
	return &gqlObject{"Repository", fieldsOf{
		"databaseId":    always(r.id),
		"nameWithOwner": always(r.fullName()),
		"mergeQueue": func(args map[string]any) (any, error) {
			if !c.may("merge_queues", "read") {
				return nil, &gqlError{"FORBIDDEN", errForbidden.message}
			}
			branch, _ := args["branch"].(string)
			if branch == "" {
				branch = r.defaultBranch
			}
			// The argument is a branch's name: a full ref names no branch.
			if r.branches[branch] == "" || r.queueOf(branch) == nil {
				return nil, nil
			}
			return c.mergeQueueObject(r.queueOn(branch)), nil
		},
	}}
}

func (c *call) mergeQueueObject(q *queue) *gqlObject {
	return &gqlObject{"MergeQueue", fieldsOf{
		"url":     always(c.htmlURL("/%s/queue/%s", q.repo.fullName(), q.branch)),
		"entries": func(args map[string]any) (any, error) { return c.entriesObject(q, args) },
	}}
}

// entriesObject is a page of a queue. Its cursors are positions, so what moves up meanwhile is passed over, as on GitHub.
func (c *call) entriesObject(q *queue, args map[string]any) (*gqlObject, error) {
	first, given := args["first"].(float64)
	switch {
	case !given:
		return nil, &gqlError{"MISSING_PAGINATION_BOUNDARIES",
			"You must provide a `first` or `last` value to properly paginate the `entries` connection."}
	case first < 1 || first > maxPage:
		return nil, &gqlError{"EXCESSIVE_PAGINATION", fmt.Sprintf("Requesting %v records on the `entries` connection exceeds the `first` limit of %d records.", first, maxPage)}
	}
	from := 0
	if after, _ := args["after"].(string); after != "" {
		raw, err := base64.StdEncoding.DecodeString(after)
		if n, _ := fmt.Sscanf(string(raw), "cursor:%d", &from); err != nil || n != 1 || from < 0 {
			return nil, &gqlError{"INVALID_CURSOR_ARGUMENTS", fmt.Sprintf("`%s` does not appear to be a valid cursor.", after)}
		}
	}
	from = min(from, len(q.entries))
	to := min(from+int(first), len(q.entries))
	nodes := []*gqlObject{}
	for n := from; n < to; n++ {
		nodes = append(nodes, c.entryObject(q, n))
	}
	cursor := func(n int) any {
		if from == to {
			return nil
		}
		return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "cursor:%d", n))
	}
	return &gqlObject{"MergeQueueEntryConnection", fieldsOf{
		"nodes":      always(nodes),
		"totalCount": always(len(q.entries)),
		"pageInfo": always(&gqlObject{"PageInfo", fieldsOf{"hasNextPage": always(to < len(q.entries)), "hasPreviousPage": always(from > 0),
			"startCursor": always(cursor(from + 1)), "endCursor": always(cursor(to))}}),
	}}, nil
}

func (c *call) entryObject(q *queue, n int) *gqlObject {
	e := q.entries[n]
	commit := func(sha string) func(map[string]any) (any, error) {
		if sha == "" {
			return always(nil)
		}
		return always(&gqlObject{"Commit", fieldsOf{"oid": always(sha)}})
	}
	p := e.pull.pull
	return &gqlObject{"MergeQueueEntry", fieldsOf{
		"id":         always(node("MergeQueueEntry", e.id)),
		"position":   always(n + 1),
		"state":      always(c.entryState(q, e)),
		"enqueuedAt": always(stamp(e.at)),
		"headCommit": commit(e.head),
		"baseCommit": commit(e.base),
		"pullRequest": always(&gqlObject{"PullRequest", fieldsOf{"number": always(e.pull.number), "headRefOid": always(p.head),
			"headRefName": always(p.headRef), "baseRefName": always(p.base), "isDraft": always(p.draft)}}),
	}}
}
