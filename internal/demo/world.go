package demo

import (
	"context"
	"fmt"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/githubsim"
)

const (
	org       = "acme"
	repo      = "acme/shop"
	appSlug   = "changegate"
	checkName = change.CheckName
	emergency = "EMERGENCY"
)

// build makes the organization, its people and its repository.
func build(sim *githubsim.Sim, w *workflow) error {
	files, err := shopFiles()
	if err != nil {
		return err
	}
	steps := []func() error{
		func() error { return sim.AddUser("olivia", "alice", "bob", "carol", "dave", "erin", "frank", "sam") },
		func() error { return sim.AddBot("dependabot[bot]") },
		func() error { return sim.AddOrganization(org, "olivia") },
		func() error { return sim.AddTeam(org, "engineers", "alice", "bob", "carol", "dave", "erin", "frank") },
		func() error { return sim.AddTeam(org, "tech-leads", "dave") },
		func() error { return sim.AddTeam(org, "security", "erin") },
		func() error { return sim.AddTeam(org, "on-call", "carol") },
		func() error {
			return sim.AddRepository(org, "shop", githubsim.RepoOptions{
				Description: "The web shop of Acme", Files: files, Labels: []string{emergency, "high-risk"},
			})
		},
		func() error {
			return sim.DeployWorkflow(repo, githubsim.Workflow{OnDeployment: true, Outcome: w.outcome})
		},
		func() error { return sim.Environment(repo, "staging", githubsim.EnvironmentOptions{}) },
		func() error { return sim.SetTeamPermission(repo, "engineers", githubsim.Write) },
		func() error { return sim.SetTeamPermission(repo, "tech-leads", githubsim.Maintain) },
		func() error { return sim.SetTeamPermission(repo, "security", githubsim.Write) },
		func() error { return sim.SetTeamPermission(repo, "on-call", githubsim.Write) },
		func() error { return sim.SetPermission(repo, "sam", githubsim.Triage) }, // a contractor: labels, but no code
		func() error { return sim.SetPermission(repo, "dependabot[bot]", githubsim.Write) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("making the demo's world: %w", err)
		}
	}
	return nil
}

// register makes the App, as its manifest does on GitHub.
func register(sim *githubsim.Sim) (*githubsim.App, error) {
	return sim.RegisterApp(githubsim.AppOptions{
		Slug: appSlug, Name: "changegate", Owner: org,
		Permissions: map[string]string{
			"actions": "read", "checks": "write", "contents": "read", "deployments": "write", "issues": "write", "members": "read",
			"merge_queues": "read", "metadata": "read", "pull_requests": "write", "statuses": "write",
		},
		Events: []string{
			"check_run", "check_suite", "deployment", "deployment_protection_rule", "deployment_status", "issue_comment", "issues", "label",
			"merge_group", "member", "membership", "organization", "pull_request", "pull_request_review", "push", "repository", "status", "team", "workflow_run",
		},
	})
}

// protect has main ask for the check, from the App and from nobody else, administrators included.
func protect(sim *githubsim.Sim, app *githubsim.App) error {
	return sim.Protect(repo, "main", githubsim.Protection{
		RequiredChecks: []githubsim.RequiredCheck{{Context: checkName, AppID: app.ID}}, EnforceAdmins: true,
	})
}

// guard has production ask the App before any job may deploy to it.
func guard(sim *githubsim.Sim) error {
	return sim.Environment(repo, "production", githubsim.EnvironmentOptions{Apps: []string{appSlug}, NoBypass: true})
}

// runTests stands for CI: it posts the check "test" on the pull request's head.
func runTests(sim *githubsim.Sim, pull githubsim.Pull) error {
	run := githubsim.CheckRun{Name: "test", Conclusion: "success", Title: "214 tests, 0 failures"}
	if _, err := sim.FileAt(pull.Repo, pull.Head, brokenTest); err == nil {
		run.Conclusion, run.Title = "failure", "214 tests, 1 failure"
	}
	_, err := sim.PostCheckRun(pull.Repo, pull.Head, run)
	return err
}

// settle waits until every delivery was answered and all that it raised was dealt with, deliveries that this caused included.
func settle(ctx context.Context, sim *githubsim.Sim, idle func(context.Context) error) error {
	for {
		if err := sim.Flush(ctx); err != nil {
			return err
		}
		if err := idle(ctx); err != nil {
			return err
		}
		if sim.Idle() {
			return nil
		}
	}
}
