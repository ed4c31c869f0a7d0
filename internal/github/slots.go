package github

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/changegate/changegate/internal/change"
)

// slots bounds how many calls are under way, of each installation and of all together. Where all are taken, installations that wait take
// turns, one call each, however many they wait with; the most urgent call of an installation goes first, and of one class the oldest.
type slots struct {
	per int // of one installation

	mu    sync.Mutex
	free  int
	lines map[change.InstallationID]*line // of the installations that call or wait
	turns []*line                         // of those that wait, in order
}

// line is what one installation has under way, and what it waits with.
type line struct {
	busy    int
	waiting []*caller
}

type caller struct {
	class class
	ready chan struct{} // closed when it has a slot
	has   bool
}

func newSlots(all, per int) *slots {
	return &slots{free: all, per: per, lines: map[change.InstallationID]*line{}}
}

// take waits for a slot or for the end of ctx. The caller gives it back with the returned function.
func (s *slots) take(ctx context.Context, id change.InstallationID, c class) (giveBack func(), err error) {
	s.mu.Lock()
	l := s.lines[id]
	if l == nil {
		l = &line{}
		s.lines[id] = l
	}
	me := &caller{class: c, ready: make(chan struct{})}
	if len(l.waiting) == 0 {
		s.turns = append(s.turns, l)
	}
	at, _ := slices.BinarySearchFunc(l.waiting, c+1, func(w *caller, c class) int { return cmp.Compare(w.class, c) })
	l.waiting = slices.Insert(l.waiting, at, me)
	s.hand()
	s.mu.Unlock()

	giveBack = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		l.busy--
		s.free++
		s.hand()
		s.leave(id, l)
	}
	select {
	case <-me.ready:
		return giveBack, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	if me.has { // at the same moment
		s.mu.Unlock()
		giveBack()
		return nil, ctx.Err()
	}
	defer s.mu.Unlock()
	l.waiting = slices.DeleteFunc(l.waiting, func(w *caller) bool { return w == me })
	if len(l.waiting) == 0 {
		s.turns = slices.DeleteFunc(s.turns, func(other *line) bool { return other == l })
	}
	s.leave(id, l)
	return nil, ctx.Err()
}

// hand hands out free slots, with mu held.
func (s *slots) hand() {
	for s.free > 0 {
		i := slices.IndexFunc(s.turns, func(l *line) bool { return l.busy < s.per })
		if i < 0 {
			return
		}
		l := s.turns[i]
		s.turns = slices.Delete(s.turns, i, i+1)
		first := l.waiting[0]
		l.waiting = slices.Delete(l.waiting, 0, 1)
		if len(l.waiting) > 0 {
			s.turns = append(s.turns, l)
		}
		l.busy++
		s.free--
		first.has = true
		close(first.ready)
	}
}

// leave forgets the line of an installation that neither calls nor waits, with mu held.
func (s *slots) leave(id change.InstallationID, l *line) {
	if l.busy == 0 && len(l.waiting) == 0 && s.lines[id] == l {
		delete(s.lines, id)
	}
}
