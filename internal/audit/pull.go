package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/changegate/changegate/internal/ledger"
)

// PullEntries returns the sequence numbers of the first and the last entry about a pull request; both are 0 if there is none. The entries about the
// deployments that shipped it, and about the rollbacks that took it off again, are among them.
func PullEntries(ctx context.Context, from Source, repository int64, number int) (first, last int64, err error) {
	h := Header{Repository: repository, Number: number}
	err = from.ReadLedger(ctx, func(tx ledger.Tx) error {
		with, err := h.movedWith(ctx, tx)
		if err == nil {
			first, last, err = h.firstAndLast(ctx, tx, with)
		}
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("look for entries about pull request %d of repository %d: %w", number, repository, err)
	}
	return first, last, nil
}

// firstAndLast returns the sequence numbers of the first and the last entry about the pull request, 0 if there is none. With is what movedWith returned.
func (h Header) firstAndLast(ctx context.Context, tx ledger.Tx, with []int64) (first, last int64, err error) {
	err = tx.Query(ctx, `SELECT COALESCE(min(seq), 0), COALESCE(max(seq), 0) FROM ledger WHERE repository = $1 AND number = $2`, []any{h.Repository, h.Number},
		func(scan func(...any) error) error { return scan(&first, &last) })
	if len(with) > 0 {
		last = max(last, with[len(with)-1])
		if first == 0 || with[0] < first {
			first = with[0]
		}
	}
	return first, last, err
}

// movedWith returns, in order, the sequence numbers of the entries about deployments of other pull requests that shipped this one too, or took it off.
func (h Header) movedWith(ctx context.Context, tx ledger.Tx) (numbers []int64, err error) {
	err = h.each(ctx, tx, lookup{kind: ledger.DeploymentMoved, number: h.Number, others: true, from: 1, to: math.MaxInt64}, func(seq int64, body []byte) error {
		moves, err := h.movesWith(body)
		if moves {
			numbers = append(numbers, seq)
		}
		return err
	})
	return numbers, err
}

// movesWith says whether the pull request ships with the deployment that the body of an entry of kind ledger.DeploymentMoved tells of, or is taken off
// by it, which is a rollback then.
func (h Header) movesWith(body []byte) (bool, error) {
	var moved struct {
		Deployment struct {
			Changes []struct {
				Number int `json:"number"`
			} `json:"changes"`
			TakesOff []int `json:"takes_off"`
		} `json:"deployment"`
	}
	err := json.Unmarshal(body, &moved)
	for _, c := range moved.Deployment.Changes {
		if c.Number == h.Number {
			return true, err
		}
	}
	return slices.Contains(moved.Deployment.TakesOff, h.Number), err
}

// selection returns the condition for the entries that a bundle is to have, and its arguments. The first argument is where to begin.
func (h Header) selection(ctx context.Context, tx ledger.Tx) (where string, args []any, err error) {
	where, args = `seq >= $1 AND seq <= $2`, []any{h.From, h.To}
	if h.Repository == 0 {
		return where, args, nil
	}
	where, args = where+` AND repository = $3`, append(args, h.Repository)
	if h.Number == 0 {
		return where, args, nil
	}
	with, err := h.movedWith(ctx, tx)
	if err != nil {
		return "", nil, err
	}
	policies, err := h.policiesInForce(ctx, tx, with)
	where, args = where+` AND (number = $4`, append(args, h.Number)
	if besides := append(with, policies...); len(besides) > 0 {
		where += ` OR seq IN (` + joined(besides) + `)`
	}
	return where + `)`, args, err
}

// joined writes numbers as SQL lists them.
func joined(numbers []int64) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(texts, ", ")
}

// policiesInForce returns the sequence numbers of the entries in the range that name the policies by which the pull request's base branches were
// decided while it was open: from its first entry to its last. With is what movedWith returned.
func (h Header) policiesInForce(ctx context.Context, tx ledger.Tx, with []int64) (chosen []int64, err error) {
	first, last, err := h.firstAndLast(ctx, tx, with)
	if err != nil || first == 0 {
		return nil, err
	}
	bases := map[string]bool{}
	err = h.each(ctx, tx, lookup{kind: ledger.DecisionChanged, number: h.Number, from: 1, to: last}, func(seq int64, body []byte) error {
		var decision struct {
			Base string `json:"base"`
		}
		err := json.Unmarshal(body, &decision)
		bases[decision.Base] = true
		return err
	})
	if err != nil {
		return nil, err
	}
	before := map[string]int64{} // the latest one of each branch that came into force before the first entry
	err = h.each(ctx, tx, lookup{kind: ledger.PolicyInForce, from: h.From, to: min(last, h.To)}, func(seq int64, body []byte) error {
		var policy policyInForce
		err := json.Unmarshal(body, &policy)
		switch {
		case !bases[policy.Branch]:
		case seq < first:
			before[policy.Branch] = seq
		default:
			chosen = append(chosen, seq)
		}
		return err
	})
	for _, seq := range before {
		chosen = append(chosen, seq)
	}
	return chosen, err
}

// lookup says which of a repository's entries are looked at.
type lookup struct {
	kind     ledger.Kind
	number   int   // those about this pull request, or with 0 about none
	others   bool  // all but those instead
	from, to int64 // the range of sequence numbers
}

// each calls do for the repository's entries that are looked up, in order, until it returns an error.
func (h Header) each(ctx context.Context, tx ledger.Tx, l lookup, do func(seq int64, body []byte) error) error {
	is := `=`
	if l.others {
		is = `<>`
	}
	return tx.Query(ctx, `SELECT record FROM ledger WHERE repository = $1 AND number `+is+` $2 AND kind = $3 AND seq >= $4 AND seq <= $5 ORDER BY seq`,
		[]any{h.Repository, l.number, string(l.kind), l.from, l.to}, func(scan func(...any) error) error {
			var record []byte
			if err := scan(&record); err != nil {
				return err
			}
			e, err := ledger.Parse(record)
			if err != nil {
				return err
			}
			if err := do(e.Seq, e.Body); err != nil {
				return fmt.Errorf("read entry %d: %w", e.Seq, err)
			}
			return nil
		})
}

// isAbout says whether an entry may be in a bundle of one repository, or of one pull request of it.
func (h Header) isAbout(e ledger.Entry) bool {
	if h.Repository != 0 && e.Subject.Repository != h.Repository {
		return false
	}
	if h.Number == 0 || e.Subject.Number == h.Number || e.Kind == ledger.PolicyInForce {
		return true
	}
	if e.Kind != ledger.DeploymentMoved {
		return false
	}
	moves, err := h.movesWith(e.Body)
	return moves && err == nil
}
