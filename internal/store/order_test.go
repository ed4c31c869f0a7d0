package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

func TestTurnsToWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o order
		var mu sync.Mutex // those who give up do so side by side
		var got []string
		note := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, what)
		}
		enter := func(ctx context.Context, name string) {
			go func() {
				if err := o.enter(ctx); err != nil {
					note(name + " gave up")
					return
				}
				note(name)
				o.leave()
			}()
			synctest.Wait()
		}
		if err := o.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		impatient, cancel := context.WithCancel(t.Context())
		enter(t.Context(), "a")
		enter(impatient, "b")
		enter(t.Context(), "c")
		enter(First(t.Context()), "first 1")
		enter(First(t.Context()), "first 2")
		enter(First(impatient), "first 3")
		cancel()
		synctest.Wait()
		slices.Sort(got)
		o.leave()
		synctest.Wait()
		if want := []string{"b gave up", "first 3 gave up", "first 1", "a", "first 2", "c"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if err := o.enter(t.Context()); err != nil || !o.busy {
			t.Errorf("nobody is there, and it is refused: %v", err)
		}
		o.leave()

		// A turn that comes as its context ends is passed on.
		for range 100 {
			if err := o.enter(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- o.enter(ctx) }()
			synctest.Wait()
			go o.leave()
			go cancel()
			if err := <-done; err == nil {
				o.leave()
			} else if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			synctest.Wait()
			if o.busy {
				t.Fatal("nobody is there, and it is busy")
			}
		}
	})
}
