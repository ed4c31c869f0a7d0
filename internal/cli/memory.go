package cli

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// littleMemory is what the Go runtime is to stay within as long as what is in use leaves room for that, in bytes. The program itself and SQLite
	// take some 55 MB besides.
	littleMemory = 80 << 20
	// otherMemory is what the runtime has besides the heap, in bytes.
	otherMemory = 16 << 20
	// muchGarbage is how much garbage may gather before it is collected, in percent of what is in use, while the runtime stays within its goal.
	// Little is in use and much goes through: with Go's own 100, collecting would take a tenth of the processor.
	muchGarbage = 400
)

// memoryGoal is what the runtime is to stay within while so many bytes of its heap are in use. It leaves room for half as much again, so that
// collecting the garbage never takes much of the processors, however much there is to do.
func memoryGoal(inUse uint64) int64 { return max(littleMemory, int64(inUse+inUse/2)+otherMemory) }

// boundMemory has garbage kept as long as there is room for it, and no longer, until ctx ends. Whoever sets GOMEMLIMIT or GOGC knows better.
func boundMemory(ctx context.Context) {
	if _, set := os.LookupEnv("GOMEMLIMIT"); set {
		return
	}
	if _, set := os.LookupEnv("GOGC"); !set {
		defer debug.SetGCPercent(debug.SetGCPercent(muchGarbage))
	}
	before := debug.SetMemoryLimit(memoryGoal(0))
	defer debug.SetMemoryLimit(before)
	inUse := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	again := time.NewTicker(5 * time.Second)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			metrics.Read(inUse)
			debug.SetMemoryLimit(memoryGoal(inUse[0].Value.Uint64()))
		}
	}
}
