package release

import "github.com/changegate/changegate/internal/change"

// Created notes that a deployment was created on GitHub. An ID that is not known any more is passed over, as in the other methods that note
// what was done.
func (s *State) Created(id string, github int64) {}

// Posted notes that a status was posted on a deployment on GitHub.
func (s *State) Posted(id string, state change.DeploymentState) {}

// Told notes that a protection rule was told an answer, or, with NotYet, what its job waits for: says is the effect's Says as a string.
func (s *State) Told(id, ask string, a Answer, says string) {}

// GaveUp notes that GitHub refused an effect for good, and why in its words.
func (s *State) GaveUp(id string, k EffectKind, why string) {}

// Answer returns what a gate says to an ask now, by its key, with why. False: no such ask is known.
func (s *State) Answer(ask string) (Answer, change.Text, bool) { return "", nil, false }
