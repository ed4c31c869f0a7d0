package store

import (
	"context"
	"fmt"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Lease is the right to write about one thing for a while. Its fence is greater than that of every lease given before, so that a holder who
// slept through the end of its lease is told from its successor.
type Lease struct {
	Name  string
	Fence int64
	Until time.Time
}

// HeadLease names the lease of the one writer per head SHA.
func HeadLease(repo change.RepositoryID, head change.SHA) string {
	return fmt.Sprintf("head:%d:%s", repo, head)
}

// ErrandLease names the lease of the one who acts for an errand.
func ErrandLease(e change.Errand) string { return "errand:" + e.String() }

// Acquire takes a lease for a holder. It returns ErrHeld while anybody else's lease of that name lasts. The same holder gets a new
// lease, and its old one is lost.
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (lease Lease, err error) {
	defer wrap(&err, "take the lease %q", name)
	now := s.now()
	lease = Lease{Name: name, Until: now.Add(ttl).UTC()}
	err = s.Write(ctx, func(tx Tx) error {
		if _, err := one(ctx, tx, `UPDATE fences SET last = last + 1 RETURNING last`, nil, &lease.Fence); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO leases (name, holder, fence, until) VALUES ($1, $2, $3, $4)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = excluded.fence, until = excluded.until
			WHERE leases.until <= $5 OR leases.holder = excluded.holder`, name, holder, lease.Fence, micro(lease.Until), micro(now))
		if err == nil && n == 0 {
			err = ErrHeld
		}
		return err
	})
	if err != nil {
		return Lease{}, err
	}
	return lease, nil
}

// Check returns ErrFenced if a lease was lost. It is for writes to GitHub that are no effect with an attempt of their own, and is asked
// right before them; Attempt checks the lease itself.
func (s *Store) Check(ctx context.Context, lease Lease) (err error) {
	defer wrap(&err, "check the lease %q", lease.Name)
	return s.Read(ctx, func(tx Tx) error { return s.check(ctx, tx, lease, "") })
}

// keep returns ErrFenced if a lease was lost, and otherwise keeps others from taking it before the transaction ends. The zero Lease is not
// looked at.
func (s *Store) keep(ctx context.Context, tx Tx, lease Lease) error {
	if lease == (Lease{}) {
		return nil
	}
	return s.check(ctx, tx, lease, s.forUpdate())
}

func (s *Store) check(ctx context.Context, tx Tx, lease Lease, lock string) error {
	held, err := one(ctx, tx, `SELECT 1 FROM leases WHERE name = $1 AND fence = $2 AND until > $3`+lock, []any{lease.Name, lease.Fence, micro(s.now())}, new(int))
	if err == nil && !held {
		err = ErrFenced
	}
	return err
}

// Release gives a lease back before it ends. Giving back one that was lost does nothing.
func (s *Store) Release(ctx context.Context, lease Lease) (err error) {
	defer wrap(&err, "give back the lease %q", lease.Name)
	return s.Write(ctx, func(tx Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM leases WHERE name = $1 AND fence = $2`, lease.Name, lease.Fence)
		return err
	})
}
