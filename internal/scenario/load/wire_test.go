//go:build linux

package load_test

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

// webhook is a delivery as it is on the wire, but for its identifier.
type webhook struct{ before, after []byte }

// sign makes a webhook of a payload. It is signed here and not when it is sent, so that the sender costs little.
func sign(event string, body []byte, secret string) webhook {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	head := fmt.Sprintf("POST /api/github/hook HTTP/1.1\r\nHost: localhost\r\nUser-Agent: GitHub-Hookshot/0000000\r\nAccept: */*\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\nX-GitHub-Event: %s\r\nX-Hub-Signature-256: sha256=%s\r\nX-GitHub-Delivery: ", len(body), event, hex.EncodeToString(mac.Sum(nil)))
	return webhook{[]byte(head), append([]byte("\r\n\r\n"), body...)}
}

// wire is a connection to a server.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(base string) (*wire, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		return nil, err
	}
	return &wire{conn, bufio.NewReader(conn)}, nil
}

// send sends a webhook as a new delivery and waits for its acknowledgement.
func (w *wire) send(hook webhook) error {
	id := uuid.Must(uuid.NewUUID()) // of the time, like those of GitHub's examples
	parts := net.Buffers{hook.before, []byte(id.String()), hook.after}
	if _, err := parts.WriteTo(w.conn); err != nil {
		return err
	}
	response, err := http.ReadResponse(w.in, nil)
	if err != nil {
		return err
	}
	said, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("answered %d: %s", response.StatusCode, said)
	}
	return err
}

// connections runs something on so many connections at once until each is done.
func connections(t testing.TB, base string, n int, run func(w *wire) error) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			w, err := dial(base)
			if err == nil {
				defer w.conn.Close()
				err = run(w)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// percentile returns the time, in milliseconds, that so many in a thousand took no longer than.
func percentile(all []time.Duration, thousandths int) float64 {
	slices.Sort(all)
	return float64(all[(len(all)-1)*thousandths/1000].Microseconds()) / 1000
}
