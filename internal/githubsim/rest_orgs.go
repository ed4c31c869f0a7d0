package githubsim

import (
	"net/http"
	"slices"
	"strings"
)

func orgRoutes() []route {
	const teams, team = "/orgs/{org}/teams", "/orgs/{org}/teams/{team_slug}"
	return []route{
		{"GET", team, reads("members"), getTeam},
		{"GET", teams, reads("members"), listTeams},
		{"GET", team + "/members", reads("members"), listTeamMembers},
		{"GET", team + "/memberships/{username}", reads("members"), getMembership},
		{"GET", team + "/repos/{owner}/{repo}", reads("members"), checkTeamRepository},
		{"GET", "/orgs/{org}/members/{username}", reads("members"), checkMember},
		{"GET", "/users/{username}", anyToken(), getUser},
		{"GET", "/user/{account_id}", anyToken(), getUserByID},
	}
}

func listTeams(c *call) (any, error) {
	o, err := c.ownOrg()
	if err != nil {
		return nil, err
	}
	return each(paginate(c, sortedKeys(o.teams)), func(slug string) obj { return c.teamJSON(o.teams[slug]) }), nil
}

func listTeamMembers(c *call) (any, error) {
	t, err := c.ownTeam()
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, a := range paginate(c, t.everyone()) {
		list = append(list, c.userJSON(a))
	}
	return list, nil
}

func getMembership(c *call) (any, error) {
	t, err := c.ownTeam()
	if err != nil {
		return nil, err
	}
	a, err := c.account(c.path("username"))
	if err != nil || !slices.Contains(t.everyone(), a) {
		return nil, errNotFound
	}
	return obj{"url": c.apiURL("/organizations/%d/team/%d/memberships/%s", t.org.account.id, t.id, a.login), "role": "member", "state": "active"}, nil
}

// checkTeamRepository answers without content whether a team, or one above it, has a role in the repository.
func checkTeamRepository(c *call) (any, error) {
	t, err := c.ownTeam()
	if err != nil {
		return nil, err
	}
	for at := t; at != nil; at = at.parent {
		if at.repos[c.repo] != "" {
			c.status = http.StatusNoContent
			return nil, nil
		}
	}
	return nil, errNotFound
}

// checkMember answers without content whether somebody is a member of the organization.
func checkMember(c *call) (any, error) {
	o, err := c.ownOrg()
	if err != nil {
		return nil, err
	}
	a, err := c.account(c.path("username"))
	if err != nil {
		return nil, errNotFound
	}
	if _, member := o.members[a]; !member {
		return nil, errNotFound
	}
	c.status = http.StatusNoContent
	return nil, nil
}

func getUser(c *call) (any, error) {
	a, err := c.account(c.path("username"))
	if err != nil {
		return nil, errNotFound
	}
	return c.publicUser(a), nil
}

func getUserByID(c *call) (any, error) {
	for _, a := range c.accounts {
		if a.id == c.id("account_id") {
			return c.publicUser(a), nil
		}
	}
	return nil, errNotFound
}

func (s *Sim) publicUser(a *account) obj {
	o := s.user(a)
	for _, name := range []string{"company", "blog", "location", "email", "hireable", "bio", "twitter_username"} {
		o[name] = nil
	}
	o["name"], o["public_repos"], o["public_gists"], o["followers"], o["following"] = a.name, 0, 0, 0, 0
	o["created_at"], o["updated_at"] = stamp(a.created), stamp(a.created)
	return o
}

// ownOrg returns the organization of the route, if it is the one that the App is installed on: others' teams nobody sees.
func (c *call) ownOrg() (*organization, error) {
	if !strings.EqualFold(c.path("org"), c.in.account.login) {
		return nil, errNotFound
	}
	o := c.orgs[c.in.account]
	if o == nil {
		return nil, errNotFound
	}
	return o, nil
}

func (c *call) ownTeam() (*team, error) {
	o, err := c.ownOrg()
	if err != nil {
		return nil, err
	}
	if t := o.teams[c.path("team_slug")]; t != nil {
		return t, nil
	}
	return nil, errNotFound
}

func getTeam(c *call) (any, error) {
	t, err := c.ownTeam()
	if err != nil {
		return nil, err
	}
	o := c.teamJSON(t)
	org := c.orgJSON(t.org.account)
	for _, name := range []string{"public_repos", "public_gists", "followers", "following"} {
		org[name] = 0
	}
	org["has_organization_projects"], org["has_repository_projects"], org["archived_at"] = true, true, nil
	org["html_url"], org["created_at"], org["updated_at"] = c.htmlURL("/%s", t.org.account.login), stamp(t.org.account.created), stamp(t.org.account.created)
	org["type"] = "Organization"
	o["members_count"], o["repos_count"], o["organization"] = len(t.everyone()), len(t.repos), org
	o["created_at"], o["updated_at"] = stamp(t.created), stamp(t.created)
	return o, nil
}
