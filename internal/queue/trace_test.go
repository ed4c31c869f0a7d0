package queue_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/store"
)

// journal is a log whose lines are read back.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

// lines returns what was logged with a message, as the values of some members.
func (j *journal) lines(t *testing.T, message string, members ...string) (list []string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for text := range strings.Lines(j.text.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line["message"] != message {
			continue
		}
		var values []string
		for _, m := range members {
			values = append(values, fmt.Sprint(line[m]))
		}
		list = append(list, strings.Join(values, " "))
	}
	return list
}

// aDeliveryIsFollowedToWhatItDid: the log has one identifier from a delivery to the effect, whether its job was there already, is under way,
// fails, or raises an errand.
func aDeliveryIsFollowedToWhatItDid(t *testing.T, s *store.Store) {
	var log journal
	q, err := queue.New(queue.Config{Store: s, Log: zerolog.New(&log).Hook(queue.TraceHook{})})
	if err != nil {
		t.Fatal(err)
	}
	errand := change.Errand{Kind: change.ErrandBranch, Repository: 7, Name: "main"}
	entered, leave := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	runs := 0
	do := func(ctx context.Context, name string) error {
		key := name + " " + queue.Trace(ctx)
		if _, _, err := s.Intend(ctx, store.Intent{Key: key, Kind: "comment", Pull: pull(1)}); err != nil {
			return err
		}
		return q.HandlerStore().Complete(ctx, key, "done")
	}
	err = q.Start(t.Context(), queue.Handlers{
		Reconcile: func(ctx context.Context, key change.PullKey) (queue.Result, error) {
			if key.Number != 1 {
				return queue.Result{}, nil
			}
			mu.Lock()
			runs++
			n := runs
			mu.Unlock()
			switch n {
			case 1:
				entered <- struct{}{}
				<-leave
			case 2:
				return queue.Result{}, fmt.Errorf("GitHub answers 502")
			}
			if err := q.RaiseErrands(ctx, []change.Raised{{Errand: errand}}); err != nil {
				return queue.Result{}, err
			}
			return queue.Result{}, do(ctx, fmt.Sprintf("run %d:", n))
		},
		Errands: map[change.ErrandKind]func(context.Context, change.Errand) (queue.Result, error){
			change.ErrandBranch: func(ctx context.Context, e change.Errand) (queue.Result, error) {
				return queue.Result{}, do(ctx, "errand:")
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, q) })

	nobody := labeled("nobody", pull(3))
	nobody.Concerns = 0
	deliver(t, q, labeled("one", pull(1)), labeled("other", pull(2)), nobody)
	<-entered
	deliver(t, q, labeled("two", pull(1))) // it is dealt with by the run that follows
	close(leave)
	idle(t, q)

	taken := log.lines(t, "a delivery was taken", "delivery", "traces")
	if diff := cmp.Diff([]string{"one [one]", "other [other]", "nobody []", "two [one]"}, taken); diff != "" {
		t.Error(diff)
	}
	ended := log.lines(t, "a run ended", "trace", "pull", "outcome")
	ended = slices.DeleteFunc(ended, func(l string) bool { return strings.Contains(l, "<nil>") }) // errands
	slices.Sort(ended)
	if diff := cmp.Diff([]string{"one 7#1 done", "one 7#1 done", "one 7#1 failed", "other 7#2 done"}, ended); diff != "" {
		t.Error(diff)
	}
	if failed := log.lines(t, "a run failed, it will be tried again", "trace", "error"); !slices.Equal(failed, []string{"one GitHub answers 502"}) {
		t.Errorf("%q", failed)
	}
	done := slices.Compact(slices.Sorted(slices.Values(log.lines(t, "an effect was done", "trace", "effect"))))
	if diff := cmp.Diff([]string{"one errand: one", "one run 1: one", "one run 3: one"}, done); diff != "" {
		t.Error(diff)
	}

	// What no delivery asked for has a trace too, and each time another.
	for range 2 {
		if err := q.Raise(t.Context(), []change.PullKey{pull(2)}, change.ConcernVerify); err != nil {
			t.Fatal(err)
		}
		idle(t, q)
	}
	ended = log.lines(t, "a run ended", "pull", "trace")
	a, b := ended[len(ended)-2], ended[len(ended)-1]
	if len(a) < len("7#2 ")+20 || len(b) != len(a) || a == b {
		t.Errorf("the last runs were %q and %q", a, b)
	}
}

// A job that an earlier version left says nothing of a trace.
func TestARunWithoutATrace(t *testing.T) {
	s := open(t, time.Now)
	q := newQueue(t, s)
	deliver(t, q, labeled("one", pull(1)))
	err := s.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE river_job SET metadata = '{"raised":1}'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	start(t, q, func(ctx context.Context, _ change.PullKey) (queue.Result, error) {
		if trace := queue.Trace(ctx); trace != "" {
			t.Errorf("its trace is %q", trace)
		}
		return queue.Result{}, nil
	})
	idle(t, q)
}
