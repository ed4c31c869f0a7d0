//go:build linux

package load_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program builds the program, as it is delivered.
func program(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "changegate")
	build := exec.Command("go", "build", "-trimpath", "-o", path, "github.com/changegate/changegate/cmd/changegate")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return path
}

// process is a server in a process of its own, so that what it uses can be told from what its GitHub does.
type process struct {
	t    testing.TB
	cmd  *exec.Cmd
	base string // its URL
	log  string // the file that it logs to
	end  func() // ends it, and returns when it has
}

// start starts a program that says in its log where it serves, and returns when it has said so. It ends with the test.
func start(t testing.TB, path string, args, env []string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(path, args...), log: filepath.Join(t.TempDir(), "server.log")}
	p.cmd.Env = append(os.Environ(), env...)
	errors, err := p.cmd.StderrPipe()
	must(t, err)
	log, err := os.Create(p.log)
	must(t, err)
	must(t, p.cmd.Start())
	address, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		defer log.Close()
		lines := bufio.NewReader(errors)
		for {
			text, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			_, _ = log.Write(text)
			var line struct{ Message, Address string }
			if json.Unmarshal(text, &line) == nil && line.Message == "serving" {
				address <- line.Address
				break
			}
		}
		_, _ = io.Copy(log, lines)
	}()
	p.end = sync.OnceFunc(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v:\n%s", err, p.tail())
		}
	})
	t.Cleanup(p.end)
	select {
	case a := <-address:
		p.base = "http://" + a
	case <-ended:
		t.Fatalf("the server does not serve:\n%s", p.tail())
	case <-time.After(patience):
		t.Fatalf("the server does not serve yet:\n%s", p.tail())
	}
	return p
}

// tail is the end of its log.
func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// get asks the server for a page.
func (p *process) get(path string) (status int, text string) {
	p.t.Helper()
	response, err := http.Get(p.base + path)
	must(p.t, err)
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	must(p.t, err)
	return response.StatusCode, string(all)
}

// metric adds up the series of a metric whose labels contain each of the given texts.
func (p *process) metric(name string, labels ...string) (sum float64) {
	p.t.Helper()
	_, text := p.get("/metrics")
lines:
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		end := strings.LastIndexByte(line, ' ')
		if end < 0 {
			continue
		}
		series, value := line[:end], line[end+1:]
		if series != name && !strings.HasPrefix(series, name+"{") {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(series, l) {
				continue lines
			}
		}
		n, err := strconv.ParseFloat(value, 64)
		must(p.t, err)
		sum += n
	}
	return sum
}

// cpu is how much time of the processors it has used, on its own behalf and in the kernel.
func (p *process) cpu() time.Duration {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	must(p.t, err)
	// The fields after the name in parentheses, which may contain anything; the 14th and 15th of all are in hundredths of a second.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	must(p.t, err)
	system, err := strconv.Atoi(fields[12])
	must(p.t, err)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memory is how much of the machine's it has now, and how much it had at most, in megabytes of a million bytes.
func (p *process) memory() (now, most float64) {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	must(p.t, err)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		into := map[string]*float64{"VmRSS": &now, "VmHWM": &most}[name]
		if into == nil {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		must(p.t, err)
		*into = n * 1024 / 1e6
	}
	return now, most
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
