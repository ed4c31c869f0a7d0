// Package githubsim is a GitHub to run against: accounts, organizations and teams, repositories with real Git objects, pull
// requests, reviews, labels, check runs, branch protection, deployments, and Apps with tokens and signed webhooks, all in one process and
// over real HTTP. The demo runs on it, and so do the tests of the whole service. It knows nothing of the service.
//
// It has two sides. On one side people act, through Go:
//
//	sim, err := githubsim.New(githubsim.Config{})
//	if err != nil { … }
//	defer sim.Close()
//	url, err := sim.Listen("127.0.0.1:0")
//	err = errors.Join(
//		sim.AddUser("alice", "bob"),
//		sim.AddOrganization("acme", "alice"),
//		sim.AddTeam("acme", "security", "bob"),
//		sim.AddRepository("acme", "app", githubsim.RepoOptions{Files: map[string]string{"main.go": "package main\n"}}),
//		sim.SetPermission("acme/app", "bob", githubsim.Write),
//	)
//	pr, err := sim.As("alice").OpenPull("acme/app", githubsim.PullOptions{
//		Title: "Greet",
//		Files: map[string]string{"hello.go": "package main\n"},
//	})
//	err = sim.As("bob").Approve(pr)
//	err = sim.As("bob").Merge(pr, githubsim.MergeOptions{}) // a *Refused says why not, in GitHub's words
//
// On the other side is an App, which sees only HTTP: the REST API at URL()+"/api/v3/" and webhooks. It authenticates as any App
// does, so go-github and ghinstallation work unchanged:
//
//	app, err := sim.RegisterApp(githubsim.AppOptions{Slug: "gate", Permissions: …, Events: …, WebhookURL: …, WebhookSecret: …})
//	id, err := app.Install("acme")
//	// app.ID and app.PrivateKey sign the JWTs
//
// GraphQL, at URL()+"/api/graphql", answers what is asked about merge queues and nothing else. Routes that are not in the tables are
// answered 404. The answers and the webhooks are held in tests to GitHub's published OpenAPI description; package openapitest does that
// for any other traffic too.
//
// # Deployments
//
// Environments have protection rules, and workflows of one job deploy to them as far as anybody can see from outside:
//
//	flow := githubsim.Workflow{Environment: "production"}
//	err = errors.Join(
//		sim.Environment("acme/app", "production", githubsim.EnvironmentOptions{Apps: []string{"gate"}}),
//		sim.DeployWorkflow("acme/app", flow), // and main has flow.File() at githubsim.DeployWorkflowPath
//	)
//	run, err := sim.As("bob").Dispatch("acme/app", githubsim.Dispatch{}) // waits for the App's rule
//	_, err = sim.RunWorkflows()                                         // every run takes one step
//
// A job in progress may ask for tokens that say which it is, of the issuer at Issuer(). Nothing runs by itself, and no time passes but
// the Clock's.
//
// # Where it is a GitHub and where it is not
//
// Permissions of people and Apps, the life of tokens, pagination, conditional requests, rate limits, limits of lists, diffs as Git
// makes them, the rules of check runs, reviews, merging and protection are GitHub's. Requests take effect at once and webhooks follow
// in order, which GitHub promises nobody: Intercept delays, drops, doubles and reorders them, and Inject makes calls fail.
//
// A merge queue tests each pull request on top of those before it, as MergeQueue says, and acts at once but for RunMergeQueues. A branch
// has one protection, by a ruleset or a classic one, where GitHub adds up as many as there are.
//
// An installation's token opens only repositories of that installation, public ones of others too are answered 404. Code owners are
// not asked by themselves, stale reviews are not dismissed, and nobody can sign in: people act through Go, or through pages that
// HandlePages adds.
package githubsim
