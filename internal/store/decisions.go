package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
)

// Consequences are what a decision brings about besides its check run.
type Consequences struct {
	// Lease must still be held: ErrFenced otherwise, and nothing is kept. The zero Lease is not looked at.
	Lease Lease
	// Since is when its facts began to be read: the decision may not know of a check that was told of later.
	Since      time.Time
	Debts      []change.Debt      // as they stand now; each is one by its pull request and kind
	Rejections []change.Rejection // on the pull request, as they stand now; each is one by its comment
	Raise      []change.Raised    // errands that are to be looked at
	Policy     *PolicyInForce     // what it was decided by; nil: that is not kept
}

// PolicyInForce is the policy that a branch is decided by.
type PolicyInForce struct {
	Branch string
	Digest string       // tells it from others
	Entry  ledger.Draft // appended before the others if the branch was last decided by another policy, or never
}

// SaveDecision keeps the decision that stands for a pull request, with its digest and its consequences, and in the same transaction what
// its head was compared with and what the ledger is to know of it. It inserts no jobs for the errands that it raises;
// queue.Queue.SaveDecision does.
func (s *Store) SaveDecision(ctx context.Context, d change.Decision, digest string, c Consequences, entries ...ledger.Draft) error {
	return s.Write(ctx, func(tx Tx) error { return s.SaveDecisionIn(ctx, tx, d, digest, c, entries...) })
}

// SaveDecisionIn is SaveDecision in the caller's transaction, in which the caller sees to it that the raised errands are worked on.
func (s *Store) SaveDecisionIn(ctx context.Context, tx Tx, d change.Decision, digest string, c Consequences, entries ...ledger.Draft) (err error) {
	defer wrap(&err, "save the decision on pull request %s", d.Pull)
	if err := s.keep(ctx, tx, c.Lease); err != nil {
		return err
	}
	if err := s.saveStanding(ctx, tx, d, digest); err != nil {
		return err
	}
	if err := s.saveAwaitedChecks(ctx, tx, d, c.Since); err != nil {
		return err
	}
	if err := s.saveCompared(ctx, tx, d); err != nil {
		return err
	}
	if err := s.saveRejections(ctx, tx, d.Pull, c.Rejections); err != nil {
		return err
	}
	if err := saveDebts(ctx, tx, c.Debts); err != nil {
		return err
	}
	if err := s.RaiseErrands(ctx, tx, c.Raise); err != nil {
		return err
	}
	if p := c.Policy; p != nil {
		changed, err := putInForce(ctx, tx, d.Pull.Repository, *p)
		if err != nil {
			return err
		}
		if changed {
			entries = append([]ledger.Draft{p.Entry}, entries...)
		}
	}
	_, err = ledger.Append(ctx, tx, s.now(), entries...)
	return err
}

// saveStanding keeps a decision as the one that stands for its pull request.
func (s *Store) saveStanding(ctx context.Context, tx Tx, d change.Decision, digest string) error {
	body, err := json.Marshal(d)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE pulls SET digest = $1, decided_head = $2, decided_at = $3 WHERE repository = $4 AND number = $5`,
		digest, string(d.Head), micro(s.now()), d.Pull.Repository, d.Pull.Number)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO pull_decisions (repository, number, decision) VALUES ($1, $2, $3)
		ON CONFLICT (repository, number) DO UPDATE SET decision = excluded.decision`, d.Pull.Repository, d.Pull.Number, string(body))
	return err
}

// putInForce keeps by which policy a branch was decided last, and says whether that is another than before.
func putInForce(ctx context.Context, tx Tx, repo change.RepositoryID, p PolicyInForce) (changed bool, err error) {
	n, err := tx.Exec(ctx, `INSERT INTO policies_in_force (repository, branch, digest) VALUES ($1, $2, $3)
		ON CONFLICT (repository, branch) DO UPDATE SET digest = excluded.digest WHERE policies_in_force.digest <> excluded.digest`,
		repo, p.Branch, p.Digest)
	return n > 0, err
}

func saveDebts(ctx context.Context, tx Tx, list []change.Debt) error {
	for _, d := range list {
		_, err := tx.Exec(ctx, `INSERT INTO debts (repository, number, kind, owner, due_at, settled_at) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (repository, number, kind) DO UPDATE SET owner = excluded.owner, due_at = excluded.due_at, settled_at = excluded.settled_at`,
			d.Pull.Repository, d.Pull.Number, string(d.Kind), d.Owner, micro(d.Due), micro(d.Settled))
		if err != nil {
			return err
		}
	}
	return nil
}

// Debts returns what accounts owe, and what they have settled, in the repositories of an installation: the first due first. Those in a
// repository that is gone, where nothing can be settled any more, are left out.
func (s *Store) Debts(ctx context.Context, installation change.InstallationID, owners []change.AccountID) (list []change.Debt, err error) {
	defer wrap(&err, "list the debts of %d accounts", len(owners))
	if len(owners) == 0 {
		return nil, nil
	}
	in, args := among([]any{installation}, owners)
	err = s.Read(ctx, func(tx Tx) error {
		list = nil
		return tx.Query(ctx, `SELECT repository, number, kind, owner, due_at, settled_at FROM debts
			WHERE owner IN (`+in+`) AND repository IN (SELECT id FROM repositories WHERE installation = $1 AND gone = 0)
			ORDER BY due_at, repository, number, kind`, args, func(scan func(...any) error) error {
			var d change.Debt
			var due, settled int64
			err := scan(&d.Pull.Repository, &d.Pull.Number, &d.Kind, &d.Owner, &due, &settled)
			d.Due, d.Settled = fromMicro(due), fromMicro(settled)
			list = append(list, d)
			return err
		})
	})
	return list, err
}
