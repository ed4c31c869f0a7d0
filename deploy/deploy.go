// Package deploy holds what an operator runs changegate with, beside the program: the manifest of its GitHub App, here for the program's
// own use, a Compose file, Prometheus' alerts, and what the image is made of.
package deploy

import _ "embed"

//go:embed app-manifest.json
var appManifest []byte

// AppManifest returns the manifest of the GitHub App, as GitHub takes it, with changegate.example.com where the server's address belongs.
// Its permissions and events are all that are needed, and no more. The caller may change the copy.
func AppManifest() []byte { return append([]byte(nil), appManifest...) }
