package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// Canonical writes a value as JSON in the one form that is hashed: UTF-8 without insignificant white space or a final newline; the
// members of every object in the order of their names' bytes, each name once; strings with the escapes \" \\ \b \f \n \r \t, \u00xx
// in lower case for the other control characters, \u2028 and \u2029, and every other character as it is; numbers as Go's
// encoding/json writes them for the value given. Bytes that are not UTF-8 become U+FFFD. Canonical of a canonical text is the
// same text.
func Canonical(v any) ([]byte, error) {
	text, err := encode(v)
	if err != nil {
		return nil, err
	}
	// Only maps are written in the order of their names, so a struct goes through one. Numbers stay as they were written.
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var plain any
	if err := dec.Decode(&plain); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return encode(plain)
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
