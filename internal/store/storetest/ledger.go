package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

func draft(n int, body any) ledger.Draft {
	return ledger.Draft{Kind: ledger.DecisionChanged, Subject: ledger.Subject{Repository: 7, Number: n, SHA: "h"}, Body: body}
}

// ledgerWithoutGaps appends in transactions of which some are rolled back.
func ledgerWithoutGaps(t *testing.T, f *fixture) {
	ctx := context.Background()
	want := int64(0)
	undone := errors.New("undone")
	rapid.Check(t, func(r *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, 4), 1, 3).Draw(r, "appends")
		rollback := rapid.Bool().Draw(r, "rollback")
		total := int64(0)
		err := f.Write(ctx, func(tx store.Tx) error {
			for _, n := range sizes {
				drafts := make([]ledger.Draft, n)
				for i := range drafts {
					drafts[i] = draft(rapid.IntRange(1, 3).Draw(r, "number"), map[string]string{"title": rapid.String().Draw(r, "title")})
				}
				entries, err := ledger.Append(ctx, tx, f.clock(), drafts...)
				if err != nil {
					return err
				}
				for _, e := range entries {
					total++
					if e.Seq != want+total {
						r.Fatalf("entry %d, want %d", e.Seq, want+total)
					}
				}
			}
			if rollback {
				return undone
			}
			return nil
		})
		switch {
		case rollback && !errors.Is(err, undone), !rollback && err != nil:
			r.Fatal(err)
		case !rollback:
			want += total
		}
		checkLedger(r, f, want)
	})
}

// fataler is what tests and properties have in common.
type fataler interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// checkLedger reads everything from the database and checks order, completeness and hashes by itself.
func checkLedger(t fataler, f *fixture, want int64) {
	ctx := context.Background()
	seq := int64(0)
	var nodes []tlog.Hash // of a tree laid over what is read, by a way of our own
	inMemory := tlog.HashReaderFunc(func(indexes []int64) (hashes []tlog.Hash, err error) {
		for _, i := range indexes {
			hashes = append(hashes, nodes[i])
		}
		return hashes, nil
	})
	err := f.Read(ctx, func(tx store.Tx) error {
		n, err := ledger.Len(ctx, tx)
		if err != nil || n != want {
			t.Fatalf("length %d, %v, want %d", n, err, want)
		}
		return tx.Query(ctx, `SELECT seq, record, hash FROM ledger ORDER BY seq`, nil, func(scan func(...any) error) error {
			var got int64
			var record, hash string
			if err := scan(&got, &record, &hash); err != nil {
				return err
			}
			if seq++; got != seq {
				t.Fatalf("entry %d follows %d", got, seq-1)
			}
			if tlog.RecordHash([]byte(record)).String() != hash {
				t.Fatalf("the hash of entry %d is not that of its record", got)
			}
			e, err := ledger.Read([]byte(record), hash)
			if err != nil || e.Seq != got {
				t.Fatalf("the record of entry %d says %d, %v", got, e.Seq, err)
			}
			canonical, err := ledger.Canonical(rawJSON(record))
			if err != nil || string(canonical) != record {
				t.Fatalf("the record of entry %d is not canonical: %s", got, record)
			}
			added, err := tlog.StoredHashes(seq-1, []byte(record), inMemory)
			nodes = append(nodes, added...)
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	root, err := tlog.TreeHash(seq, inMemory)
	if err != nil {
		t.Fatal(err)
	}
	err = f.Read(ctx, func(tx store.Tx) error {
		head, err := ledger.Head(ctx, tx)
		if err == nil && head != (ledger.Tree{Size: seq, Root: root}) {
			t.Fatalf("the tree is %v, want %d entries and %s", head, seq, root)
		}
		for i := range seq {
			index := tlog.StoredHashCount(i)
			for ; index < tlog.StoredHashCount(i+1); index++ {
				if h, err := ledger.Hashes(ctx, tx).ReadHashes([]int64{index}); err != nil || h[0] != nodes[index] {
					t.Fatalf("node %d of the tree is %v, %v, want %s", index, h, err, nodes[index])
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if seq != want {
		t.Fatalf("%d entries, want %d", seq, want)
	}
	if head, err := audit.Check(ctx, f); err != nil || head.Root != root {
		t.Fatalf("checked: %v, %v", head, err)
	}
}

type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func ledgerAppendOnly(t *testing.T, f *fixture) {
	ctx := t.Context()
	must(t, f.Append(ctx, ledger.Draft{Kind: ledger.DecisionChanged, Exhibits: []any{"a policy"}}, draft(2, "two")))
	for _, query := range []string{
		`UPDATE ledger SET record = 'altered' WHERE seq = 1`,
		`UPDATE ledger SET kind = 'altered'`,
		`DELETE FROM ledger WHERE seq = 2`,
		`DELETE FROM ledger`,
		`UPDATE ledger_tree SET hash = ''`,
		`DELETE FROM ledger_tree`,
		`UPDATE ledger_exhibits SET text = ''`,
		`DELETE FROM ledger_exhibits`,
		`INSERT INTO ledger (seq, at, kind, repository, number, sha, record, hash) VALUES (5, 0, '', 0, 0, '', '', '')`,
	} {
		err := f.Write(ctx, func(tx store.Tx) error {
			_, err := tx.Exec(ctx, query)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v, want a refusal", query, err)
		}
	}
	checkLedger(t, f, 2)
}

// ledgerOfAnEarlierVersion is appended to by a process that knows no tree, before this version's and while it runs.
func ledgerOfAnEarlierVersion(t *testing.T, f *fixture) {
	ctx := t.Context()
	seq := int64(0)
	appendWithoutTree := func(n int) {
		must(t, f.Write(ctx, func(tx store.Tx) error {
			for range n {
				seq++
				record := fmt.Sprintf(`{"at":"2026-01-05T09:00:00Z","body":null,"kind":"decision changed","number":1,"repository":7,"seq":%d,"sha":""}`, seq)
				if _, err := tx.Exec(ctx, `UPDATE ledger_head SET last_seq = last_seq + 1`); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, `INSERT INTO ledger (seq, at, kind, repository, number, sha, record, hash) VALUES ($1, $2, $3, 7, 1, '', $4, $5)`,
					seq, at(0).UnixMicro(), string(ledger.DecisionChanged), record, tlog.RecordHash([]byte(record)).String())
				if err != nil {
					return err
				}
			}
			return nil
		}))
	}
	appendWithTree := func() {
		must(t, f.Append(ctx, draft(1, "one"), draft(2, "two")))
		seq += 2
	}
	appendWithoutTree(5)
	appendWithTree()
	checkLedger(t, f, seq)
	appendWithTree()
	appendWithoutTree(1)
	appendWithoutTree(3)
	must(t, f.Read(ctx, func(tx store.Tx) error {
		head, err := ledger.Head(ctx, tx)
		equal(t, "the size of the tree meanwhile", head.Size, seq-4)
		return err
	}))
	k, _, err := ledger.LoadKey(filepath.Join(t.TempDir(), "key"), "test")
	must(t, err)
	c, err := f.Checkpoint(ctx, k) // it catches up too
	must(t, err)
	equal(t, "the checkpoint's size", c.Size, seq)
	checkLedger(t, f, seq)
}

func checkpoints(t *testing.T, f *fixture) {
	ctx := t.Context()
	k, _, err := ledger.LoadKey(filepath.Join(t.TempDir(), "key"), "test")
	must(t, err)
	empty, err := f.Checkpoint(ctx, k)
	must(t, err)
	equal(t, "the size of an empty ledger", empty.Size, int64(0))

	must(t, f.Append(ctx, draft(1, "one"), draft(1, "two"), draft(1, "three")))
	f.wait(time.Minute)
	c, err := f.Checkpoint(ctx, k)
	must(t, err)
	equal(t, "time", c.At, f.clock())
	read, err := ledger.OpenCheckpoint(c.Note, k.Public())
	must(t, err)
	equal(t, "as read", read, c)
	f.wait(time.Minute)
	again, err := f.Checkpoint(ctx, k)
	must(t, err)
	equal(t, "signed again", again, c)

	must(t, f.Append(ctx, draft(1, "four")))
	must(t, f.Read(ctx, func(tx store.Tx) error {
		head, err := ledger.Head(ctx, tx)
		must(t, err)
		for _, earlier := range []ledger.Checkpoint{empty, c} {
			must(t, ledger.Extends(ctx, tx, head, earlier))
		}
		last, found, err := ledger.LastCheckpoint(ctx, tx, "")
		must(t, err)
		equal(t, "the last one", last, c)
		equal(t, "the last one is there", found, true)

		other := c
		other.Root[0]++
		if err := ledger.Extends(ctx, tx, head, other); !errors.Is(err, ledger.ErrAltered) {
			t.Errorf("another root: %v", err)
		}
		other = c
		other.Size = 5
		if err := ledger.Extends(ctx, tx, head, other); !errors.Is(err, ledger.ErrAltered) {
			t.Errorf("more entries than there are: %v", err)
		}
		return nil
	}))

	// Nothing is signed that a checkpoint contradicts.
	later, err := k.Sign(ledger.Tree{Size: 4, Root: c.Root}, f.clock())
	must(t, err)
	must(t, f.Write(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO ledger_checkpoints (size, key, at, note) VALUES ($1, $2, $3, $4)`, 4, k.Public(), later.At.UnixMicro(), string(later.Note))
		return err
	}))
	if _, err := f.Checkpoint(ctx, k); !errors.Is(err, ledger.ErrAltered) {
		t.Errorf("a ledger that was altered is signed: %v", err)
	}
}

// exhibits are kept once, with the entries that rest on them or not at all.
func exhibits(t *testing.T, f *fixture) {
	ctx := t.Context()
	policy := "mode: enforce\n\u0000<é>"
	d := draft(1, "one")
	d.Exhibits = []any{map[string]any{"b": 1, "a": "2"}, policy}
	must(t, f.Append(ctx, d, d))
	undone := errors.New("undone")
	err := f.Write(ctx, func(tx store.Tx) error {
		other := draft(2, "two")
		other.Exhibits = []any{"rolled back"}
		if _, err := ledger.Append(ctx, tx, f.clock(), other); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	d.Exhibits = []any{policy}
	must(t, f.Append(ctx, d))
	checkLedger(t, f, 3)

	entries, err := f.Ledger(ctx, ledger.Page{})
	must(t, err)
	equal(t, "exhibits of the second", entries[1].Exhibits, entries[0].Exhibits)
	equal(t, "exhibits of the third", entries[2].Exhibits, entries[0].Exhibits[1:])
	facts, err := f.Exhibit(ctx, entries[0].Exhibits[0])
	must(t, err)
	equal(t, "the facts", string(facts), `{"a":"2","b":1}`)
	text, err := f.Exhibit(ctx, entries[0].Exhibits[1])
	must(t, err)
	equal(t, "the policy", string(text), `"mode: enforce\n\u0000<é>"`)
	if _, err := f.Exhibit(ctx, ledger.Digest([]byte(`"rolled back"`))); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("what was rolled back: %v", err)
	}
	n := int64(0)
	must(t, f.Read(ctx, func(tx store.Tx) error {
		return tx.Query(ctx, `SELECT count(*) FROM ledger_exhibits`, nil, func(scan func(...any) error) error { return scan(&n) })
	}))
	equal(t, "exhibits", n, int64(2))
}

// bundles are exported and verified, and what is altered is found.
func bundles(t *testing.T, f *fixture) {
	ctx := t.Context()
	for n := range 40 {
		must(t, f.Append(ctx, draft(n, map[string]string{"title": "<é\u2028>"})))
		f.wait(time.Hour)
	}
	k, _, err := ledger.LoadKey(filepath.Join(t.TempDir(), "key"), "test")
	must(t, err)
	c, err := f.Checkpoint(ctx, k)
	must(t, err)
	must(t, f.Append(ctx, draft(41, "after the checkpoint")))
	for _, repository := range []int64{0, 7, 8} {
		var bundle bytes.Buffer
		h, err := audit.Export(ctx, f, &bundle, audit.ExportOptions{From: 3, To: 38, Repository: repository, Checkpoint: c})
		must(t, err)
		r, err := audit.Verify(&bundle, audit.VerifyOptions{Keys: []string{k.Public()}})
		must(t, err)
		equal(t, "entries", r.Entries, h.Entries)
		equal(t, "all of them", h.Entries == 36, repository != 8)
	}
	must(t, f.ReadLedger(ctx, func(tx ledger.Tx) error {
		first, last, err := audit.Between(ctx, tx, 41, f.clock().Add(-3*time.Hour), f.clock().Add(-time.Hour))
		must(t, err)
		equal(t, "a range by time", []int64{first, last}, []int64{37, 40})
		keys, err := ledger.Keys(ctx, tx)
		equal(t, "keys", keys, []string{k.Public()})
		return err
	}))
	seen := int64(0)
	must(t, audit.Each(ctx, f, 7, func(e ledger.Entry) error { seen++; return nil }))
	equal(t, "entries of the repository", seen, int64(41))
	_, err = audit.CheckTip(ctx, f, c)
	must(t, err)
}

func ledgerPages(t *testing.T, f *fixture) {
	for n := range 10 {
		must(t, f.Append(t.Context(), draft(n%2+1, n)))
	}
	for _, row := range []struct {
		page ledger.Page
		want []int64
	}{
		{ledger.Page{}, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{ledger.Page{From: 9}, []int64{9, 10}},
		{ledger.Page{From: 3, Limit: 2}, []int64{3, 4}},
		{ledger.Page{Repository: 7, Number: 1, Limit: 2}, []int64{1, 3}},
		{ledger.Page{From: 4, Repository: 7, Number: 1, Limit: 2}, []int64{5, 7}},
		{ledger.Page{Repository: 8}, nil},
		{ledger.Page{From: 11}, nil},
	} {
		entries, err := f.Ledger(t.Context(), row.page)
		must(t, err)
		var got []int64
		for _, e := range entries {
			got = append(got, e.Seq)
		}
		equal(t, fmt.Sprintf("%+v", row.page), got, row.want)
	}
}

// concurrently has several goroutines do everything that writes the ledger, the fences and the counters.
func concurrently(t *testing.T, f *fixture) {
	const workers, rounds = 8, 10
	ctx := t.Context()
	f.accept(t, f.described(1, "h1", at(1)))
	before := f.deliveries
	f.deliveries += workers * rounds
	var mu sync.Mutex
	fences := map[int64]bool{}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for r := range rounds {
				d := change.Delivery{
					ID: fmt.Sprintf("guid-%d", before+1+w*rounds+r), Key: key(1 + r%3), Concerns: change.ConcernPull, Repository: shop, ReceivedAt: f.clock(),
				}
				err := f.Write(ctx, func(tx store.Tx) error {
					_, err := f.Accept(ctx, tx, []change.Delivery{d})
					return err
				})
				if err != nil {
					t.Error(err)
				}
				if _, fresh, err := f.Intend(ctx, store.Intent{Key: fmt.Sprint("effect ", r), Kind: "comment", Pull: key(1)}); err != nil {
					t.Error(err)
				} else if fresh {
					if err := f.Complete(ctx, fmt.Sprint("effect ", r), nil); err != nil {
						t.Error(err)
					}
				}
				lease, err := f.Acquire(ctx, fmt.Sprint("lease ", w), fmt.Sprint(r), 1)
				if err != nil && !errors.Is(err, store.ErrHeld) {
					t.Error(err)
				}
				mu.Lock()
				if err == nil && fences[lease.Fence] {
					t.Errorf("fence %d was given twice", lease.Fence)
				}
				fences[lease.Fence] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	checkLedger(t, f, 2*rounds) // each effect was intended once and done once
}
