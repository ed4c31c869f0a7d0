package facts

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct{ text, wrong string }{
		{`{"now": "2026-03-02T10:00:00Z", "pull": {"number": 1}}`, ""},
		{"\ufeff" + `{"now": "2026-03-02T10:00:00Z", "pull": {"number": 1, "state": "open"}, "reviews": [{"state": "approved"}]}`, ""},
		{`{"now": "2026-03-02T10:00:00Z", "pul": {}}`, `unknown field "pul"`},
		{`{"now": "2026-03-02T10:00:00Z", "pull": {"number": 1}} {}`, "there is something after them"},
		{`{"pull": {"number": 1}}`, "they do not say when it is"},
		{`{"now": "2026-03-02T10:00:00Z"}`, "there is no pull request"},
		{"{\n" + `"now": "2026-03-02T10:00:00Z", "pull": {"number": "1"}}`, "line 2: "},
		{"{\n" + `"now": "2026-03-02T10:00:00Z", "pull": {"number": 1, "Number": 2}}`, `line 2: "Number" is here twice`},
		{`{"now": "2026-03-02T10:00:00Z", "pull": {"number": 1}, "checks": [{"state": "fa\u001b"}]}`, `checks[0].state cannot be "fa\x1b": use one of pending, `},
		{`{"now": "2026-03-02T10:00:00Z", "pull": {"number": 1, "state": "Merged"}}`, `pull.state cannot be "Merged": use one of open, closed, merged`},
		{`{"now": "2026-03-02T10:00:00Z", "pull": {"number": 1, "author": {"kind": "bot"}}}`, `pull.author.kind cannot be "bot": use one of User, Bot, `},
		{`{"now": "2026-03-02T10:00:00Z", "pull": {"number": 1}, "people": {"7": {"account": {"kind": "bot"}}}}`, `people[7].account.kind cannot be "bot"`},
		{`{"now": "2026-03-02T10:00:00Z", "pull": {"number": 1}, "content": {"files": [{"status": "deleted"}]}}`, `content.files[0].status cannot be "deleted": use one of added, removed, `},
	} {
		_, err := Parse([]byte(tt.text))
		switch {
		case tt.wrong == "" && err != nil:
			t.Errorf("%s: %v", tt.text, err)
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("%s: the error is %v, want %q", tt.text, err, tt.wrong)
		}
	}
}
