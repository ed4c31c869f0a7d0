package worldtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Database is where a world's server keeps what it must not forget. No server may use it while Restore or Forget runs.
type Database interface {
	// URL is what the configuration calls it.
	URL() string
	// Keep copies it as it is now, as of one moment.
	Keep() error
	// Restore brings back what Keep copied last.
	Restore() error
	// Forget empties it.
	Forget() error
}

// SQLite returns a database in a directory. The server makes it.
func SQLite(dir string) Database { return sqliteIn(dir) }

func sqliteIn(dir string) sqliteFile { return sqliteFile(filepath.Join(dir, ".server.db")) }

// sqliteFile is the path of a file of SQLite's.
type sqliteFile string

func (f sqliteFile) kept() string { return string(f) + "-kept" }

func (f sqliteFile) URL() string { return "sqlite:" + string(f) }

func (f sqliteFile) Keep() error {
	db, err := sql.Open("sqlite", string(f)+"?_pragma=busy_timeout(10000)") // a server may have it open
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(`VACUUM INTO ?`, f.kept())
	return err
}

func (f sqliteFile) Restore() error {
	return errors.Join(f.Forget(), os.Rename(f.kept(), string(f)))
}

func (f sqliteFile) Forget() (err error) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if gone := os.Remove(string(f) + suffix); !errors.Is(gone, os.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// Postgres returns a database of a PostgreSQL server, to which the URL connects as a superuser.
func Postgres(url string) Database { return postgresDatabase(url) }

// postgresDatabase is the URL of a database of PostgreSQL's. Its copy is in a schema beside its own.
type postgresDatabase string

func (d postgresDatabase) URL() string { return string(d) }

func (d postgresDatabase) Keep() error {
	return d.transact(pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DROP SCHEMA IF EXISTS kept CASCADE; CREATE SCHEMA kept`); err != nil {
			return err
		}
		return eachTable(ctx, tx, "public", func(name string) string {
			return fmt.Sprintf(`CREATE TABLE kept.%[1]s AS TABLE public.%[1]s`, name)
		})
	})
}

// Restore brings back what was kept, in a time in which whoever used it is known to be gone.
func (d postgresDatabase) Restore() error {
	return d.transact(pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		// The ledger's triggers would refuse.
		if _, err := tx.Exec(ctx, `SET LOCAL session_replication_role = replica`); err != nil {
			return err
		}
		if err := eachTable(ctx, tx, "kept", func(name string) string {
			return fmt.Sprintf(`DELETE FROM public.%[1]s; INSERT INTO public.%[1]s OVERRIDING SYSTEM VALUE TABLE kept.%[1]s`, name)
		}); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE public.replicas SET seen_at = seen_at - interval '1 hour'; DROP SCHEMA kept CASCADE`)
		return err
	})
}

func (d postgresDatabase) Forget() error {
	return d.transact(pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DROP SCHEMA public CASCADE; CREATE SCHEMA public`)
		return err
	})
}

func (d postgresDatabase) transact(opts pgx.TxOptions, f func(ctx context.Context, tx pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	config, err := pgxpool.ParseConfig(string(d)) // it may say how many connections the server may have
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return pgx.BeginTxFunc(ctx, conn, opts, func(tx pgx.Tx) error { return f(ctx, tx) })
}

// eachTable runs a statement for each table of a schema.
func eachTable(ctx context.Context, tx pgx.Tx, schema string, statement func(name string) string) error {
	rows, err := tx.Query(ctx, `SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = $1`, schema)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := tx.Exec(ctx, statement(name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
