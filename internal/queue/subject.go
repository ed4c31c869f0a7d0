package queue

import (
	"context"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

// subject is what a run is over, a pull request or an errand, as the arguments of its job.
type subject interface {
	jobArgs
	field() (key, value string) // that names it in the log
	kind() string               // that it is counted under
	start(ctx context.Context, s *store.Store) (store.Run, error)
	handle(ctx context.Context, h *Handlers) (Result, error)
	isUnsettled(ctx context.Context, s *store.Store, tx store.Tx) (bool, error)
	// canWait returns how long its run can be put off because more is to be expected; most is the longest that any is.
	canWait(ctx context.Context, s *store.Store, tx store.Tx, most time.Duration) (patience, error)
	takeRecheck(ctx context.Context, s *store.Store, tx store.Tx, at time.Time) (bool, error)
	raise(ctx context.Context, s *store.Store, tx store.Tx) error // because of the time alone
	recheck(at time.Time) jobArgs                                 // of the timer that does so
}

// pulls returns pull requests as subjects.
func pulls(keys []change.PullKey) []subject {
	list := make([]subject, len(keys))
	for i, k := range keys {
		list[i] = pullSubject(k)
	}
	return list
}

func pullSubject(k change.PullKey) subject {
	return reconcileArgs{Repository: k.Repository, Number: k.Number}
}

func (a reconcileArgs) key() change.PullKey {
	return change.PullKey{Repository: a.Repository, Number: a.Number}
}

func (a reconcileArgs) field() (key, value string) { return "pull", a.key().String() }

func (a reconcileArgs) start(ctx context.Context, s *store.Store) (store.Run, error) {
	return s.Start(ctx, a.key())
}

func (a reconcileArgs) handle(ctx context.Context, h *Handlers) (Result, error) {
	return h.Reconcile(ctx, a.key())
}

func (a reconcileArgs) isUnsettled(ctx context.Context, s *store.Store, tx store.Tx) (bool, error) {
	return s.IsUnsettled(ctx, tx, a.key())
}

func (a reconcileArgs) canWait(ctx context.Context, s *store.Store, tx store.Tx, most time.Duration) (patience, error) {
	waiting, err := s.CanWait(ctx, tx, []change.PullKey{a.key()})
	return patienceOf(waiting, a.key(), most), err
}

func (a reconcileArgs) takeRecheck(ctx context.Context, s *store.Store, tx store.Tx, at time.Time) (bool, error) {
	return s.TakeRecheck(ctx, tx, a.key(), at)
}

func (a reconcileArgs) raise(ctx context.Context, s *store.Store, tx store.Tx) error {
	return s.Raise(ctx, tx, []change.PullKey{a.key()}, change.ConcernVerify)
}

func (a reconcileArgs) recheck(at time.Time) jobArgs {
	return recheckArgs{Repository: a.Repository, Number: a.Number, At: at.UnixMicro()}
}

// errands returns errands as subjects, each once.
func errands(all []change.Errand) []subject {
	list := make([]subject, 0, len(all))
	seen := make(map[change.Errand]bool, len(all))
	for _, e := range all {
		if !seen[e] {
			seen[e] = true
			list = append(list, errandSubject(e))
		}
	}
	return list
}

func errandSubject(e change.Errand) subject {
	return errandArgs{ErrandKind: e.Kind, Repository: e.Repository, Name: e.Name}
}

func (a errandArgs) errand() change.Errand {
	return change.Errand{Kind: a.ErrandKind, Repository: a.Repository, Name: a.Name}
}

func (a errandArgs) field() (key, value string) { return "errand", a.errand().String() }

func (a errandArgs) start(ctx context.Context, s *store.Store) (store.Run, error) {
	return s.StartErrand(ctx, a.errand())
}

func (a errandArgs) handle(ctx context.Context, h *Handlers) (Result, error) {
	return h.Errands[a.ErrandKind](ctx, a.errand())
}

func (a errandArgs) isUnsettled(ctx context.Context, s *store.Store, tx store.Tx) (bool, error) {
	return s.IsErrandUnsettled(ctx, tx, a.errand())
}

func (a errandArgs) canWait(context.Context, *store.Store, store.Tx, time.Duration) (patience, error) {
	return patience{}, nil
}

func (a errandArgs) takeRecheck(ctx context.Context, s *store.Store, tx store.Tx, at time.Time) (bool, error) {
	return s.TakeErrandRecheck(ctx, tx, a.errand(), at)
}

func (a errandArgs) raise(ctx context.Context, s *store.Store, tx store.Tx) error {
	return s.RaiseErrands(ctx, tx, []change.Raised{{Errand: a.errand()}})
}

func (a errandArgs) recheck(at time.Time) jobArgs {
	return errandRecheckArgs{Errand: a, At: at.UnixMicro()}
}
