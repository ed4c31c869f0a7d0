package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// when is a point in the ledger.
type when struct {
	seq  int64     // an entry's number
	time time.Time // or a time
	day  bool      // which is a day's beginning
}

func parseWhen(text string) (w when, err error) {
	if w.seq, err = strconv.ParseInt(text, 10, 64); err == nil && w.seq > 0 {
		return w, nil
	}
	w.seq = 0
	if w.time, err = time.Parse(time.DateOnly, text); err == nil {
		w.day = true
		return w, nil
	}
	if w.time, err = time.Parse(time.RFC3339, text); err == nil {
		return w, nil
	}
	return w, usageError{fmt.Errorf("%q is no entry's number, no day (2026-01-31) and no time (2026-01-31T09:00:00Z)", visible(text))}
}

// inOrder says whether --from is no later than --to, where both are numbers or neither is.
func inOrder(from, to string) error {
	if from == "" || to == "" {
		return nil
	}
	a, err := parseWhen(from)
	if err != nil {
		return err
	}
	b, err := parseWhen(to)
	if err != nil {
		return err
	}
	late := a.time.After(b.time)
	if b.day {
		late = !a.time.Before(b.time.AddDate(0, 0, 1))
	}
	if a.seq > 0 && b.seq > 0 && a.seq > b.seq || a.seq == 0 && b.seq == 0 && late {
		return usageError{fmt.Errorf("--from %s is after --to %s: swap them", from, to)}
	}
	return nil
}

// between returns the range of entries among the first size that --from and --to mean; first is greater than last if there is none. An entry's number
// counts as it is, also beyond these.
func between(ctx context.Context, s *store.Store, from, to string, size int64) (first, last int64, err error) {
	first, last = 1, size
	begin, end := time.Unix(0, 0), time.Unix(1<<40, 0)
	timed := false
	if from != "" {
		w, err := parseWhen(from)
		if err != nil {
			return 0, 0, err
		}
		if first = max(w.seq, 1); w.seq == 0 {
			begin, timed = w.time, true
		}
	}
	if to != "" {
		w, err := parseWhen(to)
		if err != nil {
			return 0, 0, err
		}
		switch {
		case w.seq > 0:
			last = w.seq
		case w.day:
			end, timed = w.time.AddDate(0, 0, 1), true
		default:
			end, timed = w.time, true
		}
	}
	if timed {
		err := s.ReadLedger(ctx, func(tx ledger.Tx) error {
			a, b, err := audit.Between(ctx, tx, size, begin, end)
			first, last = max(first, a), min(last, b)
			return err
		})
		if err != nil {
			return 0, 0, err
		}
	}
	return first, last, nil
}

// nothing is the error of a period without entries: it says what there is instead, in a ledger of so many.
func nothing(ctx context.Context, s *store.Store, from, to string, size int64) error {
	if size == 0 {
		return errors.New("the ledger has no entries")
	}
	var ends []ledger.Entry
	err := s.ReadLedger(ctx, func(tx ledger.Tx) error {
		for _, seq := range []int64{1, size} {
			list, err := ledger.List(ctx, tx, ledger.Page{From: seq, Limit: 1})
			if err != nil {
				return err
			}
			ends = append(ends, list...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	period := ""
	if from != "" {
		period = " from " + from
	}
	if to != "" {
		period += " to " + to
	}
	return fmt.Errorf("the ledger has no entries%s: it has 1 to %d, which were appended from %s to %s",
		period, size, clocked(ends[0].At), clocked(ends[len(ends)-1].At))
}
