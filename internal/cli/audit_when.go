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
	text string    // as it was written; empty: none is named
	seq  int64     // an entry's number
	time time.Time // or a time
	day  bool      // which is a day's beginning
}

func parseWhen(text string) (w when, err error) {
	w.text = text
	if text == "" {
		return w, nil
	}
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

func (w when) isNamed() bool { return w.text != "" }

// ends is the time at which what is meant is over: a day's end, or the time itself.
func (w when) ends() time.Time {
	if w.day {
		return w.time.AddDate(0, 0, 1)
	}
	return w.time
}

// period is a part of the ledger, as --from and --to name it.
type period struct{ from, to when }

// parsePeriod reads a period. One whose --from is after its --to is a mistake, where both are numbers or neither is.
func parsePeriod(from, to string) (p period, err error) {
	if p.from, err = parseWhen(from); err != nil {
		return p, err
	}
	if p.to, err = parseWhen(to); err != nil {
		return p, err
	}
	if !p.from.isNamed() || !p.to.isNamed() {
		return p, nil
	}
	late := p.from.time.After(p.to.time)
	if p.to.day {
		late = !p.from.time.Before(p.to.ends())
	}
	if a, b := p.from.seq, p.to.seq; a > 0 && b > 0 && a > b || a == 0 && b == 0 && late {
		return p, usageError{fmt.Errorf("--from %s is after --to %s: swap them", from, to)}
	}
	return p, nil
}

// String is what follows the name of what the period is of.
func (p period) String() string {
	text := ""
	if p.from.isNamed() {
		text = " from " + p.from.text
	}
	if p.to.isNamed() {
		text += " to " + p.to.text
	}
	return text
}

// entries returns the range of entries among the first size that are meant; first is greater than last if there is none. An entry's number
// counts as it is, also beyond these.
func (p period) entries(ctx context.Context, s *store.Store, size int64) (first, last int64, err error) {
	first, last = 1, size
	begin, end := time.Unix(0, 0), time.Unix(1<<40, 0)
	timed := false
	switch {
	case p.from.seq > 0:
		first = p.from.seq
	case p.from.isNamed():
		begin, timed = p.from.time, true
	}
	switch {
	case p.to.seq > 0:
		last = p.to.seq
	case p.to.isNamed():
		end, timed = p.to.ends(), true
	}
	if !timed {
		return first, last, nil
	}
	err = s.ReadLedger(ctx, func(tx ledger.Tx) error {
		a, b, err := audit.Between(ctx, tx, size, begin, end)
		first, last = max(first, a), min(last, b)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	return first, last, nil
}

// noEntries is the error of a period without entries: it says what there is instead, in a ledger of so many.
func noEntries(ctx context.Context, s *store.Store, p period, size int64) error {
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
	return fmt.Errorf("the ledger has no entries%s: it has 1 to %d, which were appended from %s to %s",
		p, size, clocked(ends[0].At), clocked(ends[len(ends)-1].At))
}
