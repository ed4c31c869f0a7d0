package policy

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/invopop/jsonschema"

	"github.com/changegate/changegate/internal/change"
)

//go:generate go test -run TestSchemaIsCommitted -update .

// Schema returns the JSON schema of a policy file, made of the same types that Parse reads. An editor that knows it completes
// keys and underlines what Parse would refuse; it knows nothing of roles, patterns or expressions.
func Schema() ([]byte, error) {
	s := reflectSchema(reflect.TypeFor[policyShape]())
	s.Version = "https://json-schema.org/draft/2020-12/schema"
	s.Title = "changegate policy"
	s.Description = "What a pull request must have before it may merge, and how it ships. See " + change.PolicyPath + " in the policy reference."
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the policy's schema: %w", err)
	}
	return append(text, '\n'), nil
}

func reflectSchema(t reflect.Type) *jsonschema.Schema {
	r := jsonschema.Reflector{Anonymous: true, DoNotReference: true, FieldNameTag: "key", RequiredFromJSONSchemaTags: true}
	s := r.ReflectFromType(t)
	s.Version = ""
	return s
}

// JSONSchema describes a text.
func (text) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", MinLength: new(uint64(1))}
}

// JSONSchema describes a whole number.
func (number) JSONSchema() *jsonschema.Schema { return &jsonschema.Schema{Type: "integer"} }

// JSONSchema describes true or false, which may be written yes and no (texts to an editor).
func (boolean) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Enum: []any{true, false, "yes", "no"}}
}

// JSONSchema describes a list.
func (list[T]) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "array", Items: reflectSchema(reflect.TypeFor[T]())}
}

// JSONSchema describes a mapping with names of the policy's choosing.
func (names[T]) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "object", AdditionalProperties: reflectSchema(reflect.TypeFor[T]())}
}
