package config

import (
	"crypto/subtle"
	"fmt"
)

const redacted = "[redacted]"

// Secret is a text that no log, error or dump may show: whatever formats or encodes it gets "[redacted]", or nothing if it is empty.
// Only Reveal returns it. The zero value is the empty secret. Secrets are compared with Equal.
type Secret struct {
	// A pointer, because fmt follows none inside of a struct: even a Secret in an unexported field, whose methods fmt cannot call,
	// is shown as an address.
	text *string
}

// NewSecret makes a secret of a text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal returns the text itself, for the one place that needs it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsEmpty says whether there is no secret.
func (s Secret) IsEmpty() bool { return s.text == nil }

// Equal compares two secrets, in a time that does not tell where they differ.
func (s Secret) Equal(t Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(t.Reveal())) == 1
}

// String returns "[redacted]", or nothing for an empty secret.
func (s Secret) String() string {
	if s.IsEmpty() {
		return ""
	}
	return redacted
}

// Format writes what String returns, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText writes what String returns; JSON, YAML and zerolog's structured fields use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
