package reconcile

import (
	"testing"
	"time"

	"github.com/changegate/changegate/internal/queue"
)

func TestNobodysRoleIsOlderThanAMinuteAtAGreen(t *testing.T) {
	if oldest := peopleAge + queue.RunTimeout; oldest > time.Minute {
		t.Errorf("what is known of people may be %s old when the run ends", oldest)
	}
}
