//go:build unix

// Package pgtest runs a throw-away PostgreSQL server for tests.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a running server with a directory of its own.
type Server struct {
	program   string
	data      string
	sockets   string
	attr      *syscall.SysProcAttr
	process   *exec.Cmd
	strategy  string // of CREATE DATABASE
	databases atomic.Int64
}

// programs returns the directory of PostgreSQL's programs.
func programs(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // where Debian keeps them; in order, the last is the newest
	if len(found) == 0 {
		t.Fatal("PostgreSQL is not installed: run the tests by `make test`, which installs it")
	}
	return filepath.Dir(found[len(found)-1])
}

// Start starts a server for the length of a test. Without PostgreSQL the test fails.
func Start(t testing.TB) *Server {
	t.Helper()
	bin := programs(t)
	// Not t.TempDir: the path of a socket may have no more than some hundred characters.
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	attr := asSomebody(t, dir)
	data := filepath.Join(dir, "data")
	run(t, attr, filepath.Join(bin, "initdb"), "-D", data, "-U", "test", "--auth=trust", "--encoding=UTF8", "--no-sync")

	s := &Server{program: filepath.Join(bin, "postgres"), data: data, sockets: dir, attr: attr}
	t.Cleanup(s.stop)
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	if err := s.chooseStrategy(); err != nil {
		t.Fatal(err)
	}
	return s
}

// chooseStrategy has databases copied file by file, which takes a third of the time of the log. Before version 15 there was no other way.
func (s *Server) chooseStrategy() error {
	return s.connected(func(ctx context.Context, conn *pgx.Conn) error {
		var version int
		if err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int`).Scan(&version); err != nil {
			return fmt.Errorf("ask PostgreSQL for its version: %w", err)
		}
		if version >= 15_00_00 {
			s.strategy = " STRATEGY FILE_COPY"
		}
		return nil
	})
}

// settings make a server that is quick with small databases which need not outlive the machine.
func settings() []string {
	return []string{
		"listen_addresses=", "max_connections=200", "fsync=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0",
		"max_wal_size=256MB", "shared_buffers=32MB", "autovacuum=off", "jit=off",
	}
}

func (s *Server) run() error {
	args := []string{"-D", s.data, "-k", s.sockets}
	for _, setting := range settings() {
		args = append(args, "-c", setting)
	}
	s.process = exec.Command(s.program, args...)
	s.process.SysProcAttr = s.attr
	if err := s.process.Start(); err != nil {
		return err
	}
	return s.await()
}

// Stop ends the server at once, whoever is connected. Restart starts it again.
func (s *Server) Stop() { s.stop() }

// stop ends the server at once, whoever is connected.
func (s *Server) stop() {
	if s.process.Process != nil {
		s.process.Process.Signal(syscall.SIGINT)
		s.process.Wait()
	}
}

// Restart stops the server, which ends all connections, and starts it again on what it had.
func (s *Server) Restart() error {
	s.stop()
	return s.run()
}

// asSomebody has a program run as somebody who may not do everything, because PostgreSQL refuses to run as root.
func asSomebody(t testing.TB, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

func run(t testing.TB, attr *syscall.SysProcAttr, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr, cmd.Dir = attr, "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// await returns when the server takes connections.
func (s *Server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	for {
		err := s.greet(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// greet connects once. A machine that is busy with other things may let one attempt hang that another would not.
func (s *Server) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (s *Server) url(database string) string {
	return "postgres:///" + database + "?user=test&host=" + url.QueryEscape(s.sockets)
}

// Database makes an empty database for the length of a test and returns its URL.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	return s.create(t, "template1")
}

// Copy makes a copy of a database, which nobody may be connected to, for the length of a test and returns its URL. Of one that was
// migrated once, it is sooner made than migrated again.
func (s *Server) Copy(t testing.TB, of string) string {
	t.Helper()
	u, err := url.Parse(of)
	if err != nil {
		t.Fatal(err)
	}
	return s.create(t, strings.TrimPrefix(u.Path, "/"))
}

func (s *Server) create(t testing.TB, template string) string {
	t.Helper()
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	if err := s.exec("CREATE DATABASE " + name + " TEMPLATE " + template + s.strategy); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return s.url(name)
}

// Dump returns the statements that make a database what it is.
func (s *Server) Dump(t testing.TB, of string) string {
	t.Helper()
	program, err := exec.LookPath("pg_dump")
	if err != nil {
		program = filepath.Join(filepath.Dir(s.program), "pg_dump")
	}
	out, err := exec.Command(program, "--inserts", "--no-owner", "--no-privileges", of).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, `\`) { // which only psql understands
			b.WriteString(line)
		}
	}
	return b.String()
}

// exec runs a statement that concerns the whole server.
func (s *Server) exec(statement string) error {
	return s.connected(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statement)
		return err
	})
}

func (s *Server) connected(f func(ctx context.Context, conn *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return f(ctx, conn)
}
