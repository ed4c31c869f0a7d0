package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"

	"github.com/changegate/changegate/internal/ledger"
)

// Check reads the whole ledger of a database and says whether it holds: each entry's record against its columns, its hash, its place and the
// tree, what it rests on, each node of the tree, and every checkpoint that was signed of it. The error is a *Broken where something does not
// hold. Memory grows by the digest of each exhibit only, and on both databases others go on meanwhile.
func Check(ctx context.Context, from Source) (head ledger.Tree, err error) {
	return CheckEach(ctx, from, func(ledger.Entry) error { return nil })
}

// CheckEach is Check, and calls each for all entries in order while it reads them: that each was called for is known to hold only once it returns
// without an error. An entry that is looked for otherwise, by an index that says what it is about, may be one that the index leaves out.
func CheckEach(ctx context.Context, from Source, each func(ledger.Entry) error) (head ledger.Tree, err error) {
	err = from.ReadLedger(ctx, func(tx ledger.Tx) error {
		c := checker{tx: tx, each: each}
		head, err = c.check(ctx)
		return err
	})
	return head, err
}

// Signed is a ledger that is to be signed with the given public keys, and no others: if it is not, whatever reads it gets a *Broken. It goes
// by the keys that checkpoints name: that their signatures are good is for Check to say, of each, and for CheckTip, of the newest.
type Signed struct {
	Source
	Keys []string
}

// ReadLedger implements Source.
func (s Signed) ReadLedger(ctx context.Context, f func(ledger.Tx) error) error {
	return s.Source.ReadLedger(ctx, func(tx ledger.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		signed, err := ledger.Keys(ctx, tx)
		if err != nil {
			return err
		}
		named := strings.Join(s.Keys, " or ")
		for _, key := range signed {
			if !slices.Contains(s.Keys, key) {
				return broken(0, "it is signed with the key %s, and should be with %s", key, named)
			}
		}
		if len(signed) == 0 {
			return broken(0, "it is not signed, and should be with %s: nothing but the database vouches for it", named)
		}
		return nil
	})
}

// checkAtOnce is how many entries are read before the nodes that are over them.
const checkAtOnce = 4096

// checker is how far a ledger was read.
type checker struct {
	tx   ledger.Tx
	each func(ledger.Entry) error
	tree climber
	// What is expected of the nodes and the checkpoints over the entries that were read last.
	nodes []node
	roots map[int64]tlog.Hash // filled in for the sizes that there are checkpoints of
	// The exhibits by their digests: whether they are what they were.
	exhibits map[string]bool
}

type node struct {
	place int64
	hash  tlog.Hash
}

func (c *checker) check(ctx context.Context) (head ledger.Tree, err error) {
	size, length, err := ledger.Sizes(ctx, c.tx)
	if err != nil {
		return head, err
	}
	if err := c.checkpoints(ctx, 0, 0); err != nil {
		return head, err
	}
	if err := c.readExhibits(ctx); err != nil {
		return head, err
	}
	for c.tree.size < length {
		from := c.tree.size
		if err := c.expect(ctx, from, from+checkAtOnce); err != nil {
			return head, err
		}
		if err := c.entries(ctx); err != nil {
			return head, err
		}
		if c.tree.size == from {
			return head, broken(from+1, "it is missing")
		}
		// What earlier versions appended has no nodes yet.
		if err := c.compare(ctx, tlog.StoredHashCount(min(from, size)), tlog.StoredHashCount(min(c.tree.size, size))); err != nil {
			return head, err
		}
		if err := c.checkpoints(ctx, from+1, c.tree.size); err != nil {
			return head, err
		}
	}
	beyond := int64(0)
	err = c.tx.Query(ctx, `SELECT (SELECT count(*) FROM ledger WHERE seq > $1) + (SELECT count(*) FROM ledger_tree WHERE place >= $2)
		+ (SELECT count(*) FROM ledger_checkpoints WHERE size > $1)`, []any{length, tlog.StoredHashCount(size)},
		func(scan func(...any) error) error { return scan(&beyond) })
	if err == nil && beyond > 0 {
		err = broken(0, "there are entries, nodes or checkpoints after entry %d, which is to be the last", length)
	}
	if err != nil {
		return head, err
	}
	return ledger.Head(ctx, c.tx)
}

// expect notes of which sizes a root is needed, for the checkpoints over more than from entries and no more than to.
func (c *checker) expect(ctx context.Context, from, to int64) error {
	c.nodes, c.roots = c.nodes[:0], map[int64]tlog.Hash{}
	return c.tx.Query(ctx, `SELECT DISTINCT size FROM ledger_checkpoints WHERE size > $1 AND size <= $2`, []any{from, to},
		func(scan func(...any) error) error {
			var size int64
			err := scan(&size)
			c.roots[size] = tlog.Hash{}
			return err
		})
}

// rowsAtOnce is how many rows are handed over together.
const rowsAtOnce = 128

// entries reads the next entries. One processor reads while another parses and hashes what was read.
func (c *checker) entries(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	batches := make(chan []row, 4)
	group.Go(func() error {
		for batch := range batches {
			for _, r := range batch {
				if err := c.entry(r); err != nil {
					return err
				}
			}
		}
		return nil
	})
	from := c.tree.size
	group.Go(func() error {
		defer close(batches)
		batch := make([]row, 0, rowsAtOnce)
		hand := func() error {
			select {
			case batches <- batch:
				batch = make([]row, 0, rowsAtOnce)
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		err := c.tx.Query(ctx, `SELECT `+rowColumns+` FROM ledger WHERE seq > $1 ORDER BY seq LIMIT $2`, []any{from, checkAtOnce},
			func(scan func(...any) error) error {
				r, err := scanRow(scan)
				if err != nil {
					return err
				}
				if batch = append(batch, r); len(batch) < rowsAtOnce {
					return nil
				}
				return hand()
			})
		if err != nil {
			return err
		}
		return hand()
	})
	return group.Wait()
}

// entry checks the next entry and adds it to the tree.
func (c *checker) entry(r row) error {
	e, err := r.entry(c.tree.size + 1)
	if err != nil {
		return err
	}
	for _, digest := range e.Exhibits {
		if same, found := c.exhibits[digest]; !found {
			return broken(e.Seq, "what it rests on is missing: the exhibit %s", digest)
		} else if !same {
			return broken(e.Seq, "what it rests on was altered: the exhibit %s", digest)
		}
	}
	c.tree.add(e.Hash, func(place int64, h tlog.Hash) { c.nodes = append(c.nodes, node{place, h}) })
	if _, ok := c.roots[e.Seq]; ok {
		c.roots[e.Seq] = c.tree.root()
	}
	return c.each(e)
}

// readExhibits reads what entries rest on.
func (c *checker) readExhibits(ctx context.Context) error {
	c.exhibits = map[string]bool{}
	return c.tx.Query(ctx, `SELECT digest, text FROM ledger_exhibits`, nil, func(scan func(...any) error) error {
		var digest string
		var text []byte
		err := scan(&digest, &text)
		c.exhibits[digest] = ledger.Digest(text) == digest
		return err
	})
}

// row is an entry as the database has it.
type row struct {
	seq, at int64
	kind    ledger.Kind
	subject ledger.Subject
	record  []byte
	hash    string
}

const rowColumns = `seq, at, kind, repository, number, sha, record, hash`

func scanRow(scan func(...any) error) (r row, err error) {
	err = scan(&r.seq, &r.at, &r.kind, &r.subject.Repository, &r.subject.Number, &r.subject.SHA, &r.record, &r.hash)
	return r, err
}

// entry returns the entry, which must be the one given, with all of its columns.
func (r row) entry(seq int64) (ledger.Entry, error) {
	if r.seq != seq {
		return ledger.Entry{}, broken(seq, "it is missing")
	}
	e, err := ledger.Parse(r.record)
	switch {
	case err != nil:
		return e, broken(seq, "%v", err)
	case e.Hash.String() != r.hash:
		return e, broken(seq, "its record hashes to %s, and its hash is %s", e.Hash, r.hash)
	case e.Seq != seq:
		return e, broken(seq, "its record says that it is entry %d", e.Seq)
	case e.At.UnixMicro() != r.at || e.Kind != r.kind || e.Subject != r.subject:
		return e, broken(seq, "its record says other than its columns")
	}
	return e, nil
}

// compare holds the nodes of the database between two places to what they should be.
func (c *checker) compare(ctx context.Context, from, to int64) error {
	want := c.nodes
	err := c.tx.Query(ctx, `SELECT place, hash FROM ledger_tree WHERE place >= $1 AND place < $2 ORDER BY place`, []any{from, to},
		func(scan func(...any) error) error {
			var place int64
			var hash string
			if err := scan(&place, &hash); err != nil {
				return err
			}
			if len(want) == 0 || want[0].place != place || want[0].hash.String() != hash {
				return brokenNode(place)
			}
			want = want[1:]
			return nil
		})
	if err == nil && len(want) > 0 && want[0].place < to {
		err = brokenNode(want[0].place)
	}
	return err
}

func brokenNode(place int64) error {
	level, n := tlog.SplitStoredHashIndex(place)
	return broken(0, "the node of the tree over entries %d to %d is not what they come to", n<<level+1, (n+1)<<level)
}

// checkpoints holds the checkpoints over so many entries to what the tree came to then.
func (c *checker) checkpoints(ctx context.Context, from, to int64) error {
	return c.tx.Query(ctx, `SELECT size, key, note FROM ledger_checkpoints WHERE size >= $1 AND size <= $2 ORDER BY size`, []any{from, to},
		func(scan func(...any) error) error {
			var size int64
			var key, note string
			if err := scan(&size, &key, &note); err != nil {
				return err
			}
			signed, err := ledger.OpenCheckpoint([]byte(note), key)
			switch root := c.roots[size]; {
			case err != nil:
				return broken(0, "the checkpoint over %d entries: %v", size, err)
			case signed.Size != size:
				return broken(0, "the checkpoint over %d entries says that it is over %d", size, signed.Size)
			case size > 0 && signed.Root != root:
				return broken(0, "the first %d entries come to %s, and were signed as %s at %s", size, root, signed.Root, clock(signed.At))
			}
			return nil
		})
}

// climber computes the nodes of a tree as it grows.
type climber struct {
	size int64
	full [63]tlog.Hash // by level: the last node over so many entries, where size has that bit
}

// add adds a leaf and tells of each node that is whole by it but the leaf.
func (c *climber) add(leaf tlog.Hash, each func(place int64, h tlog.Hash)) {
	h, level := leaf, 0
	for place := tlog.StoredHashIndex(0, c.size); c.size>>level&1 == 1; {
		h = tlog.NodeHash(c.full[level], h)
		level++
		each(place+int64(level), h)
	}
	c.full[level] = h
	c.size++
}

// root is what the tree over at least one leaf comes to.
func (c *climber) root() (root tlog.Hash) {
	found := false
	for level := range c.full {
		switch {
		case c.size>>level&1 == 0:
		case !found:
			root, found = c.full[level], true
		default:
			root = tlog.NodeHash(c.full[level], root)
		}
	}
	return root
}

// tipEntries is how many of the newest entries CheckTip reads.
const tipEntries = 256

// CheckTip says whether the end of a ledger holds, at a cost that does not grow with it: the newest entries and their way up the tree, and
// that the tree begins with what was signed of it last, and with what was published. A restored backup is found by what was published.
func CheckTip(ctx context.Context, from Source, published ...ledger.Checkpoint) (head ledger.Tree, err error) {
	err = from.ReadLedger(ctx, func(tx ledger.Tx) error {
		if head, err = checkNewest(ctx, tx); err != nil {
			return err
		}
		last, found, err := ledger.LastCheckpoint(ctx, tx, "")
		if err != nil {
			return err
		}
		if found {
			published = append(published, last)
		}
		return checkExtends(ctx, tx, head, published)
	})
	return head, err
}

func checkNewest(ctx context.Context, tx ledger.Tx) (head ledger.Tree, err error) {
	size, length, err := ledger.Sizes(ctx, tx)
	if err != nil {
		return head, err
	}
	seq := max(0, length-tipEntries)
	var newest ledger.Entry
	err = tx.Query(ctx, `SELECT `+rowColumns+` FROM ledger WHERE seq > $1 ORDER BY seq`, []any{seq},
		func(scan func(...any) error) error {
			seq++
			r, err := scanRow(scan)
			if err != nil {
				return err
			}
			e, err := r.entry(seq)
			if e.Seq == size {
				newest = e
			}
			return err
		})
	switch {
	case err != nil:
		return head, err
	case seq < length:
		return head, broken(seq+1, "it is missing")
	case seq > length:
		return head, broken(seq, "it is after entry %d, which is to be the last", length)
	}
	if head, err = ledger.TreeAt(ctx, tx, size); err != nil || newest.Seq == 0 { // the tree is over none of them
		return head, err
	}
	proof, err := tlog.ProveRecord(size, size-1, ledger.Hashes(ctx, tx))
	if err == nil && tlog.CheckRecord(proof, size, head.Root, size-1, newest.Hash) != nil {
		err = broken(newest.Seq, "the nodes of the tree over it are not what they come to")
	}
	return head, err
}

// CheckSince says whether a database's ledger begins with all that each of the checkpoints is over, as it was then.
func CheckSince(ctx context.Context, from Source, checkpoints ...ledger.Checkpoint) error {
	return from.ReadLedger(ctx, func(tx ledger.Tx) error {
		head, err := ledger.Head(ctx, tx)
		if err != nil {
			return err
		}
		return checkExtends(ctx, tx, head, checkpoints)
	})
}

func checkExtends(ctx context.Context, tx ledger.Tx, head ledger.Tree, checkpoints []ledger.Checkpoint) error {
	for _, c := range checkpoints {
		err := ledger.Extends(ctx, tx, head, c)
		if errors.Is(err, ledger.ErrAltered) {
			return broken(0, "%v", err)
		}
		if err != nil {
			return fmt.Errorf("compare with the checkpoint over %d entries: %w", c.Size, err)
		}
	}
	return nil
}
