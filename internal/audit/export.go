package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/changegate/changegate/internal/ledger"
)

// Source is a database with a ledger; see store.Store.
type Source interface {
	// ReadLedger runs f in a transaction that sees one state of the database throughout and writes nothing.
	ReadLedger(ctx context.Context, f func(ledger.Tx) error) error
}

// ExportOptions say what a bundle is to have.
type ExportOptions struct {
	From, To   int64             // sequence numbers, both included; To is at most what the checkpoint is over
	Repository int64             // only entries about this one; 0: all
	Number     int               // only those about this pull request of it, as Header.Number says, and the policies in force meanwhile; 0: all
	Checkpoint ledger.Checkpoint // what the entries are proven to be in
	Since      ledger.Checkpoint // an earlier one that it is proven to extend; zero: none
}

// Export writes a bundle. Memory grows by the digest of each exhibit only. If the ledger is not what the checkpoint says, that
// is an error, and what was written is no bundle.
func Export(ctx context.Context, from Source, w io.Writer, o ExportOptions) (Header, error) {
	x := exporter{
		out: bufio.NewWriterSize(w, 1<<16), size: o.Checkpoint.Size, tree: o.Checkpoint.Tree, since: o.Since,
		header: Header{
			Bundle: format, Checkpoint: string(o.Checkpoint.Note), From: o.From, Key: o.Checkpoint.Key, Number: o.Number, Repository: o.Repository,
			To: o.To,
		},
	}
	if o.Number != 0 && o.Repository == 0 {
		return x.header, fmt.Errorf("export pull request %d: a pull request is one of a repository", o.Number)
	}
	if o.From < 1 || o.From > o.To || o.To > x.size {
		return x.header, fmt.Errorf("export entries %d to %d: the checkpoint is over entries 1 to %d", o.From, o.To, x.size)
	}
	err := from.ReadLedger(ctx, func(tx ledger.Tx) error { return x.export(ctx, tx) })
	if err == nil {
		err = x.out.Flush()
	}
	if err != nil {
		return x.header, fmt.Errorf("export entries %d to %d: %w", o.From, o.To, err)
	}
	return x.header, nil
}

// exporter is a bundle that is being written.
type exporter struct {
	out    *bufio.Writer
	header Header
	size   int64
	tree   ledger.Tree
	since  ledger.Checkpoint
	nodes  nodes
	block  block // the last one
	known  digests
	// exhibit reads an exhibit by its digest.
	exhibit func(digest string) (json.RawMessage, error)
}

func (x *exporter) export(ctx context.Context, tx ledger.Tx) error {
	h := &x.header
	where, args, err := h.selection(ctx, tx)
	if err != nil {
		return err
	}
	err = tx.Query(ctx, `SELECT count(*) FROM ledger WHERE `+where, args, func(scan func(...any) error) error { return scan(&h.Entries) })
	if err != nil {
		return err
	}
	if x.since.Size > 0 {
		if err := ledger.Extends(ctx, tx, x.tree, x.since); err != nil {
			return err
		}
		proof, err := tlog.ProveTree(x.size, x.since.Size, ledger.Hashes(ctx, tx))
		if err != nil {
			return err
		}
		h.Since = &Since{Proof: proof, Root: x.since.Root, Size: x.since.Size}
	}
	if err := x.write(*h); err != nil {
		return err
	}
	x.known, x.exhibit = digests{}, func(digest string) (json.RawMessage, error) { return ledger.Exhibit(ctx, tx, digest) }
	x.nodes = nodes{stored: ledger.Hashes(ctx, tx), size: x.size, known: map[int64]tlog.Hash{}}
	for {
		page, err := readPage(ctx, tx, `SELECT record, hash FROM ledger WHERE `+where+` ORDER BY seq LIMIT 1000`, args)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, e := range page {
			if err := x.entry(e); err != nil {
				return err
			}
		}
		args[0] = page[len(page)-1].Seq + 1
	}
}

// pageBytes is how much of records is read before it is written.
const pageBytes = 4 << 20

var errPageFull = errors.New("the page is full")

// readPage runs a query for records and their hashes. Of what it finds it returns the first ones.
func readPage(ctx context.Context, tx ledger.Tx, query string, args []any) (page []ledger.Entry, err error) {
	n := 0
	err = tx.Query(ctx, query, args, func(scan func(...any) error) error {
		if n > pageBytes {
			return errPageFull
		}
		var record []byte
		var hash string
		if err := scan(&record, &hash); err != nil {
			return err
		}
		e, err := ledger.Read(record, hash)
		page, n = append(page, e), n+len(record)
		return err
	})
	if errors.Is(err, errPageFull) {
		err = nil
	}
	return page, err
}

func (x *exporter) entry(e ledger.Entry) error {
	if x.block.First == 0 || blockOf(e.Seq) != blockOf(x.block.First) {
		if err := x.begin(blockOf(e.Seq)); err != nil {
			return err
		}
	}
	if x.block.Hashes[e.Seq-x.block.First] != e.Hash {
		return fmt.Errorf("entry %d is not in its place", e.Seq)
	}
	fresh := x.known.fresh(e)
	for _, digest := range fresh {
		text, err := x.exhibit(digest)
		if err == nil {
			err = x.frame(exhibitPrefix, text)
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
	}
	x.known.add(fresh)
	if err := x.frame(entryPrefix, e.Record); err != nil {
		return fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	return nil
}

// frame writes a line with a text as it is.
func (x *exporter) frame(prefix, text []byte) error {
	if n := len(prefix) + len(text) + len(suffix); n > maxLine {
		return fmt.Errorf("its line would have %d bytes, more than a bundle takes", n)
	}
	for _, part := range [][]byte{prefix, text, suffix} {
		if _, err := x.out.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// begin writes a block's line.
func (x *exporter) begin(index int64) (err error) {
	b := block{First: index*blockSize + 1}
	if len(x.nodes.known) > knownAtMost {
		clear(x.nodes.known)
	}
	if b.Hashes, err = x.nodes.leaves(index); err != nil {
		return err
	}
	if b.Proof, err = tlog.ProveRecord(blocks(x.size), index, &x.nodes); err != nil {
		return err
	}
	if b.prove(x.tree) != nil {
		return fmt.Errorf("%w: entries %d to %d are not in the tree that was signed", ledger.ErrAltered, b.First, b.First+int64(len(b.Hashes))-1)
	}
	x.block = b
	return x.write(b)
}

func (x *exporter) write(v any) error {
	text, err := line(v)
	if err == nil {
		_, err = x.out.Write(text)
	}
	return err
}

// nodes reads the nodes of the tree whose leaves are the blocks, under their indexes in it.
type nodes struct {
	stored tlog.HashReader // of the tree whose leaves are the entries
	size   int64           // how many entries there are
	known  map[int64]tlog.Hash
}

// knownAtMost is how many nodes are kept: neighbouring blocks share most of the nodes of their proofs.
const knownAtMost = 10_000

func (n *nodes) leaves(index int64) ([]tlog.Hash, error) {
	indexes := make([]int64, leavesOf(index, n.size))
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(0, index*blockSize+int64(i))
	}
	return n.stored.ReadHashes(indexes)
}

// ReadHashes implements tlog.HashReader.
func (n *nodes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var missing, places []int64
	for _, index := range indexes {
		level, i := tlog.SplitStoredHashIndex(index)
		if _, ok := n.known[index]; !ok && n.stores(level, i) {
			missing, places = append(missing, index), append(places, tlog.StoredHashIndex(level+blockLevel, i))
		}
	}
	if len(missing) > 0 {
		hashes, err := n.stored.ReadHashes(places)
		if err != nil {
			return nil, err
		}
		for i, index := range missing {
			n.known[index] = hashes[i]
		}
	}
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		h, ok := n.known[index]
		if !ok {
			var err error
			if h, err = n.last(tlog.SplitStoredHashIndex(index)); err != nil {
				return nil, err
			}
			n.known[index] = h
		}
		hashes[i] = h
	}
	return hashes, nil
}

// stores says whether a node is over whole blocks only, so that it is a node of the tree over entries as well.
func (n *nodes) stores(level int, i int64) bool { return (i+1)<<(level+blockLevel) <= n.size }

// last computes a node that is over the last block, which is not whole.
func (n *nodes) last(level int, i int64) (tlog.Hash, error) {
	if level == 0 {
		leaves, err := n.leaves(i)
		if err != nil {
			return tlog.Hash{}, err
		}
		return rootOf(leaves), nil
	}
	children, err := n.ReadHashes([]int64{tlog.StoredHashIndex(level-1, 2*i), tlog.StoredHashIndex(level-1, 2*i+1)})
	if err != nil {
		return tlog.Hash{}, err
	}
	return tlog.NodeHash(children[0], children[1]), nil
}

// Each calls each for the entries about one repository, or about all if it is 0, in order. It is an error if one of them was altered. Each
// must not use the database.
func Each(ctx context.Context, from Source, repository int64, each func(ledger.Entry) error) error {
	query, args := `SELECT record, hash FROM ledger`, []any(nil)
	if repository != 0 {
		query, args = query+` WHERE repository = $1`, []any{repository}
	}
	err := from.ReadLedger(ctx, func(tx ledger.Tx) error {
		return tx.Query(ctx, query+` ORDER BY seq`, args, func(scan func(...any) error) error {
			var record []byte
			var hash string
			if err := scan(&record, &hash); err != nil {
				return err
			}
			e, err := ledger.Read(record, hash)
			if err != nil {
				return err
			}
			return each(e)
		})
	})
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	return nil
}

// Between returns the range of entries that were appended from one time up to another, by the server's clock, with the one before it and the
// one after it: their times show that nothing of the period is outside of it. It is found among the first size entries; first is greater than
// last if there is none.
func Between(ctx context.Context, tx ledger.Tx, size int64, from, to time.Time) (first, last int64, err error) {
	first, last = size+1, 0
	get := func(dest *int64) func(func(...any) error) error {
		return func(scan func(...any) error) error { return scan(dest) }
	}
	// Clocks may have been set back: what is between the first and the last is in the range, whatever its time.
	err = tx.Query(ctx, `SELECT seq FROM ledger WHERE seq <= $1 AND at >= $2 ORDER BY seq LIMIT 1`, []any{size, from.UnixMicro()}, get(&first))
	if err == nil {
		err = tx.Query(ctx, `SELECT seq FROM ledger WHERE seq <= $1 AND at < $2 ORDER BY seq DESC LIMIT 1`, []any{size, to.UnixMicro()}, get(&last))
	}
	if err != nil {
		return 0, 0, fmt.Errorf("look for entries from %s to %s: %w", from.Format(time.RFC3339), to.Format(time.RFC3339), err)
	}
	if first <= last {
		first, last = max(1, first-1), min(size, last+1)
	}
	return first, last, nil
}

// Repositories returns the ids of the repositories that a ledger has entries about, those that are gone included, in order.
func Repositories(ctx context.Context, from Source) (ids []int64, err error) {
	err = from.ReadLedger(ctx, func(tx ledger.Tx) error {
		return tx.Query(ctx, `SELECT DISTINCT repository FROM ledger WHERE repository <> 0 ORDER BY repository`, nil, func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read which repositories the ledger is about: %w", err)
	}
	return ids, nil
}
