package app_test

import (
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
)

// relay stands between the server and a database of PostgreSQL's.
type relay struct {
	url string

	mu      sync.Mutex
	passing *sync.Cond
	hangs   bool
}

// relayTo returns a relay to the database that a URL of pgtest's names.
func relayTo(t *testing.T, database string) *relay {
	t.Helper()
	u, err := url.Parse(database)
	must(t, err)
	socket := filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	u.Host, u.RawQuery = listener.Addr().String(), "sslmode=disable&user="+u.Query().Get("user")
	r := &relay{url: u.String()}
	r.passing = sync.NewCond(&r.mu)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go r.carry(conn, socket)
		}
	}()
	return r
}

// carry passes on what either side says, and says nothing to either while the relay hangs.
func (r *relay) carry(conn net.Conn, socket string) {
	r.wait()
	server, err := net.Dial("unix", socket)
	if err != nil {
		_ = conn.Close()
		return
	}
	pass := func(to, from net.Conn) {
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			r.wait()
			if n > 0 {
				if _, err := to.Write(buffer[:n]); err != nil {
					break
				}
			}
			if err != nil {
				break
			}
		}
		_, _ = conn.Close(), server.Close()
	}
	go pass(server, conn)
	pass(conn, server)
}

func (r *relay) wait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.hangs {
		r.passing.Wait()
	}
}

// hang has the database neither answer nor close, or go on where it was.
func (r *relay) hang(hangs bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hangs = hangs
	r.passing.Broadcast()
}
