//go:build unix

package soak_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// policy is OwnPolicy, with a staging environment that everything which lands is deployed to.
func policy() string {
	return worldtest.OwnPolicy + "deployments: create\nenvironments:\n  staging: {}\n"
}

const (
	atOnce = 8                      // lives that are lived at the same time
	pace   = 120 * time.Millisecond // between two acts of a life
)

// lives has people work on so many pull requests, each from its opening to its end, if it has one. It returns the heads that each had, by
// number.
func lives(w *worldtest.World, seed uint64, n int) (map[int][]string, error) {
	numbers := make(chan int, n)
	for i := range n {
		numbers <- i
	}
	close(numbers)
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	heads := map[int][]string{}
	for range atOnce {
		wg.Go(func() {
			for i := range numbers {
				l := &life{World: w, r: rand.New(rand.NewPCG(seed, uint64(i))), n: i}
				err := l.live()
				mu.Lock()
				failed = errors.Join(failed, err)
				heads[l.pull.Number] = l.heads
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return heads, failed
}

// life is that of one pull request.
type life struct {
	*worldtest.World
	r     *rand.Rand
	n     int
	pull  githubsim.Pull
	heads []string
}

// act is what somebody does. GitHub may refuse it, and that is that.
func (l *life) act(do func() error) error {
	time.Sleep(pace)
	var refused *githubsim.Refused
	if err := do(); err != nil && !errors.As(err, &refused) {
		return fmt.Errorf("pull request %d: %w", l.pull.Number, err)
	}
	return nil
}

func (l *life) pick(of ...string) string { return of[l.r.IntN(len(of))] }

// live opens the pull request, has people do this and that, and ends with its approval by all, after which it may be merged, or with
// whatever it has come to.
func (l *life) live() (err error) {
	path := l.pick("src", "internal/auth", "db/migrations")
	o := githubsim.PullOptions{
		Title: fmt.Sprint("Change ", l.n), Body: worldtest.FullRecord, Branch: fmt.Sprint("topic-", l.n),
		Files: map[string]string{fmt.Sprintf("%s/part%d.go", path, l.n): "package part\n"},
	}
	if l.pull, err = l.Sim.As(l.pick("alice", "bob", "carol")).OpenPull(l.Repo, o); err != nil {
		return err
	}
	l.heads = append(l.heads, l.pull.Head)
	for range 3 + l.r.IntN(5) {
		if err := l.act(l.something); err != nil {
			return err
		}
	}
	if l.r.IntN(4) == 0 {
		return nil
	}
	for _, who := range []string{"alice", "bob", "carol", "dave", "sam"} {
		if err := l.act(func() error { return l.Sim.As(who).Approve(l.pull) }); err != nil {
			return err
		}
	}
	switch l.r.IntN(4) {
	case 0:
		return nil
	case 1:
		return l.act(func() error { return l.Sim.As("dave").Close(l.pull) })
	}
	// Its check may take until the trouble is over to turn green, or may never do so.
	for range 10 {
		if err := l.act(func() error { return l.Sim.As("dave").Merge(l.pull, githubsim.MergeOptions{}) }); err != nil {
			return err
		}
	}
	return nil
}

func (l *life) something() error {
	who := l.Sim.As(l.pick("alice", "bob", "carol", "dave", "sam", "erin", "mallory"))
	switch l.r.IntN(11) {
	case 0, 1, 2:
		return who.Approve(l.pull)
	case 3:
		return who.RequestChanges(l.pull, "no")
	case 4:
		return who.DismissReview(l.pull, l.pick("bob", "carol", "dave", "sam"), "done")
	case 5, 6:
		pull, err := who.Push(l.pull, githubsim.Commit{Files: map[string]string{fmt.Sprintf("src/part%d-%d.go", l.n, len(l.heads)): "package part\n"}})
		if err == nil {
			l.pull = pull
			l.heads = append(l.heads, pull.Head)
		}
		return err
	case 7:
		return who.AddLabel(l.pull, "high-risk")
	case 8:
		return who.RemoveLabel(l.pull, "high-risk")
	case 9:
		// No section is emptied, and no risk is lowered: who decides afresh cannot know that there were approvals before.
		return who.EditBody(l.pull, worldtest.FullRecord+fmt.Sprintf("\nMore of it: %d.\n", l.r.IntN(100)))
	default:
		_, err := who.Comment(l.pull, "/change refresh")
		return err
	}
}
