package cli

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryGoal(t *testing.T) {
	for inUse, want := range map[uint64]int64{0: 80 << 20, 30 << 20: 80 << 20, 44 << 20: 82 << 20, 100 << 20: 166 << 20} {
		if got := memoryGoal(inUse); got != want {
			t.Errorf("%d bytes in use: %d, want %d", inUse, got, want)
		}
	}
}

func TestBoundMemory(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(before)
	for env, bound := range map[string]bool{"": true, "1GiB": false} {
		synctest.Test(t, func(t *testing.T) {
			t.Setenv("GOMEMLIMIT", env) // which puts back what whoever runs the test has set
			if env == "" {
				if err := os.Unsetenv("GOMEMLIMIT"); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go boundMemory(ctx)
			time.Sleep(time.Minute)
			if got := debug.SetMemoryLimit(-1); (got != math.MaxInt64) != bound || bound && got < littleMemory {
				t.Errorf("GOMEMLIMIT=%q: the limit is %d", env, got)
			}
			cancel()
			synctest.Wait()
			if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
				t.Errorf("GOMEMLIMIT=%q: afterwards the limit is %d", env, got)
			}
		})
	}
}
