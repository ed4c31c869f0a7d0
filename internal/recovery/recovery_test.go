package recovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/github"
	"github.com/changegate/changegate/internal/ramtest"
	"github.com/changegate/changegate/internal/store"
	"github.com/changegate/changegate/internal/store/storetest"
)

func TestMain(m *testing.M) { ramtest.Main(m) }

// rig is a Deliveries on a real store, and a log of deliveries at GitHub.
type rig struct {
	*Deliveries
	t      *testing.T
	now    time.Time
	store  *store.Store
	log    []github.HookDelivery // oldest first
	up     bool                  // what is redelivered arrives
	behind int
	moved  int
	unseen error // why what is behind, or has moved, cannot be looked at
	said   bytes.Buffer
	shown  *prometheus.Registry
	spare  bool

	perPage int
	reads   int   // pages that were read
	refuse  error // of what is read
	deny    error // of what is asked for
	allow   int   // how many calls there are before the limit; negative: any
	asked   []string
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, now: time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC), up: true, spare: true, perPage: 10, allow: -1}
	s, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + storetest.File(t), Clock: r.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	r.store = s
	r.restart()
	return r
}

// restart is another process on the same database.
func (r *rig) restart() {
	r.shown = prometheus.NewPedanticRegistry()
	d, err := New(Config{
		Log: r, Store: r.store, Clock: r.Now, Logger: zerolog.New(&r.said), Metrics: r.shown,
		Reads:  func(event string) bool { return event != "star" },
		Behind: func(context.Context) error { r.behind++; return r.unseen },
		Moved:  func(context.Context) error { r.moved++; return r.unseen },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.Deliveries = d
}

func (r *rig) Now() time.Time                   { return r.now }
func (r *rig) Spare(change.InstallationID) bool { return r.spare }

// spend makes a call, if there is one.
func (r *rig) spend() error {
	if r.allow == 0 {
		return &github.RateLimited{Until: r.now.Add(time.Minute)}
	}
	r.allow--
	return nil
}

func (r *rig) HookDeliveries(_ context.Context, cursor string) (page []github.HookDelivery, next string, err error) {
	if r.refuse != nil {
		return nil, "", r.refuse
	}
	if err := r.spend(); err != nil {
		return nil, "", err
	}
	r.reads++
	from := int64(1 << 60)
	if cursor != "" {
		if from, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			return nil, "", &github.Rejected{Status: 422, Message: "cursor"}
		}
	}
	for _, d := range slices.Backward(r.log) {
		if d.ID > from || r.now.Sub(d.At) > keptFor {
			continue
		}
		if len(page) == r.perPage {
			return page, fmt.Sprint(d.ID), nil
		}
		page = append(page, d)
	}
	return page, "", nil
}

func (r *rig) Redeliver(_ context.Context, attempt int64) error {
	if err := r.spend(); err != nil {
		return err
	}
	i := slices.IndexFunc(r.log, func(d github.HookDelivery) bool { return d.ID == attempt })
	r.asked = append(r.asked, r.log[i].GUID)
	if r.deny != nil {
		return r.deny
	}
	again := r.log[i]
	again.ID, again.At, again.StatusCode = r.nextID(), r.now, 502
	if r.up {
		again.StatusCode = 202
		r.arrive(again)
	}
	r.log = append(r.log, again)
	return nil
}

func (r *rig) nextID() int64 { return int64(len(r.log) + 1) }

// arrive is what intake does with a delivery.
func (r *rig) arrive(d github.HookDelivery) {
	r.t.Helper()
	err := r.store.Write(r.t.Context(), func(tx store.Tx) error {
		_, err := r.store.Accept(r.t.Context(), tx, []change.Delivery{{ID: d.GUID, Event: d.Event, ReceivedAt: r.now}})
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// deliver has GitHub deliver something, which arrives or not, and records that as a status.
func (r *rig) deliver(guid, event string, arrives bool, status int) {
	r.t.Helper()
	r.now = r.now.Add(time.Second)
	d := github.HookDelivery{ID: r.nextID(), GUID: guid, Event: event, StatusCode: status, At: r.now}
	r.log = append(r.log, d)
	if arrives {
		r.arrive(d)
	}
}

func (r *rig) look() {
	r.t.Helper()
	if err := r.Look(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// took returns what was asked for since it was last asked.
func (r *rig) took() []string {
	asked := r.asked
	r.asked = nil
	return asked
}

func (r *rig) wants(what string, want ...string) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.took()); diff != "" {
		r.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestWhatNeverArrivedIsDeliveredAgain(t *testing.T) {
	r := newRig(t)
	r.deliver("fine", "push", true, 202)
	r.deliver("check", "check_run", false, 502)
	r.deliver("label", "label", false, 502)
	r.deliver("opened", "pull_request", false, 502)
	r.deliver("restored", "pull_request", false, 202) // GitHub has it that we took it, and the database knows nothing of it
	r.deliver("echo", "check_suite", true, 202)       // which concerns nobody, and is known
	r.deliver("star", "star", false, 502)             // an event that concerns nobody
	r.deliver("now", "push", false, 0)                // under way
	r.look()
	r.wants("those of people first, then the oldest", "opened", "restored", "label", "check")
	r.look()
	r.wants("nothing twice")
	if r.behind != 0 {
		t.Error("the log told it all, and yet more was looked at")
	}

	r.now = r.now.Add(2 * time.Minute)
	r.log[7].StatusCode = 504
	r.look()
	r.wants("what ended meanwhile", "now")
}

func TestTheSecondAttemptHelpsTheFirst(t *testing.T) {
	r := newRig(t)
	r.deliver("one", "push", false, 502)
	r.deliver("one", "push", true, 202) // somebody pressed the button
	r.deliver("two", "push", false, 502)
	r.deliver("two", "push", false, 502)
	r.look()
	r.wants("the one that never arrived, once", "two")
}

func TestAsksAreCountedAndSpreadOut(t *testing.T) {
	r := newRig(t)
	r.deliver("one", "push", false, 502)
	r.up = false // GitHub cannot reach us, and we it can
	asked := 0
	var gaps []time.Duration
	last := r.now
	for end := r.now.Add(keptFor); r.now.Before(end); r.now = r.now.Add(2 * time.Minute) {
		r.look()
		if n := len(r.took()); n > 0 {
			asked += n
			gaps = append(gaps, r.now.Sub(last))
			last = r.now
		}
		if asked == 5 {
			r.restart() // which forgets nothing of it
		}
	}
	if want := 6 + int((keptFor-2*time.Hour)/maxWait); asked < want || asked > want+1 { // six until two hours are over
		t.Errorf("it was asked for %d times", asked)
	}
	for i, gap := range gaps[1:] {
		if want := min(firstWait<<min(i, 10), maxWait); gap < want || gap > want+2*time.Minute {
			t.Errorf("the %dth wait was %s", i+1, gap)
		}
	}
	if r.now = r.now.Add(time.Hour); strings.Contains(r.said.String(), "keeps them no more") {
		t.Error("it was given up early")
	}
	r.look()
	if n := strings.Count(r.said.String(), "keeps them no more"); n != 1 {
		t.Errorf("its loss was said %d times", n)
	}
}

func TestTheLogIsReadOnlyAsFarAsItIsNew(t *testing.T) {
	r := newRig(t)
	for n := range 95 {
		r.deliver(fmt.Sprint("a", n), "push", true, 202)
	}
	r.now = r.now.Add(10 * time.Minute)
	r.look()
	if r.reads != 10 {
		t.Errorf("%d pages were read at first", r.reads)
	}
	r.now = r.now.Add(time.Hour)
	r.deliver("new", "push", true, 202)
	r.reads = 0
	r.restart()
	r.look()
	if r.reads != 1 {
		t.Errorf("%d pages were read after an hour", r.reads)
	}
	// Nothing is delivered for days: it is not that we were away.
	for range 10 {
		r.now = r.now.Add(24 * time.Hour)
		r.look()
	}
	if r.behind != 0 {
		t.Errorf("%d times more was looked at", r.behind)
	}
}

func TestALimitPutsOffAndLosesNothing(t *testing.T) {
	r := newRig(t)
	for n := range 45 {
		r.deliver(fmt.Sprintf("m%02d", n), "push", false, 502)
	}
	var all []string
	for range 200 {
		r.allow = 2
		r.deliver(fmt.Sprint("later", len(r.log)), "push", true, 202) // life goes on
		if err := r.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := r.took()
		if len(got) > 2 {
			t.Fatalf("%d calls past the limit", len(got))
		}
		all = append(all, got...)
		r.now = r.now.Add(time.Minute)
	}
	slices.Sort(all)
	if n := len(slices.Compact(slices.Clone(all))); len(all) != 45 || n != 45 {
		t.Errorf("%d were asked for, %d different ones", len(all), n)
	}

	// What is left of the hour is for others.
	r.allow, r.spare = -1, false
	r.deliver("one", "push", false, 502)
	r.look()
	r.wants("nothing")
	r.spare = true
	r.look()
	r.wants("later", "one")
}

func TestAnOutageUsesUpNoAsks(t *testing.T) {
	r := newRig(t)
	r.deliver("one", "push", false, 502)
	r.deny = &github.Unavailable{Status: 502}
	for range 20 {
		if err := r.Look(t.Context()); !errors.Is(err, r.deny) {
			t.Fatalf("got %v", err)
		}
	}
	r.deny = nil
	r.took()
	r.look()
	r.wants("once GitHub is back", "one")
}

func TestARefusalConcernsOneDelivery(t *testing.T) {
	r := newRig(t)
	r.deliver("one", "push", false, 502)
	r.deliver("two", "push", false, 502)
	r.deny = &github.Rejected{Status: 422, Message: "too old"}
	r.look()
	r.wants("both", "one", "two")
	r.look()
	r.wants("and not again at once")
}

func TestACursorThatIsTakenNoMore(t *testing.T) {
	r := newRig(t)
	for n := range 25 {
		r.deliver(fmt.Sprintf("m%02d", n), "push", false, 502)
	}
	r.allow = 1
	r.look()
	p, err := r.store.LogPlace(t.Context())
	if err != nil || p.Cursor == "" {
		t.Fatalf("%+v %v", p, err)
	}
	p.Cursor = "gone"
	if _, err := r.store.SaveListed(t.Context(), nil, p); err != nil {
		t.Fatal(err)
	}
	r.allow = -1
	r.look()
	if n := len(r.took()); n != 25 {
		t.Errorf("%d were asked for", n)
	}
}

func TestWithoutALogTheRestIsLookedAtOnce(t *testing.T) {
	for _, refusal := range []error{&github.NotFound{Message: "Not Found"}, &github.Forbidden{Message: "not here"}} {
		r := newRig(t)
		r.refuse = refusal
		for range 3 {
			r.look()
		}
		if r.behind != 1 || strings.Count(r.said.String(), "does not show the App its log") != 1 {
			t.Errorf("looked %d times, and said:\n%s", r.behind, &r.said)
		}
		r.restart()
		r.look()
		if r.behind != 2 {
			t.Error("nothing was looked at after a start")
		}
	}
}

func TestAwayForLongerThanGitHubRemembers(t *testing.T) {
	r := newRig(t)
	r.deliver("fine", "push", true, 202)
	r.look()
	r.deliver("lost", "push", false, 502)
	r.now = r.now.Add(4 * 24 * time.Hour)
	r.deliver("late", "installation", false, 502)
	r.restart()
	r.unseen = errors.New("one of many repositories is blocked")
	for range 2 {
		if err := r.Look(t.Context()); !errors.Is(err, r.unseen) {
			t.Fatalf("got %v", err)
		}
	}
	r.wants("what can be had", "late")
	r.unseen = nil
	r.look()
	r.look()
	if r.behind != 3 || r.moved != 3 { // neither waits for the other
		t.Errorf("the rest was looked at %d times, what the App has access to was compared %d times", r.behind, r.moved)
	}
}

func TestWhenTheWayIsOpenAgainAllAreAskedFor(t *testing.T) {
	r := newRig(t)
	r.deliver("one", "push", false, 502)
	r.deliver("two", "push", false, 502)
	r.up = false
	for end := r.now.Add(24 * time.Hour); r.now.Before(end); r.now = r.now.Add(30 * time.Minute) {
		r.look()
	}
	r.took()
	r.arrive(github.HookDelivery{GUID: "one", Event: "push"})
	r.look()
	r.wants("when none had come before")
	r.look()
	r.wants("once one has come", "two")
}

// TestEachReplicaShowsWhatIsMissing: also one that did not look last, or never did.
func TestEachReplicaShowsWhatIsMissing(t *testing.T) {
	r := newRig(t)
	r.up = false
	first := r.shown
	r.deliver("a", "push", false, 502)
	r.deliver("b", "push", false, 502)
	r.look()
	r.restart()
	shown := func(want int) {
		t.Helper()
		text := fmt.Sprintf("# HELP changegate_deliveries_missing Deliveries in GitHub's log that have not arrived yet; the same for all that share the database.\n"+
			"# TYPE changegate_deliveries_missing gauge\nchangegate_deliveries_missing %d\n", want)
		for _, replica := range []*prometheus.Registry{first, r.shown} {
			if err := testutil.GatherAndCompare(replica, strings.NewReader(text), "changegate_deliveries_missing"); err != nil {
				t.Error(err)
			}
		}
	}
	shown(2)
	r.arrive(r.log[0])
	shown(1)
	r.arrive(r.log[1])
	r.look()
	shown(0)
}

// TestRepositoriesThatAreToldOfLate has deliveries come late that say nothing of when, after what a newer one may have told.
func TestRepositoriesThatAreToldOfLate(t *testing.T) {
	r := newRig(t)
	for n, event := range []string{"pull_request", "installation_repositories", "push", "installation"} {
		before, moves := r.moved, strings.HasPrefix(event, "installation")
		r.deliver(fmt.Sprint("late-", n), event, false, 502)
		r.look() // asks for it
		r.look()
		if r.moved != before && !moves || r.moved != before+1 && moves {
			t.Errorf("after a late %s it was compared %d times", event, r.moved-before)
		}
	}
	r.deliver("in-time", "installation", true, 202)
	r.look()
	if r.look(); r.moved != 2 {
		t.Errorf("compared %d times", r.moved)
	}
	r.deliver("late", "installation", false, 502)
	r.unseen = errors.New("GitHub is down")
	if err := r.Look(t.Context()); !errors.Is(err, r.unseen) {
		t.Errorf("got %v", err)
	}
	r.unseen = nil
	r.look()
	if r.look(); r.moved != 4 {
		t.Errorf("compared %d times, the third failed", r.moved)
	}
}
