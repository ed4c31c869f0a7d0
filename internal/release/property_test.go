package release

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/calendar"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/command"
)

const ourApp change.AppID = 7

// remote is a deployment on the model of GitHub.
type remote struct {
	change.Deployment
	statuses []change.DeploymentState
	ours     change.DeploymentState // the newest of them, if it is ours
	posted   []change.DeploymentStatus
}

// world is a small GitHub, what was not told yet, and a shell that crashes.
type world struct {
	t       *rapid.T
	rules   Rules
	now     time.Time
	clock   time.Time // GitHub's, which only goes on
	commits []change.SHA
	changes map[change.SHA]Change
	landed  int
	checks  map[change.SHA][]change.Check
	remotes []*remote
	lastID  int64
	crashed bool // what was done is not known for certain since
	asks    int
	runs    []change.GateAsked
	orders  int64

	notes    []func(*Turn)
	old      []func(*Turn)
	saved    []byte
	done     map[string]string // the effects that were carried out, by key
	lost     map[string]bool   // those of them whose answer was lost
	doubt    bool              // the database was restored: what is to be done is looked for first
	comments map[string]int    // that each rule was sent
	log      []string
}

func (w *world) say(format string, args ...any) { w.log = append(w.log, fmt.Sprintf(format, args...)) }

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\n\n%s\n\nstate %s", fmt.Sprintf(format, args...), strings.Join(w.log, "\n"), w.saved)
}

func (w *world) state() State {
	var s State
	if err := json.Unmarshal(w.saved, &s); err != nil {
		w.fail("the state: %v", err)
	}
	return s
}

func (w *world) note(what string, n func(*Turn)) {
	w.say("note %s", what)
	w.notes = append(w.notes, n)
}

func pick[T any](t *rapid.T, what string, of ...T) T { return rapid.SampledFrom(of).Draw(t, what) }

func newWorld(t *rapid.T) *world {
	w := &world{
		t: t, now: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC), clock: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC), saved: []byte("{}"),
		changes: map[change.SHA]Change{}, checks: map[change.SHA][]change.Check{}, done: map[string]string{}, lost: map[string]bool{}, comments: map[string]int{},
	}
	for i := range 6 {
		sha := change.SHA(fmt.Sprintf("%dcccccccc", i))
		w.commits = append(w.commits, sha)
		c := Change{
			Number: change.Number(i + 1), Commit: sha, Title: "T", Category: pick(t, "category", change.Standard, change.Normal, change.Normal, change.HighRisk, change.Emergency),
			Green: rapid.IntRange(0, 39).Draw(t, "green") < 39, Contributors: []change.AccountID{change.AccountID(10 + i%2)},
		}
		if c.Category == change.Emergency {
			c.Underlying = change.HighRisk
		}
		if rapid.IntRange(0, 39).Draw(t, "scheduled") == 39 {
			c.Scheduled = time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
		}
		w.changes[sha] = c
	}
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	env := func(name string, after ...string) Environment {
		e := Environment{
			Name: name, After: after, Watched: flag("watched"), RollBack: flag("roll back"), Newest: flag("newest"), Timeout: 2 * time.Hour, Grace: 2 * time.Hour,
		}
		if rapid.IntRange(0, 3).Draw(t, "role") == 0 {
			e.Verify.Role = "qa"
		}
		if rapid.IntRange(0, 3).Draw(t, "checks") == 0 {
			e.Verify.Checks = []Check{{Name: "smoke"}}
		}
		if rapid.IntRange(0, 3).Draw(t, "release") == 0 {
			e.Release = []Slot{{Role: "rm", Count: 1}}
		}
		if rapid.IntRange(0, 2).Draw(t, "hours") == 0 {
			e.Hours = []Hours{{Hours: calendar.Hours{Windows: []calendar.Window{{First: time.Monday, Last: time.Friday, From: 9 * 60, Until: 16 * 60}}}}}
		}
		return e
	}
	w.rules = Rules{
		Mode: pick(t, "mode", Create, Create, Record), Environments: []Environment{env("Staging"), env("production", "staging")},
		Ships: map[change.Category]Shipping{
			change.Standard: {Monitor: 30 * time.Minute}, change.Normal: {Monitor: 30 * time.Minute}, change.HighRisk: {ByHand: true, Monitor: 2 * time.Hour, High: true},
		},
		Ref: change.PolicyRef{Digest: "p"}, Observing: rapid.IntRange(0, 9).Draw(t, "observing") == 0,
	}
	w.doubt = rapid.IntRange(0, 4).Draw(t, "doubt") == 0
	if flag("three") {
		w.rules.Environments = append(w.rules.Environments, env("eu", "production"))
	}
	return w
}

// facts answers what a turn needs.
func (w *world) read(f *Facts, n Needs) {
	index := func(c change.SHA) int { return slices.Index(w.commits, c) }
	for _, c := range n.Commits {
		f.Commits[c] = Commit{Known: index(c) >= 0, Number: w.changes[c].Number}
	}
	for _, s := range n.Batches {
		var b Batch
		from, to := index(s.From), index(s.To)
		switch {
		case to < 0, s.From != "" && from < 0:
			b.Cut = true
		case to <= from:
			b.Contained = true
		default:
			for _, c := range w.commits[from+1 : to+1] {
				b.Changes = append(b.Changes, w.changes[c])
			}
		}
		f.Batches[s] = b
	}
	for _, c := range n.Checks {
		f.Checks[c] = w.checks[c]
	}
	for _, a := range n.Holders {
		f.Holders[a.ID] = Holder{Roles: []string{"rm"}}
	}
}

func (w *world) turn(saved []byte, tells []func(*Turn)) Outcome {
	f := Facts{Commits: map[change.SHA]Commit{}, Batches: map[Span]Batch{}, Checks: map[change.SHA][]change.Check{}, Holders: map[change.AccountID]Holder{}}
	for range 50 {
		var s State
		if err := json.Unmarshal(saved, &s); err != nil {
			w.fail("the state: %v", err)
		}
		t := Take(s, w.rules, f, w.now, ourApp)
		for _, tell := range tells {
			tell(t)
		}
		out := t.End()
		if out.Needs.IsEmpty() {
			return out
		}
		w.read(&f, out.Needs)
	}
	w.fail("it needs ever more")
	return Outcome{}
}

func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// run is a run of the shell, which may stop anywhere. It says whether it came to its end, and had nothing to do.
func (w *world) run(steady bool) (idle bool) {
	crash := func(where string) bool {
		if !steady && rapid.IntRange(0, 11).Draw(w.t, "crash "+where) == 0 {
			w.crashed = true
			w.say("crash %s", where)
			return true
		}
		return false
	}
	tells := slices.Clone(w.notes)
	if !steady {
		tells = tells[:rapid.IntRange(0, len(tells)).Draw(w.t, "told")]
	}
	taken := len(tells)
	if !steady && len(tells) > 1 && rapid.Bool().Draw(w.t, "shuffle") {
		tells = rapid.Permutation(tells).Draw(w.t, "order")
	}
	if !steady && len(w.old) > 0 && rapid.IntRange(0, 4).Draw(w.t, "again") == 0 {
		tells = append(tells, rapid.SampledFrom(w.old).Draw(w.t, "redelivery"))
	}
	before := w.state()
	out := w.turn(w.saved, tells)
	w.say("run at %s with %d: %d effects, wake %s", w.now.Format("02 15:04"), len(tells), len(out.Effects), out.Wake.Format("02 15:04"))
	w.check(&before, &out)
	if crash("before saving") {
		return false
	}
	w.old = append(w.old, tells...)
	w.notes = slices.Clone(w.notes[taken:])
	w.saved = marshal(out.State)
	w.twice(tells, &out)
	s := w.state()
	for _, e := range out.Effects {
		if crash("before an effect") {
			return false
		}
		id, again := w.perform(e)
		if crash("after an effect") {
			if e.Kind == PostStatus && rapid.Bool().Draw(w.t, "lost") {
				w.lost[e.Key] = true
			}
			return false
		}
		switch e.Kind {
		case CreateDeployment:
			s.Created(e.Deployment, id)
		case PostStatus:
			note := s.Posted
			if again {
				note = s.WasPosted
			}
			note(e.Deployment, w.posted(e, id))
		case AnswerRule:
			s.Told(e.Deployment, e.Ask, e.Answer, e.Says.String())
		}
	}
	if crash("before saving what was done") {
		return false
	}
	w.saved = marshal(s)
	return len(tells) == 0 && len(out.Effects) == 0
}

// perform carries an effect out once a key. It returns what it made, then or now.
func (w *world) perform(e Effect) (id int64, again bool) {
	content := string(marshal([]any{e.Kind, e.Environment, e.Commit, e.Payload, e.GitHub, e.State, e.Callback, e.Ask, e.Answer, e.Says, e.Task}))
	was, again := w.done[e.Key]
	if again && was[strings.Index(was, "|")+1:] != content {
		w.fail("the key %s has other content:\n%s\n%s", e.Key, was, content)
	}
	if e.Kind == PostStatus && (w.doubt || w.lost[e.Key]) {
		delete(w.lost, e.Key)
		if id, again = w.find(e); again {
			w.say("  effect %s was done", e.Key)
			w.done[e.Key] = fmt.Sprintf("%d|%s", id, content)
			return id, true
		}
	}
	if again {
		fmt.Sscanf(was, "%d|", &id)
		return id, true
	}
	w.say("  effect %s", e.Key)
	switch e.Kind {
	case CreateDeployment:
		r := w.remote(e.Environment, e.Commit, ours, ourApp, e.Payload)
		id = r.ID
	case PostStatus:
		for _, r := range w.remotes {
			if r.ID == e.GitHub {
				if r.ours == e.State && !w.crashed {
					w.fail("%s is posted on deployment %d twice, and nobody posted another between", e.State, r.ID)
				}
				r.statuses, r.ours = append(r.statuses, e.State), e.State
				w.clock = w.clock.Add(time.Second)
				id = w.clock.UnixNano()
				s := w.posted(e, id)
				r.posted = append(r.posted, s)
				s.Deployment, s.By, s.Via = r.Deployment, ours, ourApp
				if e.State != change.DeploymentInactive {
					w.note(fmt.Sprintf("our status %s of %d", e.State, r.ID), func(t *Turn) { t.Status(s) })
				}
			}
		}
	case AnswerRule:
		w.comments[e.Ask]++
		if w.comments[e.Ask] > 10 {
			w.fail("a rule was told more than it takes")
		}
	}
	w.done[e.Key] = fmt.Sprintf("%d|%s", id, content)
	return id, false
}

// find looks for a status of ours that may have been posted, as the shell does where its answer was lost, or where a database that was restored
// does not say.
func (w *world) find(e Effect) (id int64, found bool) {
	for _, r := range w.remotes {
		for _, s := range r.posted {
			if r.ID == e.GitHub && s.State == e.State && s.IsAfter(e.After.At, e.After.ID) {
				return s.ID, true
			}
		}
	}
	return 0, false
}

// posted is a status of ours, by its ID.
func (w *world) posted(e Effect, id int64) change.DeploymentStatus {
	return change.DeploymentStatus{ID: id, State: e.State, At: time.Unix(0, id)}
}

// remote makes a deployment on GitHub, which tells of it.
func (w *world) remote(env string, sha change.SHA, by change.Account, via change.AppID, payload json.RawMessage) *remote {
	w.lastID++
	w.clock = w.clock.Add(time.Second)
	r := &remote{Deployment: change.Deployment{ID: w.lastID, SHA: sha, Environment: env, By: by, Via: via, Payload: payload, At: w.clock}}
	w.remotes = append(w.remotes, r)
	g := r.Deployment
	w.note(fmt.Sprintf("deployment %d of %s to %s by %s", g.ID, sha, env, by.Login), func(t *Turn) { t.Deployment(g) })
	return r
}

// check holds an outcome to what is always true.
func (w *world) check(before *State, out *Outcome) {
	for _, tr := range out.State.Tracks {
		deploying := 0
		for _, d := range tr.Deployments {
			switch {
			case d.Phase == Deploying:
				deploying++
				if out.Wake.IsZero() {
					w.fail("%s deploys for ever", d.ID)
				}
			case !d.Phase.IsFinal() && d.Waits.For.IsEmpty():
				w.fail("%s is %s and waits for nothing", d.ID, d.Phase)
			}
		}
		if deploying > 1 {
			w.fail("%d are under way in %s", deploying, tr.Environment)
		}
	}
	if !out.Wake.IsZero() && !out.Wake.After(w.now) {
		w.fail("it wakes at %s", out.Wake)
	}
	for _, e := range out.Entries {
		if e.Step != "let through" || e.Deployment.BypassedPolicy || w.rules.Observing {
			continue
		}
		ran := func(name string) bool {
			tr := out.State.Tracks[strings.ToLower(name)]
			return tr != nil && tr.newest(func(d *Deployment) bool { return d.Commit == e.Deployment.Commit && d.SucceededStep > 0 }) != nil
		}
		if e.Deployment.Undoes != "" {
			if !ran(e.Environment) {
				w.fail("%s is rolled back to, and never ran", e.Deployment.Commit)
			}
			continue
		}
		env, _ := w.rules.Find(e.Environment)
		for _, name := range env.After {
			if !ran(name) {
				w.fail("%s goes to %s and never was in %s", e.Deployment.Commit, e.Environment, name)
			}
		}
		if !slices.Contains(w.commits, e.Deployment.Commit) {
			w.fail("%s is unknown and goes to %s", e.Deployment.Commit, e.Environment)
		}
	}
	for name, tr := range before.Tracks {
		for _, was := range tr.Deployments {
			after := out.State.Tracks[name]
			if after == nil {
				continue
			}
			d := after.newest(func(d *Deployment) bool { return d.ID == was.ID })
			if d != nil && was.Phase.IsFinal() && d.Phase != was.Phase && !(was.Phase == Verified && d.Phase == Failed) {
				w.fail("%s was %s and is %s", d.ID, was.Phase, d.Phase)
			}
		}
	}
	seen := map[string]bool{}
	for _, e := range out.Effects {
		if seen[e.Key] {
			w.fail("%s is asked for twice", e.Key)
		}
		seen[e.Key] = true
		if _, d := out.State.find(e.Deployment); e.Answer == Go && d.BypassedPolicy && !w.rules.Observing {
			w.fail("%s went past the policy, and a job of it is let through", d.ID)
		}
	}
}

// twice tells all of it again, which changes nothing.
func (w *world) twice(tells []func(*Turn), first *Outcome) {
	again := w.turn(w.saved, tells)
	if text := marshal(again.State); !bytes.Equal(text, w.saved) {
		i := 0
		for i < len(text) && i < len(w.saved) && text[i] == w.saved[i] {
			i++
		}
		w.fail("told twice it is\n…%s\nand not\n…%s", text[max(0, i-200):min(len(text), i+200)], w.saved[max(0, i-200):min(len(w.saved), i+200)])
	}
	if len(again.Entries) > 0 || len(again.Prompts) > 0 {
		w.fail("told twice it has %d entries and %d prompts", len(again.Entries), len(again.Prompts))
	}
	if !bytes.Equal(marshal(again.Effects), marshal(first.Effects)) {
		w.fail("told twice it asks for\n%s\nand not for\n%s", marshal(again.Effects), marshal(first.Effects))
	}
	for _, e := range again.Exceptions {
		if !slices.ContainsFunc(first.Exceptions, func(o change.Exception) bool { return o.Key == e.Key }) {
			w.fail("told twice it finds %s", e.Key)
		}
	}
}

var (
	actions  = change.Account{ID: 2, Login: "github-actions[bot]", Kind: change.KindBot}
	ours     = change.Account{ID: 99, Login: "changegate[bot]", Kind: change.KindBot}
	stranger = change.Account{ID: 3, Login: "mallory", Kind: change.KindUser}
)

func (w *world) someCommit() change.SHA {
	if w.landed == 0 || rapid.IntRange(0, 14).Draw(w.t, "unknown") == 0 {
		return "ffffffffff"
	}
	return w.commits[rapid.IntRange(0, w.landed-1).Draw(w.t, "commit")]
}

func (w *world) someEnvironment() string {
	if rapid.IntRange(0, 19).Draw(w.t, "other environment") == 0 {
		return "elsewhere"
	}
	e := w.rules.Environments[rapid.IntRange(0, len(w.rules.Environments)-1).Draw(w.t, "environment")].Name
	if rapid.Bool().Draw(w.t, "upper") {
		return strings.ToUpper(e)
	}
	return e
}

// act has something happen.
func (w *world) act() {
	t := w.t
	w.clock = w.clock.Add(time.Second)
	at := w.clock
	switch pick(t, "act", "carry", "carry", "carry", "carry", "verify", "verify", "undo", "land", "land", "gate", "poll", "rule", "foreign", "status", "status", "status", "status", "status", "run", "order", "order", "order", "time", "time", "check") {
	case "carry": // what is under way is carried out, mostly
		if tr, d := w.some(func(d *Deployment) bool { return d.Phase == Deploying && d.GitHub != 0 }); d != nil {
			i := slices.IndexFunc(w.remotes, func(r *remote) bool { return r.ID == d.GitHub })
			w.status(w.remotes[i], pick(t, "end", change.DeploymentSuccess, change.DeploymentSuccess, change.DeploymentSuccess, change.DeploymentFailure), actions)
			w.say("  in %s", tr.Environment)
		}
	case "verify":
		if tr, d := w.some(func(d *Deployment) bool { return d.Phase == Watching }); d != nil {
			w.now = w.now.Add(d.Monitor)
			w.order("verified", tr.Environment, d.Number, "")
		}
	case "undo":
		if tr, d := w.some(func(d *Deployment) bool { return d.Phase.succeeded() }); d != nil {
			w.order("rollback", tr.Environment, d.Number, "")
		}
	case "land":
		if w.landed == len(w.commits) {
			return
		}
		c := w.changes[w.commits[w.landed]]
		w.landed++
		l := change.Landed{Number: c.Number, Commit: c.Commit, By: change.Account{ID: 10, Login: "alice"}, At: at}
		w.note("landed "+string(c.Commit), func(t *Turn) { t.Landed(l) })
	case "gate":
		w.asks++
		g := change.GateAsked{
			Key: fmt.Sprintf("gate%d", w.asks), Environment: w.someEnvironment(), SHA: w.someCommit(), Run: int64(1 + w.asks/2), Attempt: 1,
			By: change.Account{ID: 20, Login: "erin"}, OnGitHub: rapid.Bool().Draw(t, "on github"), At: at,
		}
		if g.OnGitHub {
			w.remote(g.Environment, g.SHA, actions, 0, nil)
		}
		w.runs = append(w.runs, g)
		w.note("gate "+g.Key+" "+g.Environment+" "+string(g.SHA), func(t *Turn) { t.Gate(g) })
	case "poll":
		if len(w.runs) > 0 {
			g := rapid.SampledFrom(w.runs).Draw(t, "poll")
			w.note("poll "+g.Key, func(t *Turn) { t.Gate(g) })
		}
	case "rule":
		w.asks++
		r := w.remote(w.someEnvironment(), w.someCommit(), actions, 0, nil)
		asked := change.RuleAsked{Environment: r.Environment, SHA: r.SHA, Callback: fmt.Sprintf("https://api/actions/runs/%d/deployment_protection_rule", 1000+w.asks), By: change.Account{ID: 20, Login: "erin"}, At: at}
		if rapid.Bool().Draw(t, "says which") {
			asked.Deployment = r.ID
		}
		key := fmt.Sprintf("rule%d", w.asks)
		w.runs = append(w.runs, change.GateAsked{Key: key, Run: int64(1000 + w.asks)})
		w.note("rule "+key+" "+r.Environment+" "+string(r.SHA), func(t *Turn) { t.Rule(key, asked) })
	case "foreign":
		w.remote(w.someEnvironment(), w.someCommit(), pick(t, "creator", actions, actions, stranger), 0, nil)
	case "status":
		if len(w.remotes) == 0 {
			return
		}
		w.status(rapid.SampledFrom(w.remotes).Draw(t, "of"),
			pick(t, "state", change.DeploymentQueued, change.DeploymentInProgress, change.DeploymentInProgress, change.DeploymentSuccess, change.DeploymentSuccess, change.DeploymentSuccess,
				change.DeploymentFailure, change.DeploymentErrored, change.DeploymentInactive),
			pick(t, "poster", actions, actions, actions, actions, stranger))
	case "run":
		if len(w.runs) > 0 {
			g := rapid.SampledFrom(w.runs).Draw(t, "ended")
			e := change.RunEnded{Run: g.Run, Attempt: 1, Conclusion: pick(t, "conclusion", "success", "failure", "cancelled"), At: at}
			w.note(fmt.Sprintf("run %d %s", e.Run, e.Conclusion), func(t *Turn) { t.Run(e) })
		}
	case "order":
		verb, env, version := pick(t, "verb", command.Deploy, command.Deploy, command.Deployed, command.Accept, command.Override, command.Freeze, command.Thaw,
			command.Verified, command.Rollback, command.Queue, command.Hold, command.Cancel, command.Start), "", ""
		if rapid.IntRange(0, 3).Draw(t, "named") > 0 {
			env = w.someEnvironment()
		}
		if verb == command.Rollback && rapid.IntRange(0, 2).Draw(t, "version") == 0 {
			version = string(w.commits[rapid.IntRange(0, 5).Draw(t, "to")])
		}
		w.order(verb, env, change.Number(rapid.IntRange(1, 6).Draw(t, "number")), version)
	case "time":
		jump := pick(t, "jump", time.Minute, 10*time.Minute, 40*time.Minute, 3*time.Hour, 20*time.Hour, -2*time.Hour, -time.Minute, 40*24*time.Hour, -39*24*time.Hour)
		// What was told before that long may be forgotten; and people are told the year of a time where it is not now's, which nothing waits for.
		if to := w.now.Add(jump); to.Sub(w.clock) < forgetAfter && to.Year() == w.clock.Year() {
			w.now = to
		}
		w.say("now %s", w.now)
	case "check":
		if w.landed > 0 {
			c := w.someCommit()
			w.checks[c] = append(w.checks[c], change.Check{Name: "smoke", State: pick(t, "check", change.CheckSuccess, change.CheckSuccess, change.CheckPending, change.CheckFailure), Suite: w.orders, RunID: at.Unix(), At: w.now})
		}
	}
}

// some picks one of the deployments that are as asked for.
func (w *world) some(is func(*Deployment) bool) (*Track, *Deployment) {
	s := w.state()
	var all []*Deployment
	for _, name := range s.names() {
		for _, d := range s.Tracks[name].Deployments {
			if is(d) {
				all = append(all, d)
			}
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	return s.find(rapid.SampledFrom(all).Draw(w.t, "some").ID)
}

func (w *world) status(r *remote, state change.DeploymentState, by change.Account) {
	s := change.DeploymentStatus{ID: w.clock.UnixNano(), Deployment: r.Deployment, By: by, At: w.clock, State: state}
	r.statuses, r.ours = append(r.statuses, state), ""
	w.note(fmt.Sprintf("status %s of %d by %s", state, r.ID, by.Login), func(t *Turn) { t.Status(s) })
}

func (w *world) order(verb command.Verb, env string, n change.Number, version string) {
	w.orders++
	o := Order{
		Command: change.Command{
			Comment: w.orders, Pull: change.PullKey{Number: n}, At: w.now,
			By: change.Account{ID: change.AccountID(rapid.IntRange(10, 14).Draw(w.t, "who")), Login: "zoe"},
		},
		Verb: verb, Environment: env, Version: version, Until: w.now.Add(5 * time.Hour), Reason: "because",
		May: rapid.IntRange(0, 9).Draw(w.t, "may") > 0, Holds: []string{"rm", "qa"},
	}
	w.note(fmt.Sprintf("order %d %s %s on #%d by %d %s", o.Comment, verb, env, n, o.By.ID, version), func(t *Turn) { t.Order(o) })
}

// wait lets time pass. Nothing changes before it is said to, and GitHub agrees whenever it does.
func (w *world) wait() {
	for range 8 {
		wake := w.turn(w.saved, nil).Wake
		between := w.now.Add(90 * 24 * time.Hour)
		if !wake.IsZero() {
			between = w.now.Add(wake.Sub(w.now) / 2)
		}
		now := w.now
		w.now = between
		if out := w.turn(w.saved, nil); len(out.Entries)+len(out.Effects)+len(out.Exceptions)+len(out.Prompts) > 0 {
			w.fail("something changes at %s, before %s: %s", between, wake, marshal([]any{out.Entries, out.Effects}))
		}
		if w.now = wake; wake.IsZero() {
			w.now = now
			return
		}
		for !w.run(true) {
			continue
		}
		w.agree()
	}
}

// agree holds what GitHub shows to what is remembered.
func (w *world) agree() {
	s := w.state()
	for _, r := range w.remotes {
		tr, d := s.onGitHub(r.ID)
		if d == nil || d.GitHub != r.ID {
			continue
		}
		var shown change.DeploymentState
		if n := len(r.statuses); n > 0 {
			shown = r.statuses[n-1]
		}
		if want := d.shouldShow(tr); want != "" && want != shown {
			w.fail("%s is %s, GitHub shows %q for %d, not %q", d.ID, d.Phase, shown, r.ID, want)
		}
		if d.Phase == Failed && !d.Began.IsZero() && shown != change.DeploymentFailure && shown != change.DeploymentErrored {
			w.fail("%s failed, and GitHub shows %q for %d", d.ID, shown, r.ID)
		}
	}
	made := map[string]int64{}
	for _, r := range w.remotes {
		if r.Via == ourApp {
			key := change.PayloadKey(r.Payload)
			if made[key] != 0 {
				w.fail("%s was deployed twice", key)
			}
			made[key] = r.ID
		}
	}
}

// Whatever happens in whatever order, with crashes between any two steps and clocks that go back and forth: never two are under way in one
// environment, nothing goes where it was not before it may, everything ends or waits for something, GitHub agrees in the end, no key means two
// things, and what is told twice changes nothing.
func TestHistories(t *testing.T) {
	for part := range 2 {
		t.Run(fmt.Sprint(part), func(t *testing.T) { rapid.Check(t, history) })
	}
}

func history(t *rapid.T) {
	w := newWorld(t)
	for range rapid.IntRange(1, 70).Draw(t, "steps") {
		w.act()
		if rapid.IntRange(0, 2).Draw(t, "look") > 0 {
			w.run(false)
		}
	}
	for i := 0; !w.run(true); i++ {
		if i > 30 {
			w.fail("it never comes to rest")
		}
	}
	w.agree()
	w.wait()
	for _, number := range []change.Number{1, 2, 3} {
		s := w.state()
		Standing(&s, &w.rules, number, w.now)
	}
}
