package deployment

import (
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/release"
)

// TestRows shows pull request 3 how it stands.
func TestRows(t *testing.T) {
	r := newRig(t)
	soon := epoch.Add(2 * time.Hour)
	until := change.Moment(soon, epoch)
	brings := func(d release.Deployment, numbers ...change.Number) release.Deployment {
		for _, n := range numbers {
			d.Changes = append(d.Changes, release.Change{Number: n})
		}
		return d
	}
	its := brings(release.Deployment{Number: 3}, 3)
	back := brings(release.Deployment{Number: 2, Why: "slow", Rollback: release.Rollback{Undoes: "d3"}}, 1, 2)
	for _, tt := range []struct {
		name           string
		row            release.Row
		phase, details string
	}{
		{"nothing was begun", release.Row{}, "–", ""},
		{"it waits, nobody knows for how long", release.Row{Phase: release.Waiting, Deployment: its, Says: change.Words("waiting for staging")},
			"⏳ waiting", "waiting for staging"},
		{"it waits for a time", release.Row{Phase: release.Waiting, Deployment: its, Says: change.Words("frozen"), Until: soon}, "⏳ waiting", "frozen · until " + until},
		{"it is watched", release.Row{Phase: release.Watching, Deployment: its, Says: change.Words("nobody verified it yet"), Until: soon},
			"👀 watching", "watched until " + until + " · nobody verified it yet"},
		{"it has a log", release.Row{Phase: release.Failed, Deployment: release.Deployment{Number: 3, OnGitHub: release.OnGitHub{LogURL: "http://ci.example"}}},
			"❌ failed", "[log](http://ci.example)"},
		{"others ship with it", release.Row{Phase: release.Deploying, Deployment: brings(release.Deployment{Number: 3}, 1, 0, 2, 3)}, "🚀 deploying", "with #1, #2"},
		{"as many as are named", release.Row{Phase: release.Deploying, Deployment: brings(its, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)}, "🚀 deploying",
			"with #11, #12, #13, #14, #15, #16, #17, #18, #19, #20"},
		{"more than are named", release.Row{Phase: release.Deploying, Deployment: brings(its, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22)}, "🚀 deploying",
			"with #13, #14, #15, #16, #17, #18, #19, #20, #21, #22 and 2 more"},
		{"it ships with another", release.Row{Phase: release.Verified, Deployment: brings(release.Deployment{Number: 4}, 3, 4, 2)}, "✅ verified", "with #4"},
		{"it ships with what came through none", release.Row{Phase: release.Verified, Deployment: brings(release.Deployment{}, 3, 0)}, "✅ verified", ""},
		{"it was rolled back", release.Row{Phase: release.Verified, Deployment: back}, "↩️ rolled back", "back to the version before: “slow”"},
		{"it was rolled back, and that is watched", release.Row{Phase: release.Watching, Deployment: back}, "↩️ rolled back", "back to the version before: “slow”"},
		{"it was rolled back, and nobody says whether that works", release.Row{Phase: release.Unverified, Deployment: back},
			"↩️ rolled back", "back to the version before: “slow”"},
		{"it is being rolled back", release.Row{Phase: release.Deploying, Deployment: back}, "🚀 deploying", "back to the version before: “slow”"},
		{"the rollback failed", release.Row{Phase: release.Failed, Deployment: back, Says: change.Words("slow")}, "❌ failed", "back to the version before, which failed: slow"},
		{"the rollback was cancelled", release.Row{Phase: release.Cancelled, Deployment: back, Says: change.Words("slow")}, "⏹️ cancelled",
			"back to the version before, which came to nothing: slow"},
		{"a rollback went to it", release.Row{Phase: release.Verified, Deployment: release.Deployment{Number: 3, Why: "slow", Rollback: release.Rollback{Undoes: "d4"}}}, "✅ verified", ""},
		{"a rollback went to what it was part of", release.Row{Phase: release.Verified, Deployment: brings(release.Deployment{Number: 4, Why: "slow", Rollback: release.Rollback{Undoes: "d5"}}, 3, 4)},
			"✅ verified", ""},
	} {
		if got := phase(tt.row, 3); got != tt.phase {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.phase)
		}
		if got := r.begin().details(tt.row, 3, epoch); got != tt.details {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.details)
		}
	}
}
