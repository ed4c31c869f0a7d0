package facts

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct{ text, wrong string }{
		{`{"now": "2026-03-02T10:00:00Z", "pull": {"number": 1}}`, ""},
		{"\ufeff" + `{"now": "2026-03-02T10:00:00Z", "pull": {"number": 1, "state": "open"}, "reviews": [{"state": "approved"}]}`, ""},
		{`{"now": "2026-03-02T10:00:00Z", "pul": {}}`, `line 1: the file has no key "pul": use one of now, `},
		{"{\n" + `"now": "2026-03-02T10:00:00Z", "pull": {"numbr": 1}}`, `line 2: pull has no key "numbr": use one of number, `},
		{"{\n" + `"now": "2026-03-02T10:00:00Z", "pull": {"number": 1}, "reviews": [{"stat": 1}]}`, `line 2: an item of reviews has no key "stat": use one of id, `},
		{"{\n" + `"now": "2026-03-02"}`, `line 2: now is no time: write it as "2026-01-31T12:00:00Z"`},
		{`{"pull": {"number": 1, "draft": false}, "now": "2026-03-02T10:00:00Z", "pushes": [{"at": "2026-03-02T09:00:00Z"}, {"at": null}]}`, ""},
		{`{"now": 5}`, "line 1: now is no time"},
		{`{"people": {"bob": {"permission": "write"}}}`, `line 1: the key "bob" in people is no number: write the id of an account`},
		{"{\n" + `"now": "2026-03-02T10:00:00Z", "pushes": [{"at": "today"}]}`, `line 2: at is no time: `},
		{"[]", "line 1: there is a list: write the facts as one JSON object, {…}"},
		{"", "there are none: write them as one JSON object, {…}"},
		{"now: 2026-03-02", "line 1: this is not JSON: write the facts as one JSON object, {…}"},
		{`{"pull": {"state": 12}}`, "line 1: pull.state is a number: write a text, in quotes"},
		{`{"pull": []}`, "line 1: pull is a list: write an object, {…}"},
		{`{"reviews": {}}`, "line 1: reviews is an object: write a list, […]"},
		{`{"pull": {"draft": "no"}}`, "line 1: pull.draft is a text: write true or false"},
		{`{"pull": {"number": 1.5}}`, "line 1: pull.number is a number: write a whole number, without quotes"},
		{`{"now": "2026-03-02T10:00:00Z", "pull": {"number": 1}} {}`, "there is something after them"},
		{`{"pull": {"number": 1}}`, "they do not say when it is"},
		{`{"now": "2026-03-02T10:00:00Z"}`, "there is no pull request"},
		{"{\n" + `"now": "2026-03-02T10:00:00Z", "pull": {"number": "1"}}`, "line 2: pull.number is a text: write a whole number"},
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
