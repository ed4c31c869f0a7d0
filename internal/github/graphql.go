package github

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// queryError is an error in an answer of GraphQL. GitHub gives a type to what happened while a query ran, and a code to what is wrong
// with the query itself: a field that this GitHub does not have, say.
type queryError struct {
	Type       string `json:"type"`
	Message    string `json:"message"`
	Extensions struct {
		Code string `json:"code"`
	} `json:"extensions"`
}

// isLimited says whether an answer of GraphQL with status 200 is a refusal because of a rate limit.
func isLimited(body []byte) bool {
	var answer struct {
		Errors []queryError `json:"errors"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return false // said where the answer is read
	}
	return slices.ContainsFunc(answer.Errors, func(e queryError) bool {
		message := strings.ToLower(e.Message)
		return strings.HasPrefix(e.Type, "RATE_LIMIT") || strings.Contains(e.Extensions.Code, "rate_limit") ||
			strings.Contains(message, "secondary rate limit") || strings.Contains(message, "api rate limit")
	})
}

// query asks GraphQL with a token of the scope, and reads the data of the answer into data. Nothing is held. An answer with errors is an error, even
// if it has data as well: *NoGraphQL for what asking again would not mend.
func (c *Client) query(ctx context.Context, s scope, query string, variables map[string]any, data any) error {
	if c.github.graphql == nil {
		return &NoGraphQL{Message: "github.v4_api_url is not set"}
	}
	body := struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}{query, variables}
	to := address{route: queryGraphQL, path: c.github.graphql.String(), scope: s}
	resp, err := c.send(ctx, &sending{route: to.route}, to, body, nil)
	defer done(resp)
	if err != nil {
		var missing *NotFound
		var forbidden *Forbidden
		var rejected *Rejected
		if errors.As(err, &missing) || errors.As(err, &forbidden) || errors.As(err, &rejected) {
			return &NoGraphQL{Message: err.Error()}
		}
		return err
	}
	var answer struct {
		Data   json.RawMessage `json:"data"`
		Errors []queryError    `json:"errors"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return unreadable(err, false)
	}
	for _, e := range answer.Errors {
		switch {
		case e.Type == "NOT_FOUND", e.Type == "FORBIDDEN", e.Type == "INSUFFICIENT_SCOPES", e.Extensions.Code != "",
			strings.Contains(e.Message, "doesn't exist on type"):
			return &NoGraphQL{Message: cmp.Or(e.Message, e.Type, e.Extensions.Code)}
		}
	}
	if len(answer.Errors) > 0 {
		e := answer.Errors[0]
		return unreadable(errors.New("GitHub could not answer the query: "+cmp.Or(e.Message, e.Type, "it does not say why")), false)
	}
	if err := json.Unmarshal(answer.Data, data); err != nil {
		return unreadable(err, false)
	}
	return nil
}
