// Package policies holds the policy that applies where a repository has none, worked examples to start one from, and the schemas
// by which editors check and complete a policy file and its tests.
package policies

import _ "embed"

// DefaultSource is what people call the default policy in a decision.
const DefaultSource = "the built-in default"

//go:embed default.yml
var defaultPolicy []byte

//go:embed change-policy.schema.json
var schema []byte

//go:embed change-policy_test.schema.json
var testSchema []byte

// Default returns the text of the default policy; the caller may change the copy.
func Default() []byte { return append([]byte(nil), defaultPolicy...) }

// Schema returns the JSON schema of a policy file; the caller may change the copy.
func Schema() []byte { return append([]byte(nil), schema...) }

// TestSchema returns the JSON schema of a file of policy tests; the caller may change the copy.
func TestSchema() []byte { return append([]byte(nil), testSchema...) }
