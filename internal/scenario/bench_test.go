package scenario_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// watch notes when a webhook is sent and when GitHub has the check run that answers it.
type watch struct {
	next http.Handler

	mu      sync.Mutex
	event   string // the event that starts the clock
	begun   time.Time
	written time.Time
}

// ServeHTTP passes the call on. A check run is there when GitHub has acted on the call that writes it.
func (w *watch) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.next.ServeHTTP(rw, r)
	if r.Method == http.MethodGet || !strings.Contains(r.URL.Path, "/check-runs") {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written = time.Now()
}

// sent is for Intercept.
func (w *watch) sent(d githubsim.Delivery) githubsim.Fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d.Event+" "+d.Action == w.event && w.begun.IsZero() {
		w.begun = time.Now()
	}
	return githubsim.Deliver
}

func (w *watch) expect(event string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.event, w.begun, w.written = event, time.Time{}, time.Time{}
}

// took returns the time from the webhook to the check run.
func (w *watch) took(b *testing.B) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun.IsZero() || w.written.IsZero() {
		b.Fatalf("there was no %s, or no check run was written", w.event)
	}
	return w.written.Sub(w.begun)
}

// BenchmarkWebhookToCheckRun measures the time from GitHub's sending of a webhook to its having the check run that follows: the first
// one, of a pull request of 12 files that was opened; and the green one, after its approval. It does so with GitHub next door, and
// with 50 ms added to each call.
func BenchmarkWebhookToCheckRun(b *testing.B) {
	for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
		for _, event := range []string{"opened", "approved"} {
			b.Run(fmt.Sprintf("%s/latency=%s", event, latency), func(b *testing.B) { benchmark(b, event, latency) })
		}
	}
}

func benchmark(b *testing.B, event string, latency time.Duration) {
	w := worldtest.Begin(b, worldtest.Options{Dir: b.TempDir(), Policy: strings.Replace(worldtest.OwnPolicy, "count: 2}]\nsecurity_review", "count: 1}]\nsecurity_review", 1)})
	watch := &watch{next: w.Sim}
	w.HTTP.Config.Handler = watch
	w.Sim.Intercept(watch.sent)
	n := 0
	once := func() time.Duration {
		n++
		w.Forward(7 * time.Minute)
		watch.expect("pull_request opened")
		pull, err := w.Sim.As("alice").OpenPull(w.Repo, githubsim.PullOptions{
			Title: "Change it", Body: worldtest.FullRecord, Branch: fmt.Sprintf("topic-%d", n), Files: files(fmt.Sprintf("src/part%d", n)),
		})
		if err != nil {
			b.Fatal(err)
		}
		if err := w.Quiet(); err != nil {
			b.Fatal(err)
		}
		if event == "opened" {
			return watch.took(b)
		}
		w.Forward(7 * time.Minute)
		watch.expect("pull_request_review submitted")
		if err := w.Sim.As("bob").Approve(pull); err != nil {
			b.Fatal(err)
		}
		if err := w.Quiet(); err != nil {
			b.Fatal(err)
		}
		v, err := w.Sim.PullView(w.Repo, pull.Number)
		if err != nil {
			b.Fatal(err)
		}
		if c, _ := worldtest.OurCheck(v); worldtest.Outcome(c) != "success" {
			b.Fatalf("it should be green\n%s", w.Whole(v))
		}
		return watch.took(b)
	}
	once() // connections, tokens and compiled policies are there from now on
	w.Sim.SetLatency(latency)
	b.ResetTimer()
	var all []time.Duration
	for b.Loop() {
		all = append(all, once())
	}
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	b.ReportMetric(ms(all[len(all)/2]), "p50-ms")
	b.ReportMetric(ms(all[len(all)*9/10]), "p90-ms")
	b.ReportMetric(0, "ns/op") // what a person does in between is not measured
}
