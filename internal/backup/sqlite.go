package backup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const kindSQLite = "SQLite"

// sqlite is a database in a file.
type sqlite struct{ path string }

func (sqlite) kind() string { return kindSQLite }

// connect opens a database that is there, on one connection, so that a PRAGMA holds for what follows.
func (sqlite) connect(path, options string) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+options)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

func (s sqlite) save(ctx context.Context, file string) (int64, error) {
	db, err := s.connect(s.path, "mode=rw&_pragma=busy_timeout(10000)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	// It reads one state of the database, and nobody waits for it: the database is in WAL mode.
	if _, err := db.ExecContext(ctx, `VACUUM INTO $1`, file); err != nil {
		return 0, err
	}
	return s.check(ctx, file)
}

// check says how many entries the ledger of a copy has, once it is known that the copy is sound.
func (s sqlite) check(ctx context.Context, file string) (int64, error) {
	// Nobody else writes to it, so that no files need to be made beside it.
	db, err := s.connect(file, "mode=ro&immutable=1")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	var said string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&said); err != nil {
		return 0, fmt.Errorf("check %s: %w", file, err)
	}
	if said != "ok" {
		return 0, fmt.Errorf("%s is damaged: %s", file, said)
	}
	return countEntries(ctx, db)
}

// countEntries returns how many entries the ledger has.
func countEntries(ctx context.Context, db *sql.DB) (n int64, err error) {
	if err := db.QueryRowContext(ctx, `SELECT last_seq FROM ledger_head`).Scan(&n); err != nil {
		return 0, fmt.Errorf("this is no database of changegate's: %w", err)
	}
	return n, nil
}

func (s sqlite) vacant(ctx context.Context, force bool) error {
	db, err := s.connect(s.path, "mode=rw&_pragma=busy_timeout(1000)")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer db.Close()
	// To leave WAL mode needs the database to oneself, and brings what is in the files beside it into this one.
	var mode string
	err = db.QueryRowContext(ctx, `PRAGMA journal_mode = DELETE`).Scan(&mode)
	var refused *driver.Error
	switch {
	case errors.As(err, &refused) && refused.Code()&0xff == sqlite3.SQLITE_BUSY:
		return &InUse{refused.Error()}
	case force:
		return nil // also if it is no database any more, which may be why
	case err != nil:
		return fmt.Errorf("%s is no sound database, and may be overwritten only if that is said: %w", s.path, err)
	}
	var tables int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables); err != nil || tables == 0 {
		return err
	}
	switch n, err := countEntries(ctx, db); {
	case err != nil:
		return err
	case n > 0:
		return &NotEmpty{n}
	}
	return db.Close()
}

func (s sqlite) replace(ctx context.Context, file string) error {
	if _, err := s.check(ctx, file); err != nil {
		return asItWas(err)
	}
	from, err := os.Open(file)
	if err != nil {
		return err
	}
	defer from.Close()
	dir := filepath.Dir(s.path)
	to, err := Part(s.path)
	if err != nil {
		return err
	}
	defer os.Remove(to.Name()) // after the rename there is none
	defer to.Close()
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	if err := s.doubt(ctx, to.Name()); err != nil {
		return err
	}
	if err := s.inherit(to); err != nil {
		return err
	}
	if err := to.Sync(); err != nil {
		return err
	}
	// What another database left beside it must not be taken for this one's.
	for _, beside := range []string{"-wal", "-shm", "-journal"} {
		if err := os.Remove(s.path + beside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(to.Name(), s.path); err != nil {
		return err
	}
	return syncDirectory(dir)
}

// inherit gives the file that is to be the database the owner, the group and the mode of the one that it replaces, so that the server can open it
// whoever restores it. If there is none it belongs to whom its directory does, and nobody else can read it.
func (s sqlite) inherit(to *os.File) error {
	like, mode := s.path, fs.FileMode(0o600)
	info, err := os.Stat(like)
	switch {
	case err == nil:
		mode = info.Mode().Perm()
	case errors.Is(err, fs.ErrNotExist):
		like = filepath.Dir(s.path)
		info, err = os.Stat(like)
	}
	if err != nil {
		return err
	}
	if err := own(to, info); err != nil {
		return fmt.Errorf("give the database to the owner of %s, as whom the server opens it: %w: restore as that user, or as root", like, err)
	}
	return to.Chmod(mode)
}

// doubt notes in a file that it was restored.
func (s sqlite) doubt(ctx context.Context, file string) error {
	// In this mode no files are left beside it.
	db, err := s.connect(file, "mode=rw&_pragma=journal_mode(DELETE)")
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, doubt("", time.Now())); err != nil {
		return err
	}
	return db.Close()
}

func (s sqlite) entries(ctx context.Context) (int64, error) { return s.check(ctx, s.path) }
