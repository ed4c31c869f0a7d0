package worldtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/slack-go/slack/slacktest"
)

const slackToken = "xoxb-of-the-scenarios"

// Slack is #engineering, as far as stories read it: slack-go's test server with posts that are kept.
type Slack struct {
	server *slacktest.Server
	mu     sync.Mutex
	posts  []Post
	down   bool
}

// Post is one post in the channel.
type Post struct {
	Text   string
	Thread string // of the post that it replies to; empty: it begins a thread

	ts       string
	metadata json.RawMessage
}

func newSlack() *Slack {
	s := &Slack{}
	s.server = slacktest.NewTestServer(func(c slacktest.Customize) {
		c.Handle("/chat.postMessage", s.post)
		c.Handle("/conversations.list", s.list)
		c.Handle("/conversations.history", s.history)
		c.Handle("/conversations.replies", s.history)
	})
	s.server.Start()
	return s
}

func (s *Slack) url() string { return strings.TrimSuffix(s.server.GetAPIURL(), "/") }

func (s *Slack) close() { s.server.Stop() }

func (s *Slack) post(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down || r.ParseForm() != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	p := Post{Text: r.Form.Get("text"), Thread: r.Form.Get("thread_ts"), ts: fmt.Sprintf("1700000000.%06d", len(s.posts)+1)}
	if m := r.Form.Get("metadata"); json.Valid([]byte(m)) {
		p.metadata = json.RawMessage(m)
	}
	s.posts = append(s.posts, p)
	s.answer(w, map[string]any{"ok": true, "channel": "C0ENG", "ts": p.ts, "message": p.json()})
}

func (p Post) json() map[string]any {
	m := map[string]any{"type": "message", "ts": p.ts, "text": p.Text, "thread_ts": p.Thread}
	if p.metadata != nil {
		m["metadata"] = p.metadata
	}
	return m
}

func (s *Slack) list(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, map[string]any{"ok": true, "channels": []any{map[string]any{"id": "C0ENG", "name": "engineering"}}})
}

// history shows all posts, in threads or not.
func (s *Slack) history(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []map[string]any{}
	for _, p := range s.posts {
		all = append(all, p.json())
	}
	s.answer(w, map[string]any{"ok": true, "messages": all})
}

func (s *Slack) answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

// Posts returns the posts in their order.
func (s *Slack) Posts() []Post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posts)
}

// SetDown says whether Slack fails from now on.
func (s *Slack) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}
