package app_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/githubsim"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// A line of somebody's code, which the ledger must not have.
const code = "a-line-of-code-that-nobody-else-needs"

// live has a pull request opened and approved.
func (w *world) live(t *testing.T, name string) {
	t.Helper()
	pull, err := w.sim.As("alice").OpenPull("acme/shop", githubsim.PullOptions{
		Title: "Say " + name, Body: "What " + name + " is for.", Files: map[string]string{"docs/" + name + ".md": code + "\n"},
	})
	must(t, err)
	w.settle(t)
	must(t, w.sim.As("bob").Approve(pull))
	w.settle(t)
}

// ready returns what /readyz says.
func (w *world) ready(t *testing.T) string {
	t.Helper()
	response, err := http.Get(w.base + "/readyz")
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	return strings.TrimSpace(string(text))
}

func (w *world) mustBeReady(t *testing.T) {
	t.Helper()
	if said := w.ready(t); said != `{"ready":true}` {
		t.Fatalf("the server says %s", said)
	}
}

// mustBeBroken says that the server found its ledger not to hold, and goes on all the same.
func (w *world) mustBeBroken(t *testing.T, why string) {
	t.Helper()
	if said := w.ready(t); said != `{"ready":false,"missing":["ledger"]}` {
		t.Errorf("the server says %s", said)
	}
	if log := w.log.String(); !strings.Contains(log, why) {
		t.Errorf("the log does not say %q:\n%s", why, log)
	}
	w.mustMeasure(t, "changegate_ledger_broken 1")
	w.live(t, "more") // settle fails if a delivery is not taken and dealt with
}

// mustMeasure says that a metric has a value.
func (w *world) mustMeasure(t *testing.T, line string) {
	t.Helper()
	response, err := http.Get(w.base + "/metrics")
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	if !strings.Contains(string(text), "\n"+line+"\n") {
		t.Errorf("the metrics have no %s:\n%s", line, text)
	}
}

func (w *world) sql(t *testing.T, queries ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", w.database+"?_pragma=busy_timeout(10000)") // the server writes beside it
	must(t, err)
	defer db.Close()
	for _, q := range queries {
		_, err := db.ExecContext(t.Context(), q)
		must(t, err)
	}
}

func TestATamperedLedgerIsFoundAtTheStart(t *testing.T) {
	w := start(t)
	w.live(t, "hello")
	w.mustBeReady(t)
	w.stop()
	w.sql(t, `DROP TRIGGER ledger_no_update`, `UPDATE ledger SET record = record || ' ' WHERE seq = 3`)
	w.serve(t)
	w.mustBeBroken(t, "entry 3 does not hold: its record hashes to ")
}

// What the end of the ledger does not show is found soon after the start, when all of it is read.
func TestTheWholeLedgerIsReadAfterTheStart(t *testing.T) {
	w := start(t)
	w.live(t, "hello")
	w.stop()
	w.sql(t, `DROP TRIGGER ledger_exhibits_no_update`, `UPDATE ledger_exhibits SET text = replace(text, 'What hello is for.', 'Something else.')`)
	w.serve(t)
	for deadline := time.Now().Add(time.Minute); w.ready(t) == `{"ready":true}`; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is found")
		}
	}
	w.mustBeBroken(t, "what it rests on was altered: the exhibit ")
}

func TestARestoredBackupIsFoundAtTheStart(t *testing.T) {
	w := prepare(t, func(*githubsim.Sim) {})
	w.env["CHANGEGATE_LEDGER_PUBLISH_FILE"] = filepath.Join(t.TempDir(), "checkpoints")
	w.serve(t)
	w.live(t, "hello")
	w.stop() // which publishes
	backup, err := os.ReadFile(w.database)
	must(t, err)
	w.serve(t)
	w.live(t, "world")
	w.mustBeReady(t)
	w.stop()
	must(t, os.WriteFile(w.database, backup, 0o600))
	w.serve(t)
	w.mustBeBroken(t, "an old backup was restored")
}

func TestAFileOfCheckpointsThatCannotBeRead(t *testing.T) {
	w := prepare(t, func(*githubsim.Sim) {})
	path := filepath.Join(t.TempDir(), "checkpoints")
	w.env["CHANGEGATE_LEDGER_PUBLISH_FILE"] = path
	must(t, os.WriteFile(path, []byte("half a checkpo"), 0o600))
	w.serve(t)
	if said := w.ready(t); said != `{"ready":false,"missing":["ledger"]}` {
		t.Errorf("the server says %s", said)
	}
	if log := w.log.String(); !strings.Contains(log, "checkpoint 1 is cut off") {
		t.Errorf("the log does not say why:\n%s", log)
	}
}

// later has the server think that some time has passed.
func (w *world) later(t *testing.T) (pass func(time.Duration)) {
	t.Helper()
	var passed atomic.Int64
	w.clock = func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }
	return func(d time.Duration) { passed.Add(int64(d)) }
}

// Where the file is on something that is not mounted, a restored backup is not signed as if nothing had been published.
func TestAFileOfCheckpointsThatIsMissing(t *testing.T) {
	w := prepare(t, func(*githubsim.Sim) {})
	path, pass := filepath.Join(t.TempDir(), "checkpoints"), w.later(t)
	w.env["CHANGEGATE_LEDGER_PUBLISH_FILE"] = path
	w.serve(t)
	w.live(t, "hello")
	w.mustBeReady(t)
	w.stop() // which publishes
	backup, err := os.ReadFile(w.database)
	must(t, err)
	w.serve(t)
	w.live(t, "world")
	w.stop()

	must(t, os.WriteFile(w.database, backup, 0o600))
	must(t, os.Rename(path, path+".unmounted"))
	w.serve(t)
	if said := w.ready(t); said != `{"ready":false,"missing":["ledger"]}` {
		t.Errorf("the server says %s", said)
	}
	if log, want := w.log.String(), path+": no such file or directory: mount what it is on, or, if the place is new, make an empty file"; !strings.Contains(log, want) {
		t.Errorf("the log does not say %q:\n%s", want, log)
	}
	must(t, w.app.Publish(t.Context()))
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a new file: %v", err)
	}
	must(t, os.Rename(path+".unmounted", path))
	pass(time.Minute)
	w.ready(t)
	w.mustBeBroken(t, "an old backup was restored")
}

// A ledger that was signed before it had the file goes on when there is an empty one.
func TestANewFileForALedgerInUse(t *testing.T) {
	w := start(t)
	w.live(t, "hello")
	must(t, w.app.Publish(t.Context())) // in the database only
	w.stop()
	path, pass := filepath.Join(t.TempDir(), "checkpoints"), w.later(t)
	w.env["CHANGEGATE_LEDGER_PUBLISH_FILE"] = path
	w.serve(t)
	if said := w.ready(t); said != `{"ready":false,"missing":["ledger"]}` {
		t.Errorf("the server says %s", said)
	}
	must(t, os.WriteFile(path, nil, 0o600))
	pass(time.Minute)
	w.mustBeReady(t)
	must(t, w.app.Publish(t.Context()))
	if texts, err := (audit.FileSink{Path: path}).Published(t.Context()); err != nil || len(texts) != 1 {
		t.Errorf("published %q, %v", texts, err)
	}
}

// Once the ledger was held to what is in the file, the server does without it, and makes no other.
func TestAFileOfCheckpointsThatGoesAway(t *testing.T) {
	w := prepare(t, func(*githubsim.Sim) {})
	path, pass := filepath.Join(t.TempDir(), "checkpoints"), w.later(t)
	w.env["CHANGEGATE_LEDGER_PUBLISH_FILE"] = path
	w.serve(t)
	w.live(t, "hello")
	must(t, w.app.Publish(t.Context()))
	must(t, os.Rename(path, path+".unmounted"))
	w.live(t, "world")
	if err := w.app.Publish(t.Context()); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "mount what it is on") {
		t.Errorf("%v", err)
	}
	pass(time.Minute)
	w.mustBeReady(t)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a new file: %v", err)
	}
	must(t, os.Rename(path+".unmounted", path))
	must(t, w.app.Publish(t.Context()))
	if texts, err := (audit.FileSink{Path: path}).Published(t.Context()); err != nil || len(texts) < 2 {
		t.Errorf("published %q, %v", texts, err)
	}
}

func TestOneReplicaPublishes(t *testing.T) {
	w := prepare(t, func(*githubsim.Sim) {})
	path := filepath.Join(t.TempDir(), "checkpoints")
	w.env["CHANGEGATE_LEDGER_PUBLISH_FILE"] = path
	w.serve(t)
	w.live(t, "hello")
	must(t, w.app.Publish(t.Context()))
	another, err := store.OpenExisting(t.Context(), store.Config{URL: "sqlite:" + w.database})
	must(t, err)
	defer another.Close()
	lease, err := another.Acquire(t.Context(), "ledger checkpoint", "another", time.Minute)
	must(t, err)
	before, err := os.ReadFile(path)
	must(t, err)
	w.live(t, "world")
	if err := w.app.PublishAlone(t.Context()); !errors.Is(err, store.ErrHeld) {
		t.Errorf("beside another: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("published beside another: %q, %v", after, err)
	}
	must(t, another.Release(t.Context(), lease))
	must(t, w.app.Publish(t.Context()))
	if after, err := os.ReadFile(path); err != nil || len(after) <= len(before) || !bytes.HasPrefix(after, before) {
		t.Errorf("after another: %q, %v", after, err)
	}
}

// What is published as check runs is held against the ledger as well, though not before the server is ready.
func TestCheckpointsAsCheckRuns(t *testing.T) {
	w := prepare(t, func(*githubsim.Sim) {})
	w.env["CHANGEGATE_LEDGER_PUBLISH_REPOSITORY"] = "acme/shop"
	w.serve(t)
	w.live(t, "hello")
	must(t, w.app.Publish(t.Context()))
	w.stop()
	backup, err := os.ReadFile(w.database)
	must(t, err)

	w.serve(t)
	w.live(t, "world")
	must(t, w.app.Publish(t.Context()))
	before := w.notices(t)
	if len(before) < 2 || !strings.HasPrefix(before[len(before)-1], "```\nchangegate\n") {
		t.Errorf("the check runs say %q", before)
	}
	w.stop()

	must(t, os.WriteFile(w.database, backup, 0o600))
	// What was lost is not found again while this is looked at: it would make the ledger as long as it was, and so another one.
	w.sim.Inject(githubsim.Fault{Match: func(r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/app/hook/deliveries") || strings.HasSuffix(r.URL.Path, "/shop/pulls")
	}, Times: -1, Status: http.StatusBadGateway})
	w.serve(t)
	must(t, w.app.Publish(t.Context()))
	w.mustBeBroken(t, "an old backup was restored")
	w.stop()
	if after := w.notices(t); !slices.Equal(before, after) {
		t.Errorf("the check runs say %q, and said %q", after, before)
	}
}

// A place that cannot be reached is said, and holds up no other once the ledger was held to what is there.
func TestAPlaceThatCannotBeReached(t *testing.T) {
	w := prepare(t, func(*githubsim.Sim) {})
	path := filepath.Join(t.TempDir(), "checkpoints")
	w.env["CHANGEGATE_LEDGER_PUBLISH_FILE"], w.env["CHANGEGATE_LEDGER_PUBLISH_REPOSITORY"] = path, "acme/shop"
	fault := githubsim.Fault{Match: func(r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/check-runs") && (r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/shop/check-runs"))
	}, Times: -1, Status: http.StatusBadGateway}
	published := func() int {
		texts, err := (audit.FileSink{Path: path}).Published(t.Context())
		must(t, err)
		return len(texts)
	}
	remove := w.sim.Inject(fault) // before the server publishes by itself
	w.serve(t)
	w.settle(t)
	if err := w.app.Publish(t.Context()); err == nil || published() != 0 {
		t.Errorf("before it is known what was published there: %v, %d checkpoints in the file", err, published())
	}
	remove()
	must(t, w.app.Publish(t.Context()))
	w.mustMeasure(t, `changegate_ledger_publications_total{outcome="done",place="github"} 1`)
	before := published()

	w.live(t, "hello")
	remove = w.sim.Inject(fault)
	if err := w.app.Publish(t.Context()); err == nil || !strings.Contains(err.Error(), "Change policy ledger") || published() != before+1 {
		t.Errorf("afterwards: %v, %d checkpoints in the file and %d before", err, published(), before)
	}
	w.mustBeReady(t)
	w.mustMeasure(t, `changegate_ledger_publications_total{outcome="done",place="github"} 1`)
	remove()
	must(t, w.app.Publish(t.Context()))
	w.mustMeasure(t, `changegate_ledger_publications_total{outcome="done",place="github"} 2`)
	if list := w.notices(t); len(list) != 2 {
		t.Errorf("the check runs say %q", list)
	}
}

// notices returns what the check runs on the main branch say.
func (w *world) notices(t *testing.T) []string {
	t.Helper()
	session := w.github.Installation(w.installation).Begin()
	list, err := session.Notices(t.Context(), w.shop(t), "main", "Change policy ledger", session.Began())
	must(t, err)
	return list
}

// The bundle of a pull request's life needs nothing else to be verified, and has what each decision rests on.
func TestABundleOfALife(t *testing.T) {
	w := start(t)
	w.live(t, "hello")
	w.stop()
	s, err := store.OpenExisting(t.Context(), store.Config{URL: "sqlite:" + w.database})
	must(t, err)
	defer s.Close()
	key, made, err := ledger.LoadKey(w.database+".ledger-key", "")
	if err != nil || made {
		t.Fatalf("%v: the server made no key", err)
	}
	checkpoint, err := s.Checkpoint(t.Context(), key)
	must(t, err)
	var bundle bytes.Buffer
	_, err = audit.Export(t.Context(), s, &bundle, audit.ExportOptions{From: 1, To: checkpoint.Size, Checkpoint: checkpoint})
	must(t, err)

	kinds := map[ledger.Kind][]ledger.Entry{}
	_, err = audit.Verify(bytes.NewReader(bundle.Bytes()), audit.VerifyOptions{Keys: []string{key.Public()}, Each: func(e ledger.Entry) error {
		e.Body = bytes.Clone(e.Body)
		kinds[e.Kind] = append(kinds[e.Kind], e)
		return nil
	}})
	must(t, err)

	exhibits := map[string]string{}
	for line := range strings.Lines(bundle.String()) {
		if text, ok := strings.CutPrefix(line, `{"exhibit":`); ok {
			text = strings.TrimSuffix(text, "}\n")
			exhibits[ledger.Digest([]byte(text))] = text
		}
	}
	decisions := kinds[ledger.DecisionChanged]
	if len(decisions) != 2 {
		t.Fatalf("%d decisions", len(decisions))
	}
	for i, d := range decisions {
		var all string
		for _, digest := range d.Exhibits {
			all += exhibits[digest] + "\n"
		}
		for _, want := range []string{
			`{"facts":{`, `"path":"docs/hello.md"`, `"blob":"`, `"author":{`, `"description":"What hello is for."`, `{"policy":{"digest":"`, `version: 1`,
		} {
			if !strings.Contains(all, want) {
				t.Errorf("decision %d does not rest on %s:\n%s", i, want, all)
			}
		}
		if i == 1 && (!strings.Contains(all, `"state":"APPROVED"`) || !strings.Contains(all, `"permission":"write"`)) {
			t.Errorf("the approval, and what its author may do, is not in:\n%s", all)
		}
	}
	// What did not change is there once.
	if a, b := decisions[0].Exhibits, decisions[1].Exhibits; a[0] == b[0] || !slices.Equal(a[1:3], b[1:3]) || a[len(a)-1] != b[len(b)-1] {
		t.Errorf("the decisions rest on %q and %q", a, b)
	}
	var inForce struct {
		Branch, Commit string
		Policy         struct{ Source, Digest string }
	}
	if n := len(kinds[ledger.PolicyInForce]); n != 1 {
		t.Fatalf("%d policies came into force", n)
	}
	e := kinds[ledger.PolicyInForce][0]
	must(t, json.Unmarshal(e.Body, &inForce))
	if inForce.Branch != "main" || inForce.Commit == "" || !strings.Contains(exhibits[e.Exhibits[0]], inForce.Policy.Digest) {
		t.Errorf("in force is %s", e.Body)
	}
	var started ledger.Started
	if n := len(kinds[ledger.ServerStarted]); n != 1 {
		t.Fatalf("the server started %d times", n)
	}
	must(t, json.Unmarshal(kinds[ledger.ServerStarted][0].Body, &started))
	if started.Version != "changegate test" || len(started.Configuration) != 64 || started.Replica == "" || started.Key != key.Public() {
		t.Errorf("what started is %+v", started)
	}
	private, err := os.ReadFile(w.database + ".ledger-key")
	must(t, err)
	pem := strings.Split(string(w.registered.PrivateKey), "\n")
	for _, never := range []string{code, secret, pem[1], "PRIVATE+KEY", strings.TrimSpace(string(private)), "ghs_"} {
		if strings.Contains(bundle.String(), never) {
			t.Errorf("%q is in the bundle", never)
		}
	}
	t.Logf("%d bytes of entries and exhibits for %d decisions", bundle.Len(), len(decisions))
}
