package githubsim_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/githubsim/openapitest"
)

// always maps a path of keys ("pull_request.head.sha") to whether every one of GitHub's examples of an event has it.
type always map[string]bool

// keys collects the paths of an example's keys, for objects within objects but not within lists.
func keys(v any, prefix string, into map[string]bool) {
	object, ok := v.(map[string]any)
	if !ok {
		return
	}
	for name, inner := range object {
		into[prefix+name] = true
		keys(inner, prefix+name+".", into)
	}
}

// varies says whether a key depends on what happened: which permissions there are, what changed, who was asked.
func varies(path string) bool {
	return strings.Contains(path, "permissions") || strings.HasPrefix(path, "changes.") || path == "requested_reviewer"
}

// eventExamples are GitHub's examples of an event.
type eventExamples struct {
	Name     string           `json:"name"`
	Examples []map[string]any `json:"examples"`
}

func examples(t *testing.T) []eventExamples {
	t.Helper()
	root := must[string](t)(openapitest.ModuleRoot())
	raw, err := os.ReadFile(filepath.Join(root, ".cache", "webhooks", "api.github.com.json"))
	if err != nil {
		t.Fatalf("GitHub's examples are not there: run make test, which fetches them (%v)", err)
	}
	var all []eventExamples
	check(t, json.Unmarshal(raw, &all))
	return all
}

// missingKeys returns what all of GitHub's examples of an event and action have and the payload does not.
func missingKeys(t *testing.T) func(event, action string, payload []byte) []string {
	t.Helper()
	common := map[string]always{}
	for _, event := range examples(t) {
		for _, example := range event.Examples {
			action, _ := example["action"].(string)
			has := always{}
			keys(example, "", has)
			name := event.Name + " " + action
			if common[name] == nil {
				common[name] = has
				continue
			}
			maps.DeleteFunc(common[name], func(path string, _ bool) bool { return !has[path] })
		}
	}
	return func(event, action string, payload []byte) []string {
		var ours any
		check(t, json.Unmarshal(payload, &ours))
		has := map[string]bool{}
		keys(ours, "", has)
		var missing []string
		for path := range common[event+" "+action] {
			// An object that is null here has no keys, and nothing can be said of them.
			if !has[path] && !varies(path) && parentPresent(ours, path) {
				missing = append(missing, path)
			}
		}
		slices.Sort(missing)
		return missing
	}
}

// parentPresent says whether the object that would hold the key is there.
func parentPresent(v any, path string) bool {
	at := v
	for {
		object, ok := at.(map[string]any)
		if !ok {
			return false
		}
		n := strings.IndexByte(path, '.')
		if n < 0 {
			return true
		}
		at, path = object[path[:n]], path[n+1:]
	}
}
