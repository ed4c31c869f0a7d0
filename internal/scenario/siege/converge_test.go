package siege_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// deed is something that somebody does in a world. GitHub may refuse it, in every world alike.
type deed struct {
	name string
	do   func(w *worldtest.World) error
}

// randomDeeds returns a story of n deeds on three pull requests, two of which share a branch.
func randomDeeds(r *rand.Rand, n int) []deed {
	pull := func(w *worldtest.World, n int) (githubsim.Pull, error) {
		v, err := w.Sim.PullView(w.Repo, n)
		return v.Pull, err
	}
	on := func(f func(w *worldtest.World, pr githubsim.Pull) error, number int) func(w *worldtest.World) error {
		return func(w *worldtest.World) error {
			pr, err := pull(w, number)
			if err != nil {
				return err
			}
			return f(w, pr)
		}
	}
	open := func(who, title, branch, base, path string) deed {
		return deed{who + " opens " + title, func(w *worldtest.World) error {
			o := githubsim.PullOptions{Title: title, Body: worldtest.FullRecord, Branch: branch, Base: base}
			if path != "" {
				o.Files = map[string]string{path: "text\n"}
			}
			_, err := w.Sim.As(who).OpenPull(w.Repo, o)
			return err
		}}
	}
	deeds := []deed{
		{"erin branches release", func(w *worldtest.World) error {
			tip, err := w.Sim.Tip(w.Repo, "main")
			return errors.Join(err, w.Sim.As("erin").PushRef(w.Repo, "release", tip))
		}},
		open("alice", "one", "topic", "main", "src/auth/one.go"),
		open("bob", "two", "topic", "release", ""),
		open("carol", "three", "other", "main", "db/migrations/three.sql"),
	}
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	for i := range n {
		number := 1 + r.IntN(3)
		who := pick("alice", "bob", "carol", "dave", "erin", "sam", "frank", "mallory")
		as := func(w *worldtest.World) *githubsim.Person { return w.Sim.As(who) }
		var d deed
		switch r.IntN(16) {
		case 0, 1, 2, 3:
			d = deed{"approves", on(func(w *worldtest.World, pr githubsim.Pull) error { return as(w).Approve(pr) }, number)}
		case 4:
			d = deed{"requests changes", on(func(w *worldtest.World, pr githubsim.Pull) error { return as(w).RequestChanges(pr, "no") }, number)}
		case 5:
			of := pick("bob", "carol", "dave", "sam")
			d = deed{"dismisses " + of, on(func(w *worldtest.World, pr githubsim.Pull) error { return as(w).DismissReview(pr, of, "done") }, number)}
		case 6:
			text := fmt.Sprintf("text %d\n", i)
			d = deed{"pushes", on(func(w *worldtest.World, pr githubsim.Pull) error {
				_, err := as(w).Push(pr, githubsim.Commit{Files: map[string]string{"src/more.go": text}})
				return err
			}, number)}
		case 7:
			text := fmt.Sprintf("other %d\n", i)
			d = deed{"force-pushes", on(func(w *worldtest.World, pr githubsim.Pull) error {
				_, err := as(w).ForcePush(pr, githubsim.Commit{Files: map[string]string{"src/anew.go": text}})
				return err
			}, number)}
		case 8, 9:
			l := pick("high-risk", "EMERGENCY", "bug")
			d = deed{"labels " + l, on(func(w *worldtest.World, pr githubsim.Pull) error { return as(w).AddLabel(pr, l) }, number)}
		case 10:
			l := pick("high-risk", "EMERGENCY", "bug")
			d = deed{"unlabels " + l, on(func(w *worldtest.World, pr githubsim.Pull) error { return as(w).RemoveLabel(pr, l) }, number)}
		case 11:
			body := pick("", worldtest.FullRecord, strings.Replace(worldtest.FullRecord, "low", "high", 1))
			d = deed{"edits the description", on(func(w *worldtest.World, pr githubsim.Pull) error { return as(w).EditBody(pr, body) }, number)}
		case 12:
			d = deed{"closes", on(func(w *worldtest.World, pr githubsim.Pull) error { return as(w).Close(pr) }, number)}
		case 13, 14:
			d = deed{"reopens", on(func(w *worldtest.World, pr githubsim.Pull) error { return as(w).Reopen(pr) }, number)}
		case 15:
			base := pick("main", "release")
			d = deed{"retargets to " + base, on(func(w *worldtest.World, pr githubsim.Pull) error { return as(w).Retarget(pr, base) }, number)}
		}
		d.name = fmt.Sprintf("%s %s #%d", who, d.name, number)
		deeds = append(deeds, d)
	}
	return deeds
}

// told does the deeds, and has their deliveries sent as GitHub may send them: some at a time in any order, and some twice. With a nil
// r every delivery is sent at once.
func told(t *testing.T, w *worldtest.World, deeds []deed, r *rand.Rand) {
	t.Helper()
	release := func() {
		if err := w.Quiet(); err != nil {
			t.Fatal(err)
		}
		held := w.Sim.Held()
		r.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
		w.Sim.Release(held...)
		if err := w.Quiet(); err != nil {
			t.Fatal(err)
		}
		for _, d := range held {
			if r.IntN(4) > 0 {
				continue
			}
			for _, sent := range w.Gate.Deliveries() {
				if sent.GUID == d.GUID && !sent.Redelivery {
					if err := w.Gate.Redeliver(sent.ID); err != nil {
						t.Fatal(err)
					}
					break
				}
			}
		}
		if err := w.Quiet(); err != nil {
			t.Fatal(err)
		}
	}
	if r != nil {
		w.Sim.Intercept(func(d githubsim.Delivery) githubsim.Fate {
			if d.Redelivery {
				return githubsim.Deliver
			}
			return githubsim.Hold
		})
	}
	for _, d := range deeds {
		w.Forward(worldtest.Pace)
		var refused *githubsim.Refused
		if err := d.do(w); err != nil && !errors.As(err, &refused) {
			t.Fatalf("%s: %v", d.name, err)
		}
		switch {
		case r == nil:
			if err := w.Quiet(); err != nil {
				t.Fatal(err)
			}
		case r.IntN(4) == 0:
			release()
		}
	}
	if r != nil {
		release()
	}
}

// shownOf returns what GitHub shows of the three pull requests.
func shownOf(t *testing.T, w *worldtest.World) []string {
	t.Helper()
	var all []string
	for n := 1; n <= 3; n++ {
		v, err := w.Sim.PullView(w.Repo, n)
		if err != nil {
			t.Fatal(err)
		}
		c, _ := worldtest.OurCheck(v)
		shows := worldtest.Outcome(c) + " " + c.Title
		if v.State != "open" {
			// What its last commit shows besides depends on what was looked at before it was closed.
			shows = fmt.Sprint("green: ", c.Conclusion == "success")
		}
		all = append(all, fmt.Sprintf("#%d %s: %s", n, v.State, shows))
	}
	return all
}

// TestDeliveriesInAnyOrder plays the same deeds in two worlds, in one of which deliveries are late, shuffled and doubled. In the end
// both show the same.
func TestDeliveriesInAnyOrder(t *testing.T) {
	policy := strings.Replace(worldtest.OwnPolicy, "version: 1\n", "version: 1\nbranches: [release]\n", 1)
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			deeds := randomDeeds(rand.New(rand.NewPCG(seed, 1)), 24)
			world := func() *worldtest.World {
				return worldtest.Begin(t, worldtest.Options{Dir: t.TempDir(), Policy: policy, Spec: true})
			}
			calm, wild := world(), world()
			told(t, calm, deeds, nil)
			told(t, wild, deeds, rand.New(rand.NewPCG(seed, 2)))
			want, got := shownOf(t, calm), shownOf(t, wild)
			if !slices.Equal(want, got) {
				var names []string
				for _, d := range deeds {
					names = append(names, d.name)
				}
				var views []string
				for n := 1; n <= 3; n++ {
					a, _ := calm.Sim.PullView(calm.Repo, n)
					b, _ := wild.Sim.PullView(wild.Repo, n)
					views = append(views, "calm: "+calm.Whole(a), "wild: "+wild.Whole(b))
				}
				t.Errorf("calm:\n%s\nwild:\n%s\nafter:\n%s\n\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"), strings.Join(names, "\n"), strings.Join(views, "\n\n"))
			}
		})
	}
}

// seeds is how many stories are made up.
const seeds = 6
