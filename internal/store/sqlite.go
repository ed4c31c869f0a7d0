package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	driverOfSQLite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqlite is the backend for one machine: a file in WAL mode, one connection that writes and syncs every commit, and others that
// read and never wait for it.
type sqlite struct {
	writer  *sql.DB
	readers *sql.DB
	order   order  // of those that write
	still   *still // what is read without locks; nil: locks are taken
}

func openSQLite(ctx context.Context, path string) (*sqlite, error) {
	// Nobody else may read the file; SQLite gives the files beside it the same permissions. A file that exists is not opened here, because
	// closing it would release the locks that other connections of this process have on it.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
	case err != nil:
		return nil, fmt.Errorf("open SQLite database: %w%s", err, mendOf(path, err))
	default:
		if err := f.Close(); err != nil {
			return nil, fmt.Errorf("open SQLite database: %w", err)
		}
	}
	file := uri(path)
	shared := "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=temp_store(MEMORY)"
	// A transaction that begins by reading and then writes would fail where another wrote in between, so writers take the lock first.
	writer, err := openKeeping(file + "?" + shared + "&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open SQLite database %s: %w", path, err)
	}
	writer.SetMaxOpenConns(1)
	// The first connection switches a new file to WAL mode, and fails rather than waits if another process does the same.
	if err := repeat(ctx, func() error { return writer.PingContext(ctx) }); err != nil {
		return nil, errors.Join(fmt.Errorf("open SQLite database %s: %w%s", path, err, mendOf(path, err)), writer.Close())
	}
	readers, err := openKeeping(file + "?" + shared + "&_pragma=query_only(1)")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open SQLite database %s: %w", path, err), writer.Close())
	}
	readers.SetMaxOpenConns(max(4, runtime.NumCPU()))
	readers.SetMaxIdleConns(max(4, runtime.NumCPU()))
	return &sqlite{writer: writer, readers: readers}, nil
}

// mendOf says what to do about a file that a server cannot open; empty where that is not known.
func mendOf(path string, err error) string {
	info, absent := os.Stat(path)
	var refused *driverOfSQLite.Error
	code := 0
	if errors.As(err, &refused) {
		code = refused.Code() & 0xff
	}
	switch {
	case absent == nil && info.IsDir():
		return ": it is a directory: name a file in it"
	case errors.Is(err, fs.ErrNotExist):
		return ": make its directory, or name a file in another"
	case errors.Is(err, fs.ErrPermission), code == sqlite3.SQLITE_CANTOPEN, code == sqlite3.SQLITE_READONLY:
		return ": the user that the server runs as must be able to write to the file, and to make others in its directory"
	case code == sqlite3.SQLITE_NOTADB:
		return ": name another: one that a server made, or one that is not there yet"
	}
	return ""
}

// uri is a path as SQLite takes it, with what would have a meaning in a URI escaped.
func uri(path string) string { return "file:" + (&url.URL{Path: path}).EscapedPath() }

// openSQLiteToRead opens a file that is there, whoever else may have it open, and changes nothing in it.
func openSQLiteToRead(_ context.Context, path string) (*sqlite, error) {
	path, err := filepath.EvalSymlinks(path) // SQLite's own files are beside the one that is meant
	if err != nil {
		return nil, fmt.Errorf("open SQLite database: %w", err)
	}
	still, err := isStill(path)
	if err != nil {
		return nil, fmt.Errorf("open SQLite database: %w", err)
	}
	options := "?mode=ro&_pragma=busy_timeout(10000)&_pragma=temp_store(MEMORY)"
	if still != nil {
		options += "&immutable=1" // or a file in WAL mode would need others made beside it, for locks
	}
	db, err := openKeeping(uri(path) + options)
	if err != nil {
		return nil, fmt.Errorf("open SQLite database %s: %w", path, err)
	}
	db.SetMaxIdleConns(max(4, runtime.NumCPU()))
	return &sqlite{writer: db, readers: db, still: still}, nil
}

// still is a file that nobody had open for writing when it was looked at.
type still struct {
	path string
	was  fs.FileInfo
}

// isStill returns nil if somebody has a file open for writing, or left beside it what is not in the file yet. Whoever has it open in WAL
// mode has a log beside it.
func isStill(path string) (*still, error) {
	was, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	for _, log := range []string{"-wal", "-journal"} {
		if _, err := os.Lstat(path + log); !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return &still{path, was}, nil
}

// check returns an error if the file has come into use since: then what was read of it without locks may not be one state of the database.
func (s *still) check() error {
	now, err := isStill(s.path)
	if err != nil {
		return err
	}
	if now == nil || !os.SameFile(now.was, s.was) || now.was.Size() != s.was.Size() || !now.was.ModTime().Equal(s.was.ModTime()) {
		return fmt.Errorf("%s came into use while it was read: ask again", s.path)
	}
	return nil
}

func (s *sqlite) Write(ctx context.Context, f func(Tx) error) error {
	if err := s.order.enter(ctx); err != nil {
		return err
	}
	defer s.order.leave()
	return transact(ctx, s.writer, nil, f)
}

func (s *sqlite) Read(ctx context.Context, f func(Tx) error) error {
	err := transact(ctx, s.readers, &sql.TxOptions{ReadOnly: true}, f)
	if s.still != nil {
		if moved := s.still.check(); moved != nil {
			return moved
		}
	}
	return err
}

func transact(ctx context.Context, db *sql.DB, opts *sql.TxOptions, f func(Tx) error) error {
	tx, err := db.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	if err := f(sqlTx{tx}); err != nil {
		return err
	}
	return tx.Commit()
}

func (s *sqlite) Native() any { return s.writer }

func (s *sqlite) Close() error { return errors.Join(s.readers.Close(), s.writer.Close()) }

func (s *sqlite) forUpdate() string { return "" } // a transaction that writes has the whole database to itself

func (s *sqlite) rows(columns []column, values [][]any) (string, any, error) {
	arg, err := json.Marshal(values)
	if err != nil {
		return "", nil, err
	}
	var b strings.Builder
	b.WriteString("(SELECT ")
	for i, c := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "json_extract(value, '$[%d]') AS %s", i, c.name)
	}
	b.WriteString(" FROM jsonb_each($1))") // which parses each row once, and not each of its columns
	return b.String(), string(arg), nil
}

// sqlTx is a transaction of database/sql.
type sqlTx struct{ tx *sql.Tx }

func (t sqlTx) Native() any { return t.tx }

func (t sqlTx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := t.tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (t sqlTx) Query(ctx context.Context, query string, args []any, each func(func(...any) error) error) error {
	rows, err := t.tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
