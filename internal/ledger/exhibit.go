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

// keepExhibits writes those exhibits that are not there yet, and returns the digests of all.
func keepExhibits(ctx context.Context, tx Tx, exhibits []any) (digests []string, err error) {
	for i, x := range exhibits {
		text, err := Canonical(x)
		if err != nil {
			return nil, fmt.Errorf("exhibit %d: %w", i+1, err)
		}
		digest := Digest(text)
		_, err = tx.Exec(ctx, `INSERT INTO ledger_exhibits (digest, text) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING`, digest, string(text))
		if err != nil {
			return nil, err
		}
		digests = append(digests, digest)
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
