package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgres is the backend for several processes.
type postgres struct {
	pool *pgxpool.Pool
}

// openPostgres opens a database on whichever server the URL leads to.
func openPostgres(ctx context.Context, address string) (*postgres, error) {
	config, err := poolConfig(address)
	if err != nil {
		return nil, err
	}
	return openPool(ctx, config)
}

// openPrimary opens a database for a process that does the work. Unless the URL says otherwise, it connects to no server that takes no writes: the
// connections of a process that came to a standby while another server became the primary would be good for an hour, and for nothing.
func openPrimary(ctx context.Context, address string) (*postgres, error) {
	config, err := poolConfig(address)
	if err != nil {
		return nil, err
	}
	if config.MaxConns < minConnections {
		return nil, fmt.Errorf("database.url: pool_max_conns is %d, a server needs %d at least", config.MaxConns, minConnections)
	}
	if config.ConnConfig.ValidateConnect == nil {
		config.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	return openPool(ctx, config)
}

// poolConfig is parseAddress, with what a server needs that the URL leaves out.
func poolConfig(address string) (*pgxpool.Config, error) {
	config, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	if named, err := pgx.ParseConfig(address); err == nil && named.RuntimeParams["pool_max_conns"] == "" {
		config.MaxConns = defaultConnections
	}
	// A process that hangs in the middle of a transaction, or whose machine is gone, would keep all others from the rows that it locked.
	if _, set := config.ConnConfig.RuntimeParams[idleTimeout]; !set {
		config.ConnConfig.RuntimeParams[idleTimeout] = "3s"
	}
	return config, nil
}

func openPool(ctx context.Context, config *pgxpool.Config) (*postgres, error) {
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL database: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open PostgreSQL database: %w: see that it runs and lets this user in, or name another in database.url", err)
	}
	return &postgres{pool}, nil
}

// parseAddress reads the URL of a PostgreSQL database. The error shows no part of it but the value of a parameter that is wrong.
func parseAddress(address string) (*pgxpool.Config, error) {
	u, err := url.Parse(address)
	// A slash in a password ends the host, and what follows would be taken for the database's name, which is shown.
	if err != nil || strings.Contains(u.EscapedPath(), "@") {
		return nil, errors.New("database.url: is not postgres://USER:PASSWORD@HOST:PORT/DATABASE; escape special characters in the password (%40 for @)")
	}
	config, err := pgxpool.ParseConfig(address)
	if err == nil {
		return config, nil
	}
	// The driver's own words begin with the URL, from which it leaves out a password before the host and no other.
	why, found := strings.CutPrefix(err.Error(), "cannot parse `"+u.Redacted()+"`: ")
	if !found {
		why = "the driver cannot read it"
	}
	return nil, fmt.Errorf("database.url: %s", why)
}

// defaultConnections is the size of the pool where database.url does not name one. With pgx's own default, four or one per processor, the
// heartbeat of a small machine would wait behind its runs until the other processes take it for gone.
const defaultConnections = 16

// minConnections are needed to migrate: one for the lock, and one for what is done under it.
const minConnections = 2

const idleTimeout = "idle_in_transaction_session_timeout"

// writeTries is how often at most a transaction is begun that the database rolls back because of what others do at the same time.
const writeTries = 5

func (p *postgres) Write(ctx context.Context, f func(Tx) error) (err error) {
	for range writeTries {
		err = p.transact(ctx, pgx.TxOptions{}, f)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || (refused.Code != "40P01" && refused.Code != "40001") { // deadlock, serialization
			return err
		}
	}
	return err
}

func (p *postgres) Read(ctx context.Context, f func(Tx) error) error {
	return p.transact(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, f)
}

func (p *postgres) transact(ctx context.Context, opts pgx.TxOptions, f func(Tx) error) error {
	return pgx.BeginTxFunc(ctx, p.pool, opts, func(tx pgx.Tx) error { return f(pgxTx{tx}) })
}

func (p *postgres) Native() any { return p.pool }

// Close waits no longer than closeTime: connections on which the server says nothing any more would take half a minute to end.
func (p *postgres) Close() error {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		p.pool.Close()
	}()
	select {
	case <-closed:
	case <-time.After(closeTime):
	}
	return nil
}

const closeTime = 500 * time.Millisecond

func (p *postgres) forUpdate() string { return " FOR UPDATE" }

func (p *postgres) rows(columns []column, values [][]any) (string, any, error) {
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
		cast := "text"
		if c.typ == integer {
			cast = "bigint"
		}
		fmt.Fprintf(&b, "(value->>%d)::%s AS %s", i, cast, c.name)
	}
	b.WriteString(" FROM json_array_elements($1::json))")
	return b.String(), withoutNull(string(arg)), nil
}

// withoutNull replaces the one character that PostgreSQL keeps in no text, in the JSON of values: \u0000 becomes \ufffd where its
// backslash is not itself escaped. The JSON that values hold as text keeps it, escaped twice.
func withoutNull(text string) string {
	const null = `\u0000`
	if !strings.Contains(text, null) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], null):
			b.WriteString(`\ufffd`)
			i += len(null) - 1
		case text[i] == '\\' && i+1 < len(text):
			b.WriteString(text[i : i+2])
			i++
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

// pgxTx is a transaction of pgx.
type pgxTx struct{ tx pgx.Tx }

func (t pgxTx) Native() any { return t.tx }

func (t pgxTx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := t.tx.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

func (t pgxTx) Query(ctx context.Context, query string, args []any, each func(func(...any) error) error) error {
	rows, err := t.tx.Query(ctx, query, args...)
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
