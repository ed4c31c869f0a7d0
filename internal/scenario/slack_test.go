package scenario_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/slack-go/slack/slacktest"
)

const slackToken = "xoxb-of-the-scenarios"

// slackChannel is #engineering, as far as stories read it: slack-go's test server with posts that are kept.
type slackChannel struct {
	server *slacktest.Server
	mu     sync.Mutex
	posts  []slackPost
	down   bool
}

type slackPost struct{ text, thread string }

func newSlackChannel() *slackChannel {
	s := &slackChannel{}
	s.server = slacktest.NewTestServer(func(c slacktest.Customize) {
		c.Handle("/chat.postMessage", s.post)
		c.Handle("/conversations.list", s.list)
		c.Handle("/conversations.history", s.history)
		c.Handle("/conversations.replies", s.history)
	})
	s.server.Start()
	return s
}

func (s *slackChannel) url() string { return strings.TrimSuffix(s.server.GetAPIURL(), "/") }

func (s *slackChannel) close() { s.server.Stop() }

func (s *slackChannel) post(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down || r.ParseForm() != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	thread := r.Form.Get("thread_ts")
	s.posts = append(s.posts, slackPost{r.Form.Get("text"), thread})
	ts := fmt.Sprintf("1700000000.%06d", len(s.posts))
	s.answer(w, map[string]any{"ok": true, "channel": "C0ENG", "ts": ts, "message": map[string]any{"ts": ts, "thread_ts": thread}})
}

func (s *slackChannel) list(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, map[string]any{"ok": true, "channels": []any{map[string]any{"id": "C0ENG", "name": "engineering"}}})
}

// history tells of nothing: whoever asks for a lost post is told by package notify's own tests.
func (s *slackChannel) history(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, map[string]any{"ok": true, "messages": []any{}})
}

func (s *slackChannel) answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

// slack N TEXT: the Nth post in #engineering contains the text, or matches /a regular expression/; later ones are replies in the first's
// thread. slack COUNT is how many posts there are. slack down and slack up say whether Slack answers.
func slackSays(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	s := w.slack
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(args) == 1 && (args[0] == "down" || args[0] == "up"):
		s.down = args[0] == "down"
		return
	case len(args) == 1:
		if got := fmt.Sprint(len(s.posts)); got != args[0] {
			ts.Fatalf("there are %s posts, expected %s: %q", got, args[0], s.posts)
		}
		return
	case len(args) != 2:
		ts.Fatalf("usage: slack COUNT | slack N TEXT | slack down | slack up")
	}
	for i, p := range s.posts {
		if fmt.Sprint(i+1) != args[0] {
			continue
		}
		found := strings.Contains(p.text, args[1])
		if strings.HasPrefix(args[1], "/") {
			found = matches(ts, args[1], p.text)
		}
		if found == neg || (i > 0) != (p.thread != "") {
			ts.Fatalf("post %s is %q in thread %q", args[0], p.text, p.thread)
		}
		return
	}
	ts.Fatalf("there are only %d posts: %q", len(s.posts), s.posts)
}
