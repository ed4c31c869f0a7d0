package store

import (
	"context"
	"encoding/json"
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
	// Branch are the pushes to its branch, until it was opened, that deliveries told of lately: oldest first, with what each found on the
	// branch. Origin is what was kept of them. Both are empty for a fork.
	Branch []change.Push
	Origin Origin
	// ActivityRead says that it was read from GitHub who pushed the present head, which deliveries did not tell.
	ActivityRead bool
	// Untold says that deliveries did not tell all: who pushed was read from GitHub at some time, or something else was found there; see
	// SaveUntold.
	Untold       bool
	Descriptions []change.Description // as deliveries told them, oldest first
	Compared     []Compared           // oldest first
	LabelEvents  []change.LabelEvent  // as deliveries told them, oldest first
	Reviews      []change.Review      // as deliveries told them, oldest first; a review and its dismissal are two
	// Checks are those that are held of the head, ordered by name. They are all there were when they were last read from GitHub, at
	// ChecksReadAt, and what deliveries told since, or that reading lacked; see SaveChecks. If ChecksReadAt is zero there may be others.
	Checks       []change.Check
	ChecksReadAt time.Time
	Commands     []change.Command   // not answered yet, oldest first
	Rejections   []change.Rejection // by command, oldest first, withdrawn ones included
	// Doubt is since when things may have been done about it that are not known here; see Store.Doubt.
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

// commands returns those on a pull request or an issue that are not answered yet.
func commands(ctx context.Context, tx Tx, on change.PullKey) (list []change.Command, err error) {
	err = tx.Query(ctx, `SELECT body FROM commands WHERE repository = $1 AND number = $2 AND done_at = 0 ORDER BY at, comment`,
		[]any{on.Repository, on.Number}, into(&list))
	return list, err
}

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

func scanFacts(ctx context.Context, tx Tx, key change.PullKey, w *Work) error {
	return tx.Query(ctx, `SELECT kind, body FROM facts WHERE repository = $1 AND number = $2 ORDER BY at, arrived, id`,
		[]any{key.Repository, key.Number}, func(scan func(...any) error) error {
			var kind, body string
			if err := scan(&kind, &body); err != nil {
				return err
			}
			switch kind {
			case factPush:
				return appendJSON(&w.Pushes, body)
			case factLabel:
				return appendJSON(&w.LabelEvents, body)
			case factReview:
				return appendJSON(&w.Reviews, body)
			case factDescription:
				return appendJSON(&w.Descriptions, body)
			case factCompared:
				return appendJSON(&w.Compared, body)
			case factRejection:
				return appendJSON(&w.Rejections, body)
			case factBrought:
				return appendJSON(&w.Origin.Pushes, body)
			case factRoot:
				return appendJSON(&w.Origin.Roots, body)
			case factOriginRead:
				return appendJSON(&w.Origin.Read, body)
			case factUntold:
				return json.Unmarshal([]byte(body), &w.Untold)
			case factActivity:
				var head change.SHA
				err := json.Unmarshal([]byte(body), &head)
				w.ActivityRead, w.Untold = w.ActivityRead || head == w.Snapshot.Head.SHA, true
				return err
			}
			return nil
		})
}

// into collects rows of one column of JSON.
func into[T any](list *[]T) func(func(...any) error) error {
	return func(scan func(...any) error) error {
		var body string
		if err := scan(&body); err != nil {
			return err
		}
		return appendJSON(list, body)
	}
}

func appendJSON[T any](list *[]T, body string) error {
	var v T
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		return err
	}
	*list = append(*list, v)
	return nil
}
