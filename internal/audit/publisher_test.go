package audit_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/ledger"
)

func TestPublisher(t *testing.T) {
	dir := t.TempDir()
	first, second := audit.FileSink{Path: filepath.Join(dir, "first")}, audit.FileSink{Path: filepath.Join(dir, "second")}
	for _, sink := range []audit.FileSink{first, second} {
		must(t, sink.Begin())
	}
	f := open(t)
	p := audit.Publisher{Ledger: f, Key: f.key, Sinks: []audit.Sink{first, second}}
	verify := func() {
		t.Helper()
		if head, err := p.Verify(t.Context()); err != nil || head.Size != int64(f.n) {
			t.Errorf("%v, %v", head, err)
		}
	}
	verify()
	for range 3 {
		f.fill(t, 5, "a body")
		verify()
		_, err := p.Publish(t.Context())
		must(t, err)
		_, err = p.Publish(t.Context())
		must(t, err)
	}
	verify()
	texts, err := second.Published(t.Context())
	if err != nil || len(texts) != 3 {
		t.Errorf("%q, %v", texts, err)
	}

	// Another key signs from now on.
	f.fill(t, 1, "a body")
	k, _, err := ledger.LoadKey(filepath.Join(dir, "key"), "test")
	must(t, err)
	p.Key = k
	verify()
	c, err := p.Publish(t.Context())
	if err != nil || c.Key != k.Public() {
		t.Errorf("%v, %v", c, err)
	}
	verify()

	// A backup is restored, of which the second sink knows nothing: it gets what is signed of it, and the first one does not.
	restored := open(t)
	restored.fill(t, 7, "a body")
	p.Ledger, p.Key = restored, f.key
	third := audit.FileSink{Path: filepath.Join(dir, "third")}
	must(t, third.Begin())
	p.Sinks[1] = third
	var broken *audit.Broken
	if _, err := p.Verify(t.Context()); err == nil || !strings.Contains(err.Error(), "checkpoint 4: checkpoint: it is not signed with the key") {
		t.Errorf("signed with a key that the backup does not know: %v", err)
	}
	p.Key = k
	restored.key = f.key
	restored.checkpoint(t) // by the earlier key
	if _, err := p.Verify(t.Context()); !errors.As(err, &broken) || !strings.Contains(err.Error(), "had 10 at ") {
		t.Errorf("a restored backup: %v", err)
	}
	if _, err := p.Publish(t.Context()); !errors.As(err, &broken) || !strings.Contains(err.Error(), "had 16 at ") {
		t.Errorf("a restored backup is published: %v", err)
	}
	if texts, err := p.Sinks[1].Published(t.Context()); err != nil || len(texts) != 1 {
		t.Errorf("the other sink: %q, %v", texts, err)
	}
	if texts, err := first.Published(t.Context()); err != nil || len(texts) != 4 {
		t.Errorf("the first sink: %d, %v", len(texts), err)
	}
}

// Whoever holds a ledger that was never signed to a checkpoint is told why that cannot be told.
func TestCheckpointsOfNoKey(t *testing.T) {
	f := open(t)
	f.fill(t, 3, "a body")
	c, err := f.key.Sign(ledger.Tree{Size: 3}, time.Unix(0, 0))
	must(t, err)
	var broken *audit.Broken
	if _, err := audit.OpenCheckpoints([][]byte{c.Note}); !errors.As(err, &broken) || !strings.Contains(err.Error(), "no key is known that it could be signed with") {
		t.Errorf("%v", err)
	}
}
