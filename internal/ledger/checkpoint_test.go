package ledger_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/changegate/changegate/internal/ledger"
)

func newKey(t *testing.T, name string) *ledger.Key {
	t.Helper()
	k, made, err := ledger.LoadKey(filepath.Join(t.TempDir(), "key"), name)
	if err != nil || !made {
		t.Fatalf("made %t, %v", made, err)
	}
	return k
}

func TestLoadKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	var wg sync.WaitGroup
	keys := make([]*ledger.Key, 8)
	makers := make([]bool, len(keys))
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], makers[i], err = ledger.LoadKey(path, "gate.example.com/changegate"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	made := 0
	for i, k := range keys {
		if makers[i] {
			made++
		}
		if k.Public() != keys[0].Public() || k.Name() != "gate.example.com/changegate" {
			t.Errorf("got the key %s, and %s", k, keys[0])
		}
		if _, err := note.NewVerifier(k.Public()); err != nil {
			t.Error(err)
		}
	}
	if made != 1 {
		t.Errorf("%d say that they made it", made)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v, want a file that nobody else can read", info, err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}

	for _, text := range []string{"", "secret", "PRIVATE+KEY+a+00000000+secret", keys[0].Public()} {
		if _, err := ledger.ParseKey(text); err == nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v, want an error that does not repeat it", text, err)
		}
	}
	if _, _, err := ledger.LoadKey(filepath.Join(path, "no", "directory"), "a"); err == nil {
		t.Error("a key was made nowhere")
	}
}

func TestKeyName(t *testing.T) {
	for url, want := range map[string]string{
		"": "changegate", "https://gate.example.com": "gate.example.com/changegate", "https://gate.example.com:8443/x?y": "gate.example.com:8443/changegate",
		"https://a b": "changegate", "https://a+b/": "changegate",
	} {
		if got := ledger.KeyName(url); got != want {
			t.Errorf("%q: got %q, want %q", url, got, want)
		}
	}
}

func TestCheckpointText(t *testing.T) {
	k := newKey(t, "gate.example.com/changegate")
	tree := ledger.Tree{Size: 1, Root: tlog.RecordHash([]byte("one"))}
	c, err := k.Sign(tree, time.Date(2026, 1, 5, 10, 0, 0, 1999, time.FixedZone("", 3600)))
	if err != nil {
		t.Fatal(err)
	}
	want := "gate.example.com/changegate\n1\n" + tree.Root.String() + "\ntime 2026-01-05T09:00:00.000001Z\n\n— gate.example.com/changegate "
	if !strings.HasPrefix(string(c.Note), want) {
		t.Errorf("got %s, want it to begin %s", c.Note, want)
	}
	read, err := ledger.OpenCheckpoint(c.Note, k.Public())
	if err != nil || read.Tree != c.Tree || !read.At.Equal(c.At) || read.Origin != c.Origin {
		t.Errorf("read as %+v, %v", read, err)
	}
}

// Whatever byte of a checkpoint is another, it is not read.
func TestCheckpointsAreReadAsSigned(t *testing.T) {
	k := newKey(t, "test")
	c, err := k.Sign(ledger.Tree{Size: 12, Root: tlog.RecordHash([]byte("one"))}, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.Note {
		for bit := range 8 {
			altered := []byte(string(c.Note))
			altered[i] ^= 1 << bit
			if got, err := ledger.OpenCheckpoint(altered, k.Public()); err == nil {
				t.Fatalf("%q was read as %+v", altered, got)
			}
		}
	}
	others, err := newKey(t, "test").Sign(c.Tree, c.At)
	if err != nil {
		t.Fatal(err)
	}
	ownOther, err := k.Sign(ledger.Tree{Size: 11, Root: c.Root}, c.At)
	if err != nil {
		t.Fatal(err)
	}
	sig := func(c ledger.Checkpoint) string {
		_, sig, _ := strings.Cut(string(c.Note), "\n\n")
		return sig
	}
	for what, text := range map[string]string{
		"another's":                 string(others.Note),
		"another's beside it":       string(c.Note) + sig(others),
		"its own beside it":         string(c.Note) + sig(c),
		"its key's of another tree": string(c.Note) + sig(ownOther),
		"twice":                     string(c.Note) + string(c.Note),
		"nothing":                   "",
	} {
		if _, err := ledger.OpenCheckpoint([]byte(text), k.Public()); err == nil {
			t.Errorf("%s was read", what)
		}
	}
}

// A checkpoint may be signed by us and say what we do not write.
func TestCheckpointsOfOtherForm(t *testing.T) {
	text, err := os.ReadFile(keyFile(t))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	k, err := ledger.ParseKey(string(text))
	if err != nil {
		t.Fatal(err)
	}
	root := tlog.RecordHash(nil).String()
	for _, row := range []struct {
		text string
		ok   bool
	}{
		{"test\n12\n" + root + "\n", true},
		{"test\n12\n" + root + "\nsomething else\ntime 2026-01-05T09:00:00Z\n", true},
		{"test\n12\n", false},
		{"other\n12\n" + root + "\n", false},
		{"test\n012\n" + root + "\n", false},
		{"test\n-1\n" + root + "\n", false},
		{"test\n12\n" + root[1:] + "\n", false},
		{"test\n12\n" + root + "\ntime now\n", false},
	} {
		signed, err := note.Sign(&note.Note{Text: row.text}, signer)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := ledger.OpenCheckpoint(signed, k.Public()); (err == nil) != row.ok || row.ok && c.Size != 12 {
			t.Errorf("%q: %+v, %v", row.text, c, err)
		}
	}
}

func keyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if _, _, err := ledger.LoadKey(path, "test"); err != nil {
		t.Fatal(err)
	}
	return path
}
