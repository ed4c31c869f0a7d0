// Package effecttest has a run under test stop at any one of its steps, as if its process had died there. The steps are
// those of a Store, and whatever else a test passes to the Killer.
package effecttest

import "errors"

// ErrKilled is the end of a process.
var ErrKilled = errors.New("killed")

// Killer ends a run at one of its steps, right before the step takes effect or right after it, so that its answer is lost. The zero Killer ends
// none and counts them. It is for one goroutine at a time.
type Killer struct {
	At    int // the step, from 1; 0: none
	After bool
	Steps int // how many were begun
}

// Do takes a step. It returns ErrKilled where the run is killed; whoever is killed takes no further steps.
func (k *Killer) Do(step func() error) error {
	k.Steps++
	switch {
	case k.At == 0 || k.Steps < k.At:
		return step()
	case k.Steps == k.At && k.After:
		_ = step() // its answer is lost, whatever it was
	}
	return ErrKilled
}

// Killed says whether the run was killed.
func (k *Killer) Killed() bool { return k.At != 0 && k.Steps >= k.At }
