package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Tree is what the Merkle tree over the first entries of a ledger comes to.
type Tree struct {
	Size int64     // over so many entries
	Root tlog.Hash // the Merkle tree hash of RFC 6962
}

// Hashes reads the nodes of the tree in a transaction, under their indexes as package tlog counts them (see tlog.StoredHashIndex): a leaf
// is an entry's hash, every other node has a row of its own. It is an error if one of them is not there.
func Hashes(ctx context.Context, tx Tx) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		leaves, inner := map[int64]int{}, map[int64]int{}
		for i, index := range indexes {
			if level, n := tlog.SplitStoredHashIndex(index); level == 0 {
				leaves[n+1] = i
			} else {
				inner[index] = i
			}
		}
		hashes := make([]tlog.Hash, len(indexes))
		if err := readHashes(ctx, tx, `SELECT seq, hash FROM ledger WHERE seq IN `, leaves, hashes); err != nil {
			return nil, fmt.Errorf("read the leaves of the ledger's tree: %w", err)
		}
		if err := readHashes(ctx, tx, `SELECT place, hash FROM ledger_tree WHERE place IN `, inner, hashes); err != nil {
			return nil, fmt.Errorf("read the nodes of the ledger's tree: %w", err)
		}
		return hashes, nil
	})
}

// readHashes runs a query for the hashes of the given keys, whose values say where in hashes they go.
func readHashes(ctx context.Context, tx Tx, query string, keys map[int64]int, hashes []tlog.Hash) error {
	if len(keys) == 0 {
		return nil
	}
	args := make([]any, 0, len(keys))
	for k := range keys {
		args = append(args, k)
	}
	found := 0
	err := tx.Query(ctx, query+placeholders(0, len(args)), args, func(scan func(...any) error) error {
		var key int64
		var text string
		if err := scan(&key, &text); err != nil {
			return err
		}
		h, err := tlog.ParseHash(text)
		if err != nil {
			return fmt.Errorf("%d: %w", key, err)
		}
		hashes[keys[key]] = h
		found++
		return nil
	})
	if err == nil && found != len(keys) {
		err = fmt.Errorf("%d of %d are not there", len(keys)-found, len(keys))
	}
	return err
}

// placeholders returns n placeholders in parentheses, numbered from after+1: ($3,$4) is placeholders(2, 2).
func placeholders(after, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ",$%d", after+i+1)
	}
	return "(" + b.String()[1:] + ")"
}

// nodesAtOnce is how many nodes one statement writes: their placeholders must be no more than SQLite takes.
const nodesAtOnce = 500

// extend lays the tree, which is over size entries, over those that follow with the given hashes as well. They are in the ledger already.
func extend(ctx context.Context, tx Tx, size int64, leaves []tlog.Hash) error {
	fresh := map[int64]tlog.Hash{} // the nodes that were laid so far, which may not be stored yet
	read := freshOr(fresh, Hashes(ctx, tx))
	var rows []any
	for i, leaf := range leaves {
		n := size + int64(i)
		hashes, err := tlog.StoredHashesForRecordHash(n, leaf, read)
		if err != nil {
			return err
		}
		for level, h := range hashes {
			place := tlog.StoredHashIndex(0, n) + int64(level)
			fresh[place] = h
			if level > 0 {
				rows = append(rows, place, h.String())
			}
		}
		if len(rows) >= 2*nodesAtOnce {
			if err := writeNodes(ctx, tx, rows); err != nil {
				return err
			}
			rows = rows[:0]
		}
	}
	return writeNodes(ctx, tx, rows)
}

// freshOr reads the hashes that fresh has from there, and the others from stored, all of them at once.
func freshOr(fresh map[int64]tlog.Hash, stored tlog.HashReader) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		var others []int64
		var places []int // of the others, in hashes
		for i, index := range indexes {
			if h, ok := fresh[index]; ok {
				hashes[i] = h
			} else {
				others, places = append(others, index), append(places, i)
			}
		}
		read, err := stored.ReadHashes(others)
		if err != nil {
			return nil, err
		}
		for i, h := range read {
			hashes[places[i]] = h
		}
		return hashes, nil
	})
}

// writeNodes stores nodes of the tree: of each its place and its hash, one after the other.
func writeNodes(ctx context.Context, tx Tx, rows []any) error {
	if len(rows) == 0 {
		return nil
	}
	values := make([]string, 0, len(rows)/2)
	for i := range len(rows) / 2 {
		values = append(values, placeholders(2*i, 2))
	}
	_, err := tx.Exec(ctx, `INSERT INTO ledger_tree (place, hash) VALUES `+strings.Join(values, ","), rows...)
	return err
}

// growAtOnce is how many entries Grow lays the tree over in one transaction.
const growAtOnce = 10_000

// Grow lays the tree over entries that an earlier version of changegate appended, which knew none: some thousands at a time. It returns how
// many are left; call it again, in another transaction, until none is. Where there is nothing to do it costs one look.
func Grow(ctx context.Context, tx Tx) (left int64, err error) {
	size, last, err := Sizes(ctx, tx)
	if err != nil || size == last {
		return 0, err
	}
	// Only now is the lock taken, which keeps what is read from growing, and others from doing the same.
	size, last, err = lengths(ctx, tx, `UPDATE ledger_head SET last_seq = last_seq RETURNING tree_size, last_seq`)
	if err != nil {
		return 0, err
	}
	to := min(last, size+growAtOnce)
	return last - to, grow(ctx, tx, size, to)
}

// grow lays the tree, which is over size entries, over all up to one of them. The caller holds the lock.
func grow(ctx context.Context, tx Tx, size, to int64) error {
	for size < to {
		var leaves []tlog.Hash
		err := tx.Query(ctx, `SELECT hash FROM ledger WHERE seq > $1 AND seq <= $2 ORDER BY seq`, []any{size, min(to, size+growAtOnce)},
			func(scan func(...any) error) error {
				var text string
				if err := scan(&text); err != nil {
					return err
				}
				h, err := tlog.ParseHash(text)
				leaves = append(leaves, h)
				return err
			})
		if err == nil && int64(len(leaves)) != min(to-size, growAtOnce) {
			err = fmt.Errorf("entries after %d are missing", size)
		}
		if err == nil {
			err = extend(ctx, tx, size, leaves)
		}
		if err != nil {
			return fmt.Errorf("lay the ledger's tree over entry %d and those after it: %w", size+1, err)
		}
		size += int64(len(leaves))
	}
	_, err := tx.Exec(ctx, `UPDATE ledger_head SET tree_size = $1`, to)
	return err
}

// Head returns what the tree comes to now. Entries that it is not laid over yet (see Grow) are not counted.
func Head(ctx context.Context, tx Tx) (Tree, error) {
	size, _, err := Sizes(ctx, tx)
	if err != nil {
		return Tree{}, err
	}
	return TreeAt(ctx, tx, size)
}

// Sizes returns over how many entries the tree is laid, and how many there are.
func Sizes(ctx context.Context, tx Tx) (tree, entries int64, err error) {
	return lengths(ctx, tx, `SELECT tree_size, last_seq FROM ledger_head`)
}

// TreeAt returns what the tree came to when it was over size entries.
func TreeAt(ctx context.Context, tx Tx, size int64) (Tree, error) {
	root, err := tlog.TreeHash(size, Hashes(ctx, tx))
	if err != nil {
		return Tree{}, fmt.Errorf("the ledger's tree over %d entries: %w", size, err)
	}
	return Tree{Size: size, Root: root}, nil
}

// lengths runs a query for two numbers of the one row of ledger_head.
func lengths(ctx context.Context, tx Tx, query string, args ...any) (a, b int64, err error) {
	found := false
	err = tx.Query(ctx, query, args, func(scan func(...any) error) error { found = true; return scan(&a, &b) })
	if err == nil && !found {
		err = errors.New("the row of ledger_head is missing")
	}
	return a, b, err
}
