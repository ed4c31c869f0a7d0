// Package githubsim is a GitHub to run against: accounts, organizations, teams, repositories with real Git objects, pull requests,
// reviews, labels, check runs, Apps with tokens and signed webhooks, all in one process and over real HTTP.
package githubsim
