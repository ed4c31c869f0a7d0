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
	const goGC = 77
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	defer debug.SetGCPercent(debug.SetGCPercent(goGC))
	percent := func() int {
		p := debug.SetGCPercent(goGC)
		debug.SetGCPercent(p)
		return p
	}
	for _, row := range []struct {
		limit, collect string // of the environment; empty: not set
		bound          bool
		percent        int
	}{
		{"", "", true, muchGarbage},
		{"", "77", true, goGC},
		{"1GiB", "", false, goGC},
	} {
		synctest.Test(t, func(t *testing.T) {
			setOrNot(t, "GOMEMLIMIT", row.limit)
			setOrNot(t, "GOGC", row.collect)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go boundMemory(ctx)
			time.Sleep(time.Minute)
			if got := debug.SetMemoryLimit(-1); (got != math.MaxInt64) != row.bound || row.bound && got < littleMemory {
				t.Errorf("%+v: the limit is %d", row, got)
			}
			if got := percent(); got != row.percent {
				t.Errorf("%+v: garbage is collected at %d percent", row, got)
			}
			cancel()
			synctest.Wait()
			if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 || percent() != goGC {
				t.Errorf("%+v: afterwards the limit is %d, and garbage is collected at %d percent", row, got, percent())
			}
		})
	}
}

// setOrNot sets a variable for a test, or unsets it if it is empty.
func setOrNot(t *testing.T, name, value string) {
	t.Setenv(name, value) // which puts back what whoever runs the test has set
	if value == "" {
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
}
