//go:build unix

package soak_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// fleet keeps a number of server processes running, and hands GitHub's webhooks to any of them.
type fleet struct {
	t    testing.TB
	w    *worldtest.World
	size int
	env  []string
	http *httptest.Server

	mu       sync.Mutex
	ahead    time.Duration
	started  int
	failures int
	turn     int
	ending   bool
	running  map[string]*replica
	changed  chan struct{} // closed and replaced when one starts or ends
	wg       sync.WaitGroup
}

// replica is one process.
type replica struct {
	name string
	addr string
	cmd  *exec.Cmd
	gone chan struct{}
	// sick says that a load balancer sends it nothing.
	sick bool
}

// signal sends a signal; a process that is gone does not mind.
func (r *replica) signal(s syscall.Signal) { _ = r.cmd.Process.Signal(s) }

// launch starts the processes, with clocks that are ahead of everybody's, and installs the App.
func launch(t testing.TB, w *worldtest.World, size int, ahead time.Duration, env ...string) *fleet {
	f := &fleet{t: t, w: w, size: size, ahead: ahead, env: env, running: map[string]*replica{}, changed: make(chan struct{})}
	f.http = httptest.NewServer(f)
	t.Cleanup(func() {
		f.stop()
		f.http.Close()
	})
	w.SendWebhooks(f.http.URL)
	f.fill()
	if _, err := w.Gate.Install("acme"); err != nil {
		t.Fatal(err)
	}
	return f
}

// fill starts processes until there are as many as there should be.
func (f *fleet) fill() {
	for {
		f.mu.Lock()
		full := f.ending || len(f.running) >= f.size
		var r *replica
		if !full {
			f.started++
			r = &replica{name: fmt.Sprint("replica-", f.started), gone: make(chan struct{})}
			f.running[r.name] = r
		}
		ahead := f.ahead
		f.mu.Unlock()
		if full {
			return
		}
		f.run(r, ahead)
	}
}

func (f *fleet) run(r *replica, ahead time.Duration) {
	log, err := os.Create(filepath.Join(f.w.Dir, r.name+".log"))
	if err != nil {
		f.t.Error(err)
		return
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), f.w.Environment()...)
	cmd.Env = append(cmd.Env, f.env...)
	cmd.Env = append(cmd.Env, nameVariable+"="+r.name, fmt.Sprint(aheadVariable, "=", ahead))
	cmd.Stderr = io.MultiWriter(log) // by a pipe: a process without room for its files says so
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		f.t.Error(errors.Join(err, log.Close()))
		return
	}
	f.mu.Lock()
	r.cmd = cmd
	if ahead != f.ahead || f.ending {
		r.signal(syscall.SIGKILL) // the others were killed meanwhile
	}
	f.mu.Unlock()
	line, _ := bufio.NewReader(out).ReadString('\n') // empty if it ended first
	f.mu.Lock()
	r.addr = strings.TrimSpace(line)
	f.signalLocked()
	f.mu.Unlock()
	f.wg.Go(func() {
		err := cmd.Wait()
		log.Close()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.Exited() {
			f.failed(r, err)
		}
		close(r.gone)
		f.mu.Lock()
		delete(f.running, r.name)
		f.signalLocked()
		f.mu.Unlock()
		f.fill()
	})
}

// failed deals with a process that could not start. One that finds no database does so, and is started again, as whoever runs it would do.
func (f *fleet) failed(r *replica, err error) {
	time.Sleep(200 * time.Millisecond)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failures++; f.failures > 50 && !f.ending {
		f.t.Errorf("%s ended by itself with %v:\n%s", r.name, err, f.tail(r.name))
		f.ending = true // the next one would do the same
	}
}

func (f *fleet) signalLocked() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// replicas returns the processes that listen and are well, in the order in which they started.
func (f *fleet) replicas() []*replica {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []*replica
	for _, r := range f.running {
		if r.addr != "" && !r.sick {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *replica) int { return strings.Compare(a.addr, b.addr) })
	return all
}

// names returns the names of all processes that run.
func (f *fleet) names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.running))
}

// skip says whether webhooks are to go to others only.
func (f *fleet) skip(r *replica, sick bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.sick = sick
}

func (f *fleet) replica(name string) *replica {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.running[name]; r != nil && r.cmd != nil {
		return r
	}
	return nil
}

// renew kills all processes; those that follow have clocks that are ahead.
func (f *fleet) renew(ahead time.Duration) {
	f.mu.Lock()
	f.ahead = ahead
	f.w.Forward(ahead)
	old := slices.Collect(maps.Values(f.running))
	for _, r := range old {
		if r.cmd != nil {
			r.signal(syscall.SIGKILL)
		}
	}
	f.mu.Unlock()
	for _, r := range old {
		<-r.gone
	}
}

// logs returns the lines of all logs but those of calls that went well.
func (f *fleet) logs() string {
	var b strings.Builder
	for n := range f.started {
		name := fmt.Sprint("replica-", n+1)
		text, _ := os.ReadFile(filepath.Join(f.w.Dir, name+".log"))
		for line := range strings.Lines(string(text)) {
			if !strings.Contains(line, `"level":"debug"`) {
				fmt.Fprintf(&b, "%s: %s", name, line)
			}
		}
	}
	return b.String()
}

// stop ends all processes in good order.
func (f *fleet) stop() {
	f.mu.Lock()
	f.ending = true
	for _, r := range f.running {
		if r.cmd != nil {
			r.signal(syscall.SIGCONT)
			r.signal(syscall.SIGTERM)
		}
	}
	f.mu.Unlock()
	f.wg.Wait()
}

// tail returns the end of a process' log.
func (f *fleet) tail(name string) string {
	text, err := f.logged(name)
	if err != nil {
		return err.Error()
	}
	return text[max(0, len(text)-4000):]
}

// logged returns all that a process has logged.
func (f *fleet) logged(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(f.w.Dir, name+".log"))
	return string(text), err
}

// ServeHTTP hands a webhook to one of the processes in turn, as a load balancer does: to the next if one cannot be reached.
func (f *fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	all := f.replicas()
	f.mu.Lock()
	f.turn++
	turn := f.turn
	f.mu.Unlock()
	for n := range all {
		to := all[(turn+n)%len(all)]
		request, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+to.addr+r.URL.Path, bytes.NewReader(body))
		if err != nil {
			break
		}
		request.Header = r.Header.Clone()
		response, err := http.DefaultClient.Do(request)
		var refused *net.OpError
		if errors.As(err, &refused) && refused.Op == "dial" {
			continue
		}
		if err != nil {
			break // it may have taken it
		}
		defer response.Body.Close()
		w.WriteHeader(response.StatusCode)
		_, _ = io.Copy(w, response.Body)
		return
	}
	w.WriteHeader(http.StatusBadGateway)
}
