package release

import (
	"slices"

	"github.com/changegate/changegate/internal/change"
)

// Created notes that a deployment was created on GitHub. Where it is one there already, GitHub acted on a request so late that it was made again:
// both start workflows, and both are followed. An ID that is not known any more is passed over, as in the other methods that note what was done.
// After each of them the turn is to be taken again.
func (s *State) Created(id string, github int64) {
	if _, other := s.onGitHub(github); other != nil {
		return
	}
	switch _, d := s.find(id); {
	case d == nil:
	case d.GitHub != 0:
		d.Also = append(d.Also, Counterpart{ID: github})
	case d.Own:
		d.GitHub = github
	}
}

// Posted notes that a status was posted on a deployment on GitHub just now, with the ID and the time that it has there. It is what GitHub
// shows, until a later one is told of.
func (s *State) Posted(id string, status change.DeploymentStatus) {
	if d := s.posted(id); d != nil {
		d.Shown, d.MaybeInactive = status.State, false
		if status.IsAfter(d.ShownAt, d.ShownID) {
			d.ShownAt, d.ShownID = status.At, status.ID
		}
	}
}

// WasPosted notes that a status turned out to have been posted before. GitHub may show another since. Where its time is not known, which an
// earlier version of ours did not keep, it is the newest until another is told of.
func (s *State) WasPosted(id string, status change.DeploymentStatus) {
	switch d := s.posted(id); {
	case d == nil:
	case status.At.IsZero():
		d.Shown, d.MaybeInactive = status.State, status.State == change.DeploymentInactive
	case status.IsAfter(d.ShownAt, d.ShownID):
		d.Shown, d.ShownAt, d.ShownID, d.MaybeInactive = status.State, status.At, status.ID, false
	}
}

// posted returns the deployment of which the status that was to be posted is done with; nil: it is not known any more.
func (s *State) posted(id string) *Deployment {
	_, d := s.find(id)
	if d != nil {
		d.Posting = ""
		d.PostsDone++
	}
	return d
}

// Told notes that a protection rule was told an answer, or, with NotYet, what its job waits for: says is the effect's Says as a string.
func (s *State) Told(id, ask string, a Answer, says string) {
	_, d := s.find(id)
	if d == nil {
		return
	}
	switch q := d.ask(ask); {
	case q == nil:
	case a == NotYet:
		if i := slices.Index(q.Told, says); i >= 0 {
			q.Sent = max(q.Sent, i+1)
		}
		if n := len(q.Told); n > 0 && q.Told[n-1] == says {
			q.Sent = n
		}
	case a == q.Answer:
		q.Answered = true
	}
}

// GaveUp notes that GitHub refused an effect for good, and why in its words. What it would not create has failed once the turn is taken
// again; what takes no status is posted none any more; a gate that takes no answer has none coming, and one that takes no comment still has
// its answer coming.
func (s *State) GaveUp(e Effect, why string) {
	_, d := s.find(e.Deployment)
	if d == nil {
		return
	}
	switch e.Kind {
	case CreateDeployment:
		d.NotCreated = why
	case PostStatus:
		d.TakesNoStatus = true
	case AnswerRule:
		switch a := d.ask(e.Ask); {
		case a == nil:
		case e.Answer == NotYet:
			a.Sent = len(a.Told)
		default:
			a.Answered = a.Answered || a.Answer == e.Answer
		}
	}
}
