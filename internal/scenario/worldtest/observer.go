package worldtest

import (
	"context"
	"fmt"
	"strings"

	gh "github.com/google/go-github/v62/github"
	"github.com/palantir/go-githubapp/githubapp"

	"github.com/changegate/changegate/internal/githubsim"
)

// CheckRuns asks GitHub for all check runs of ours on a commit, those among them that newer ones replaced. Another App does, which is there
// only meanwhile, so that nothing of it is counted as ours.
func (w *World) CheckRuns(repo string, shas ...string) (runs []*gh.CheckRun, err error) {
	owner, name, _ := strings.Cut(repo, "/")
	if w.observer == nil {
		k, err := key()
		if err != nil {
			return nil, err
		}
		o := githubsim.AppOptions{Slug: "observer", Permissions: map[string]string{"checks": "read", "contents": "read"}, Key: k}
		if w.observer, err = w.Sim.RegisterApp(o); err != nil {
			return nil, err
		}
	}
	installation, err := w.observer.Install(owner)
	if err != nil {
		return nil, err
	}
	defer w.observer.Uninstall(owner) //nolint:errcheck // it was installed just now
	client, err := githubapp.NewClientCreator(w.HTTP.URL+"/api/v3/", w.HTTP.URL+"/api/graphql", w.observer.ID, w.observer.PrivateKey).NewInstallationClient(installation)
	if err != nil {
		return nil, err
	}
	for _, sha := range shas {
		list, _, err := client.Checks.ListCheckRunsForRef(context.Background(), owner, name, sha, &gh.ListCheckRunsOptions{
			CheckName: gh.String(CheckName), Filter: gh.String("all"), AppID: gh.Int64(w.Gate.ID), ListOptions: gh.ListOptions{PerPage: 100},
		})
		if err != nil {
			return nil, fmt.Errorf("list the check runs on %s: %w", sha, err)
		}
		runs = append(runs, list.CheckRuns...)
	}
	return runs, nil
}
