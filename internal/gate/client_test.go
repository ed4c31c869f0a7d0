package gate

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
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
		"go, but malformed":     {400, `{"answer": "go", "reason": "fine"}`, release.No},
		"go, but made":          {201, `{"answer": "go", "reason": "fine"}`, ""},
		"go, as it seems":       {200, `{"answer": "Go", "reason": "fine"}`, ""},
		"go and something else": {200, `{"answer": "go", "reason": "fine"} or not`, ""},
		"go elsewhere":          {302, `{"answer": "go", "reason": "fine"}`, ""},
		"no":                    {200, `{"answer": "no", "reason": "never"}`, release.No},
		"not yet":               {200, `{"answer": "not yet", "reason": "hours"}`, release.NotYet},
		"a page":                {200, `<h1>Welcome</h1>`, ""},
		"nothing":               {200, ``, ""},
		"a proxy's error":       {502, `<h1>Bad Gateway</h1>`, release.NotYet},
		"a server's error":      {500, ``, release.NotYet},
		"a proxy's limit":       {429, ``, release.NotYet},
		"a proxy's timeout":     {408, ``, release.NotYet},
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
		if err == nil && reply.Reason == "" {
			t.Errorf("%s: %q for no reason", name, reply.Answer)
		}
		if err == nil && strings.Contains(tt.body, `"fine"`) && reply.Reason != "fine" {
			t.Errorf("%s: the server's reason became %q", name, reply.Reason)
		}
		if redirect := tt.status == 302; err != nil && strings.Contains(err.Error(), "redirect") != redirect {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAskingWithoutAnAnswer: what passes is waited for; what asking again does not change ends at once, and the server is not asked.
func TestAskingWithoutAnAnswer(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		asked++
		out.Header().Set("Content-Length", "1000")
		_, _ = out.Write([]byte(`{"answer": "go", "reason": "fine"}`))
	}))
	t.Cleanup(server.Close)
	away := httptest.NewServer(nil)
	away.Close()
	for name, tt := range map[string]struct {
		server string
		token  error
		want   release.Answer // empty: an error
		asked  int
	}{
		"half an answer":                {server.URL, nil, release.NotYet, 1},
		"a server that is away":         {away.URL, nil, release.NotYet, 0},
		"no token now":                  {server.URL, ErrUnavailable, release.NotYet, 0},
		"no token, however often asked": {server.URL, errors.New("no permission"), "", 0},
	} {
		asked = 0
		client := Client{Server: tt.server, HTTP: server.Client(), Token: func(context.Context) (string, error) { return "t", tt.token }}
		reply, err := client.Ask(t.Context(), Question{Environment: "production"})
		if reply.Answer != tt.want || (err != nil) != (tt.want == "") || asked != tt.asked {
			t.Errorf("%s: %+v, %v; want %q; asked %d times", name, reply, err, tt.want, asked)
		}
	}
}

// TestPauses has a server answer "not yet" again and again, while time passes by sleeping alone.
func TestPauses(t *testing.T) {
	seconds := func(list ...int) (pauses []time.Duration) {
		for _, s := range list {
			pauses = append(pauses, time.Duration(s)*time.Second)
		}
		return pauses
	}
	for name, tt := range map[string]struct {
		after string        // Retry-After
		until time.Duration // when the answer changes, from the beginning; 0: not known
		limit time.Duration
		want  []time.Duration
	}{
		"once, if it is to wait for no time":                {want: nil},
		"longer each time, and a minute at most":            {limit: 5 * time.Minute, want: seconds(5, 10, 20, 40, 60, 60, 60, 45)},
		"as long as the server wants to be left alone":      {after: "30", limit: time.Minute, want: seconds(30, 30)},
		"no longer than a minute, whatever the server says": {after: "86400", limit: 2 * time.Minute, want: seconds(60, 60)},
		"as usual, if the server says what is no time":      {after: "soon", limit: 15 * time.Second, want: seconds(5, 10)},
		"as usual, if the server says less than nothing":    {after: "-3", limit: 15 * time.Second, want: seconds(5, 10)},
		"until the answer changes, and then as usual":       {until: 7 * time.Second, limit: 30 * time.Second, want: seconds(5, 2, 20, 3)},
	} {
		now := start
		server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
			reply := Reply{Answer: release.NotYet, Reason: "hours"}
			if tt.until > 0 {
				reply.Until = start.Add(tt.until)
			}
			out.Header().Set("Retry-After", tt.after)
			_ = json.NewEncoder(out).Encode(reply)
		}))
		var pauses []time.Duration
		client := Client{
			Server: server.URL, HTTP: server.Client(), Token: func(context.Context) (string, error) { return "t", nil },
			Now: func() time.Time { return now }, Sleep: func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil },
		}
		reply, err := client.Wait(t.Context(), Question{Environment: "production"}, tt.limit, func(_ Reply, d time.Duration) { pauses = append(pauses, d) })
		server.Close()
		if err != nil || reply.Answer != release.NotYet || !slices.Equal(pauses, tt.want) {
			t.Errorf("%s: %v, want %v; %+v, %v", name, pauses, tt.want, reply, err)
		}
	}
}

// TestAskingGitHubForAToken: a job waits for what passes, and ends at once, with the mend, for what does not.
func TestAskingGitHubForAToken(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		want   string // the token
		waits  bool
	}{
		"a token":                  {200, `{"value": "t"}`, "t", false},
		"an answer without one":    {200, `{}`, "", true},
		"half an answer":           {200, `{"value": "t"`, "", true},
		"trouble at GitHub":        {500, ``, "", true},
		"too many questions":       {429, ``, "", true},
		"no permission":            {403, `{"value": "t"}`, "", false},
		"a job that has ended":     {401, ``, "", false},
		"what is no answer at all": {204, ``, "", false},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
			out.WriteHeader(tt.status)
			_, _ = out.Write([]byte(tt.body))
		}))
		token, err := fetchToken(t.Context(), server.URL, "secret", server.Client())
		server.Close()
		if token != tt.want || (err != nil) != (tt.want == "") || errors.Is(err, ErrUnavailable) != tt.waits {
			t.Errorf("%s: %q, %v; want %q, to be waited for: %v", name, token, err, tt.want, tt.waits)
		}
		if err != nil && !tt.waits && !strings.Contains(err.Error(), "id-token: write") {
			t.Errorf("%s: %v, without its mend", name, err)
		}
	}
	away := httptest.NewServer(nil)
	away.Close()
	if _, err := fetchToken(t.Context(), away.URL, "secret", http.DefaultClient); !errors.Is(err, ErrUnavailable) {
		t.Errorf("of a GitHub that is away: %v, want to wait", err)
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
		"http://127.0.0.1:8080":        "http://127.0.0.1:8080",
		"http://gate.acme.example":     "",
		"http://192.0.2.1:8080":        "",
		"http://localhost.acme.test":   "",
		"gate.acme.example":            "",
		"https://":                     "",
		"https://a:b@gate.acme.test":   "",
		"https://gate.acme.test/?a=b":  "",
		"ftp://gate.acme.test":         "",
		"https://gate.acme.test:https": "",
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
		"no address": {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "s"},
		"no URL":     {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://github.example:x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "s"},
	} {
		_, err := ActionsToken("a", func(name string) string { return variables[name] }, http.DefaultClient)
		if err == nil || !strings.Contains(err.Error(), "--token-file") {
			t.Errorf("%s: %v, want an error that says the mend", name, err)
		}
	}
	whole := map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": "https://github.example", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "s"}
	if _, err := ActionsToken("a", func(name string) string { return whole[name] }, http.DefaultClient); err != nil {
		t.Errorf("in a job that has the permission: %v", err)
	}
}
