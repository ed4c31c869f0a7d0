package store

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// The kinds of fact. They are stored: never rename one.
const (
	// As deliveries told them of the pull request.
	factPush        = "push"
	factLabel       = "label"
	factReview      = "review"
	factDescription = "description"
	// Done here: a head was compared with its base; it was read from GitHub who pushed it; a command rejected the change.
	factCompared  = "compared"
	factActivity  = "activity"
	factRejection = "rejection"
	// Where the pull request comes from, which deliveries told of its branch; see Origin.
	factBrought    = "brought"
	factRoot       = "base_root" // those of kind "root" are older, do not say of which base they are, and are believed for none
	factOriginRead = "origin_read"
	// A review or a label was found on GitHub of which no delivery had told.
	factUntold = "untold"
)

// factRow is a fact with what it is kept under.
type factRow struct {
	key  change.PullKey
	kind string
	id   string
	at   time.Time
	body any
}

var factColumns = []column{
	{"repository", integer}, {"number", integer}, {"kind", text}, {"id", text}, {"at", integer}, {"arrived", integer}, {"body", text},
}

// saveFacts keeps what deliveries told of pull requests.
func (s *Store) saveFacts(ctx context.Context, tx Tx, group []change.Delivery) error {
	var rows []factRow
	var arrived time.Time
	for _, d := range group {
		if d.Key.Number == 0 {
			continue
		}
		arrived = d.ReceivedAt
		if d.Push != nil {
			rows = append(rows, factRow{d.Key, factPush, d.ID, d.Push.At, d.Push})
		}
		if d.Description != nil {
			rows = append(rows, factRow{d.Key, factDescription, d.ID, d.Description.At, d.Description})
		}
		if d.Label != nil {
			label := *d.Label
			if label.Head == "" && d.Pull != nil {
				label.Head = d.Pull.Head.SHA
			}
			rows = append(rows, factRow{d.Key, factLabel, d.ID, label.At, label})
		}
		if d.Review != nil && d.Concerns != 0 {
			at := d.Review.At
			if d.Review.State == change.Dismissed {
				at = d.Review.DismissedAt
			}
			rows = append(rows, factRow{d.Key, factReview, d.ID, at, d.Review})
		}
	}
	return s.insertFacts(ctx, tx, rows, arrived)
}

// insertFacts keeps facts, each under its own identifier once.
func (s *Store) insertFacts(ctx context.Context, tx Tx, rows []factRow, arrived time.Time) error {
	values := make([][]any, len(rows))
	for i, r := range rows {
		body, err := json.Marshal(r.body)
		if err != nil {
			return err
		}
		// Facts of one second keep the order in which they arrived.
		values[i] = []any{r.key.Repository, r.key.Number, r.kind, r.id, micro(r.at), micro(arrived) + int64(i), string(body)}
	}
	return s.insertNew(ctx, tx, `facts`, factColumns, values)
}

// SavePushes records that GitHub was asked who pushed a head, because a delivery that told of it was missed, and keeps the pushes that were
// found. They join those that deliveries told of; one without Before is the opening.
func (s *Store) SavePushes(ctx context.Context, key change.PullKey, head change.SHA, pushes []change.Push) (err error) {
	defer wrap(&err, "save %d pushes of pull request %s", len(pushes), key)
	rows := []factRow{{key, factActivity, string(head), s.now(), head}}
	for _, p := range pushes {
		id := "activity:" + string(p.Before) + ":" + string(p.After) + ":" + p.At.UTC().Format(time.RFC3339)
		rows = append(rows, factRow{key, factPush, id, p.At, p})
	}
	return s.Write(ctx, func(tx Tx) error { return s.insertFacts(ctx, tx, rows, s.now()) })
}

// saveCompared keeps what the head of a decision was compared with, unless it was last compared with the same.
func (s *Store) saveCompared(ctx context.Context, tx Tx, d change.Decision) error {
	if d.MergeBase == "" {
		return nil
	}
	var all []Compared
	if err := tx.Query(ctx, `SELECT body FROM facts WHERE repository = $1 AND number = $2 AND kind = $3 ORDER BY arrived`,
		[]any{d.Pull.Repository, d.Pull.Number, factCompared}, into(&all)); err != nil {
		return err
	}
	now := Compared{Head: d.Head, Base: d.Base, Tip: d.BaseTip, MergeBase: d.MergeBase, At: s.now()}
	for _, c := range slices.Backward(all) {
		if c.Head != now.Head {
			continue
		}
		if c.Base == now.Base && c.MergeBase == now.MergeBase {
			return nil
		}
		break
	}
	id := string(d.Head) + ":" + strconv.Itoa(len(all))
	return s.insertFacts(ctx, tx, []factRow{{d.Pull, factCompared, id, now.At, now}}, now.At)
}

// SaveUntold records, for good, that deliveries did not tell all that was done to a pull request: whoever decides about it has to ask
// GitHub.
func (s *Store) SaveUntold(ctx context.Context, key change.PullKey) (err error) {
	defer wrap(&err, "note that deliveries do not tell all of pull request %s", key)
	now := s.now()
	return s.Write(ctx, func(tx Tx) error {
		return s.insertFacts(ctx, tx, []factRow{{key, factUntold, "timeline", now, true}}, now)
	})
}

// saveRejections keeps rejections under their comments. Unlike other facts they change: a rejection may be withdrawn.
func (s *Store) saveRejections(ctx context.Context, tx Tx, key change.PullKey, list []change.Rejection) error {
	for _, r := range list {
		body, err := json.Marshal(r)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO facts (repository, number, kind, id, at, arrived, body) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (repository, number, kind, id) DO UPDATE SET body = excluded.body`,
			key.Repository, key.Number, factRejection, strconv.FormatInt(r.Comment, 10), micro(r.At), micro(s.now()), string(body))
		if err != nil {
			return err
		}
	}
	return nil
}

// scanFacts reads into w the facts of a pull request, whose snapshot it holds already.
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
