package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"regexp"

	driverOfSQLite "modernc.org/sqlite"
)

// statementsKept is how many statements a connection keeps. There are about a hundred, and more where the length of a list is part of the
// text.
const statementsKept = 256

// openKeeping opens a database whose connections keep the statements that they prepared, River's among them: to parse a statement costs SQLite
// more than to run it.
func openKeeping(dsn string) (*sql.DB, error) {
	c, err := driverOfSQLite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(keepingConnector{c}), nil
}

type keepingConnector struct{ driver.Connector }

func (c keepingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := conn.(sqliteConn)
	if !ok {
		return nil, errors.Join(errors.New("the driver of SQLite is another than this was written for"), conn.Close())
	}
	return &keepingConn{sqliteConn: inner, idle: map[string]keptStatement{}}, nil
}

// sqliteConn is what the driver's connections do.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type keptStatement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// keepingConn is a connection that keeps statements. Like every connection of database/sql it is used by one goroutine at a time.
type keepingConn struct {
	sqliteConn
	idle map[string]keptStatement // by their text; one that is in use is not in it
}

// take returns a statement that nobody else uses until it is given back.
func (c *keepingConn) take(ctx context.Context, query string) (keptStatement, error) {
	if s, ok := c.idle[query]; ok {
		delete(c.idle, query)
		return s, nil
	}
	preparing(query)
	s, err := c.PrepareContext(ctx, boundLimit.ReplaceAllString(query, "LIMIT ($1 + 0)"))
	if err != nil {
		return nil, err
	}
	return s.(keptStatement), nil
}

// preparing is called with each statement that is prepared: for tests, which look at SQLite's plans.
var preparing = func(query string) {}

// boundLimit finds limits that are bound. SQLite chooses a plan by their values and prepares the statement anew each time that one is
// bound, unless they are part of an expression.
var boundLimit = regexp.MustCompile(`\bLIMIT ([?$]\d+)`)

func (c *keepingConn) giveBack(query string, s keptStatement) error {
	if _, another := c.idle[query]; another {
		return s.Close()
	}
	if len(c.idle) >= statementsKept {
		for text, any := range c.idle { // those that are used often are soon back
			delete(c.idle, text)
			if err := any.Close(); err != nil {
				return errors.Join(err, s.Close())
			}
			break
		}
	}
	c.idle[query] = s
	return nil
}

// ExecContext implements driver.ExecerContext.
func (c *keepingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	result, err := s.ExecContext(ctx, args)
	if err != nil {
		_ = s.Close() // it would say the same
		return nil, err
	}
	return result, c.giveBack(query, s)
}

// QueryContext implements driver.QueryerContext.
func (c *keepingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		_ = s.Close() // it would say the same
		return nil, err
	}
	return &keptRows{Rows: rows, done: func(err error) error {
		if err != nil {
			_ = s.Close()
			return err
		}
		return c.giveBack(query, s)
	}}, nil
}

// Close ends the connection and its statements.
func (c *keepingConn) Close() error {
	var err error
	for _, s := range c.idle {
		err = errors.Join(err, s.Close())
	}
	clear(c.idle)
	return errors.Join(err, c.sqliteConn.Close())
}

// keptRows give their statement back when they are closed.
type keptRows struct {
	driver.Rows
	done func(error) error
}

func (r *keptRows) Close() error {
	done := r.done
	if done == nil {
		return nil
	}
	r.done = nil
	return done(r.Rows.Close())
}
