package store

import (
	"context"
	"fmt"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Work is all that is held here about one pull request when it is looked at.
type Work struct {
	Repository change.Repository
	Pull
	// Concerns are the sources that may have changed since the last run that ended well.
	Concerns change.Concern
	// Pushes are the arrivals of heads, oldest first. PushesKnown says that they lead from the opening to the present head without
	// a gap; if not, someone unknown may have pushed.
	Pushes      []change.Push
	PushesKnown bool
	// Branch are the pushes to its branch before it was opened that deliveries told of lately: oldest first, with what each found on the
	// branch. Origin is what was kept of them. Both are empty for a fork.
	Branch []change.Push
	Origin Origin
	// ActivityRead says that GitHub was asked who pushed the present head, because deliveries did not tell.
	ActivityRead bool
	// Untold says that deliveries did not tell everything: GitHub was asked at some time who pushed, or something else was found there; see
	// SaveUntold.
	Untold       bool
	Descriptions []change.Description // as deliveries told them, oldest first
	Compared     []Compared           // oldest first
	LabelEvents  []change.LabelEvent  // as deliveries told them, oldest first
	Reviews      []change.Review      // as deliveries told them, oldest first; a review and its dismissal are two
	// Checks are what is held of the checks on the head, ordered by name: all there were when they were last read from GitHub, at
	// ChecksReadAt, and what deliveries told since or that reading lacked; see SaveChecks. If ChecksReadAt is zero, there may be others.
	Checks       []change.Check
	ChecksReadAt time.Time
	Commands     []change.Command   // not answered yet, oldest first
	Rejections   []change.Rejection // by command, oldest first, withdrawn ones included
	// Doubt is since when effects on it may have been done that the database does not know of; see Store.Doubt.
	Doubt time.Time
}

// Compared is what a head was compared with when it was decided. It is stored: members may be added, not renamed.
type Compared struct {
	Head      change.SHA `json:"head"`
	Base      string     `json:"base"` // the base branch
	Tip       change.SHA `json:"tip"`
	MergeBase change.SHA `json:"merge_base"`
	At        time.Time  `json:"at"` // of the first decision on it
}

// Begin returns what is held about a pull request, as of one moment. ErrNotFound says that the pull request or its repository
// was never heard of.
func (s *Store) Begin(ctx context.Context, key change.PullKey) (w Work, err error) {
	defer wrap(&err, "look up the work on pull request %s", key)
	err = s.Read(ctx, func(tx Tx) error {
		w = Work{}
		found, err := scanWork(ctx, tx, key, &w)
		if err != nil {
			return err
		}
		if !found {
			return ErrNotFound
		}
		if w.Repository, err = repository(ctx, tx, key.Repository); err != nil {
			return fmt.Errorf("its repository: %w", err)
		}
		if err := scanFacts(ctx, tx, key, &w); err != nil {
			return err
		}
		w.PushesKnown = known(w.Pushes, w.Snapshot.Head.SHA)
		if w.Branch, err = arrivals(ctx, tx, w.Snapshot); err != nil {
			return err
		}
		if w.Checks, w.ChecksReadAt, err = checks(ctx, tx, key.Repository, w.Snapshot.Head.SHA); err != nil {
			return err
		}
		if w.Commands, err = commands(ctx, tx, key); err != nil {
			return err
		}
		w.Doubt, err = s.doubt(ctx, tx)
		return err
	})
	return w, err
}

// scanWork reads the row of a pull request into w, and says whether there is one.
func scanWork(ctx context.Context, tx Tx, key change.PullKey, w *Work) (found bool, err error) {
	var concerns, taken int64
	err = tx.Query(ctx, `SELECT `+pullColumns+`, p.concerns, p.taken FROM `+pullTables+` WHERE p.repository = $1 AND p.number = $2`,
		[]any{key.Repository, key.Number}, func(scan func(...any) error) (err error) {
			found = true
			w.Pull, err = scanPull(scan, &concerns, &taken)
			return err
		})
	// What was raised since the run started is in concerns, and the facts behind it are read here already. It will raise a run of
	// its own all the same.
	w.Concerns = change.Concern(concerns | taken)
	return found, err
}

// known says whether the pushes lead from an opening to the head without a gap.
func known(pushes []change.Push, head change.SHA) bool {
	if head == "" {
		return false
	}
	next := map[change.SHA][]change.SHA{}
	for _, p := range pushes {
		next[p.Before] = append(next[p.Before], p.After)
	}
	seen := map[change.SHA]bool{}
	for reached := next[""]; len(reached) > 0; {
		sha := reached[len(reached)-1]
		reached = reached[:len(reached)-1]
		if sha == head {
			return true
		}
		if !seen[sha] {
			seen[sha] = true
			reached = append(reached, next[sha]...)
		}
	}
	return false
}
