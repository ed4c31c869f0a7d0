package recovery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/store"
)

func TestPullsThatDifferAreRaised(t *testing.T) {
	at := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	pull := func(n change.Number, head change.SHA, updated time.Time) change.Pull {
		return change.Pull{Number: n, State: change.Open, Head: change.Branch{SHA: head}, UpdatedAt: updated}
	}
	closed := pull(8, "a", at)
	closed.State = change.Closed
	held := []change.Pull{
		pull(1, "a", at), pull(2, "a", at), pull(3, "a", at.Add(time.Second)), pull(4, "a", at), pull(5, "a", at), {Number: 6}, closed,
	}
	listed := [][]change.Pull{
		{pull(1, "a", at), pull(2, "a", at.Add(time.Second)), pull(3, "b", at) /* a delivery told of what came later */, pull(5, "b", at)},
		{pull(6, "a", at), pull(7, "a", at), pull(8, "a", at)},
	}
	var raised, saved []change.Number
	refused := errors.New("the database is full")
	s := &Pulls{
		Repositories: func(context.Context) ([]change.Repository, error) { return []change.Repository{{ID: 8}}, nil },
		List: func(context.Context, change.Repository) iter.Seq2[[]change.Pull, error] {
			return func(yield func([]change.Pull, error) bool) {
				_ = yield(listed[0], nil) && yield(listed[1], nil)
			}
		},
		Known: func(_ context.Context, keys []change.PullKey) (map[change.PullKey]store.KnownPull, error) {
			known := map[change.PullKey]store.KnownPull{}
			for _, p := range held {
				if key := (change.PullKey{Repository: 8, Number: p.Number}); slices.Contains(keys, key) {
					known[key] = store.KnownPull{State: p.State, Head: p.Head.SHA, UpdatedAt: p.UpdatedAt}
				}
			}
			return known, nil
		},
		Open: func(context.Context, change.RepositoryID) (open []change.Number, err error) {
			for _, p := range held {
				if p.State == change.Open {
					open = append(open, p.Number)
				}
			}
			return open, nil
		},
		Save: func(_ context.Context, key change.PullKey, p change.Pull) (change.Pull, error) {
			saved = append(saved, key.Number)
			return p, nil
		},
		Raise: func(_ context.Context, keys []change.PullKey, _ change.Concern) error {
			for _, k := range keys {
				raised = append(raised, k.Number)
			}
			return refused
		},
		Spare: func(change.InstallationID) bool { return true },
		Log:   zerolog.Nop(),
	}
	if err := s.Sweep(t.Context()); !errors.Is(err, refused) || len(saved) > 0 {
		t.Fatalf("got %v, and %v saved, which nothing would tell apart any more", err, saved)
	}
	refused, raised = nil, nil
	if err := s.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]change.Number{2, 5, 6, 7, 8, 4}, raised); diff != "" {
		t.Errorf("raised (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]change.Number{2, 5, 6, 7, 8}, saved); diff != "" {
		t.Errorf("saved (-want +got):\n%s", diff)
	}
}

func TestPullsGoAroundAllRepositories(t *testing.T) {
	const count = 2*SweepRepositories + 5
	var listed []change.RepositoryID
	fail := map[change.RepositoryID]error{}
	spare := true
	s := &Pulls{
		Repositories: func(context.Context) (list []change.Repository, err error) {
			for n := range count {
				list = append(list, change.Repository{ID: change.RepositoryID(n), Installation: change.InstallationID(n % 2)})
			}
			return list, nil
		},
		List: func(_ context.Context, repo change.Repository) iter.Seq2[[]change.Pull, error] {
			return func(yield func([]change.Pull, error) bool) {
				listed = append(listed, repo.ID)
				yield(nil, fail[repo.ID])
			}
		},
		Known: func(context.Context, []change.PullKey) (map[change.PullKey]store.KnownPull, error) { return nil, nil },
		Open:  func(context.Context, change.RepositoryID) ([]change.Number, error) { return nil, nil },
		Raise: func(context.Context, []change.PullKey, change.Concern) error { return nil },
		Spare: func(id change.InstallationID) bool { return spare || id != 1 },
		Log:   zerolog.Nop(),
	}
	sweep := func() error {
		listed = nil
		return s.Sweep(t.Context())
	}
	fail[3], fail[4] = &github.NotFound{}, &github.RateLimited{}
	for i, want := range []string{fmt.Sprint(count, 0), fmt.Sprint(SweepRepositories, 0), fmt.Sprint(SweepRepositories, SweepRepositories), "5 40", fmt.Sprint(SweepRepositories, 0)} {
		if err := sweep(); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(len(listed), int(listed[0])); got != want {
			t.Errorf("sweep %d: how many and from where: %s, want %s", i+1, got, want)
		}
	}
	spare = false
	if err := sweep(); err != nil || len(listed) != SweepRepositories/2 {
		t.Errorf("%d of an installation that has nothing to spare, %v", len(listed), err)
	}
	spare, s.next = true, 0
	broken := errors.New("nonsense")
	fail[1] = broken
	if err := sweep(); !errors.Is(err, broken) || len(listed) != SweepRepositories {
		t.Errorf("got %v after %d", err, len(listed))
	}

	// All gets to its end whatever one repository is, and goes on from where its time was over.
	fail[2], listed = &github.Forbidden{}, nil
	ctx, cancel := context.WithCancel(t.Context())
	list := s.List
	s.List = func(ctx context.Context, repo change.Repository) iter.Seq2[[]change.Pull, error] {
		if repo.ID == SweepRepositories+1 {
			cancel()
		}
		return list(ctx, repo)
	}
	if err := s.All(ctx); !errors.Is(err, context.Canceled) || len(listed) != SweepRepositories+2 {
		t.Errorf("got %v after %d", err, len(listed))
	}
	listed = nil
	if err := s.All(t.Context()); err != nil || len(listed) != count-SweepRepositories || listed[0] != SweepRepositories {
		t.Errorf("got %v after %d from %d", err, len(listed), listed[0])
	}
}
