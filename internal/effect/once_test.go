package effect_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/fence"
	"github.com/changegate/changegate/internal/store"
)

var (
	errDied    = errors.New("the process died")
	errRefused = errors.New("403 forbidden")
	intendedAt = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
)

// errLimited is an answer that says that nothing was done.
type errLimited struct{}

func (errLimited) Error() string         { return "429 too many requests" }
func (errLimited) NothingHappened() bool { return true }

// errOutage is an answer after which nobody knows.
type errOutage struct{}

func (errOutage) Error() string         { return "502 bad gateway" }
func (errOutage) NothingHappened() bool { return false }

// errMissing is a refusal that may be a mistake.
type errMissing struct{}

func (errMissing) Error() string         { return "404 not found" }
func (errMissing) NothingHappened() bool { return true }
func (errMissing) MayPass() bool         { return true }

// blow kills the process at a step: before the step took effect, after it did, so that its answer is lost, or before it takes effect nine seconds
// later.
type blow struct {
	when, step string
}

func (b blow) String() string { return b.when + " " + b.step }

const (
	before = "before"
	after  = "after"
	long   = "long before"
)

// world is a database and a place where things are posted, both of which outlive the process.
type world struct {
	blow    *blow // the next one
	effects map[string]store.Effect
	posted  []string // what the place shows
	tries   int      // calls of Do that reached the place
	refuses error    // the place's answer, if it does nothing
	hidden  bool     // the place does not show what was posted
	fenced  bool     // the lease was lost
	since   []time.Time
	doubt   time.Time // since when effects may have been forgotten
	now     time.Time
	later   []late
}

// late is what takes effect at a time.
type late struct {
	at time.Time
	do func() error
}

func newWorld() *world { return &world{effects: map[string]store.Effect{}, now: intendedAt} }

func (w *world) Now() time.Time { return w.now }

// wait passes time.
func (w *world) wait(until time.Time) {
	w.now = until
	w.later = slices.DeleteFunc(w.later, func(l late) bool {
		if l.at.After(until) {
			return false
		}
		_ = l.do() // nobody hears
		return true
	})
}

// step does something to the world, unless the process dies before, and loses its answer if the process dies after.
func (w *world) step(name string, do func() error) error {
	b := w.blow
	if b != nil && b.step == name {
		w.blow = nil
		switch b.when {
		case long:
			w.later = append(w.later, late{w.now.Add(9 * time.Second), do})
			return errDied
		case before:
			return errDied
		}
	}
	err := do()
	if b != nil && b.step == name {
		return errDied
	}
	return err
}

func (w *world) Intend(_ context.Context, in store.Intent) (e store.Effect, fresh bool, err error) {
	err = w.step("intend", func() error {
		if e, fresh = w.effects[in.Key]; !fresh {
			w.effects[in.Key] = store.Effect{Key: in.Key, State: store.EffectIntended, IntendedAt: w.now}
		}
		e, fresh = w.effects[in.Key], !fresh
		e.Doubt = w.doubt
		return nil
	})
	return e, fresh, err
}

func (w *world) Check(context.Context, store.Lease) error {
	return w.step("check", func() error {
		if w.fenced {
			return store.ErrFenced
		}
		return nil
	})
}

func (w *world) Attempt(_ context.Context, key string, lease store.Lease) error {
	return w.step("attempt", func() error {
		e, ok := w.effects[key]
		if !ok {
			return store.ErrNotFound
		}
		if w.fenced && lease != (store.Lease{}) {
			return store.ErrFenced
		}
		e.AttemptedAt = w.now
		w.effects[key] = e
		return nil
	})
}

func (w *world) TakeBackAttempt(_ context.Context, key string, lease store.Lease, last time.Time) error {
	return w.step("take back", func() error {
		if w.fenced && lease != (store.Lease{}) {
			return store.ErrFenced
		}
		e := w.effects[key]
		e.AttemptedAt = last
		w.effects[key] = e
		return nil
	})
}

func (w *world) Complete(_ context.Context, key string, result any) error {
	return w.step("complete", func() error { return w.end(key, store.EffectDone, result) })
}

func (w *world) FailEffect(_ context.Context, key, why string) error {
	return w.step("fail", func() error { return w.end(key, store.EffectFailed, why) })
}

func (w *world) end(key string, state store.EffectState, result any) (err error) {
	e, ok := w.effects[key]
	if !ok || e.State != store.EffectIntended {
		return fmt.Errorf("%s is %q", key, e.State)
	}
	e.State = state
	e.Result, err = json.Marshal(result)
	w.effects[key] = e
	return err
}

// forget is what the restore of a copy does.
func (w *world) forget() {
	clear(w.effects)
	w.doubt = intendedAt.Add(-time.Hour)
}

// post is done at most once: it looks for what an earlier attempt posted.
func (w *world) post() effect.Action[string] {
	return effect.Action[string]{
		Find: func(_ context.Context, since time.Time) (result string, found bool, err error) {
			w.since = append(w.since, since)
			err = w.step("find", func() error {
				if w.hidden {
					return fmt.Errorf("reading the channel: %w", effect.ErrUncertain)
				}
				if found = len(w.posted) > 0; found {
					result = w.posted[0]
				}
				return nil
			})
			return result, found, err
		},
		Do: func(context.Context) (result string, err error) {
			err = w.step("do", func() error {
				w.tries++
				if w.refuses != nil {
					return w.refuses
				}
				result = fmt.Sprint("post ", len(w.posted)+1)
				w.posted = append(w.posted, result)
				return nil
			})
			return result, err
		},
		Refused: func(err error) bool { return errors.Is(err, errRefused) || errors.Is(err, errMissing{}) },
	}
}

var intent = store.Intent{Key: "announce:7#1:declared", Kind: "post", Lease: store.Lease{Name: "errand", Fence: 1}}

func (w *world) once(t *testing.T) (string, error) {
	return effect.Once(t.Context(), w, intent, w.post())
}

// patiently calls once again when it was too early.
func (w *world) patiently(t *testing.T) (string, error) {
	for {
		got, err := w.once(t)
		early := new(effect.Early)
		if !errors.As(err, &early) {
			return got, err
		}
		if !early.Until.After(w.now) {
			t.Fatalf("at %s it is to wait until %s", w.now, early.Until)
		}
		w.wait(early.Until)
	}
}

// blows are all sequences of up to n blows at the steps.
func blows(n int, steps ...string) (all [][]blow) {
	all = [][]blow{nil}
	for last := all; n > 0; n-- {
		var longer [][]blow
		for _, s := range last {
			for _, step := range steps {
				whens := []string{before, after}
				if step == "do" {
					whens = append(whens, long)
				}
				for _, when := range whens {
					longer = append(longer, append(slices.Clone(s), blow{when, step}))
				}
			}
		}
		all, last = append(all, longer...), longer
	}
	return all
}

// suffer calls Once with each blow in turn, as processes that follow one another do.
func (w *world) suffer(t *testing.T, sequence []blow) {
	t.Helper()
	for _, b := range sequence {
		w.blow = &b
		_, err := w.patiently(t)
		if err != nil && !errors.Is(err, errDied) && !errors.As(err, new(*effect.Failed)) || err == nil && w.blow == nil {
			t.Errorf("dying %s: %v", b, err) // what is not recorded is not done yet
		}
		w.blow = nil // a step that the call did not come to
	}
}

func TestItIsDoneOnceWhereverTheProcessDies(t *testing.T) {
	for _, sequence := range blows(3, "intend", "find", "attempt", "do", "complete") {
		w := newWorld()
		w.suffer(t, sequence)
		for range 2 { // the second finds it done
			if got, err := w.patiently(t); got != "post 1" || err != nil {
				t.Errorf("%v: got %q, %v", sequence, got, err)
			}
		}
		w.wait(w.now.Add(time.Minute))
		if len(w.posted) != 1 || w.effects[intent.Key].State != store.EffectDone {
			t.Errorf("%v: posted %q, recorded as %q", sequence, w.posted, w.effects[intent.Key].State)
		}
		for _, since := range w.since {
			if !since.Equal(intendedAt.Add(-effect.ClockSkew)) {
				t.Errorf("%v: it was looked for since %s", sequence, since)
			}
		}
	}
}

func TestARefusalIsFinal(t *testing.T) {
	for _, sequence := range blows(2, "intend", "find", "attempt", "do", "fail") {
		w := newWorld()
		w.refuses = errRefused
		w.suffer(t, sequence)
		for range 2 {
			_, err := w.patiently(t)
			if failed := new(effect.Failed); !errors.As(err, &failed) || failed.Why != errRefused.Error() || errors.Is(err, effect.ErrUncertain) {
				t.Errorf("%v: got %v", sequence, err)
			}
		}
		w.refuses = nil // whatever changes, it was said to have failed
		tries := w.tries
		if _, err := w.patiently(t); !errors.As(err, new(*effect.Failed)) || w.tries != tries {
			t.Errorf("%v: after the refusal got %v and %d more tries", sequence, err, w.tries-tries)
		}
		if w.effects[intent.Key].State != store.EffectFailed || len(w.posted) != 0 {
			t.Errorf("%v: recorded as %q, posted %q", sequence, w.effects[intent.Key].State, w.posted)
		}
	}
}

// Where nobody can tell whether an attempt went through, it is done at most once, and the record says so.
func TestWhatIsUncertainIsNotRepeated(t *testing.T) {
	for _, sequence := range blows(2, "intend", "find", "attempt", "do", "complete", "fail") {
		w := newWorld()
		w.hidden = true
		w.suffer(t, sequence)
		_, err := w.patiently(t)
		state := w.effects[intent.Key].State
		failed := new(effect.Failed)
		switch {
		case err == nil && state == store.EffectDone && len(w.posted) == 1:
		case errors.As(err, &failed) && strings.Contains(failed.Why, effect.ErrUncertain.Error()) && state == store.EffectFailed && len(w.posted) <= 1:
		default:
			t.Errorf("%v: got %v, recorded as %q, posted %q", sequence, err, state, w.posted)
		}
	}
}

func TestOnce(t *testing.T) {
	t.Run("an outage is tried again", func(t *testing.T) {
		w := newWorld()
		w.refuses = errOutage{}
		if _, err := w.patiently(t); !errors.Is(err, errOutage{}) || w.effects[intent.Key].State != store.EffectIntended {
			t.Errorf("got %v, recorded as %q", err, w.effects[intent.Key].State)
		}
		w.refuses = nil
		if got, err := w.patiently(t); got != "post 1" || err != nil || len(w.since) == 0 {
			t.Errorf("then got %q, %v, looked for %d times", got, err, len(w.since))
		}
	})
	t.Run("what did nothing for certain is tried again at once, and not looked for", func(t *testing.T) {
		w := newWorld()
		w.refuses = errLimited{}
		for range 2 {
			if _, err := w.once(t); !errors.Is(err, errLimited{}) {
				t.Errorf("got %v", err)
			}
		}
		w.refuses = nil
		if got, err := w.once(t); got != "post 1" || err != nil || len(w.since) > 0 {
			t.Errorf("then got %q, %v, looked for %d times", got, err, len(w.since))
		}
	})
	t.Run("a refusal that may be a mistake is tried again for a minute", func(t *testing.T) {
		w := newWorld()
		w.refuses = errMissing{}
		for range 2 {
			w.wait(w.now.Add(29 * time.Second))
			_, err := w.once(t)
			early := new(effect.Early)
			if !errors.As(err, &early) || early.Until.Before(w.now) || early.Until.After(w.now.Add(time.Minute)) || errors.Is(err, errMissing{}) {
				t.Errorf("got %v", err)
			}
			if e := w.effects[intent.Key]; e.State != store.EffectIntended || !e.AttemptedAt.IsZero() {
				t.Errorf("recorded as %+v", e)
			}
		}
		w.refuses = nil
		if got, err := w.once(t); got != "post 1" || err != nil || len(w.since) > 0 {
			t.Errorf("then got %q, %v, looked for %d times", got, err, len(w.since))
		}
		w = newWorld()
		w.refuses = errMissing{}
		if _, err := w.patiently(t); !errors.As(err, new(*effect.Failed)) || w.tries != 4 || w.now.Sub(intendedAt) != time.Minute {
			t.Errorf("after %s and %d tries got %v", w.now.Sub(intendedAt), w.tries, err)
		}
	})
	t.Run("a refusal after an attempt that had no answer is tried again as long", func(t *testing.T) {
		w := newWorld()
		w.refuses = errLimited{} // long after it was intended
		if _, err := w.once(t); !errors.Is(err, errLimited{}) {
			t.Errorf("got %v", err)
		}
		w.wait(w.now.Add(time.Hour))
		w.refuses = errOutage{}
		if _, err := w.once(t); !errors.Is(err, errOutage{}) {
			t.Errorf("got %v", err)
		}
		outage := w.now
		w.wait(w.now.Add(effect.MayActFor))
		w.refuses = errMissing{}
		if _, err := w.patiently(t); !errors.As(err, new(*effect.Failed)) || w.now.Sub(outage) < time.Minute || w.now.Sub(outage) > 2*time.Minute {
			t.Errorf("after %s got %v", w.now.Sub(outage), err)
		}
	})
	t.Run("an attempt before it is looked for all the same", func(t *testing.T) {
		w := newWorld()
		w.blow = &blow{after, "do"}
		if _, err := w.once(t); !errors.Is(err, errDied) {
			t.Errorf("got %v", err)
		}
		w.posted, w.refuses = nil, errLimited{} // it is not shown yet
		w.wait(w.now.Add(time.Minute))
		if _, err := w.once(t); !errors.Is(err, errLimited{}) {
			t.Errorf("got %v", err)
		}
		w.posted, w.refuses = []string{"post 1"}, nil
		if got, err := w.once(t); got != "post 1" || err != nil || len(w.posted) != 1 {
			t.Errorf("then got %q, %v, %d posts", got, err, len(w.posted))
		}
	})
	t.Run("whoever lost the lease does nothing", func(t *testing.T) {
		w := newWorld()
		w.fenced = true
		if _, err := w.patiently(t); !errors.Is(err, store.ErrFenced) || w.tries != 0 {
			t.Errorf("got %v, %d tries", err, w.tries)
		}
		w.fenced = false
		if got, err := w.patiently(t); got != "post 1" || err != nil {
			t.Errorf("whoever has it then got %q, %v", got, err)
		}
	})
	t.Run("whoever loses the lease while a write waits can tell", func(t *testing.T) {
		w := newWorld()
		slow := w.post()
		slow.Do = func(ctx context.Context) (string, error) {
			w.fenced = true
			return "", fence.Ask(ctx)
		}
		if _, err := effect.Once(t.Context(), w, intent, slow); !errors.Is(err, store.ErrFenced) || w.effects[intent.Key].State != store.EffectIntended {
			t.Errorf("got %v, recorded as %q", err, w.effects[intent.Key].State)
		}
	})
	t.Run("whoever lost the lease writes nothing by looking", func(t *testing.T) {
		w := newWorld()
		w.blow = &blow{before, "do"}
		if _, err := w.once(t); !errors.Is(err, errDied) {
			t.Errorf("got %v", err)
		}
		w.fenced = true
		trying := w.post()
		trying.Find = func(ctx context.Context, _ time.Time) (string, bool, error) { return "found", true, fence.Ask(ctx) }
		if _, err := effect.Once(t.Context(), w, intent, trying); !errors.Is(err, store.ErrFenced) || w.effects[intent.Key].State != store.EffectIntended {
			t.Errorf("got %v, recorded as %q", err, w.effects[intent.Key].State)
		}
	})
	t.Run("without a lease none is checked", func(t *testing.T) {
		w := newWorld()
		w.fenced = true
		free := intent
		free.Lease = store.Lease{}
		if _, err := effect.Once(t.Context(), w, free, w.post()); err != nil {
			t.Error(err)
		}
	})
	t.Run("what is harmless is repeated", func(t *testing.T) {
		w := newWorld()
		harmless := w.post()
		harmless.Find, harmless.Refused = nil, nil
		w.blow = &blow{after, "do"}
		if _, err := effect.Once(t.Context(), w, intent, harmless); !errors.Is(err, errDied) {
			t.Errorf("got %v", err)
		}
		if got, err := effect.Once(t.Context(), w, intent, harmless); got != "post 2" || err != nil {
			t.Errorf("then got %q, %v", got, err)
		}
		if got, err := effect.Once(t.Context(), w, intent, harmless); got != "post 2" || err != nil || w.tries != 2 {
			t.Errorf("when it is done got %q, %v, %d tries", got, err, w.tries)
		}
	})
	t.Run("a record that cannot be read", func(t *testing.T) {
		for _, state := range []store.EffectState{store.EffectDone, store.EffectFailed} {
			w := newWorld()
			w.effects[intent.Key] = store.Effect{Key: intent.Key, State: state, Result: json.RawMessage(`{`)}
			if _, err := w.patiently(t); err == nil || errors.As(err, new(*effect.Failed)) || w.tries != 0 {
				t.Errorf("%s: got %v, %d tries", state, err, w.tries)
			}
		}
	})
}

func TestWhatWasForgottenIsNotDoneAgain(t *testing.T) {
	start := func(t *testing.T) *world {
		t.Helper()
		w := newWorld()
		if _, err := w.patiently(t); err != nil {
			t.Fatal(err)
		}
		w.forget()
		return w
	}
	t.Run("it is found", func(t *testing.T) {
		w := start(t)
		if got, err := w.patiently(t); got != "post 1" || err != nil || len(w.posted) != 1 {
			t.Errorf("got %q, %v, %d posts", got, err, len(w.posted))
		}
		if want := []time.Time{w.doubt.Add(-effect.ClockSkew)}; !slices.Equal(w.since, want) {
			t.Errorf("looked since %v, want %v", w.since, want)
		}
	})
	t.Run("also by whoever comes after one that could not look", func(t *testing.T) {
		w := start(t)
		w.blow = &blow{before, "find"}
		if _, err := w.patiently(t); !errors.Is(err, errDied) {
			t.Fatalf("got %v", err)
		}
		if got, err := w.patiently(t); got != "post 1" || err != nil || len(w.posted) != 1 {
			t.Errorf("got %q, %v, %d posts", got, err, len(w.posted))
		}
	})
	t.Run("what was attempted before anything was forgotten is looked for from then on", func(t *testing.T) {
		w := newWorld()
		w.blow = &blow{after, "do"}
		if _, err := w.once(t); !errors.Is(err, errDied) {
			t.Fatalf("got %v", err)
		}
		w.wait(w.now.Add(2 * time.Hour))
		w.doubt = intendedAt.Add(time.Hour)
		if got, err := w.once(t); got != "post 1" || err != nil || len(w.posted) != 1 {
			t.Errorf("got %q, %v, %d posts", got, err, len(w.posted))
		}
		if want := []time.Time{intendedAt.Add(-effect.ClockSkew)}; !slices.Equal(w.since, want) {
			t.Errorf("looked since %v, want %v", w.since, want)
		}
	})
	t.Run("what was never done is done", func(t *testing.T) {
		w := newWorld()
		w.forget()
		if got, err := w.patiently(t); got != "post 1" || err != nil || w.tries != 1 {
			t.Errorf("got %q, %v, %d tries", got, err, w.tries)
		}
	})
	t.Run("where nobody can tell, it is most likely new", func(t *testing.T) {
		w := newWorld()
		w.forget()
		w.hidden = true
		if got, err := w.patiently(t); got != "post 1" || err != nil || w.tries != 1 {
			t.Errorf("got %q, %v, %d tries", got, err, w.tries)
		}
	})
}
