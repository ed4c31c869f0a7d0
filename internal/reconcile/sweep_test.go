package reconcile

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/store"
)

func TestSweepsGoAroundAllOpenPullRequests(t *testing.T) {
	const open = 2*SweepPulls + 5
	var raised []change.Number
	fail := errors.New("the database is gone")
	var broken error
	s := &Sweeper{
		Open: func(_ context.Context, after change.PullKey, limit int) (pulls []store.Pull, err error) {
			for n := after.Number + 1; n <= open && len(pulls) < limit; n++ {
				pulls = append(pulls, store.Pull{Key: change.PullKey{Repository: 1, Number: n}})
			}
			return pulls, nil
		},
		Raise: func(_ context.Context, keys []change.PullKey, concerns change.Concern) error {
			if broken != nil {
				return broken
			}
			if concerns != change.ConcernVerify {
				t.Errorf("raised with %b", concerns)
			}
			for _, k := range keys {
				raised = append(raised, k.Number)
			}
			return nil
		},
	}
	for i := range 4 {
		if i == 1 {
			broken = fail
			if err := s.Sweep(t.Context()); !errors.Is(err, fail) {
				t.Errorf("got %v", err)
			}
			broken = nil
		}
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var want []change.Number
	for n := change.Number(1); n <= open; n++ {
		want = append(want, n)
	}
	for n := change.Number(1); n <= SweepPulls; n++ {
		want = append(want, n) // the fourth sweep begins anew
	}
	if diff := cmp.Diff(want, raised); diff != "" {
		t.Error(diff)
	}
}
