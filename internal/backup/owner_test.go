//go:build unix

package backup_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/changegate/changegate/internal/backup"
)

// The user as whom the server runs, with a group, and another.
const server, group, stranger = 64001, 64002, 64003

// restorable makes a copy, and a directory with a database that the copy is to replace.
func restorable(t *testing.T) (copied, database string) {
	t.Helper()
	from, to := filepath.Join(t.TempDir(), "from.db"), filepath.Join(t.TempDir(), "to.db")
	copied = from + ".copy"
	for _, path := range []string{from, to} {
		s := open(t, "sqlite:"+path)
		record(t, s, filepath.Base(path))
		must(t, s.Close())
	}
	_, err := backup.Save(t.Context(), "sqlite:"+from, copied)
	must(t, err)
	return copied, to
}

func TestARestoredDatabaseHasTheModeOfTheOneBefore(t *testing.T) {
	copied, database := restorable(t)
	for _, mode := range []os.FileMode{0o640, 0o664} {
		must(t, os.Chmod(database, mode))
		_, err := backup.Restore(t.Context(), "sqlite:"+database, copied, true)
		must(t, err)
		if info, err := os.Stat(database); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%v, %v, want mode %v", info.Mode(), err, mode)
		}
	}
	must(t, os.Remove(database))
	_, err := backup.Restore(t.Context(), "sqlite:"+database, copied, true)
	must(t, err)
	if info, err := os.Stat(database); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v, want that only its owner can read it", info.Mode(), err)
	}
}

// owned has the database and its directory belong to the server, and all else to somebody else. It returns who becomes the owner of a file.
func owned(t *testing.T, database string, refuse error) (given *[]string) {
	t.Helper()
	given = new([]string)
	owner := func(info fs.FileInfo) (uid, gid int) {
		switch info.Name() {
		case filepath.Base(database):
			return server, group
		case filepath.Base(filepath.Dir(database)):
			return server, server
		}
		return stranger, stranger
	}
	backup.Own(t, owner, func(f *os.File, uid, gid int) error {
		*given = append(*given, fmt.Sprintf("%d:%d", uid, gid))
		return refuse
	})
	return given
}

// Whoever restores a database, the server can open it.
func TestARestoredDatabaseIsTheServers(t *testing.T) {
	copied, database := restorable(t)
	given := owned(t, database, nil)
	_, err := backup.Restore(t.Context(), "sqlite:"+database, copied, true)
	must(t, err)
	must(t, os.Remove(database))
	_, err = backup.Restore(t.Context(), "sqlite:"+database, copied, true)
	must(t, err)
	if want := []string{fmt.Sprintf("%d:%d", server, group), fmt.Sprintf("%d:%d", server, server)}; !slices.Equal(*given, want) {
		t.Errorf("it was given to %v, want %v", *given, want)
	}
}

// Who may not give it to the server is told so, and changes nothing.
func TestARestoreByAStranger(t *testing.T) {
	copied, database := restorable(t)
	owned(t, database, syscall.EPERM)
	_, err := backup.Restore(t.Context(), "sqlite:"+database, copied, true)
	if err == nil || !strings.Contains(err.Error(), "give the database to the owner of "+database) || !strings.Contains(err.Error(), "restore as that user, or as root") {
		t.Errorf("%v", err)
	}
	if got := recorded(t, "sqlite:"+database); got != "to.db" {
		t.Errorf("the database has become %q", got)
	}
	if parts, err := filepath.Glob(database + ".part-*"); err != nil || len(parts) > 0 {
		t.Errorf("left behind: %v, %v", parts, err)
	}
}
