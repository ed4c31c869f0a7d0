// Package store keeps what changegate must not forget: the facts that deliveries carried, what was decided, which check runs are
// ours, which effects were intended and done, and the ledger. It is SQL and nothing else: it decides nothing and knows nothing of
// GitHub.
//
// The facts are kept up to date, and not as a log of events: a delivery moves them forward and raises the pull requests that it concerns.
// Each pull request's row counts how often it was raised (wanted) and how many of these were dealt with (done); a run notes wanted at its
// start and compares at its end, so that nothing that is raised in between is lost. What may have changed gathers in the row as concerns
// until the next run begins; until then, raising the pull request for the same concerns once more says nothing new. Errands are what is
// looked at besides pull requests. They are raised and counted in the same way; what a delivery or another run leaves for them gathers as
// notes.
//
// What a method writes is durable when it returns nil. A method that takes a Tx writes in that transaction instead. Errors name the
// operation and its subject; ErrNotFound, ErrHeld and ErrFenced are told apart with errors.Is.
package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// Errors that callers act on.
var (
	// ErrNotFound says that what was asked for is not there.
	ErrNotFound = errors.New("not found")
	// ErrHeld says that someone else holds the lease.
	ErrHeld = errors.New("held by another")
	// ErrFenced says that a lease was lost: it ended, or someone else took it since. Whoever sees it must write nothing more.
	ErrFenced = errors.New("the lease was lost")
)

// Config is what a store needs.
type Config struct {
	// URL says which database: "sqlite:PATH", where the file is made if it is not there, for one process that does the work; or
	// "postgres://…", as libpq knows it, for any number of them.
	URL string
	// Clock tells the time; nil: time.Now.
	Clock func() time.Time
	// Log gets what an operator should know of migrations. The zero Logger writes nothing.
	Log zerolog.Logger
}

// Store is an open database. It may be used by many goroutines.
type Store struct {
	backend
	clock func() time.Time
}

// Tx is a transaction. The SQL in it is what SQLite and PostgreSQL have in common, with placeholders $1, $2 and so on.
type Tx interface {
	// Exec runs a statement and returns the number of rows that it changed.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
	// Query runs a query and calls each for every row, in order, until it returns an error. No other statement may be run in the
	// transaction before it returns.
	Query(ctx context.Context, query string, args []any, each func(scan func(dest ...any) error) error) error
	// Native returns the transaction as its driver knows it, a *sql.Tx on SQLite and a pgx.Tx on PostgreSQL, for libraries that
	// take part in it.
	Native() any
}

// backend is what differs between the databases.
type backend interface {
	// Write runs f in a transaction that may write, and commits it if f returns nil. On SQLite one such transaction runs at a
	// time, so f does nothing slow. On PostgreSQL f may be run again after it was rolled back, so it does nothing but write there.
	Write(ctx context.Context, f func(Tx) error) error
	// Read runs f in a transaction that sees one state of the database throughout and writes nothing.
	Read(ctx context.Context, f func(Tx) error) error
	// Native returns the pool that River is to use: on SQLite the *sql.DB of the one connection that writes, on PostgreSQL a
	// *pgxpool.Pool.
	Native() any
	// Close ends all use of the database. It waits for transactions that are running, though not long for a server that does not answer.
	Close() error

	// rows returns a table expression of the given columns that stands for placeholder $1, and the argument to pass for it, so
	// that one statement writes or joins any number of rows.
	rows(columns []column, values [][]any) (table string, arg any, err error)
	// forUpdate is what a SELECT ends with to lock the rows that it returns.
	forUpdate() string
	migrate(ctx context.Context, log zerolog.Logger) error
}

// column is a column of backend.rows.
type column struct {
	name string
	typ  columnType
}

type columnType int

const (
	text columnType = iota
	integer
)

// insertNew inserts rows of the columns into a table, and leaves those alone whose key is there already.
func (s *Store) insertNew(ctx context.Context, tx Tx, into string, columns []column, values [][]any) error {
	if len(values) == 0 {
		return nil
	}
	table, arg, err := s.rows(columns, values)
	if err != nil {
		return err
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	list := strings.Join(names, ", ")
	_, err = tx.Exec(ctx, `INSERT INTO `+into+` (`+list+`) SELECT `+list+` FROM `+table+` AS new WHERE true ON CONFLICT DO NOTHING`, arg)
	return err
}

// among returns the placeholders of an IN that holds the values, and the arguments of a statement with these after those that it had.
func among[T any](args []any, values []T) (placeholders string, all []any) {
	marks := make([]string, len(values))
	for i, v := range values {
		args = append(args, v)
		marks[i] = fmt.Sprintf("$%d", len(args))
	}
	return strings.Join(marks, ", "), args
}

// now is the time in the precision that the database keeps.
func (s *Store) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

// Now is the time by which attempts are dated; see Attempt.
func (s *Store) Now() time.Time { return s.now() }

// micro is a time as it is stored: microseconds since 1970 in UTC, 0 for the zero time.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicro(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// one runs a query for its first row and says whether there is one.
func one(ctx context.Context, tx Tx, query string, args []any, dest ...any) (found bool, err error) {
	err = tx.Query(ctx, query, args, func(scan func(...any) error) error {
		if found {
			return nil
		}
		found = true
		return scan(dest...)
	})
	return found, err
}

// wrap names an operation and its subject in an error.
func wrap(err *error, format string, args ...any) {
	if *err != nil {
		*err = fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), *err)
	}
}

// number is a yes or no as it is stored.
func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
