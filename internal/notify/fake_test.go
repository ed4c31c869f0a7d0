package notify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slacktest"
)

// workspace is a Slack that remembers: slack-go's test server with posts, threads, histories and lists of channels of its own. It refuses
// what Slack would refuse.
type workspace struct {
	t     testing.TB
	clock func() time.Time
	URL   string // of the API, without a trailing slash

	mu       sync.Mutex
	token    string
	channels []channel
	posts    []said
	last     int      // of the posts
	calls    []string // methods, in their order
	page     int      // posts on a page of history
	withheld string   // "metadata", "blocks", or the "message" in answers to posts: it tells nobody of them
	// fault looks at each call before it is carried out.
	fault func(method string, form url.Values) fault
}

type channel struct{ id, name string }

// said is a post as the workspace has it.
type said struct {
	Channel   string
	TS        string
	Thread    string
	Broadcast bool
	Text      string
	Blocks    []any
	Metadata  slack.SlackMetadata
}

func (s said) key() string {
	key, _ := s.Metadata.EventPayload["key"].(string)
	return key
}

// fault is what goes wrong with a call; the zero value: nothing.
type fault struct {
	code   string // Slack's no
	needed string
	status int
	retry  string // Retry-After
	body   string // an answer instead of Slack's
	hangUp bool
	acted  bool // it goes wrong after Slack did what was asked for
}

func newWorkspace(t testing.TB, clock func() time.Time) *workspace {
	w := &workspace{t: t, clock: clock, token: "xoxb-1", page: 100, channels: []channel{{"C0ENG001", "engineering"}, {"C0OPS001", "operations"}, {"G0SEC001", "secret"}}}
	server := slacktest.NewTestServer(func(c slacktest.Customize) {
		c.Handle("/chat.postMessage", w.method("chat.postMessage", w.postMessage))
		c.Handle("/conversations.history", w.method("conversations.history", w.history))
		c.Handle("/conversations.replies", w.method("conversations.replies", w.replies))
		c.Handle("/conversations.list", w.method("conversations.list", w.list))
	})
	server.Start()
	t.Cleanup(server.Stop)
	w.URL = strings.TrimSuffix(server.GetAPIURL(), "/")
	return w
}

// refuse has methods answered with a code.
func (w *workspace) refuse(code string, methods ...string) {
	w.on(func(method string, _ url.Values) fault {
		if slices.Contains(methods, method) {
			return fault{code: code}
		}
		return fault{}
	})
}

func (w *workspace) on(f func(method string, form url.Values) fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

func (w *workspace) method(name string, do func(form url.Values) (answer map[string]any, code string)) http.HandlerFunc {
	return func(rw http.ResponseWriter, req *http.Request) {
		if err := req.ParseForm(); err != nil {
			w.t.Errorf("%s: %v", name, err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.calls = append(w.calls, name)
		var f fault
		if w.fault != nil {
			f = w.fault(name, req.Form)
		}
		answer, code := map[string]any{}, f.code
		if f == (fault{}) || f.acted {
			if answer, code = do(req.Form); f.code != "" {
				code = f.code
			}
			if req.Form.Get("token") != w.token {
				code = "invalid_auth"
			}
		}
		switch {
		case f.hangUp:
			panic(http.ErrAbortHandler)
		case f.status != 0:
			if f.retry != "" {
				rw.Header().Set("Retry-After", f.retry)
			}
			if f.status/100 == 3 {
				rw.Header().Set("Location", w.URL+"/elsewhere")
			}
			rw.WriteHeader(f.status)
			fmt.Fprint(rw, "<html>")
			return
		case f.body != "":
			fmt.Fprint(rw, f.body)
			return
		case code != "":
			answer = map[string]any{"error": code, "needed": f.needed}
		}
		if answer == nil {
			answer = map[string]any{}
		}
		answer["ok"] = code == ""
		if err := json.NewEncoder(rw).Encode(answer); err != nil {
			w.t.Errorf("%s: %v", name, err)
		}
	}
}

func (w *workspace) channel(nameOrID string) string {
	for _, c := range w.channels {
		if c.id == nameOrID || "#"+c.name == nameOrID {
			return c.id
		}
	}
	return ""
}

func (w *workspace) postMessage(form url.Values) (map[string]any, string) {
	p := said{Channel: w.channel(form.Get("channel")), Thread: form.Get("thread_ts"), Broadcast: form.Get("reply_broadcast") == "true", Text: form.Get("text")}
	if p.Channel == "" {
		return nil, "channel_not_found"
	}
	if form.Get("token") != w.token {
		return nil, "invalid_auth"
	}
	if form.Get("parse") != "none" || form.Get("link_names") != "false" || form.Get("unfurl_links") != "false" {
		w.t.Errorf("a post is parsed for names and links: %v", form)
	}
	if err := json.Unmarshal([]byte(form.Get("metadata")), &p.Metadata); err != nil {
		w.t.Errorf("metadata: %v", err)
	}
	if err := json.Unmarshal([]byte(form.Get("blocks")), &p.Blocks); err != nil {
		w.t.Errorf("blocks: %v", err)
	}
	if p.Thread != "" && !slices.ContainsFunc(w.posts, func(o said) bool { return o.Channel == p.Channel && o.TS == p.Thread && o.Thread == "" }) {
		return nil, "thread_not_found"
	}
	w.last++
	p.TS = fmt.Sprintf("%d.%06d", w.clock().Unix(), w.last)
	w.posts = append(w.posts, p)
	answer := map[string]any{"channel": p.Channel, "ts": p.TS}
	if w.withheld != "message" {
		answer["message"] = w.show(p)
	}
	return answer, ""
}

func (w *workspace) show(p said) map[string]any {
	m := map[string]any{"type": "message", "ts": p.TS, "text": p.Text, "bot_id": "B1"}
	if p.Thread != "" {
		m["thread_ts"] = p.Thread
	} else if slices.ContainsFunc(w.posts, func(o said) bool { return o.Thread == p.TS }) {
		m["thread_ts"] = p.TS // a post with replies is in its own thread
	}
	if w.withheld != "metadata" && p.Metadata.EventType != "" {
		m["metadata"] = p.Metadata
	}
	if w.withheld != "blocks" {
		m["blocks"] = p.Blocks
	}
	return m
}

// pages answers with a page of posts, the newest first where they are a history.
func (w *workspace) pages(form url.Values, posts []said) (map[string]any, string) {
	if form.Get("include_all_metadata") != "1" {
		w.t.Errorf("metadata is not asked for: %v", form)
	}
	from := 0
	_, _ = fmt.Sscan(form.Get("cursor"), &from)
	to := min(from+w.page, len(posts))
	list := []any{}
	for _, p := range posts[from:to] {
		list = append(list, w.show(p))
	}
	next := ""
	if to < len(posts) {
		next = fmt.Sprint(to)
	}
	return map[string]any{"messages": list, "has_more": next != "", "response_metadata": map[string]any{"next_cursor": next}}, ""
}

func (w *workspace) history(form url.Values) (map[string]any, string) {
	if !slices.ContainsFunc(w.channels, func(c channel) bool { return c.id == form.Get("channel") }) {
		return nil, "channel_not_found" // names are not taken here
	}
	var posts []said
	for _, p := range slices.Backward(w.posts) {
		if p.Channel == form.Get("channel") && p.TS >= form.Get("oldest") && (p.Thread == "" || p.Broadcast) {
			posts = append(posts, p)
		}
	}
	return w.pages(form, posts)
}

func (w *workspace) replies(form url.Values) (map[string]any, string) {
	var posts []said
	for _, p := range w.posts {
		if p.Channel == form.Get("channel") && (p.TS == form.Get("ts") || p.Thread == form.Get("ts")) {
			posts = append(posts, p)
		}
	}
	if len(posts) == 0 || posts[0].Thread != "" {
		return nil, "thread_not_found"
	}
	return w.pages(form, posts)
}

func (w *workspace) list(form url.Values) (map[string]any, string) {
	list := []any{}
	for _, c := range w.channels {
		if c.id[0] == 'C' || strings.Contains(form.Get("types"), "private_channel") {
			list = append(list, map[string]any{"id": c.id, "name": c.name})
		}
	}
	return map[string]any{"channels": list}, ""
}

// all returns what was posted.
func (w *workspace) all() []said {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.posts)
}

// count returns how often a method was called.
func (w *workspace) count(method string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c == method {
			n++
		}
	}
	return n
}

// chat has people post in #engineering.
func (w *workspace) chat(posts int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range posts {
		w.last++
		w.posts = append(w.posts, said{Channel: "C0ENG001", TS: fmt.Sprintf("%d.%06d", w.clock().Unix(), w.last), Text: "hello"})
	}
}

// remove deletes a post.
func (w *workspace) remove(ts string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.posts = slices.DeleteFunc(w.posts, func(p said) bool { return p.TS == ts })
}
