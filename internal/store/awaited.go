package store

import (
	"context"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
)

// Awaited is what is known of the checks that a decision waits for; see change.Decision.AwaitedChecks.
type Awaited struct {
	Left   int  // how many of them have not ended yet; 0: the decision waits for none
	Failed bool // one of them has failed
}

// How a check that a decision waits for was last told to stand. They are stored: never change one.
const (
	toldNothing = 0 // or that it runs
	toldPassed  = 1
	toldFailed  = 2
)

// toldCheck is news of a check on the head of a pull request.
type toldCheck struct {
	pull  change.PullKey
	name  string
	state change.CheckState
}

// CanWait returns those of the pull requests whose next run can be put off: only their checks were raised, our check on the head is not
// green, and the checks that the decision waits for, if it waits for any, have not all ended. Until they have, news of checks changes how
// the decision reads but cannot turn it green.
func (s *Store) CanWait(ctx context.Context, tx Tx, keys []change.PullKey) (waiting map[change.PullKey]Awaited, err error) {
	defer wrap(&err, "look up which of %d pull requests can wait", len(keys))
	table, arg, err := s.keys(keys)
	if err != nil {
		return nil, err
	}
	const failure = 1_000_000 // so that one sum tells how many are left and whether one failed
	waiting = map[change.PullKey]Awaited{}
	err = tx.Query(ctx, `SELECT p.repository, p.number, (SELECT coalesce(sum(CASE a.told WHEN $5 THEN 1 WHEN $6 THEN $7 ELSE 0 END), -1)
				FROM awaited_checks a WHERE a.repository = p.repository AND a.number = p.number)
		FROM `+table+` AS told JOIN pulls p ON p.repository = told.repository AND p.number = told.number
		WHERE p.concerns = $2 AND p.decided_head = p.head
			AND NOT EXISTS (SELECT 1 FROM check_runs r WHERE r.repository = p.repository AND r.sha = p.head AND r.conclusion IN ($3, $4))`,
		[]any{arg, uint(change.ConcernChecks), string(plan.Success), string(plan.Neutral), toldNothing, toldFailed, failure},
		func(scan func(...any) error) error {
			var k change.PullKey
			var sum int
			if err := scan(&k.Repository, &k.Number, &sum); err != nil {
				return err
			}
			if left := sum % failure; left != 0 {
				waiting[k] = Awaited{Left: max(left, 0), Failed: sum >= failure}
			}
			return nil
		})
	return waiting, err
}

var awaitedColumns = []column{{"repository", integer}, {"number", integer}, {"name", text}, {"told", integer}}

// saveToldChecks keeps how the checks that decisions wait for were last told to stand. The rows of their pull requests are locked.
func (s *Store) saveToldChecks(ctx context.Context, tx Tx, news []toldCheck) error {
	if len(news) == 0 {
		return nil
	}
	last := make(map[toldCheck]int, len(news)) // by pull request and name
	for _, n := range news {
		told := toldPassed
		switch n.state {
		case change.CheckPending:
			told = toldNothing
		case change.CheckFailure:
			told = toldFailed
		}
		last[toldCheck{pull: n.pull, name: n.name}] = told
	}
	values := make([][]any, 0, len(last))
	for n, told := range last {
		values = append(values, []any{n.pull.Repository, n.pull.Number, n.name, told})
	}
	table, arg, err := s.rows(awaitedColumns, values)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE awaited_checks SET told = new.told FROM `+table+` AS new
		WHERE awaited_checks.repository = new.repository AND awaited_checks.number = new.number AND awaited_checks.name = new.name
			AND awaited_checks.told <> new.told`, arg)
	return err
}

// SaveAwaited keeps which checks a decision waits for, as SaveDecision does, where the decision has otherwise not changed. Since is as in
// Consequences.
func (s *Store) SaveAwaited(ctx context.Context, d change.Decision, since time.Time) (err error) {
	defer wrap(&err, "save what pull request %s waits for", d.Pull)
	return s.Write(ctx, func(tx Tx) error {
		if err := s.lockPull(ctx, tx, d.Pull); err != nil {
			return err
		}
		return s.saveAwaitedChecks(ctx, tx, d, since)
	})
}

// commitDelay is the most that is expected to pass between the arrival of a delivery and its commit. A check that arrived up to this long
// before the facts were read may be missing from them.
const commitDelay = time.Second

// saveAwaitedChecks keeps which checks a decision waits for. Its facts began to be read at since: a check that deliveries have told to be over
// after that, or within commitDelay before, counts as passed. The pull request's row is locked.
func (s *Store) saveAwaitedChecks(ctx context.Context, tx Tx, d change.Decision, since time.Time) error {
	values := [][]any{}
	for _, name := range d.AwaitedChecks() {
		values = append(values, []any{d.Pull.Repository, d.Pull.Number, name, toldNothing})
	}
	table, arg, err := s.rows(awaitedColumns, values)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM awaited_checks WHERE repository = $2 AND number = $3 AND name NOT IN (SELECT name FROM `+table+` AS new)`,
		arg, d.Pull.Repository, d.Pull.Number)
	if err != nil || len(values) == 0 {
		return err
	}
	// What the reading itself kept of checks has the time at which it began.
	_, err = tx.Exec(ctx, `INSERT INTO awaited_checks (repository, number, name, told)
		SELECT repository, number, name, CASE WHEN EXISTS (SELECT 1 FROM checks c WHERE c.repository = new.repository AND c.sha = $2 AND c.name = new.name
			AND c.pending = 0 AND c.arrived > $3 AND c.arrived <> $4) THEN $5 ELSE told END
		FROM `+table+` AS new WHERE true
		ON CONFLICT (repository, number, name) DO UPDATE SET told = excluded.told WHERE awaited_checks.told <> excluded.told`,
		arg, string(d.Head), micro(since.Add(-commitDelay)), micro(since), toldPassed)
	return err
}
