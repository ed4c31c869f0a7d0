package github

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/changegate/changegate/internal/change"
)

// maxQueue is how many pages of a merge queue are read.
const maxQueue = 10

// QueueEntry is a pull request in a merge queue. GitHub builds a commit on top of the entries before it, which is what the checks of its
// group run on.
type QueueEntry struct {
	Position int // 1 is the first
	Number   change.Number
	PullHead change.SHA // the head of the pull request
	Head     change.SHA // the commit of its group; empty: not built yet
	Base     change.SHA // the commit that was built on: the Head of the entry before it, or a tip of the branch
	State    string     // QUEUED, AWAITING_CHECKS, MERGEABLE, UNMERGEABLE, LOCKED
}

// queueQuery is of GitHub's GraphQL schema: Repository.mergeQueue, MergeQueue.entries, MergeQueueEntry.
const queueQuery = `query($owner: String!, $name: String!, $branch: String!, $after: String) {
  repository(owner: $owner, name: $name) {
    mergeQueue(branch: $branch) {
      entries(first: 100, after: $after) {
        pageInfo { hasNextPage endCursor }
        nodes {
          position
          state
          headCommit { oid }
          baseCommit { oid }
          pullRequest { number headRefOid }
        }
      }
    }
  }
}`

// MergeQueue reads the merge queue of a branch, first entry first: none where there is no queue. One call of GraphQL for each 100 entries;
// it is never held. A GitHub without merge queues, or that does not show them to the App, gives a *NoGraphQL.
func (c *Client) MergeQueue(ctx context.Context, repo change.Repository, branch string) (_ []QueueEntry, err error) {
	defer wrap(&err, "reading the merge queue of %s in %s", branch, repo)
	type object struct {
		OID change.SHA `json:"oid"`
	}
	type page struct {
		Repository *struct {
			MergeQueue *struct {
				Entries struct {
					PageInfo struct {
						HasNextPage bool   `json:"hasNextPage"`
						EndCursor   string `json:"endCursor"`
					} `json:"pageInfo"`
					Nodes []*struct {
						Position    int    `json:"position"`
						State       string `json:"state"`
						HeadCommit  object `json:"headCommit"`
						BaseCommit  object `json:"baseCommit"`
						PullRequest struct {
							Number change.Number `json:"number"`
							Head   change.SHA    `json:"headRefOid"`
						} `json:"pullRequest"`
					} `json:"nodes"`
				} `json:"entries"`
			} `json:"mergeQueue"`
		} `json:"repository"`
	}
	var queue []QueueEntry
	variables := map[string]any{"owner": repo.Owner, "name": repo.Name, "branch": branch, "after": nil}
	for range maxQueue {
		var p page
		if err := c.query(ctx, scope{repository: repo.ID}, queueQuery, variables, &p); err != nil {
			return nil, err
		}
		if p.Repository == nil {
			return nil, unreadable(errors.New("GitHub's answer lacks the repository"), false)
		}
		if p.Repository.MergeQueue == nil {
			return nil, nil
		}
		entries := p.Repository.MergeQueue.Entries
		for _, e := range present(entries.Nodes) {
			if e.PullRequest.Number == 0 {
				return nil, &NoGraphQL{Message: "which pull request an entry of the merge queue is"}
			}
			queue = append(queue, QueueEntry{
				Position: e.Position, Number: e.PullRequest.Number, PullHead: e.PullRequest.Head, Head: e.HeadCommit.OID, Base: e.BaseCommit.OID, State: e.State,
			})
		}
		if !entries.PageInfo.HasNextPage {
			slices.SortStableFunc(queue, func(a, b QueueEntry) int { return cmp.Compare(a.Position, b.Position) })
			return queue, nil
		}
		variables["after"] = entries.PageInfo.EndCursor
	}
	return nil, listing[QueueEntry]{more: true}.tooMany("more than 1,000 entries")
}
