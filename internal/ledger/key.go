package ledger

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Key is an Ed25519 key that signs checkpoints. Formatting it shows nothing secret.
type Key struct {
	signer note.Signer
	public string
}

// ParseKey reads a key as package note writes it, PRIVATE+KEY+NAME+HASH+SEED. Its errors do not repeat it.
func ParseKey(text string) (*Key, error) {
	text = strings.TrimSpace(text)
	signer, err := note.NewSigner(text)
	if err != nil {
		return nil, fmt.Errorf("the ledger's key is one line that begins with PRIVATE+KEY+: %w", err)
	}
	// NewSigner has seen to the form; what it does not tell is the public key. The last part may hold a plus itself.
	seed, err := base64.StdEncoding.DecodeString(strings.SplitN(text, "+", 5)[4])
	if err != nil {
		return nil, err
	}
	private := ed25519.NewKeyFromSeed(seed[1:]) // after the number of the algorithm
	public, err := note.NewEd25519VerifierKey(signer.Name(), private.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	return &Key{signer, public}, nil
}

// LoadKey reads the key in a file. If there is none it makes one of the given name (see KeyName), in a file that only its owner can read,
// and says so. Of processes that do so at the same time all get the same key.
func LoadKey(path, name string) (k *Key, made bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("the ledger's key in %s: %w", path, err)
		}
	}()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if made, err = makeKey(path, name); err != nil {
			return nil, false, err
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, false, err
	}
	k, err = ParseKey(string(text))
	return k, made, err
}

// makeKey makes a key and its file, which is written whole or not at all. It returns false if another made one first.
func makeKey(path, name string) (made bool, err error) {
	secret, _, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return false, err
	}
	if _, err := ParseKey(secret); err != nil {
		return false, fmt.Errorf("%q cannot name a key: a name has no spaces and no plus signs", name)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".ledger-key-") // only its owner can read it
	if told, ok := errors.AsType[*fs.PathError](err); ok {      // nobody asked for a file of that name
		return false, fmt.Errorf("it cannot be made: %w: its directory must be there, and let you write to it", told.Err)
	}
	if err != nil {
		return false, err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(secret + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return false, err
	}
	// Unlike a rename, a link never takes the place of a key that is there.
	err = os.Link(f.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// KeyName makes a key's name from the address at which people reach the server (a URL, or nothing): HOST/changegate, or changegate. It is also the first
// line of every checkpoint.
func KeyName(publicURL string) string {
	_, rest, _ := strings.Cut(publicURL, "://")
	host, _, _ := strings.Cut(rest, "/")
	if host == "" || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r == '+' || r > '~' }) {
		return "changegate"
	}
	return host + "/changegate"
}

// Name is the key's name, and the origin of the checkpoints that it signs.
func (k *Key) Name() string { return k.signer.Name() }

// Public is the public key as note.NewVerifier reads it, NAME+HASH+KEY: what an auditor needs, and is to have from somebody who can be trusted
// to tell it.
func (k *Key) Public() string { return k.public }

// String is the public key.
func (k *Key) String() string { return k.public }
