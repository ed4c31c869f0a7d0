package ramtest

import (
	"os"
	"testing"
)

func TestUse(t *testing.T) {
	own := t.TempDir()
	t.Setenv("TMPDIR", own)
	Use()
	if got := os.TempDir(); got != own {
		t.Errorf("files are in %s, and TMPDIR said %s", got, own)
	}

	t.Setenv("TMPDIR", "")
	Use()
	if free(dir) < room {
		return // what is left is the machine's own place
	}
	if got := os.TempDir(); got != dir {
		t.Errorf("files are in %s, expected %s", got, dir)
	}
	f, err := os.CreateTemp("", "ramtest")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := os.Remove(f.Name()); err != nil {
		t.Error(err)
	}
}

func TestNoRoom(t *testing.T) {
	if got := free("/no/such/directory"); got != 0 {
		t.Errorf("there are %d bytes in a directory that is not there", got)
	}
}
