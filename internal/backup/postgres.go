package backup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const kindPostgres = "PostgreSQL"

// postgres is a database of a server. PostgreSQL's own programs copy it, because only they know all that is in one.
type postgres struct {
	url    string // as this program takes it
	native string // as PostgreSQL's programs do, without the password
	env    []string
}

func newPostgres(text string) (*postgres, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("database.url cannot be read") // its error would show the password
	}
	p := &postgres{url: text}
	query := u.Query()
	if query.Has("sslpassword") {
		return nil, errors.New("database.url: PostgreSQL's programs take sslpassword on their command line only, where everybody on the machine could read it: " +
			"put it into a service file (service=NAME in place of it), or name as sslkey a key that is not encrypted, in a file that only this user can read")
	}
	password, has := u.User.Password()
	if q := query.Get("password"); q != "" {
		password, has = q, true
	}
	// On a command line everybody on the machine could read it.
	if has {
		p.env = append(p.env, "PGPASSWORD="+password)
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	// What is for this program's own driver the others refuse.
	for name := range query {
		switch {
		case name == "password", strings.HasPrefix(name, "pool_"), strings.HasSuffix(name, "_cache_capacity"), name == "default_query_exec_mode":
			query.Del(name)
		}
	}
	u.RawQuery = query.Encode()
	p.native = u.String()
	return p, nil
}

func (*postgres) kind() string { return kindPostgres }

func (p *postgres) save(ctx context.Context, file string) (entries int64, err error) {
	// What is counted is what is there now; the copy may have what came since.
	if entries, err = p.entries(ctx); err != nil {
		return 0, err
	}
	return entries, p.run(ctx, nil, nil, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file="+file, "--dbname="+p.native)
}

func (p *postgres) entries(ctx context.Context) (n int64, err error) {
	err = p.connected(ctx, func(conn *pgx.Conn) error {
		if err := conn.QueryRow(ctx, `SELECT last_seq FROM ledger_head`).Scan(&n); err != nil {
			return fmt.Errorf("this is no database of changegate's: %w", err)
		}
		return nil
	})
	return n, err
}

func (p *postgres) connected(ctx context.Context, f func(*pgx.Conn) error) error {
	c, err := pgxpool.ParseConfig(p.url) // the connection alone would not know what is for the pool
	if err != nil {
		// The error itself shows the URL, and passwords among its parameters.
		return fmt.Errorf("database.url cannot be read: %w", cmp.Or(errors.Unwrap(err), errors.New("one of its parameters is no good")))
	}
	conn, err := pgx.ConnectConfig(ctx, c.ConnConfig)
	if err != nil {
		return fmt.Errorf("%w: see that it runs and lets this user in, or name another in database.url", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return f(conn)
}

// A server that was just stopped is still seen for a moment, because PostgreSQL ends its sessions in its own time.
const (
	leaving  = 2 * time.Second        // how long sessions may take to end
	lookEach = 100 * time.Millisecond // how often it is looked whether they have
)

func (p *postgres) vacant(ctx context.Context, force bool) error {
	for waited := time.Duration(0); ; waited += lookEach {
		err := p.look(ctx, force)
		if used := (*InUse)(nil); !errors.As(err, &used) || waited >= leaving {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookEach):
		}
	}
}

// look says why the database may not be restored into as it is now.
func (p *postgres) look(ctx context.Context, force bool) error {
	return p.connected(ctx, func(conn *pgx.Conn) error {
		var others, tables int
		var ours bool
		err := conn.QueryRow(ctx, `SELECT
			(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'),
			(SELECT count(*) FROM pg_tables WHERE schemaname = 'public'),
			to_regclass('public.ledger_head') IS NOT NULL`).Scan(&others, &tables, &ours)
		switch {
		case err != nil:
			return err
		case others > 0:
			return &InUse{fmt.Sprintf("%d connections", others)}
		case tables > 0 && !ours:
			return fmt.Errorf("the database holds %d tables that are not changegate's: restore into one of its own", tables)
		case force || !ours:
			return nil
		}
		var n int64
		if err := conn.QueryRow(ctx, `SELECT last_seq FROM public.ledger_head`).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return &NotEmpty{n}
		}
		return nil
	})
}

// replace runs what the copy says in one transaction, which ends well only after all of the copy was read: whatever fails, and wherever this
// is killed, the database is as it was.
func (p *postgres) replace(ctx context.Context, file string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, in := io.Pipe()
	written := make(chan error, 1)
	go func() {
		// A later version's tables would stand in the way of the next upgrade, so nothing of what was there stays.
		_, err := io.WriteString(in, "SET client_min_messages = warning;\nBEGIN;\nDROP SCHEMA IF EXISTS public CASCADE;\nCREATE SCHEMA public;\n")
		if err == nil {
			err = p.run(ctx, nil, in, "pg_restore", "--no-owner", "--no-privileges", "--file=-", file)
		}
		if err == nil {
			_, err = io.WriteString(in, "\n"+doubt("public.", time.Now())+"\nCOMMIT;\n")
		}
		written <- err
		in.Close() // without COMMIT the transaction is undone
	}()
	err := p.run(ctx, out, nil, "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output="+os.DevNull, "--dbname="+p.native)
	out.CloseWithError(errors.Join(err, io.ErrClosedPipe))
	if err != nil {
		cancel()
		<-written
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == scriptFailed {
			return asItWas(err)
		}
		return err // the connection may have been lost after the COMMIT
	}
	if err := <-written; err != nil {
		return asItWas(err)
	}
	return nil
}

// scriptFailed is how psql ends at the first statement that fails.
const scriptFailed = 3

// run runs one of PostgreSQL's programs. What it complains of is in the error.
func (p *postgres) run(ctx context.Context, in io.Reader, out io.Writer, name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("%s is needed and not installed: install PostgreSQL's client programs (postgresql-client in Debian), of the server's version or later", name)
	}
	var complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &complaints
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(complaints.String()))
	}
	return nil
}
