package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Digest is what an exhibit is known by: the SHA-256 of its text, in hexadecimal.
func Digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Sealed is an exhibit in its canonical form, with its digest: what Append does not need to work out while others wait for it.
type Sealed struct {
	Digest string
	text   []byte
}

// Seal makes the canonical form of an exhibit.
func Seal(x any) (Sealed, error) {
	if s, ok := x.(Sealed); ok {
		return s, nil
	}
	text, err := Canonical(x)
	return Sealed{Digest(text), text}, err
}

// MarshalJSON returns the canonical text.
func (s Sealed) MarshalJSON() ([]byte, error) { return s.text, nil }

// Len is how long the canonical text is, in bytes.
func (s Sealed) Len() int { return len(s.text) }

// keepExhibits writes those exhibits that are not there yet, and returns the digests of all.
func keepExhibits(ctx context.Context, tx Tx, exhibits []any) (digests []string, err error) {
	for i, x := range exhibits {
		s, err := Seal(x)
		if err != nil {
			return nil, fmt.Errorf("exhibit %d: %w", i+1, err)
		}
		_, err = tx.Exec(ctx, `INSERT INTO ledger_exhibits (digest, text) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING`, s.Digest, string(s.text))
		if err != nil {
			return nil, err
		}
		digests = append(digests, s.Digest)
	}
	return digests, nil
}

// Exhibit returns what an entry rests on, by its digest: the canonical text of a JSON value. It is an error if it is not there or was altered.
func Exhibit(ctx context.Context, tx Tx, digest string) (json.RawMessage, error) {
	var text []byte
	found := false
	err := tx.Query(ctx, `SELECT text FROM ledger_exhibits WHERE digest = $1`, []any{digest}, func(scan func(...any) error) error {
		found = true
		return scan(&text)
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the ledger's exhibit %s: %w", digest, err)
	case !found:
		return nil, fmt.Errorf("the ledger's exhibit %s is missing", digest)
	case Digest(text) != digest:
		return nil, fmt.Errorf("the ledger's exhibit %s was altered", digest)
	}
	return text, nil
}
