package ledger

import (
	json2 "github.com/go-json-experiment/json" // several times as fast as encoding/json
	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-json-experiment/json/v1"
)

// Canonical writes a value as JSON in the one form that is hashed: UTF-8 without insignificant white space or a final newline; the
// members of every object in the order that RFC 8785, section 3.2.3, gives their names, and each name once, or else it is an error;
// strings with the escapes \" \\ \b \f \n \r \t, \u00xx in lower case for the other control characters, \u2028 and \u2029, and every
// other character as it is; numbers as Go's encoding/json writes them for the value given. Bytes that are not UTF-8 become U+FFFD.
// Canonical of a canonical text is the same text.
func Canonical(v any) ([]byte, error) {
	written, err := json2.Marshal(v, json.DefaultOptionsV1(), jsontext.EscapeForHTML(false), jsontext.EscapeForJS(true))
	if err != nil {
		return nil, err
	}
	text := jsontext.Value(written)
	if err := text.Format(jsontext.ReorderRawObjects(true), jsontext.AllowInvalidUTF8(true), jsontext.EscapeForJS(true)); err != nil {
		return nil, err
	}
	return text, nil
}
