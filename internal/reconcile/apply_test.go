package reconcile

import (
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/store"
)

// TestNothingIsWrittenElsewhere shows that a run writes about the head whose lease it has, whatever was decided.
func TestNothingIsWrittenElsewhere(t *testing.T) {
	key := change.PullKey{Repository: 1, Number: 2}
	// It has neither a store nor GitHub: whatever it did there would be a panic.
	r := &run{lease: store.Lease{Name: store.HeadLease(1, "aaaa")}}
	effect := plan.Effect{Kind: plan.UpdateCheckRun, Key: "check", Pull: key, Head: "bbbb", RunID: 7, Output: &plan.Output{Status: plan.Completed}}
	if err := r.apply(t.Context(), []plan.Effect{effect}); err == nil || !strings.Contains(err.Error(), "bbbb") {
		t.Errorf("the effect on another head: %v", err)
	}
	s := &subject{decision: change.Decision{Pull: key, Head: "bbbb", Governed: true}}
	if _, err := r.show(t.Context(), "aaaa", []*subject{s}, false); err == nil || !strings.Contains(err.Error(), "bbbb") {
		t.Errorf("the decision at another head: %v", err)
	}
}
