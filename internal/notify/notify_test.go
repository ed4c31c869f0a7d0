package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/effect"
	"github.com/changegate/changegate/internal/queue"
	"github.com/changegate/changegate/internal/ramtest"
	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/storetest"
)

var (
	shop   = change.Repository{ID: 7, Owner: "acme", Name: "shop", DefaultBranch: "main", Installation: 70}
	pull   = change.PullKey{Repository: shop.ID, Number: 12}
	thread = change.Errand{Kind: change.ErrandAnnouncement, Repository: shop.ID, Name: "pull/12"}
)

const engineering = "slack:#engineering"

// fixture is an announcer with a real store and a Slack that remembers.
type fixture struct {
	*Announcer
	t       testing.TB
	store   *store.Store
	slack   *workspace
	logged  *strings.Builder
	notes   int
	mu      sync.Mutex
	now     time.Time
	token   string
	failing string // the step that fails next
	after   bool   // it fails after it was done
	doubt   time.Time
}

func TestMain(m *testing.M) { ramtest.Main(m) }

func newFixture(t *testing.T) *fixture { return open(t, storetest.File(t)) }

func open(t testing.TB, path string) *fixture {
	f := &fixture{t: t, now: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), token: "xoxb-1", logged: &strings.Builder{}}
	f.slack = newWorkspace(t, f.clock)
	s, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + path, Clock: f.clock, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	f.store = s
	f.write(func(tx store.Tx) error {
		_, err := s.Accept(t.Context(), tx, []change.Delivery{{ID: "guid-1", Event: "push", Installation: shop.Installation, Repository: shop, ReceivedAt: f.clock()}})
		return err
	})
	f.restart()
	return f
}

// restart makes a new announcer: nothing is left of the one before but what is stored.
func (f *fixture) restart() {
	a, err := New(Config{
		Store: &failing{f.store, f}, Save: f.save, Token: func() string { return f.token }, APIURL: f.slack.URL, Holder: "one", Clock: f.clock,
		Log: zerolog.New(f.logged),
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.Announcer = a
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *fixture) write(do func(tx store.Tx) error) {
	f.t.Helper()
	if err := f.store.Write(f.t.Context(), do); err != nil {
		f.t.Fatal(err)
	}
}

var errKilled = errors.New("killed")

// at fails a step once, before or after it is done.
func (f *fixture) at(step string, do func() error) error {
	if f.failing != step {
		return do()
	}
	f.failing = ""
	if f.after {
		if err := do(); err != nil {
			return err
		}
	}
	return errKilled
}

func (f *fixture) save(ctx context.Context, e change.Errand, s store.ErrandSave) error {
	return f.at("save", func() error {
		return f.store.Write(ctx, func(tx store.Tx) error { return f.store.SaveErrand(ctx, tx, e, s) })
	})
}

// failing is a store that fails where the fixture says.
type failing struct {
	*store.Store
	f *fixture
}

func (s *failing) Intend(ctx context.Context, in store.Intent) (e store.Effect, fresh bool, err error) {
	err = s.f.at("intend", func() (err error) { e, fresh, err = s.Store.Intend(ctx, in); return err })
	e.Doubt = s.f.doubt
	return e, fresh, err
}

func (s *failing) Attempt(ctx context.Context, key string, lease store.Lease) error {
	return s.f.at("attempt", func() error { return s.Store.Attempt(ctx, key, lease) })
}

// Now is so late that no attempt is acted on any more.
func (s *failing) Now() time.Time { return s.Store.Now().Add(effect.MayActFor) }

func (s *failing) Complete(ctx context.Context, key string, result any) error {
	return s.f.at("complete", func() error { return s.Store.Complete(ctx, key, result) })
}

func (s *failing) FailEffect(ctx context.Context, key, why string) error {
	return s.f.at("fail", func() error { return s.Store.FailEffect(ctx, key, why) })
}

// leave leaves announcements.
func (f *fixture) leave(list ...change.Announcement) {
	f.t.Helper()
	raised := change.Raised{Errand: thread}
	for _, a := range list {
		f.notes++
		raised.Notes = append(raised.Notes, change.NewNote(fmt.Sprint("note ", f.notes), f.clock().Add(time.Duration(f.notes)*time.Microsecond), a))
	}
	f.write(func(tx store.Tx) error { return f.store.RaiseErrands(f.t.Context(), tx, []change.Raised{raised}) })
}

// run makes a run, which must end without an error.
func (f *fixture) run() queue.Result {
	f.t.Helper()
	r, err := f.Run(f.t.Context(), thread)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// settle makes runs, each when the one before asks for it, until nothing waits.
func (f *fixture) settle() {
	f.t.Helper()
	for range 1000 {
		r, err := f.Run(f.t.Context(), thread)
		at := r.RetryAt
		if at.IsZero() {
			at = r.RecheckAt
		}
		switch {
		case err != nil:
			f.pass(time.Second)
		case at.IsZero():
			if left := f.left(); len(left) > 0 {
				f.t.Fatalf("nothing waits and notes are left: %v", left)
			}
			return
		default:
			f.pass(at.Sub(f.clock()))
		}
	}
	f.t.Fatal("it never settles")
}

// left returns the notes that are not dealt with.
func (f *fixture) left() []change.Note {
	f.t.Helper()
	w, err := f.store.BeginErrand(f.t.Context(), thread)
	if err != nil {
		f.t.Fatal(err)
	}
	return w.Notes
}

// outcome returns what is recorded of an announcement in #engineering: done, intended, or why it failed.
func (f *fixture) outcome(key string) string {
	f.t.Helper()
	list, err := f.store.EffectsOf(f.t.Context(), pull)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, e := range list {
		if !strings.HasSuffix(e.Key, ":"+key) {
			continue
		}
		var why string
		if e.State == store.EffectFailed {
			if err := json.Unmarshal(e.Result, &why); err != nil {
				f.t.Fatal(err)
			}
			return why
		}
		return string(e.State)
	}
	return "unknown"
}

// keys returns the keys of what was posted, replies in parentheses, and with an exclamation mark what the whole channel sees.
func (f *fixture) keys() (keys []string) {
	for _, p := range f.slack.all() {
		k := p.key()
		if p.Broadcast {
			k += "!"
		}
		if p.Thread != "" {
			k = "(" + k + ")"
		}
		keys = append(keys, k)
	}
	return keys
}

func announcement(key string) change.Announcement {
	return change.Announcement{
		Key: key, Channels: []string{engineering}, Text: change.Words("It is " + key + "."), Subject: "acme/shop#12", Pull: pull,
		At: time.Date(2026, 1, 5, 8, 59, 0, 0, time.UTC),
	}
}

func opening(key string) change.Announcement {
	a := announcement(key)
	a.Opens = true
	return a
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestThread(t *testing.T) {
	f := newFixture(t)
	late := announcement("overdue")
	late.Broadcast = true
	f.leave(opening("declared"), announcement("merged"))
	equal(t, "the result", f.run(), queue.Result{})
	f.restart()
	f.leave(late)
	f.settle()
	equal(t, "posts", f.keys(), []string{"declared", "(merged)", "(overdue!)"})
	posts := f.slack.all()
	for _, p := range posts[1:] {
		equal(t, "the thread", p.Thread, posts[0].TS)
	}
	equal(t, "the record", f.outcome("declared"), "done")
	f.run()
	equal(t, "posts after another run", len(f.slack.all()), 3)
	equal(t, "looks into the history", f.slack.count("conversations.history"), 0)
}

func TestThreadWhereAnswersShowNoMessage(t *testing.T) {
	f := newFixture(t)
	f.slack.withheld = "message"
	f.leave(opening("declared"), announcement("merged"), announcement("approved"))
	f.settle()
	equal(t, "posts", f.keys(), []string{"declared", "(merged)", "(approved)"})
}

func TestSeveralChannels(t *testing.T) {
	f := newFixture(t)
	a, b := opening("declared"), announcement("merged")
	a.Channels = []string{engineering, "slack:C0OPS001", engineering}
	b.Channels = a.Channels
	f.leave(a, b)
	f.settle()
	posts := f.slack.all()
	equal(t, "posts", f.keys(), []string{"declared", "declared", "(merged)", "(merged)"})
	equal(t, "their channels", []string{posts[0].Channel, posts[1].Channel}, []string{"C0ENG001", "C0OPS001"})
	equal(t, "their threads", []string{posts[2].Thread, posts[3].Thread}, []string{posts[0].TS, posts[1].TS})
}

func TestReplyWithoutThread(t *testing.T) {
	f := newFixture(t)
	f.leave(announcement("merged"))
	f.settle()
	f.leave(opening("declared"), announcement("approved"))
	f.settle()
	f.slack.remove(f.slack.all()[1].TS)
	f.restart()
	f.leave(announcement("closed"))
	f.settle()
	f.leave(opening("declared again"), announcement("merged again"))
	f.settle()
	equal(t, "posts", f.keys(), []string{"merged", "(approved)", "closed", "declared again", "(merged again)"})
	for _, i := range []int{0, 2} {
		if text := f.slack.all()[i].Text; !strings.HasPrefix(text, "acme/shop#"+breaker+"12: It is") {
			t.Errorf("what stands alone does not say what it is about: %q", text)
		}
	}
}

// kills are the moments in which a process may die while it posts, and what may become of an answer.
func kills() map[string]func(f *fixture) {
	step := func(step string, after bool) func(*fixture) {
		return func(f *fixture) { f.failing, f.after = step, after }
	}
	call := func(broken fault) func(*fixture) {
		return func(f *fixture) {
			f.slack.on(func(method string, _ url.Values) fault {
				if method != "chat.postMessage" {
					return fault{}
				}
				f.slack.fault = nil
				return broken
			})
		}
	}
	return map[string]func(*fixture){
		"nothing":                            func(*fixture) {},
		"before the intent":                  step("intend", false),
		"after the intent":                   step("intend", true),
		"before the attempt":                 step("attempt", false),
		"after the attempt":                  step("attempt", true),
		"before Slack acted":                 call(fault{hangUp: true}),
		"after Slack acted":                  call(fault{hangUp: true, acted: true}),
		"an error before Slack acted":        call(fault{status: 500}),
		"an error after Slack acted":         call(fault{status: 503, acted: true}),
		"Slack's own error":                  call(fault{code: "fatal_error"}),
		"Slack's own error after it acted":   call(fault{code: "internal_error", acted: true}),
		"an answer that makes no sense":      call(fault{body: "<html>", acted: true}),
		"an answer that says nothing":        call(fault{body: "{}", acted: true}),
		"an answer that says something else": call(fault{body: `{"ok":true,"ts":7}`, acted: true}),
		"an answer that is cut off":          call(fault{body: `{"ok":true,"chan`, acted: true}),
		"limited":                            call(fault{status: 429, retry: "30"}),
		"limited without a time":             call(fault{status: 429}),
		"before the result":                  step("complete", false),
		"after the result":                   step("complete", true),
		"before the save":                    step("save", false),
		"after the save":                     step("save", true),
	}
}

func TestKills(t *testing.T) {
	for _, withheld := range []string{"nothing", "metadata", "blocks"} {
		for name, kill := range kills() {
			t.Run(name+", withholding "+withheld, func(t *testing.T) {
				f := newFixture(t)
				f.slack.withheld = withheld
				f.slack.page = 2
				for _, a := range []change.Announcement{opening("declared"), announcement("merged"), announcement("settled")} {
					kill(f)
					f.leave(a)
					_, _ = f.Run(t.Context(), thread)
					f.restart()
					f.settle()
				}
				equal(t, "posts", f.keys(), []string{"declared", "(merged)", "(settled)"})
				for _, key := range []string{"declared", "merged", "settled"} {
					equal(t, "the record of "+key, f.outcome(key), "done")
				}
			})
		}
	}
}

// TestKillsUnseen kills the process where Slack does not let it look: at most one post, and the record says what is not known.
func TestKillsUnseen(t *testing.T) {
	certain := []string{"nothing", "before the intent", "after the intent", "before the attempt", "after the result", "before the save", "after the save", "limited", "limited without a time"}
	for name, kill := range kills() {
		for _, code := range []string{"missing_scope", "not_in_channel", "channel_not_found"} {
			t.Run(name+", "+code, func(t *testing.T) {
				f := newFixture(t)
				kill(f)
				before := f.slack.fault
				f.slack.on(func(method string, form url.Values) fault {
					if strings.HasPrefix(method, "conversations.") {
						return fault{code: code}
					}
					if before == nil {
						return fault{}
					}
					broken := before(method, form)
					before = nil
					return broken
				})
				keep := f.slack.fault
				f.leave(opening("declared"))
				_, _ = f.Run(t.Context(), thread)
				f.slack.on(keep)
				f.restart()
				f.settle()
				n, outcome := len(f.slack.all()), f.outcome("declared")
				if slices.Contains(certain, name) {
					equal(t, "posts", n, 1)
					equal(t, "the record", outcome, "done")
				} else if n > 1 || !strings.HasPrefix(outcome, "uncertain: ") || !strings.Contains(outcome, code) {
					t.Errorf("%d posts, and the record says %q", n, outcome)
				}
			})
		}
	}
}

// TestUncertainIsCounted: an announcement is counted as uncertain where it is given up for that, and not where it is posted all the same.
func TestUncertainIsCounted(t *testing.T) {
	for name, tt := range map[string]struct {
		begin func(f *fixture)
		want  map[string]float64
	}{
		"an answer was lost": {
			func(f *fixture) { kills()["after Slack acted"](f); f.run() }, map[string]float64{"posted": 0, "uncertain": 1, "failed": 0},
		},
		"a restored database may have forgotten": {
			func(f *fixture) { f.doubt = f.clock().Add(-time.Hour) }, map[string]float64{"posted": 1, "uncertain": 0, "failed": 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.leave(opening("declared"))
			tt.begin(f)
			f.slack.refuse("missing_scope", "conversations.history", "conversations.list")
			f.settle()
			equal(t, "posts", f.keys(), []string{"declared"})
			for outcome, want := range tt.want {
				equal(t, outcome, testutil.ToFloat64(f.outcomes.WithLabelValues(outcome)), want)
			}
		})
	}
}

// TestRefusedThenKilled dies after Slack acted on what it had refused before: that it was refused once must not be taken for a no.
func TestRefusedThenKilled(t *testing.T) {
	f := newFixture(t)
	f.slack.refuse("invalid_auth", "chat.postMessage")
	f.leave(opening("declared"))
	f.run()
	ctx, kill := context.WithCancel(t.Context())
	f.slack.on(func(string, url.Values) fault {
		f.slack.fault = nil
		kill()
		return fault{hangUp: true, acted: true}
	})
	if _, err := f.Run(ctx, thread); !errors.Is(err, context.Canceled) {
		t.Fatalf("Run: %v, want that it was cancelled", err)
	}
	f.restart()
	f.settle()
	equal(t, "posts", f.keys(), []string{"declared"})
}

// TestLongHistory looks for what was posted a while ago.
func TestLongHistory(t *testing.T) {
	for _, tt := range []struct {
		since int
		want  string
	}{{7, "done"}, {maxPages, "uncertain: the channel's history: it is too long to be read"}} {
		f := newFixture(t)
		f.slack.page = 1
		kills()["after Slack acted"](f)
		f.leave(opening("declared"))
		f.run()
		f.slack.chat(tt.since)
		f.pass(time.Minute)
		f.settle()
		equal(t, "posts with a key", len(slices.DeleteFunc(f.keys(), func(k string) bool { return k == "" })), 1)
		if got := f.outcome("declared"); !strings.HasPrefix(got, tt.want) {
			t.Errorf("after %d other posts the record says %q, want %q", tt.since, got, tt.want)
		}
	}
}

// TestHistoryThatIsNone: an empty answer does not say that nothing was posted.
func TestHistoryThatIsNone(t *testing.T) {
	for _, method := range []string{"conversations.history", "conversations.replies"} {
		f := newFixture(t)
		f.leave(opening("declared"))
		f.settle()
		kills()["after Slack acted"](f)
		a := announcement("merged")
		a.Opens = method == "conversations.history"
		if a.Opens {
			a.Channels = []string{"slack:#operations"}
		}
		f.leave(a)
		f.run()
		f.slack.on(func(m string, _ url.Values) fault {
			if m == method {
				return fault{body: "{}"}
			}
			return fault{}
		})
		f.pass(time.Minute)
		equal(t, method+": the result", f.run(), queue.Result{RecheckAt: f.clock().Add(seldom)})
		f.settle()
		equal(t, method+": posts", len(f.slack.all()), 2)
		if got := f.outcome("merged"); !strings.HasPrefix(got, "uncertain: an attempt had no answer: for a day: "+errNonsense.Error()) {
			t.Errorf("%s: the record says %q", method, got)
		}
	}
}

// TestOnceProperty holds that whatever fails in whatever order, each announcement is posted once, and in order.
func TestOnceProperty(t *testing.T) {
	dir := t.TempDir()
	n := 0
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range kills() {
			if !yield(name) {
				return
			}
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprint(n))
		if err := storetest.WriteFile(path); err != nil {
			rt.Fatal(err)
		}
		f := open(t, path)
		f.slack.page = rapid.IntRange(1, 3).Draw(rt, "page")
		var want []string
		for i := range rapid.IntRange(1, 4).Draw(rt, "announcements") {
			a := announcement(fmt.Sprint("key ", i))
			a.Opens = rapid.Bool().Draw(rt, "opens")
			a.Broadcast = rapid.Bool().Draw(rt, "broadcast")
			want = append(want, a.Key)
			f.leave(a)
			for range rapid.IntRange(0, 4).Draw(rt, "runs") {
				name := rapid.SampledFrom(names).Draw(rt, "kill")
				kills()[name](f)
				_, _ = f.Run(t.Context(), thread)
				f.pass(time.Duration(rapid.IntRange(0, 90).Draw(rt, "seconds")) * time.Second)
				if rapid.Bool().Draw(rt, "restart") {
					f.restart()
				}
			}
		}
		f.settle()
		var got []string
		for _, p := range f.slack.all() {
			got = append(got, p.key())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("posts (-want +got):\n%s", diff)
		}
	})
}

func TestTroubles(t *testing.T) {
	const soonest, later = "retry", "recheck"
	tests := map[string]struct {
		fault   fault
		wait    string
		after   time.Duration
		outcome string // at once where there is no wait, after more than a day where there is
	}{
		"limited":                {fault{status: 429, retry: "7"}, soonest, 7 * time.Second, "done"},
		"limited for long":       {fault{status: 429, retry: "600"}, later, 10 * time.Minute, "done"},
		"limited for ever":       {fault{status: 429, retry: "999999999"}, later, time.Hour, "done"},
		"limited without a time": {fault{status: 429}, soonest, time.Minute, "done"},
		"limited in the body":    {fault{code: "ratelimited"}, soonest, time.Minute, "done"},
		"down":                   {fault{status: 502}, soonest, soon, "done"},
		"gone while answering":   {fault{hangUp: true}, soonest, soon, "done"},
		"a token that is wrong": {fault{code: "invalid_auth"}, later, seldom,
			"for a day: invalid_auth: install the Slack app again and set slack.token to its new token"},
		"a token that was revoked": {fault{code: "token_revoked"}, later, seldom, "for a day: token_revoked: install"},
		"a code that is not known": {fault{code: "something_new"}, later, seldom, "for a day: something_new"},
		"a redirect":               {fault{status: 302}, later, seldom, "for a day: slack server error: 302 Found: see that slack.api_url"},
		"not Slack":                {fault{status: 404}, later, seldom, "for a day: slack server error: 404 Not Found: see"},
		"no channel":               {fault{code: "channel_not_found"}, "", 0, "channel_not_found: create the channel, correct its name"},
		"not in the channel":       {fault{code: "not_in_channel"}, "", 0, "not_in_channel: invite the app to the channel, or give it the scope chat:write.public"},
		"archived":                 {fault{code: "is_archived"}, "", 0, "is_archived: unarchive the channel"},
		"too long":                 {fault{code: "msg_too_long"}, "", 0, "msg_too_long: the message was not as Slack wants it"},
		"no scope":                 {fault{code: "missing_scope", needed: "chat:write"}, "", 0, "missing_scope (it needs the scope chat:write): add the scope chat:write"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.slack.on(func(method string, _ url.Values) fault { return tt.fault })
			f.leave(opening("declared"))
			r := f.run()
			switch tt.wait {
			case soonest:
				equal(t, "the result", r, queue.Result{RetryAt: f.clock().Add(tt.after)})
			case later:
				equal(t, "the result", r, queue.Result{RecheckAt: f.clock().Add(tt.after)})
			default:
				equal(t, "the result", r, queue.Result{})
				equal(t, "notes", len(f.left()), 0)
				if got := f.outcome("declared"); !strings.HasPrefix(got, tt.outcome) {
					t.Errorf("the record says %q, want %q", got, tt.outcome)
				}
				if !strings.Contains(f.logged.String(), "an announcement was given up") {
					t.Error("nobody is told")
				}
				// The next one has its turn.
				f.slack.on(nil)
				f.leave(announcement("merged"))
				f.settle()
				equal(t, "posts", f.keys(), []string{"merged"})
				return
			}
			// A new process asks for the same; then it is over.
			for range 3 {
				f.pass(tt.after)
				f.restart()
				f.run()
			}
			f.pass(tt.after)
			if tt.outcome == "done" {
				f.pass(48 * time.Hour)
				f.run()
				f.slack.on(nil)
			}
			f.settle()
			if got := f.outcome("declared"); !strings.HasPrefix(got, tt.outcome) {
				t.Errorf("the record says %q, want %q", got, tt.outcome)
			}
			if tt.outcome == "done" {
				equal(t, "posts", f.keys(), []string{"declared"})
			}
			if strings.Contains(f.logged.String(), "xoxb-") {
				t.Error("the log shows the token")
			}
		})
	}
}

func TestMendedToken(t *testing.T) {
	f := newFixture(t)
	f.token = "xoxb-old"
	f.leave(opening("declared"), announcement("merged"))
	r := f.run()
	equal(t, "the result", r, queue.Result{RecheckAt: f.clock().Add(seldom)})
	equal(t, "calls", f.slack.calls, []string{"chat.postMessage"})
	f.token = "xoxb-1"
	f.settle()
	equal(t, "posts", f.keys(), []string{"declared", "(merged)"})
}

// TestNobodyMendsTheToken: what waits is given up a day after it began to wait, however much waits before it.
func TestNobodyMendsTheToken(t *testing.T) {
	f := newFixture(t)
	f.token = "xoxb-old"
	began := f.clock()
	f.leave(opening("declared"), announcement("merged"), announcement("settled"))
	f.run()
	f.pass(12 * time.Hour)
	f.leave(announcement("explained"))
	f.run()
	for f.outcome("settled") == "unknown" {
		r := f.run()
		f.pass(r.RecheckAt.Sub(f.clock()))
	}
	for _, key := range []string{"declared", "merged", "settled"} {
		if got := f.outcome(key); !strings.HasPrefix(got, "for a day: invalid_auth") {
			t.Errorf("the record of %s says %q", key, got)
		}
	}
	if took := f.clock().Sub(began); took < patience || took > patience+time.Hour {
		t.Errorf("they were given up after %s", took)
	}
	equal(t, "the record of one that came later", f.outcome("explained"), "intended")
	f.settle()
	if took := f.clock().Sub(began); took < patience+12*time.Hour || took > patience+13*time.Hour {
		t.Errorf("it was given up after %s", took)
	}
	equal(t, "posts", len(f.slack.all()), 0)
}

// TestSlackIsNotThere: nobody listens.
func TestSlackIsNotThere(t *testing.T) {
	f := newFixture(t)
	f.APIURL = "http://127.0.0.1:1"
	b := opening("declared")
	b.Channels = append(b.Channels, "slack:#operations")
	f.leave(b)
	equal(t, "the result", f.run(), queue.Result{RetryAt: f.clock().Add(soon)})
	list, err := f.store.EffectsOf(t.Context(), pull)
	if err != nil || len(list) != 1 {
		t.Errorf("the second channel, which would be no better, was tried too: %v, %v", list, err)
	}
	f.restart()
	f.slack.refuse("missing_scope", "conversations.history", "conversations.list")
	f.settle()
	equal(t, "posts", f.keys(), []string{"declared", "declared"})
}

func TestLimitedChannelHoldsUpNoOther(t *testing.T) {
	f := newFixture(t)
	limited := true
	f.slack.on(func(method string, form url.Values) fault {
		if limited && form.Get("channel") == "#engineering" {
			return fault{status: 429, retry: "20"}
		}
		return fault{}
	})
	a, b := opening("declared"), announcement("merged")
	a.Channels = []string{engineering, "slack:#operations"}
	b.Channels = a.Channels
	f.leave(a, b)
	equal(t, "the result", f.run(), queue.Result{RetryAt: f.clock().Add(20 * time.Second)})
	equal(t, "posts", f.keys(), []string{"declared", "(merged)"})
	equal(t, "calls", f.slack.count("chat.postMessage"), 3)

	f.pass(10 * time.Second)
	equal(t, "the result of a run before the time", f.run(), queue.Result{RetryAt: f.clock().Add(10 * time.Second)})
	equal(t, "calls", f.slack.count("chat.postMessage"), 3)
	limited = false
	f.settle()
	equal(t, "posts", f.keys(), []string{"declared", "(merged)", "declared", "(merged)"})
}

func TestNotPosted(t *testing.T) {
	tests := map[string]struct {
		token, channel, want string
	}{
		"no token":       {"", engineering, "no Slack token is configured: set slack.token or slack.token_file"},
		"another scheme": {"xoxb-1", "mailto:all@acme.example", `it is not a place to announce at: write "slack:#engineering"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.token = tt.token
			a := opening("declared")
			a.Channels = []string{tt.channel}
			f.leave(a)
			equal(t, "the result", f.run(), queue.Result{})
			equal(t, "the record", f.outcome("declared"), tt.want)
			equal(t, "notes", len(f.left()), 0)
			equal(t, "calls", len(f.slack.calls), 0)
		})
	}
}

func TestTokenIsTakenAwayWhilePosting(t *testing.T) {
	f := newFixture(t)
	kills()["after Slack acted"](f)
	f.leave(opening("declared"))
	f.run()
	f.token = ""
	f.pass(time.Minute)
	f.settle()
	if got := f.outcome("declared"); !strings.HasPrefix(got, "uncertain: an attempt had no answer: no Slack token is configured") {
		t.Errorf("the record says %q", got)
	}
}

func TestNoteThatIsNone(t *testing.T) {
	f := newFixture(t)
	f.write(func(tx store.Tx) error {
		return f.store.RaiseErrands(t.Context(), tx, []change.Raised{{Errand: thread, Notes: []change.Note{change.NewNote("odd", f.clock(), []int{1})}}})
	})
	f.leave(opening("declared"))
	f.settle()
	equal(t, "posts", f.keys(), []string{"declared"})
}

func TestNothingToDo(t *testing.T) {
	f := newFixture(t)
	equal(t, "the result of what was never heard of", f.run(), queue.Result{})
	f.leave()
	equal(t, "the result without notes", f.run(), queue.Result{})
}

func TestAnotherRunsLease(t *testing.T) {
	f := newFixture(t)
	f.leave(opening("declared"))
	if _, err := f.store.Acquire(t.Context(), store.ErrandLease(thread), "another", time.Minute); err != nil {
		t.Fatal(err)
	}
	equal(t, "the result", f.run(), queue.Result{RetryAt: f.clock().Add(held)})
	equal(t, "posts", len(f.slack.all()), 0)
	f.pass(time.Minute)
	f.settle()
	equal(t, "posts", f.keys(), []string{"declared"})
}

// TestLeaseLostBetweenTwoPosts has the run be taken for dead while Slack answers that the thread is gone: what it would post on its own then is its
// successor's to post.
func TestLeaseLostBetweenTwoPosts(t *testing.T) {
	f := newFixture(t)
	f.leave(opening("declared"))
	f.settle()
	f.slack.on(func(method string, form url.Values) fault {
		if method != "chat.postMessage" || form.Get("thread_ts") == "" {
			return fault{}
		}
		f.pass(time.Hour)
		if _, err := f.store.Acquire(t.Context(), store.ErrandLease(thread), "another", time.Minute); err != nil {
			t.Error(err)
		}
		return fault{code: "thread_not_found"}
	})
	f.leave(announcement("merged"))
	equal(t, "the result", f.run(), queue.Result{RetryAt: f.clock().Add(held)})
	equal(t, "posts", f.keys(), []string{"declared"})
	f.slack.on(nil)
	f.pass(time.Minute)
	f.settle()
	equal(t, "posts in the end", f.keys(), []string{"declared", "(merged)"})
}

// TestPrivateChannel is found by its name where the bot may list private ones, and is uncertain where it may not.
func TestPrivateChannel(t *testing.T) {
	for _, may := range []bool{true, false} {
		f := newFixture(t)
		kills()["after Slack acted"](f)
		a := opening("declared")
		a.Channels = []string{"slack:#secret"}
		f.leave(a)
		f.run()
		f.slack.on(func(method string, form url.Values) fault {
			if !may && strings.Contains(form.Get("types"), "private") {
				return fault{code: "missing_scope", needed: "groups:read"}
			}
			return fault{}
		})
		f.pass(time.Minute)
		f.settle()
		equal(t, "posts", f.keys(), []string{"declared"})
		if got := f.outcome("declared"); may && got != "done" || !may && !strings.HasPrefix(got, "uncertain: the channel's id cannot be found") {
			t.Errorf("may list private channels %t: the record says %q", may, got)
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	f := newFixture(t)
	f.slack.on(func(method string, form url.Values) fault {
		return fault{body: `{"ok":true,"channel":"` + strings.Repeat("x", maxAnswer) + `"}`}
	})
	f.leave(opening("declared"))
	equal(t, "the result", f.run(), queue.Result{RetryAt: f.clock().Add(soon)})
}

// TestCutOff stops in the middle of a call, as a process does that is told to.
func TestCutOff(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.Transport = roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(req)
		cancel()
		if err == nil {
			_ = resp.Body.Close()
		}
		return nil, errors.Join(err, ctx.Err())
	})
	f.client = newClient(f.Transport)
	f.leave(opening("declared"))
	if _, err := f.Run(ctx, thread); !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v, want that it was cancelled", err)
	}
	f.restart()
	f.settle()
	equal(t, "posts", f.keys(), []string{"declared"})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
