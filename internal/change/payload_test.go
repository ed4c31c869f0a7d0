package change

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestKeepPayload(t *testing.T) {
	for name, tt := range map[string]struct{ raw, want string }{
		"an object":         {`{ "a": [1, "b c"] }`, `{"a":[1,"b c"]}`},
		"a string":          {`"deploy it"`, `"deploy it"`},
		"nothing":           {``, ``},
		"null":              {` null `, ``},
		"cut off":           {`{"a":`, ``},
		"of other encoding": {"\"\xff\"", ``},
		"as long as may be": {`"` + strings.Repeat("x", MaxPayload-2) + `"`, `"` + strings.Repeat("x", MaxPayload-2) + `"`},
		"longer than that":  {`"` + strings.Repeat("x", MaxPayload-1) + `"`, ``},
	} {
		t.Run(name, func(t *testing.T) {
			raw := []byte(tt.raw)
			got := KeepPayload(raw)
			for i := range raw {
				raw[i] = '!'
			}
			if string(got) != tt.want {
				t.Errorf("got %.50s, want %.50s", got, tt.want)
			}
			if tt.want == "" && got != nil {
				t.Error("it is not nil")
			}
		})
	}
}

func TestPayloadKey(t *testing.T) {
	for payload, want := range map[string]string{
		`{"changegate":"deploy 7","number":3}`: "deploy 7",
		`"{\"changegate\":\"deploy 7\"}"`:      "deploy 7",
		`{"changegate":7}`:                     "",
		`{"other":"deploy 7"}`:                 "",
		`"deploy 7"`:                           "",
		`"\"{\\\"changegate\\\":\\\"x\\\"}\""`: "", // a string in a string
		`["changegate"]`:                       "",
		`null`:                                 "",
		``:                                     "",
	} {
		if got := PayloadKey(json.RawMessage(payload)); got != want {
			t.Errorf("%s: got %q, want %q", payload, got, want)
		}
	}
}
