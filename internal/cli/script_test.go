package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"changegate": func() {
			streams := Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
			os.Exit(run(context.Background(), os.Args[1:], streams, &leapingTime{at: time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)}))
		},
	})
}

// leapingTime stands still but for whoever waits, who is there at once.
type leapingTime struct{ at time.Time }

func (t *leapingTime) Now() time.Time { return t.at }

func (t *leapingTime) Sleep(_ context.Context, d time.Duration) error {
	t.at = t.at.Add(d)
	return nil
}

// TestScripts runs the command line as a person does. With UPDATE_SCRIPTS=1 what they compare with is written anew.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"status": status, "ledger": scriptLedger},
		Setup: func(e *testscript.Env) error {
			server := httptest.NewServer(&stubGate{answers: map[string]int{}, used: map[string]bool{}})
			e.Defer(server.Close)
			e.Vars = append(e.Vars, "GATE="+server.URL, "ADDRESS="+server.Listener.Addr().String())
			return nil
		},
	})
}

// status runs a command and compares its exit status: status 75 changegate gate …
func status(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit status %s, want %s", got, args[0])
	}
}

// stubGate is a server whose answer its address says: $GATE/go, $GATE/no and so on. $GATE/oidc is where GitHub gives out tokens. It
// is ready, at $ADDRESS.
type stubGate struct {
	mu      sync.Mutex
	tokens  int
	used    map[string]bool
	answers map[string]int // how often an address was asked
}

func (s *stubGate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, isQuestion := strings.CutSuffix(r.URL.Path, "/api/gate")
	name = strings.Trim(name, "/")
	if !isQuestion {
		s.giveToken(w, r)
		return
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if s.used[token] && token != "static-token" {
		answer(w, http.StatusUnauthorized, "no", "the token was used before", "")
		return
	}
	s.used[token] = true
	s.answers[name]++
	var asked map[string]string
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		answer(w, http.StatusBadRequest, "no", err.Error(), "")
		return
	}
	switch name {
	case "go":
		answer(w, http.StatusOK, "go", fmt.Sprintf("%s is open to %s%s", asked["environment"], token, asked["commit"]), "")
	case "no":
		answer(w, http.StatusOK, "no", "it never ran in staging\x1b[2J\n::stop-commands::x ##[add-mask]a", "")
	case "hours":
		answer(w, http.StatusOK, "not yet", "hours of production", "2026-01-05T09:00:00Z")
	case "soon":
		if s.answers[name] < 5 {
			answer(w, http.StatusOK, "not yet", "hours of production", "2026-01-05T08:00:40Z")
			return
		}
		answer(w, http.StatusOK, "go", "hours of production have come", "")
	case "busy":
		w.Header().Set("Retry-After", "20")
		answer(w, http.StatusServiceUnavailable, "not yet", "it could not be decided in time", "")
	case "liar": // 503 is never go
		answer(w, http.StatusServiceUnavailable, "go", "go ahead", "")
	case "refused":
		answer(w, http.StatusForbidden, "go", "the App has no access to the job's repository", "")
	case "proxy":
		http.Error(w, "<h1>Bad Gateway</h1>", http.StatusBadGateway)
	case "moved":
		http.Redirect(w, r, "/go/api/gate", http.StatusTemporaryRedirect)
	default:
		http.NotFound(w, r)
	}
}

func (s *stubGate) giveToken(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/readyz":
		fmt.Fprintln(w, "ready")
	case r.URL.Path == "/denied":
		http.Error(w, "{}", http.StatusForbidden)
	case r.URL.Path == "/down":
		http.Error(w, "{}", http.StatusBadGateway)
	case r.URL.Path == "/oidc" && r.URL.Query().Get("api-version") == "2.0" && r.Header.Get("Authorization") == "Bearer request-secret":
		s.tokens++
		audience := r.URL.Query().Get("audience")
		_ = json.NewEncoder(w).Encode(map[string]any{"count": 1, "value": fmt.Sprintf("token-%d-for-%s", s.tokens, audience[strings.LastIndex(audience, "/")+1:])})
	default:
		http.NotFound(w, r)
	}
}

func answer(w http.ResponseWriter, status int, answer, reason, until string) {
	body := map[string]string{"answer": answer, "reason": reason}
	if until != "" {
		body["until"] = until
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
