package reconcile

import (
	"cmp"
	"strconv"

	"github.com/changegate/changegate/internal/change"
)

// landed tells the repository's deployments of a merge, as its delivery does: that one may never have come. They take it once.
func landed(key change.PullKey, p change.Pull) []change.Raised {
	if p.State != change.Merged || p.MergeCommit == "" {
		return nil
	}
	at := cmp.Or(p.MergedAt, p.UpdatedAt)
	body := change.ReleaseNote{Landed: &change.Landed{
		Number: key.Number, Title: p.Title, Branch: p.Base.Name, Commit: p.MergeCommit, Author: p.Author, By: p.MergedBy, At: at,
	}}
	return []change.Raised{{
		Errand: change.Errand{Kind: change.ErrandDeployments, Repository: key.Repository, Name: change.DeploymentsName},
		Notes:  []change.Note{change.NewNote("landed/"+strconv.Itoa(int(key.Number)), at, body)},
	}}
}
