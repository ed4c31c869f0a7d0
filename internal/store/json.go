package store

import (
	json2 "github.com/go-json-experiment/json" // several times as fast where much is read
	"github.com/go-json-experiment/json/v1"
)

// unmarshal reads what encoding/json wrote, as that would.
func unmarshal(text string, v any) error {
	return json2.Unmarshal([]byte(text), v, json.DefaultOptionsV1())
}
