package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Origin is what is kept of the pushes by which a pull request's branch got what the pull request was opened with.
type Origin struct {
	Pushes []change.Push // to its branch, until it was opened, with what each found there
	Roots  []OriginRoot  // commits on the branch that a base was seen to have: into that base, nothing before them is part of the pull request
	Read   []OriginRead  // when the repository's activity was read for it, oldest first
}

// OriginRoot is a commit that a base branch was seen to have. Of another base it says nothing, not even of one that anybody may push to. It is
// stored: members may be added, not renamed.
type OriginRoot struct {
	Base string     `json:"base"` // the base branch
	SHA  change.SHA `json:"sha"`
}

// RootsOf returns the commits on the branch that a base branch was seen to have.
func (o Origin) RootsOf(base string) (roots []change.SHA) {
	for _, root := range o.Roots {
		if root.Base == base {
			roots = append(roots, root.SHA)
		}
	}
	return roots
}

// OriginRead is one reading of the repository's activity. It is stored: members may be added, not renamed.
type OriginRead struct {
	Base string    `json:"base"` // the base branch then
	At   time.Time `json:"at"`   // by GitHub's clock
}

// SaveOrigin keeps, for good, where a pull request comes from. What is kept already stays.
func (s *Store) SaveOrigin(ctx context.Context, key change.PullKey, o Origin) (err error) {
	defer wrap(&err, "save %d pushes from before pull request %s was opened", len(o.Pushes), key)
	now := s.now()
	var rows []factRow
	for _, p := range o.Pushes {
		id := string(p.Before) + ":" + string(p.After) + ":" + p.At.UTC().Format(time.RFC3339)
		rows = append(rows, factRow{key, factBrought, id, p.At, p})
	}
	for _, root := range o.Roots {
		rows = append(rows, factRow{key, factRoot, string(root.SHA) + ":" + root.Base, now, root})
	}
	for _, r := range o.Read {
		rows = append(rows, factRow{key, factOriginRead, r.At.UTC().Format(time.RFC3339Nano), r.At, r})
	}
	return s.Write(ctx, func(tx Tx) error { return s.insertFacts(ctx, tx, rows, now) })
}

var arrivalColumns = []column{
	{"repository", integer}, {"branch", text}, {"at", integer}, {"was", text}, {"sha", text}, {"arrived", integer}, {"body", text},
}

// saveArrivals keeps the pushes to branches, each once however often it was told.
func (s *Store) saveArrivals(ctx context.Context, tx Tx, group []change.Delivery) error {
	var values [][]any
	for _, d := range group {
		p := d.Arrival
		if p == nil {
			continue
		}
		body, err := json.Marshal(p)
		if err != nil {
			return err
		}
		values = append(values, []any{d.Repository.ID, d.Base, micro(p.At), string(p.Before), string(p.After), micro(d.ReceivedAt), string(body)})
	}
	return s.insertNew(ctx, tx, `branch_pushes`, arrivalColumns, values)
}

// maxArrivals is how many pushes to a branch are looked at, the latest before the opening.
const maxArrivals = 1000

// openedBy is how much later than the opening of a pull request GitHub may date a push that came before it: its times are in whole seconds,
// and from different machines.
const openedBy = 5 * time.Second

// BeforeOpening says whether a push can have come before a pull request was opened, as far as GitHub's times tell.
func BeforeOpening(push change.Push, p change.Pull) bool { return push.At.Before(openingEnds(p)) }

func openingEnds(p change.Pull) time.Time {
	return p.CreatedAt.Truncate(time.Second).Add(openedBy)
}

// arrivals returns the pushes to a pull request's branch until it was opened, oldest first.
func arrivals(ctx context.Context, tx Tx, p change.Pull) (pushes []change.Push, err error) {
	if p.FromFork() || p.Head.Name == "" {
		return nil, nil
	}
	err = tx.Query(ctx, `SELECT body FROM branch_pushes WHERE repository = $1 AND branch = $2 AND at < $3 ORDER BY at DESC, was DESC, sha DESC LIMIT $4`,
		[]any{p.Head.Repository, p.Head.Name, micro(openingEnds(p)), maxArrivals}, into(&pushes))
	slices.Reverse(pushes)
	return pushes, err
}
