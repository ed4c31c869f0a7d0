//go:build unix

package backup_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/changegate/changegate/internal/backup"
)

// Users of no machine.
const server, stranger = 64001, 64002

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

// Whoever restores a database, the server can open it.
func TestARestoredDatabaseIsTheServers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files to somebody else")
	}
	copied, database := restorable(t)
	must(t, os.Chown(filepath.Dir(database), server, server))
	must(t, os.Chown(database, server, stranger))
	owned := func(uid, gid uint32) {
		t.Helper()
		_, err := backup.Restore(t.Context(), "sqlite:"+database, copied, true)
		must(t, err)
		info, err := os.Stat(database)
		must(t, err)
		if s := info.Sys().(*syscall.Stat_t); s.Uid != uid || s.Gid != gid {
			t.Errorf("it is owned by %d:%d, want %d:%d", s.Uid, s.Gid, uid, gid)
		}
	}
	owned(server, stranger)
	must(t, os.Remove(database))
	owned(server, server)
}

// Who may not give it to the server is told so, and changes nothing.
func TestARestoreByAStranger(t *testing.T) {
	const told = "TEST_RESTORE" // the copy and the database, to the process that is the stranger's
	if args := strings.Fields(os.Getenv(told)); len(args) == 2 {
		_, err := backup.Restore(t.Context(), "sqlite:"+args[1], args[0], true)
		if err == nil || !strings.Contains(err.Error(), "give the database to the owner of "+args[1]) || !strings.Contains(err.Error(), "restore as that user, or as root") {
			t.Errorf("%v", err)
		}
		return
	}
	if os.Getuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	copied, database := restorable(t)
	must(t, os.Chown(database, server, server))
	dir := filepath.Dir(database)
	for path, mode := range map[string]os.FileMode{filepath.Dir(dir): 0o755, dir: 0o777, database: 0o666, copied: 0o644} {
		must(t, os.Chmod(path, mode))
	}
	self, err := os.Executable()
	must(t, err)
	program := filepath.Join(t.TempDir(), "program")
	must(t, copyFile(program, self))
	cmd := exec.Command(program, "-test.run=^"+t.Name()+"$")
	cmd.Env = []string{told + "=" + copied + " " + database}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stranger, Gid: stranger}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if got := recorded(t, "sqlite:"+database); got != "to.db" {
		t.Errorf("the database has become %q", got)
	}
	if parts, err := filepath.Glob(database + ".part-*"); err != nil || len(parts) > 0 {
		t.Errorf("left behind: %v, %v", parts, err)
	}
}

// copyFile makes a program that everybody can run.
func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(out, in)
	return err
}
