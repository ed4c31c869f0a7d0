package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/changegate/changegate/internal/ledger"
)

// PullEntries returns the numbers of the first and the last entry about a pull request, 0 if there is none.
func PullEntries(ctx context.Context, from Source, repository int64, number int) (first, last int64, err error) {
	err = from.ReadLedger(ctx, func(tx ledger.Tx) error {
		first, last, err = pullEntries(ctx, tx, repository, number)
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("look for entries about pull request %d of repository %d: %w", number, repository, err)
	}
	return first, last, nil
}

func pullEntries(ctx context.Context, tx ledger.Tx, repository int64, number int) (first, last int64, err error) {
	err = tx.Query(ctx, `SELECT COALESCE(min(seq), 0), COALESCE(max(seq), 0) FROM ledger WHERE repository = $1 AND number = $2`, []any{repository, number},
		func(scan func(...any) error) error { return scan(&first, &last) })
	return first, last, err
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
	policies, err := h.policiesInForce(ctx, tx)
	where, args = where+` AND (number = $4`, append(args, h.Number)
	if len(policies) > 0 {
		where += ` OR seq IN (` + strings.Join(policies, ", ") + `)`
	}
	return where + `)`, args, err
}

// policiesInForce returns the numbers of the entries in the range that say by which policies the branches that the pull request was to be merged
// into were decided, from its first entry to its last one.
func (h Header) policiesInForce(ctx context.Context, tx ledger.Tx) (numbers []string, err error) {
	first, last, err := pullEntries(ctx, tx, h.Repository, h.Number)
	if err != nil || first == 0 {
		return nil, err
	}
	bases := map[string]bool{}
	err = h.each(ctx, tx, h.Number, ledger.DecisionChanged, 1, last, func(seq int64, body []byte) error {
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
	var chosen []int64
	err = h.each(ctx, tx, 0, ledger.PolicyInForce, h.From, min(last, h.To), func(seq int64, body []byte) error {
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
	slices.Sort(chosen)
	for _, seq := range chosen {
		numbers = append(numbers, strconv.FormatInt(seq, 10))
	}
	return numbers, err
}

// each calls do for the entries of a kind about one of the repository's pull requests, or about none, from one entry to another, in order.
func (h Header) each(ctx context.Context, tx ledger.Tx, number int, kind ledger.Kind, from, to int64, do func(seq int64, body []byte) error) error {
	return tx.Query(ctx, `SELECT record FROM ledger WHERE repository = $1 AND number = $2 AND kind = $3 AND seq >= $4 AND seq <= $5 ORDER BY seq`,
		[]any{h.Repository, number, string(kind), from, to}, func(scan func(...any) error) error {
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
	return h.Number == 0 || e.Subject.Number == h.Number || e.Kind == ledger.PolicyInForce
}
