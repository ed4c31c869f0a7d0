package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

func TestCheckHolds(t *testing.T) {
	f := open(t)
	for _, n := range []int{0, 1, 1, 5, 30, 1} {
		f.fill(t, n, "a body")
		f.checkpoint(t)
		head, err := audit.Check(t.Context(), f)
		if err != nil || head.Size != int64(f.n) || head != f.checkpoint(t).Tree {
			t.Errorf("%d entries: %v, %v", f.n, head, err)
		}
		if _, err := audit.CheckTip(t.Context(), f); err != nil {
			t.Errorf("the end of %d entries: %v", f.n, err)
		}
	}
	f.big(t, 10_000) // more than are read at once
	c := f.checkpoint(t)
	f.big(t, 1000)
	if _, err := audit.Check(t.Context(), f); err != nil {
		t.Error(err)
	}
	if _, err := audit.CheckTip(t.Context(), f, c); err != nil {
		t.Error(err)
	}
}

// Whatever is altered in the tables is found, and which entry it is about.
func TestCheckFindsWhatWasAltered(t *testing.T) {
	f := open(t)
	f.fill(t, 20, "a body")
	f.checkpoint(t)
	f.fill(t, 15, "a body")
	f.checkpoint(t)
	f.tamper(t)
	undo := errors.New("undo")
	rapid.Check(t, func(r *rapid.T) {
		seq := rapid.IntRange(1, 35).Draw(r, "entry")
		named := true
		var queries []string
		column := func(name, value string) {
			queries = append(queries, fmt.Sprintf("UPDATE ledger SET %s = %s WHERE seq = %d", name, value, seq))
		}
		switch rapid.IntRange(0, 11).Draw(r, "what") {
		case 0:
			column("at", "at + 1")
		case 1:
			column("kind", "'approval counted'")
		case 2:
			column("repository", "repository + 1")
		case 3:
			column("number", "number + 1")
		case 4:
			column("sha", "'abc'")
		case 5:
			column("hash", fmt.Sprintf("(SELECT hash FROM ledger WHERE seq = %d)", seq%35+1))
		case 6:
			at := rapid.IntRange(1, 100).Draw(r, "at")
			column("record", fmt.Sprintf("substr(record, 1, %d) || '~' || substr(record, %d)", at-1, at+1))
		case 7:
			queries = append(queries, fmt.Sprintf("DELETE FROM ledger WHERE seq = %d", seq))
		case 8: // one takes another's place, hash and all
			queries = append(queries,
				fmt.Sprintf("UPDATE ledger SET (record, hash, at, number, repository) = (SELECT record, hash, at, number, repository FROM ledger WHERE seq = %d) WHERE seq = %d", seq%35+1, seq))
		case 11:
			seq = 18 // the first that rests on it
			queries = append(queries, rapid.SampledFrom([]string{"UPDATE ledger_exhibits SET text = text || ' '", "DELETE FROM ledger_exhibits"}).Draw(r, "how")+` WHERE text = '{"facts":2}'`)
		case 9:
			named = false
			table := rapid.SampledFrom([]string{"ledger_tree SET hash = 'A' || hash", "ledger_checkpoints SET note = 'A' || note", "ledger_checkpoints SET size = size + 1",
				"ledger_head SET last_seq = 34", "ledger_head SET last_seq = 36", "ledger_head SET tree_size = 33"}).Draw(r, "table")
			queries = append(queries, "UPDATE "+table)
		case 10:
			named = false
			queries = append(queries, fmt.Sprintf("DELETE FROM ledger_tree WHERE place = (SELECT place FROM ledger_tree LIMIT 1 OFFSET %d)", rapid.IntRange(0, 31).Draw(r, "node")))
		}
		err := f.Write(t.Context(), func(tx store.Tx) error {
			for _, q := range queries {
				if _, err := tx.Exec(t.Context(), q); err != nil {
					return err
				}
			}
			_, err := audit.Check(t.Context(), within{tx})
			if err == nil {
				r.Fatalf("not found: %s", queries)
			}
			if !named || strings.HasPrefix(err.Error(), fmt.Sprintf("entry %d does not hold: ", seq)) {
				return undo
			}
			r.Fatalf("%s: %v, and it is entry %d", queries, err, seq)
			return undo
		})
		if !errors.Is(err, undo) {
			r.Fatal(err)
		}
	})
	if _, err := audit.Check(t.Context(), f); err != nil {
		t.Error(err)
	}
}

// TestCheckEachReadsWhatItChecks has an entry be there that an index of the database leaves out, which changes nothing that is hashed.
func TestCheckEachReadsWhatItChecks(t *testing.T) {
	f := open(t)
	f.fill(t, 20, "a body")
	f.tamper(t, `DROP INDEX ledger_pull`, `CREATE INDEX ledger_pull ON ledger (repository, number, seq) WHERE seq <> 5`, `PRAGMA writable_schema = ON`,
		`UPDATE sqlite_master SET sql = 'CREATE INDEX ledger_pull ON ledger (repository, number, seq)' WHERE name = 'ledger_pull'`)
	s, err := store.OpenToRead(t.Context(), store.Config{URL: f.url})
	must(t, err)
	defer s.Close()
	count := func(n *int) func(ledger.Entry) error { return func(ledger.Entry) error { *n++; return nil } }
	byIndex, all := 0, 0
	must(t, audit.Each(t.Context(), s, 7, count(&byIndex)))
	if byIndex != 13 {
		t.Fatalf("%d of 14 are found by the index", byIndex)
	}
	if _, err := audit.CheckEach(t.Context(), s, count(&all)); err != nil || all != 20 {
		t.Errorf("%d entries, %v", all, err)
	}
}

// within is a transaction as a source.
type within struct{ tx store.Tx }

func (w within) ReadLedger(_ context.Context, f func(ledger.Tx) error) error { return f(w.tx) }

// Who alters an entry and makes all hashes anew is found by what was signed, and who signs anew by what was published.
func TestCheckpointsHoldADatabaseToThem(t *testing.T) {
	honest, forged := open(t), open(t)
	honest.fill(t, 20, "a body")
	forged.fill(t, 10, "a body")
	forged.fill(t, 10, "another body")
	published := honest.checkpoint(t)
	for name, check := range map[string]error{
		"CheckSince": audit.CheckSince(t.Context(), forged, published),
		"CheckTip":   second(audit.CheckTip(t.Context(), forged, published)),
	} {
		if check == nil || !strings.Contains(check.Error(), "its first 20 entries do not come to what was signed at 2026-01-06T05:00:00Z") {
			t.Errorf("%s: %v", name, check)
		}
	}
	must(t, forged.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO ledger_checkpoints (size, key, at, note) VALUES ($1, $2, $3, $4)`,
			published.Size, honest.key.Public(), published.At.UnixMicro(), string(published.Note))
		return err
	}))
	if _, err := audit.Check(t.Context(), forged); err == nil || !strings.Contains(err.Error(), "the first 20 entries come to ") {
		t.Errorf("%v", err)
	}

	// A backup of when there were fewer entries holds in itself.
	restored := open(t)
	restored.fill(t, 15, "a body")
	if _, err := audit.Check(t.Context(), restored); err != nil {
		t.Error(err)
	}
	if _, err := audit.CheckTip(t.Context(), restored, published); err == nil || !strings.Contains(err.Error(), "it has 15 entries, and had 20 at") {
		t.Errorf("%v", err)
	}
	// It is found also after others took the place of those that are missing.
	restored.fill(t, 15, "other bodies")
	if err := audit.CheckSince(t.Context(), restored, published); err == nil {
		t.Error("a restored backup was not found")
	}
	honest.fill(t, 15, "a body")
	if err := audit.CheckSince(t.Context(), honest, published, honest.checkpoint(t)); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestCheckTipFindsWhatWasAltered(t *testing.T) {
	for _, row := range []struct{ query, want string }{
		{`UPDATE ledger SET record = replace(record, 'a body', 'A body') WHERE seq = 300`, "entry 300 does not hold"},
		{`UPDATE ledger SET number = 7 WHERE seq = 280`, "entry 280 does not hold"},
		{`DELETE FROM ledger WHERE seq = 290`, "entry 290 does not hold: it is missing"},
		{`DELETE FROM ledger WHERE seq = 300`, "entry 300 does not hold: it is missing"},
		{`UPDATE ledger_tree SET hash = (SELECT hash FROM ledger WHERE seq = 1) WHERE place = (SELECT max(place) FROM ledger_tree)`, "entry 300 does not hold: the nodes"},
		{`UPDATE ledger_head SET last_seq = 299, tree_size = 299`, "entry 300 does not hold: it is after entry 299"},
	} {
		f := open(t)
		drafts := make([]ledger.Draft, 300)
		for i := range drafts {
			drafts[i] = ledger.Draft{Kind: ledger.DecisionChanged, Body: "a body"}
		}
		must(t, f.Append(t.Context(), drafts...))
		f.tamper(t, row.query)
		if _, err := audit.CheckTip(t.Context(), f); err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%s: %v, want %s", row.query, err, row.want)
		}
	}
}

func TestFileSink(t *testing.T) {
	f := open(t)
	sink := audit.FileSink{Path: filepath.Join(t.TempDir(), "checkpoints")}
	if texts, err := sink.Published(t.Context()); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "mount what it is on, or") {
		t.Errorf("%s, %v", texts, err)
	}
	if err := sink.Publish(t.Context(), f.checkpoint(t)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("published where there is no file: %v", err)
	}
	must(t, sink.Begin())
	texts, err := sink.Published(t.Context())
	if err != nil || texts != nil {
		t.Errorf("%s, %v", texts, err)
	}
	var want []ledger.Checkpoint
	for range 400 { // more than Published reads
		f.n++
		must(t, f.Append(t.Context(), ledger.Draft{Kind: ledger.DecisionChanged}))
		c := f.checkpoint(t)
		want = append(want, c)
		must(t, sink.Publish(t.Context(), c))
		must(t, sink.Publish(t.Context(), c))
	}
	texts, err = sink.Published(t.Context())
	must(t, err)
	if len(texts) < 100 || len(texts) >= len(want) {
		t.Fatalf("%d were read", len(texts))
	}
	for i, text := range texts {
		if c := want[len(want)-len(texts)+i]; !bytes.Equal(text, c.Note) {
			t.Fatalf("got %s, want %s", text, c.Note)
		}
	}
	must(t, sink.Begin()) // which takes nothing away
	all, err := os.ReadFile(sink.Path)
	must(t, err)
	texts, err = audit.SplitCheckpoints(all)
	must(t, err)
	opened, err := audit.OpenCheckpoints(texts, open(t).key.Public(), f.key.Public())
	must(t, err)
	if len(opened) != len(want) || opened[7].Tree != want[7].Tree {
		t.Errorf("read as %d", len(opened))
	}
	if _, err := audit.OpenCheckpoints(texts, open(t).key.Public()); err == nil || !strings.HasPrefix(err.Error(), "checkpoint 1: ") {
		t.Errorf("another's key: %v", err)
	}
	// Half a checkpoint is complained of.
	must(t, os.WriteFile(sink.Path, all[:len(all)-5], 0o600))
	if err := sink.Publish(t.Context(), want[0]); err == nil || !strings.Contains(err.Error(), "is cut off") {
		t.Errorf("%v", err)
	}
	if err := (audit.FileSink{Path: filepath.Join(sink.Path, "no")}).Publish(t.Context(), want[0]); err == nil {
		t.Error("published nowhere")
	}
}

// TestEarlierCheckpointsAgain has a restored backup be found although its own checkpoints, which were good once, were added to the file again until
// no later one was among the newest.
func TestEarlierCheckpointsAgain(t *testing.T) {
	f, restored := open(t), open(t)
	restored.key = f.key
	sink := audit.FileSink{Path: filepath.Join(t.TempDir(), "checkpoints")}
	must(t, sink.Begin())
	f.fill(t, 5, "a body")
	restored.fill(t, 5, "a body")
	earlier := f.checkpoint(t)
	must(t, sink.Publish(t.Context(), earlier))
	f.fill(t, 5, "a body")
	must(t, sink.Publish(t.Context(), f.checkpoint(t)))
	file, err := os.OpenFile(sink.Path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = file.WriteString(strings.Repeat("\n"+string(earlier.Note), 400))
	must(t, errors.Join(err, file.Close()))
	for ledger, want := range map[*fixture]string{f: "", restored: "it has 5 entries, and had 10 at"} {
		_, err := (audit.Publisher{Ledger: ledger, Key: f.key, Sinks: []audit.Sink{sink}}).Verify(t.Context())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	const n = 100_000
	f := open(b)
	f.big(b, n)
	f.checkpoint(b)
	for b.Loop() {
		if _, err := audit.Check(b.Context(), f); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkCheckTip(b *testing.B) {
	f := open(b)
	f.big(b, 100_000)
	f.checkpoint(b)
	for b.Loop() {
		if _, err := audit.CheckTip(b.Context(), f); err != nil {
			b.Fatal(err)
		}
	}
}
