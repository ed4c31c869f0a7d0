package landing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect/effecttest"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

func TestProtection(t *testing.T) {
	pinned := github.RequiredCheck{Required: true, Pinned: true}
	loose := github.RequiredCheck{Required: true}
	none := github.RequiredCheck{}
	hidden := github.RequiredCheck{Problem: "its rulesets cannot be read"}
	for _, row := range []struct {
		name       string
		seen       []github.RequiredCheck
		exceptions []string // what they say
		recorded   int
	}{
		{"required all along", []github.RequiredCheck{pinned, pinned}, nil, 1},
		{"never required", []github.RequiredCheck{none, none, none}, nil, 1},
		{"never pinned", []github.RequiredCheck{loose, loose}, nil, 1},
		{"unreadable", []github.RequiredCheck{hidden, hidden}, nil, 1},
		{"required in spite of what is unreadable", []github.RequiredCheck{{Required: true, Pinned: true, Problem: "x"}}, nil, 1},
		{"no longer required", []github.RequiredCheck{pinned, none, none}, []string{"no longer required on main"}, 2},
		{"no longer pinned", []github.RequiredCheck{pinned, loose, none}, []string{"no longer from this App alone"}, 3},
		{"unreadable in between", []github.RequiredCheck{pinned, hidden, none, hidden, none}, []string{"no longer required on main"}, 5},
		{"unreadable for a while", []github.RequiredCheck{pinned, hidden, pinned}, nil, 3},
		{"mended, and lapsed again", []github.RequiredCheck{pinned, none, pinned, none}, []string{"no longer", "no longer"}, 4},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t)
			e := change.Errand{Kind: change.ErrandProtection, Repository: shop.ID, Name: isMain}
			for _, seen := range row.seen {
				r.now = r.now.Add(24 * time.Hour)
				r.required = seen
				r.raise(e)
				result, err := r.Protection(t.Context(), e)
				r.must(err)
				if !result.RecheckAt.Equal(r.now.Add(24 * time.Hour)) {
					t.Errorf("looked at again at %v", result.RecheckAt)
				}
			}
			found := r.found()
			if len(found) != len(row.exceptions) || len(r.errands(change.ErrandException)) != len(found) {
				t.Fatalf("found %+v", found)
			}
			for i, words := range row.exceptions {
				if e := found[i]; e.Kind != change.Unprotected || !strings.Contains(e.What.String(), words) || len(e.By) > 0 {
					t.Errorf("found %+v", e)
				}
			}
			if n := len(r.entries(ledger.ProtectionChanged)); n != row.recorded {
				t.Errorf("%d entries, want %d", n, row.recorded)
			}
		})
	}
}

func TestProtectionOfWhatIsNotGoverned(t *testing.T) {
	r := newRig(t)
	r.policies.now.Governed = false
	e := change.Errand{Kind: change.ErrandProtection, Repository: shop.ID, Name: isMain}
	r.raise(e)
	result, err := r.Protection(t.Context(), e)
	r.must(err)
	if !result.RecheckAt.IsZero() || len(r.calls) > 0 {
		t.Errorf("%+v, calls %v", result, r.calls)
	}
}

func TestSweep(t *testing.T) {
	var repos []change.Repository
	for i := range SweepRepositories + 2 {
		repos = append(repos, change.Repository{ID: change.RepositoryID(i + 1), DefaultBranch: isMain})
	}
	repos = append(repos, change.Repository{ID: 99}) // of which too little is known yet
	of := map[change.ErrandKind][]store.ErrandWork{
		change.ErrandBranch: {
			{Errand: change.Errand{Kind: change.ErrandBranch, Repository: 1, Name: "release/1"}, State: []byte(`{"known":"a"}`)},
			{Errand: change.Errand{Kind: change.ErrandBranch, Repository: 1, Name: "topic"}},
			{Errand: change.Errand{Kind: change.ErrandBranch, Repository: 1, Name: isMain}, State: []byte(`{"known":"a"}`)},
		},
		change.ErrandProtection: {{Errand: change.Errand{Kind: change.ErrandProtection, Repository: 1, Name: isMain}}},
	}
	var raised []string
	fails := false
	s := &Sweeper{
		Repositories: func(context.Context) ([]change.Repository, error) { return repos, nil },
		Errands: func(_ context.Context, kind change.ErrandKind, repo change.RepositoryID) ([]store.ErrandWork, error) {
			return slices.DeleteFunc(slices.Clone(of[kind]), func(w store.ErrandWork) bool { return w.Errand.Repository != repo }), nil
		},
		Raise: func(_ context.Context, list []change.Raised) error {
			if fails {
				return effecttest.ErrKilled
			}
			for _, r := range list {
				raised = append(raised, r.Errand.String())
			}
			return nil
		},
	}
	sweep := func() string {
		raised = nil
		if err := s.Sweep(t.Context()); (err != nil) != fails {
			t.Fatal(err)
		}
		return fmt.Sprint(raised)
	}
	first := sweep()
	if !strings.HasPrefix(first, "[branch 1 main deployments 1 deployments branch 1 release/1 branch 2 main deployments 2 deployments protection 2 main ") ||
		len(raised) != 3*SweepRepositories {
		t.Errorf("raised %s", first)
	}
	fails = true
	sweep()
	fails = false
	if got, want := sweep(), "[branch 21 main deployments 21 deployments protection 21 main branch 22 main deployments 22 deployments protection 22 main]"; got != want {
		t.Errorf("raised %s, want %s", got, want)
	}
	if got := sweep(); got != first {
		t.Errorf("raised %s, want those of the first sweep", got)
	}
}
