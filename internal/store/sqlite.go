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
	"runtime"
	"strings"
)

// sqlite is the backend for one machine: a file in WAL mode, one connection that writes and syncs every commit, and others that
// read and never wait for it.
type sqlite struct {
	writer  *sql.DB
	readers *sql.DB
	order   order // of those that write
}

func openSQLite(ctx context.Context, path string) (*sqlite, error) {
	// What is in it is nobody else's business: SQLite gives the files beside it the permissions of this one. One that is there is
	// not opened here, because closing it again would end the locks of connections of this process.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
	case err != nil:
		return nil, fmt.Errorf("open SQLite database: %w", err)
	default:
		if err := f.Close(); err != nil {
			return nil, fmt.Errorf("open SQLite database: %w", err)
		}
	}
	// A path may hold what a URI gives meaning to.
	file := "file:" + (&url.URL{Path: path}).EscapedPath()
	shared := "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=temp_store(MEMORY)"
	// A transaction that begins by reading and then writes would fail where another wrote in between, so writers take the lock first.
	writer, err := openKeeping(file + "?" + shared + "&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open SQLite database %s: %w", path, err)
	}
	writer.SetMaxOpenConns(1)
	// Connecting turns a new file's WAL mode on, which does not wait for another process that does the same.
	if err := repeat(ctx, func() error { return writer.PingContext(ctx) }); err != nil {
		return nil, errors.Join(fmt.Errorf("open SQLite database %s: %w", path, err), writer.Close())
	}
	readers, err := openKeeping(file + "?" + shared + "&_pragma=query_only(1)")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open SQLite database %s: %w", path, err), writer.Close())
	}
	readers.SetMaxOpenConns(max(4, runtime.NumCPU()))
	readers.SetMaxIdleConns(max(4, runtime.NumCPU()))
	return &sqlite{writer: writer, readers: readers}, nil
}

func (s *sqlite) Write(ctx context.Context, f func(Tx) error) error {
	if err := s.order.enter(ctx); err != nil {
		return err
	}
	defer s.order.leave()
	return transact(ctx, s.writer, nil, f)
}

func (s *sqlite) Read(ctx context.Context, f func(Tx) error) error {
	return transact(ctx, s.readers, &sql.TxOptions{ReadOnly: true}, f)
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
