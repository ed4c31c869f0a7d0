package ledger

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is what the tree came to at a time, signed: whoever keeps one can tell later whether what it is over was tampered with.
//
// Its text is a note as C2SP's tlog-checkpoint has it: the origin, the size and the root hash in base64, a line each; then the word time
// and the time of the server's clock; then an empty line and the signature.
type Checkpoint struct {
	Tree
	Origin string
	At     time.Time
	Key    string // the public key that it is signed with; see Key.Public
	Note   []byte // all of the text
}

// timeLine begins the line with the time. Readers take checkpoints with other lines after the first three as well.
const timeLine = "time "

// Sign makes a checkpoint of a tree.
func (k *Key) Sign(t Tree, at time.Time) (Checkpoint, error) {
	c := Checkpoint{Tree: t, Origin: k.Name(), At: at.UTC().Truncate(time.Microsecond), Key: k.Public()}
	text := fmt.Sprintf("%s\n%d\n%s\n%s%s\n", c.Origin, c.Size, c.Root, timeLine, c.At.Format(time.RFC3339Nano))
	var err error
	if c.Note, err = note.Sign(&note.Note{Text: text}, k.signer); err != nil {
		return Checkpoint{}, fmt.Errorf("sign a checkpoint: %w", err)
	}
	return c, nil
}

// OpenCheckpoint reads a checkpoint that must be signed with the given public key (see Key.Public), by it alone, and be as Sign writes it
// to the last byte.
func OpenCheckpoint(text []byte, public string) (c Checkpoint, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("checkpoint: %w", err)
		}
	}()
	verifier, err := newVerifier(public)
	if err != nil {
		return c, fmt.Errorf("public key %q: %w", public, err)
	}
	n, err := note.Open(text, note.VerifierList(verifier))
	var unknown *note.UnverifiedNoteError
	if errors.As(err, &unknown) {
		return c, fmt.Errorf("it is not signed with the key %s", public)
	}
	if err != nil {
		return c, err
	}
	// Base64 leaves bits unused at its end, and a note may have more lines of signatures, even of the same key: nothing vouches for either.
	sig := n.Sigs[0]
	_, err = base64.StdEncoding.Strict().DecodeString(sig.Base64)
	if err != nil || string(text) != n.Text+"\n— "+sig.Name+" "+sig.Base64+"\n" {
		return c, errors.New("its signature is not in the one form that it is written in")
	}
	if c, err = parseCheckpoint(n.Text); err != nil {
		return c, err
	}
	if c.Origin != verifier.Name() {
		return c, fmt.Errorf("it is of %q and signed as %q", c.Origin, verifier.Name())
	}
	c.Key, c.Note = public, bytes.Clone(text)
	return c, nil
}

// CheckPublic says whether a text is a public key; see Key.Public. The error does not repeat it.
func CheckPublic(text string) error {
	_, err := newVerifier(text)
	return err
}

// newVerifier is note.NewVerifier for a public key in the one form that it is written in.
func newVerifier(public string) (note.Verifier, error) {
	v, err := note.NewVerifier(public)
	if err != nil {
		return nil, err
	}
	parts := strings.SplitN(public, "+", 3)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, err
	}
	again, err := note.NewEd25519VerifierKey(v.Name(), key[1:]) // after the number of the algorithm
	if err == nil && again != public {
		err = errors.New("it is not in the one form that it is written in")
	}
	return v, err
}

// parseCheckpoint reads the text that is signed.
func parseCheckpoint(text string) (c Checkpoint, err error) {
	lines := strings.Split(text, "\n") // the last one is empty
	if len(lines) < 4 {
		return c, errors.New("it has fewer than three lines")
	}
	c.Origin = lines[0]
	c.Size, err = strconv.ParseInt(lines[1], 10, 64)
	if err != nil || c.Size < 0 || strconv.FormatInt(c.Size, 10) != lines[1] {
		return c, fmt.Errorf("its size is %q, which is no number of entries", lines[1])
	}
	if c.Root, err = tlog.ParseHash(lines[2]); err != nil {
		return c, fmt.Errorf("its root is %q, which is no hash", lines[2])
	}
	for _, line := range lines[3:] {
		if at, ok := strings.CutPrefix(line, timeLine); ok {
			if c.At, err = time.Parse(time.RFC3339Nano, at); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}

// ErrAltered says that a ledger is not what it was when it was signed.
var ErrAltered = errors.New("the ledger was altered")

// Extends says whether a tree begins with all that an earlier checkpoint is over, as it was then. The error is ErrAltered if it does not.
func Extends(ctx context.Context, tx Tx, t Tree, c Checkpoint) error {
	if t.Size < c.Size {
		return fmt.Errorf("%w: it has %d entries, and had %d at %s: entries were removed, or an old backup was restored",
			ErrAltered, t.Size, c.Size, c.At.Format(time.RFC3339))
	}
	if c.Size == 0 {
		return nil // every ledger begins with nothing
	}
	proof, err := tlog.ProveTree(t.Size, c.Size, Hashes(ctx, tx))
	if err != nil {
		return err
	}
	if tlog.CheckTree(proof, t.Size, t.Root, c.Size, c.Root) == nil {
		return nil
	}
	return fmt.Errorf("%w: its first %d entries do not come to what was signed at %s", ErrAltered, c.Size, c.At.Format(time.RFC3339))
}

// SignHead signs what the tree comes to now and keeps the checkpoint in the database. If the newest one is of the same tree and key it is
// returned as it is. It must be called in a transaction that writes, where Grow has nothing left to do.
func SignHead(ctx context.Context, tx Tx, k *Key, at time.Time) (Checkpoint, error) {
	head, err := Head(ctx, tx)
	if err != nil {
		return Checkpoint{}, err
	}
	last, found, err := LastCheckpoint(ctx, tx, k.Public())
	if err != nil {
		return Checkpoint{}, err
	}
	if found {
		// Nothing is signed that would not be borne out by what was signed before.
		if err := Extends(ctx, tx, head, last); err != nil || last.Size == head.Size {
			return last, err
		}
	}
	c, err := k.Sign(head, at)
	if err != nil {
		return Checkpoint{}, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO ledger_checkpoints (size, key, at, note) VALUES ($1, $2, $3, $4)`,
		c.Size, k.Public(), c.At.UnixMicro(), string(c.Note))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("keep the checkpoint over %d entries: %w", c.Size, err)
	}
	return c, nil
}

// LastCheckpoint returns the checkpoint in the database over the most entries, if there is one: signed with the given public key, or with any
// if it is empty. Its signature is checked.
func LastCheckpoint(ctx context.Context, tx Tx, public string) (c Checkpoint, found bool, err error) {
	query, args := `SELECT note, key FROM ledger_checkpoints`, []any(nil)
	if public != "" {
		query, args = query+` WHERE key = $1`, []any{public}
	}
	err = tx.Query(ctx, query+` ORDER BY size DESC, at DESC LIMIT 1`, args, func(scan func(...any) error) error {
		found = true
		var text, key string
		if err := scan(&text, &key); err != nil {
			return err
		}
		var err error
		c, err = OpenCheckpoint([]byte(text), key)
		return err
	})
	if err != nil {
		return Checkpoint{}, false, fmt.Errorf("the newest checkpoint in the database: %w", err)
	}
	return c, found, nil
}

// Keys returns the public keys that checkpoints in the database are signed with, the one that signed the longest tree first.
func Keys(ctx context.Context, tx Tx) (keys []string, err error) {
	err = tx.Query(ctx, `SELECT key FROM ledger_checkpoints GROUP BY key ORDER BY max(size) DESC`, nil, func(scan func(...any) error) error {
		var key string
		err := scan(&key)
		keys = append(keys, key)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the keys of checkpoints: %w", err)
	}
	return keys, nil
}
