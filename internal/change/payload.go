package change

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// MaxPayload is how long a deployment's payload may be to be kept, in bytes.
const MaxPayload = 4 << 10

// KeepPayload returns a deployment's payload as a Deployment holds it: a compact copy, or nil if it is null, longer than MaxPayload, or no
// JSON in UTF-8.
func KeepPayload(raw []byte) json.RawMessage {
	if len(raw) > MaxPayload || !utf8.Valid(raw) || bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return nil
	}
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return nil
	}
	return compact.Bytes()
}

// PayloadKey returns the member changegate of a deployment's payload, which GitHub gives as an object or as a string that holds one; empty if
// there is none. It is what our own deployments are recognised by, together with their creator: anyone who may deploy can write it.
func PayloadKey(payload json.RawMessage) string {
	var text string
	if json.Unmarshal(payload, &text) == nil {
		payload = json.RawMessage(text)
	}
	var ours struct {
		Key string `json:"changegate"`
	}
	if json.Unmarshal(payload, &ours) != nil {
		return ""
	}
	return ours.Key
}
