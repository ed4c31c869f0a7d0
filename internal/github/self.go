package github

import (
	"context"
	"errors"
	"time"

	"github.com/google/go-github/v62/github"
)

// botFor is how long the login of the App's account is good without asking: it changes when somebody renames the App.
const botFor = time.Hour

// BotLogin returns the login of the account that the App acts as, which is its slug and [bot] (apps/get-authenticated): one call an hour.
//
// It is what our own deployments and their statuses are told by, because GitHub leaves performed_via_github_app null in what an App deploys.
// Nobody else can have such a login: GitHub lets no person have brackets in theirs.
func (g *GitHub) BotLogin(ctx context.Context) (_ string, err error) {
	defer wrap(&err, "reading the App's own name")
	g.mu.Lock()
	bot, at := g.bot, g.botAt
	g.mu.Unlock()
	if bot != "" && g.now().Sub(at) < botFor {
		return bot, nil
	}
	asked := g.now()
	slug, err := g.slug(ctx)
	if err != nil {
		return "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bot, g.botAt = slug+"[bot]", asked
	return g.bot, nil
}

// BotLogin is GitHub.BotLogin.
func (c *Client) BotLogin(ctx context.Context) (string, error) { return c.github.BotLogin(ctx) }

func (g *GitHub) slug(ctx context.Context) (string, error) {
	var app github.App
	if _, err := g.readAsApp(ctx, getApp.general(), &app); err != nil {
		return "", err
	}
	if app.GetSlug() == "" {
		return "", unreadable(errors.New("GitHub's answer lacks the App's slug"), false)
	}
	return app.GetSlug(), nil
}
