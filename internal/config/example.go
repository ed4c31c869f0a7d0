package config

import _ "embed"

//go:embed example.yml
var example string

// Example returns a configuration file with every key and what it means, ready to be filled in.
func Example() string { return example }
