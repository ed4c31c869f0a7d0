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
	for i := range n {
		number := 1 + r.IntN(3)
		who := pick(r, "alice", "bob", "carol", "dave", "erin", "sam", "frank", "mallory")
		what, do := randomDeed(r, i)
		deeds = append(deeds, deed{fmt.Sprintf("%s %s #%d", who, what, number), func(w *worldtest.World) error {
			v, err := w.Sim.PullView(w.Repo, number)
			if err != nil {
				return err
			}
			return do(w.Sim.As(who), v.Pull)
		}})
	}
	return deeds
}

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }

// randomDeed returns what somebody does to a pull request, with its name. No two pushes of a story are equal.
func randomDeed(r *rand.Rand, i int) (what string, do func(p *githubsim.Person, pr githubsim.Pull) error) {
	switch r.IntN(16) {
	case 0, 1, 2, 3:
		return "approves", (*githubsim.Person).Approve
	case 4:
		return "requests changes", func(p *githubsim.Person, pr githubsim.Pull) error { return p.RequestChanges(pr, "no") }
	case 5:
		of := pick(r, "bob", "carol", "dave", "sam")
		return "dismisses " + of, func(p *githubsim.Person, pr githubsim.Pull) error { return p.DismissReview(pr, of, "done") }
	case 6:
		files := map[string]string{"src/more.go": fmt.Sprintf("text %d\n", i)}
		return "pushes", func(p *githubsim.Person, pr githubsim.Pull) error {
			_, err := p.Push(pr, githubsim.Commit{Files: files})
			return err
		}
	case 7:
		files := map[string]string{"src/anew.go": fmt.Sprintf("other %d\n", i)}
		return "force-pushes", func(p *githubsim.Person, pr githubsim.Pull) error {
			_, err := p.ForcePush(pr, githubsim.Commit{Files: files})
			return err
		}
	case 8, 9:
		l := pick(r, "high-risk", "EMERGENCY", "bug")
		return "labels " + l, func(p *githubsim.Person, pr githubsim.Pull) error { return p.AddLabel(pr, l) }
	case 10:
		l := pick(r, "high-risk", "EMERGENCY", "bug")
		return "unlabels " + l, func(p *githubsim.Person, pr githubsim.Pull) error { return p.RemoveLabel(pr, l) }
	case 11:
		body := pick(r, "", worldtest.FullRecord, strings.Replace(worldtest.FullRecord, "low", "high", 1))
		return "edits the description", func(p *githubsim.Person, pr githubsim.Pull) error { return p.EditBody(pr, body) }
	case 12:
		return "closes", (*githubsim.Person).Close
	case 13, 14:
		return "reopens", (*githubsim.Person).Reopen
	default:
		base := pick(r, "main", "release")
		return "retargets to " + base, func(p *githubsim.Person, pr githubsim.Pull) error { return p.Retarget(pr, base) }
	}
}

// shuffled sends the deliveries that were held, in any order, and every fourth of them twice.
func shuffled(t *testing.T, w *worldtest.World, r *rand.Rand) {
	t.Helper()
	quiet := func() {
		t.Helper()
		if err := w.Quiet(); err != nil {
			t.Fatal(err)
		}
	}
	quiet()
	held := w.Sim.Held()
	r.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
	w.Sim.Release(held...)
	quiet()
	for _, d := range held {
		if r.IntN(4) > 0 {
			continue
		}
		sent := w.Gate.Deliveries()
		first := slices.IndexFunc(sent, func(s githubsim.Delivery) bool { return s.GUID == d.GUID && !s.Redelivery })
		if first < 0 {
			continue
		}
		if err := w.Gate.Redeliver(sent[first].ID); err != nil {
			t.Fatal(err)
		}
	}
	quiet()
}

// told does the deeds, and has their deliveries sent as GitHub may send them: some at a time in any order, and some twice. With a nil
// r every delivery is sent at once.
func told(t *testing.T, w *worldtest.World, deeds []deed, r *rand.Rand) {
	t.Helper()
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
			shuffled(t, w, r)
		}
	}
	if r != nil {
		shuffled(t, w, r)
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
