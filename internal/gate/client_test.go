package gate

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/release"
)

// TestClientAndServer has a job wait at a real gate, with a token of a real issuer for each question.
func TestClientAndServer(t *testing.T) {
	w := newWorld(t, nil)
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.config.Audience = server.URL

	opens := start.Add(12 * time.Second)
	w.ask = func(context.Context) (release.Answer, change.Text, time.Time, error) {
		switch now := w.clock(); {
		case now.Before(start.Add(time.Second)):
			return "", nil, time.Time{}, errors.New("the queue is away")
		case now.Before(opens):
			return release.NotYet, change.Words("hours of production"), opens, nil
		}
		return release.Go, change.Words("hours have come"), time.Time{}, nil
	}

	// GitHub, as a job sees it.
	tokens := 0
	github := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer request-secret" {
			t.Errorf("a token is asked for with %q", r.Header.Get("Authorization"))
		}
		tokens++
		token := w.token(map[string]any{"aud": r.URL.Query().Get("audience"), "jti": "id-" + time.Duration(tokens).String()})
		_, _ = out.Write([]byte(`{"value": "` + token + `"}`))
	}))
	t.Cleanup(github.Close)
	variables := map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": github.URL + "/token?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-secret"}
	source, err := ActionsToken(server.URL, func(name string) string { return variables[name] }, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	client := Client{Server: server.URL, Token: source, HTTP: server.Client(), Now: w.clock, Sleep: func(_ context.Context, d time.Duration) error {
		w.pass(d)
		return nil
	}}
	var pauses []time.Duration
	reply, err := client.Wait(t.Context(), Question{Environment: "production"}, time.Hour, func(_ Reply, d time.Duration) { pauses = append(pauses, d) })
	if err != nil || reply != (Reply{Answer: release.Go, Reason: "hours have come"}) {
		t.Fatalf("%+v, %v", reply, err)
	}
	// 503 says wait five seconds; then the gate opens in seven, which is less than the next pause.
	if len(pauses) != 2 || pauses[0] != 5*time.Second || pauses[1] != 7*time.Second || tokens != 3 {
		t.Errorf("pauses %v with %d tokens, want 5s and 7s with 3", pauses, tokens)
	}
}

// TestOnlyOneAnswerIsGo goes through what a server, or what stands before it, may answer.
func TestOnlyOneAnswerIsGo(t *testing.T) {
	tests := map[string]struct {
		status int
		body   string
		want   release.Answer // empty: an error
	}{
		"go":                    {200, `{"answer": "go", "reason": "fine"}`, release.Go},
		"go without a reason":   {200, `{"answer": "go"}`, ""},
		"go, but not decided":   {503, `{"answer": "go", "reason": "fine"}`, release.NotYet},
		"go, but refused":       {403, `{"answer": "go", "reason": "fine"}`, release.No},
		"go, but made":          {201, `{"answer": "go", "reason": "fine"}`, ""},
		"go, as it seems":       {200, `{"answer": "Go", "reason": "fine"}`, ""},
		"go and something else": {200, `{"answer": "go", "reason": "fine"} or not`, ""},
		"go elsewhere":          {302, `{"answer": "go", "reason": "fine"}`, ""},
		"no":                    {200, `{"answer": "no", "reason": "never"}`, release.No},
		"not yet":               {200, `{"answer": "not yet", "reason": "hours"}`, release.NotYet},
		"a page":                {200, `<h1>Welcome</h1>`, ""},
		"nothing":               {200, ``, ""},
		"a proxy's error":       {502, `<h1>Bad Gateway</h1>`, release.NotYet},
		"a proxy's limit":       {429, ``, release.NotYet},
		"a proxy's refusal":     {403, `<h1>Forbidden</h1>`, ""},
		"a broken until":        {200, `{"answer": "go", "reason": "fine", "until": "tomorrow"}`, ""},
	}
	for name, tt := range tests {
		server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
			out.WriteHeader(tt.status)
			_, _ = out.Write([]byte(tt.body))
		}))
		client := Client{Server: server.URL, HTTP: server.Client(), Token: func(context.Context) (string, error) { return "t", nil }}
		reply, err := client.Ask(t.Context(), Question{Environment: "production"})
		server.Close()
		if reply.Answer != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%s: %+v, %v; want %q", name, reply, err, tt.want)
		}
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client := Client{
		Server: "http://127.0.0.1:1", HTTP: http.DefaultClient, Now: func() time.Time { return start },
		Token: func(context.Context) (string, error) { return "", ErrUnavailable },
		Sleep: func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() },
	}
	reply, err := client.Wait(ctx, Question{Environment: "production"}, time.Hour, func(Reply, time.Duration) {})
	if err != nil || reply.Answer != release.NotYet {
		t.Errorf("%+v, %v; want not yet", reply, err)
	}
}

func TestServerURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://Gate.acme.example/":   "https://gate.acme.example",
		"https://acme.example/gate":    "https://acme.example/gate",
		"http://localhost:8080":        "http://localhost:8080",
		"http://[::1]:8080":            "http://[::1]:8080",
		"http://gate.acme.example":     "",
		"http://localhost.acme.test":   "",
		"gate.acme.example":            "",
		"https://":                     "",
		"https://a:b@gate.acme.test":   "",
		"https://gate.acme.test/?a=b":  "",
		"ftp://gate.acme.test":         "",
		"https://gate.acme.test/#here": "",
	} {
		got, err := ServerURL(text)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("ServerURL(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestActionsTokenSaysTheMend(t *testing.T) {
	for name, variables := range map[string]map[string]string{
		"nothing":    {},
		"half":       {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://github.example"},
		"plain http": {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://github.example", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "s"},
	} {
		_, err := ActionsToken("a", func(name string) string { return variables[name] }, http.DefaultClient)
		if err == nil || !strings.Contains(err.Error(), "--token-file") {
			t.Errorf("%s: %v, want an error that says the mend", name, err)
		}
	}
}
