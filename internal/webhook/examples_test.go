package webhook

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// example is a payload as GitHub sent it once.
type example struct {
	event string
	body  []byte
}

type examples struct {
	all []example
	err error
}

// loadExamples reads the npm package @octokit/webhooks-examples, once.
var loadExamples = sync.OnceValue(func() examples {
	// Tests run in their package's folder; the module's root is two above.
	text, err := os.ReadFile(filepath.Join("..", "..", ".cache", "webhooks", "api.github.com.json"))
	if err != nil {
		return examples{err: fmt.Errorf("the webhook examples are not there, run make test: %w", err)}
	}
	var events []struct {
		Name     string            `json:"name"`
		Examples []json.RawMessage `json:"examples"`
	}
	if err := json.Unmarshal(text, &events); err != nil {
		return examples{err: err}
	}
	var all []example
	for _, e := range events {
		for _, body := range e.Examples {
			all = append(all, example{e.Name, body})
		}
	}
	return examples{all: all}
})

func payloads(tb testing.TB) []example {
	tb.Helper()
	loaded := loadExamples()
	if loaded.err != nil {
		tb.Fatal(loaded.err)
	}
	return loaded.all
}

// payload returns the example of an event with the action; the first that fits.
func payload(tb testing.TB, event, action string) []byte {
	tb.Helper()
	for _, e := range payloads(tb) {
		var has struct {
			Action string `json:"action"`
		}
		if e.event == event && json.Unmarshal(e.body, &has) == nil && has.Action == action {
			return e.body
		}
	}
	tb.Fatalf("no example of %s %s", event, action)
	return nil
}

// edit returns the payload with members set; a path is a list of names, and a nil value removes the member.
func edit(tb testing.TB, body []byte, value any, path ...string) []byte {
	tb.Helper()
	var root map[string]any
	if err := json.Unmarshal(body, &root); err != nil {
		tb.Fatal(err)
	}
	at := root
	for _, name := range path[:len(path)-1] {
		next, ok := at[name].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[name] = next
		}
		at = next
	}
	if last := path[len(path)-1]; value == nil {
		delete(at, last)
	} else {
		at[last] = value
	}
	out, err := json.Marshal(root)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}
