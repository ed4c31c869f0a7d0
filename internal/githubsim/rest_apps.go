package githubsim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
)

func appRoutes() []route {
	const all, one = "/app/installations", "/app/installations/{installation_id}"
	const deliveries, delivery = "/app/hook/deliveries", "/app/hook/deliveries/{delivery_id}"
	return []route{
		{"GET", "/app", asApp(), getApp},
		{"GET", all, asApp(), listInstallations},
		{"GET", one, asApp(), getInstallation},
		{"POST", one + "/access_tokens", asApp(), createToken},
		{"GET", "/repos/{owner}/{repo}/installation", asApp(), repositoryInstallation},
		{"GET", "/orgs/{org}/installation", asApp(), accountInstallation("org")},
		{"GET", "/users/{username}/installation", asApp(), accountInstallation("username")},
		{"GET", deliveries, asApp(), listDeliveries},
		{"GET", delivery, asApp(), getDelivery},
		{"POST", delivery + "/attempts", asApp(), redeliver},
		{"GET", "/installation/repositories", anyToken(), listInstalledRepositories},
		{"GET", "/rate_limit", anyToken(), getRateLimit},
	}
}

func getApp(c *call) (any, error) {
	o := c.appJSON(c.app).(obj)
	o["installations_count"] = len(c.ownInstallations())
	return o, nil
}

// ownInstallations returns the installations of the App that asks, in order.
func (c *call) ownInstallations() []*installation {
	return slices.DeleteFunc(c.sortedInstallations(), func(in *installation) bool { return in.app != c.app })
}

func listInstallations(c *call) (any, error) {
	return each(paginate(c, c.ownInstallations()), c.installationJSON), nil
}

func getInstallation(c *call) (any, error) {
	in, err := c.ownInstallation()
	if err != nil {
		return nil, err
	}
	return c.installationJSON(in), nil
}

func repositoryInstallation(c *call) (any, error) {
	r, err := c.repository(c.path("owner") + "/" + c.path("repo"))
	if err != nil {
		return nil, errNotFound
	}
	in := c.installationOf(c.app, r.owner)
	if in == nil || !in.has(r) {
		return nil, errNotFound
	}
	return c.installationJSON(in), nil
}

func listInstalledRepositories(c *call) (any, error) {
	var repos []*repository
	for _, r := range c.reposOf(c.in) {
		if c.sees(r) {
			repos = append(repos, r)
		}
	}
	list := []any{}
	for _, r := range paginate(c, repos) {
		list = append(list, c.repoJSON(r))
	}
	return obj{"total_count": len(repos), "repositories": list}, nil
}

func getRateLimit(c *call) (any, error) {
	c.in.core.calls-- // asking is free
	limit := cmp.Or(c.cfg.RateLimit, shownLimit)
	rate := obj{"limit": limit, "used": c.in.core.calls, "remaining": max(limit-c.in.core.calls, 0), "reset": c.in.core.reset.Unix(), "resource": "core"}
	return obj{"resources": obj{"core": rate, "search": rate}, "rate": rate}, nil
}

func accountInstallation(name string) func(c *call) (any, error) {
	return func(c *call) (any, error) {
		a, err := c.account(c.path(name))
		if err != nil {
			return nil, errNotFound
		}
		in := c.installationOf(c.app, a)
		if in == nil {
			return nil, errNotFound
		}
		return c.installationJSON(in), nil
	}
}

// ownInstallation returns the installation that the route names, if it is of the App that asks.
func (c *call) ownInstallation() (*installation, error) {
	in := c.installations[c.id("installation_id")]
	if in == nil || in.app != c.app {
		return nil, errNotFound
	}
	return in, nil
}

func createToken(c *call) (any, error) {
	in, err := c.ownInstallation()
	if err != nil {
		return nil, err
	}
	if !in.suspended.IsZero() {
		return nil, &apiError{status: http.StatusForbidden, message: "This installation has been suspended"}
	}
	var ask struct {
		Repositories  []string          `json:"repositories"`
		RepositoryIDs []int64           `json:"repository_ids"`
		Permissions   map[string]string `json:"permissions"`
	}
	if err := c.decode(&ask); err != nil {
		return nil, err
	}
	permissions := in.permissions
	if len(ask.Permissions) > 0 {
		permissions = ask.Permissions
		for name, level := range permissions {
			if !allows(in.permissions, name, level) {
				return nil, unprocessable("The permissions requested are not granted to this installation.")
			}
		}
		permissions["metadata"] = cmp.Or(permissions["metadata"], "read")
	}
	scope, err := c.scopeOf(in, ask.Repositories, ask.RepositoryIDs)
	if err != nil {
		return nil, err
	}
	name, t := c.newToken(in, permissions, scope)
	c.status = http.StatusCreated
	o := obj{"token": name, "expires_at": stamp(t.expires), "permissions": copyMap(permissions), "repository_selection": "selected"}
	if in.all && scope == nil {
		o["repository_selection"] = "all"
	}
	if scope != nil {
		list := []any{}
		for _, r := range c.reposOf(in) {
			if scope[r] {
				list = append(list, c.repoJSON(r))
			}
		}
		o["repositories"] = list
	}
	return o, nil
}

// scopeOf returns the repositories that a token is asked for, by name and by id; nil: all of the installation.
func (c *call) scopeOf(in *installation, names []string, ids []int64) (map[*repository]bool, error) {
	var asked []*repository
	for _, name := range names {
		asked = append(asked, c.repoNames[strings.ToLower(in.account.login+"/"+name)])
	}
	for _, id := range ids {
		asked = append(asked, c.repos[id])
	}
	if len(asked) == 0 {
		return nil, nil
	}
	scope := map[*repository]bool{}
	for _, r := range asked {
		if r == nil || !in.has(r) {
			return nil, unprocessable("There is at least one repository that does not exist or is not accessible to the parent installation.")
		}
		scope[r] = true
	}
	return scope, nil
}

// listDeliveries pages by cursor: the id of the first delivery of the page.
func listDeliveries(c *call) (any, error) {
	var log []*delivery
	for _, d := range c.app.sender.log {
		if c.Now().Sub(d.At) > redeliverable {
			continue
		}
		failed := d.StatusCode >= 400 && d.StatusCode < 600
		if want := c.query("status"); want == "failure" && !failed || want == "success" && failed {
			continue
		}
		log = append(log, d)
	}
	sort.Slice(log, func(i, j int) bool { return log[i].ID > log[j].ID })
	if cursor := c.query("cursor"); cursor != "" {
		from, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil {
			return nil, &apiError{status: http.StatusBadRequest, message: "Invalid cursor"}
		}
		log = slices.DeleteFunc(log, func(d *delivery) bool { return d.ID > from })
	}
	_, size := c.pageSize()
	if len(log) > size {
		q := c.r.URL.Query()
		q.Set("cursor", strconv.FormatInt(log[size].ID, 10))
		c.w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, c.apiURL("/app/hook/deliveries"), q.Encode()))
		log = log[:size]
	}
	return each(log, func(d *delivery) obj { return c.deliveryJSON(d, false) }), nil
}

func getDelivery(c *call) (any, error) {
	for _, d := range c.app.sender.log {
		if d.ID == c.id("delivery_id") {
			return c.deliveryJSON(d, true), nil
		}
	}
	return nil, errNotFound
}

func redeliver(c *call) (any, error) {
	c.status = http.StatusAccepted
	for _, d := range c.app.sender.log {
		if d.ID == c.id("delivery_id") && c.Now().Sub(d.At) > redeliverable {
			return nil, unprocessable("Deliveries older than 3 days cannot be redelivered.")
		}
	}
	return obj{}, c.redeliver(c.app, c.id("delivery_id"))
}

func (s *Sim) deliveryJSON(d *delivery, full bool) obj {
	o := obj{"id": d.ID, "guid": d.GUID, "delivered_at": stamp(d.At), "redelivery": d.Redelivery, "duration": d.duration.Seconds(),
		"status": d.status, "status_code": d.StatusCode, "event": d.Event, "action": orNull(d.Action), "installation_id": d.installation,
		"repository_id": nil, "throttled_at": nil}
	if d.repository != 0 {
		o["repository_id"] = d.repository
	}
	if full {
		headers := obj{}
		for name, value := range d.requestHeaders {
			headers[name] = value
		}
		o["url"] = ""
		o["request"] = obj{"headers": headers, "payload": json.RawMessage(d.Payload)}
		o["response"] = obj{"headers": d.responseHeaders, "payload": orNull(d.response)}
	}
	return o
}
