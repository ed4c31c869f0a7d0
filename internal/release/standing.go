package release

import (
	"time"

	"github.com/changegate/changegate/internal/change"
)

// Row is how a change stands in an environment.
type Row struct {
	Environment string
	Phase       Phase       // empty: nothing was ever begun there
	Says        change.Text // what it waits for, why it failed, by whom it was verified; a few words without a full stop
	Until       time.Time   // when what it waits for, or its watch, is over; zero: nobody knows
	Deployment  Deployment  // the zero Deployment: none
}

// Standing returns how the newest deployment that ships a pull request's change stands in each environment that the rules name, in their
// order. It is empty if there is none anywhere.
func Standing(s *State, r *Rules, number change.Number, now time.Time) []Row { return nil }
