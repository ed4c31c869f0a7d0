package gate

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/store"
)

// TestByLeaseIsFreshOnce notes one key from many goroutines, and again after a restart.
func TestByLeaseIsFreshOnce(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "gate.db")
	now := start
	clock := func() time.Time { return now }
	open := func() *store.Store {
		s, err := store.Open(t.Context(), store.Config{URL: url, Clock: clock, Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	once := ByLease(s, clock)
	var fresh atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			ok, err := once(t.Context(), "key", start.Add(time.Minute))
			if err != nil {
				t.Error(err)
			}
			if ok {
				fresh.Add(1)
			}
		})
	}
	wg.Wait()
	if fresh.Load() != 1 {
		t.Errorf("fresh %d times, want once", fresh.Load())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open()
	once = ByLease(s, clock)
	for _, step := range []struct {
		key   string
		later time.Duration
		fresh bool
	}{{"key", 0, false}, {"another", 0, true}, {"key", 59 * time.Second, false}, {"key", time.Second, true}} {
		now = now.Add(step.later)
		if err := s.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ok, err := once(t.Context(), step.key, now.Add(time.Minute)); ok != step.fresh || err != nil {
			t.Errorf("%q after %v: %v, %v; want %v", step.key, now.Sub(start), ok, err, step.fresh)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if ok, err := once(t.Context(), "third", now.Add(time.Minute)); ok || err == nil {
		t.Errorf("without a database: %v, %v; want an error", ok, err)
	}
}
