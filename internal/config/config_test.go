package config

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// testKey is a private key that is made once for all tests.
var testKey = sync.OnceValue(func() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
})

// testLedgerKey signs nothing but what tests have it sign.
const testLedgerKey = "PRIVATE+KEY+test+9b2ad662+AZUqlfIotgKyN1rWuTm2XWIj36nfB8cWxXkUTCPkZ0Ed"

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}
}

// working is an environment that is enough to start with.
func working(with ...string) map[string]string {
	env := map[string]string{
		"GITHUB_APP_INTEGRATION_ID": "7",
		"GITHUB_APP_WEBHOOK_SECRET": "hook-s3cret",
		"GITHUB_APP_PRIVATE_KEY":    testKey(),
	}
	for i := 0; i < len(with); i += 2 {
		env[with[i]] = with[i+1]
	}
	return env
}

// anywhere is a replacer of what is elsewhere wherever the tests run: a file that is named, and the working directory.
func anywhere(t *testing.T, file string) *strings.Replacer {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if file == "" {
		return strings.NewReplacer(here, "DIR")
	}
	return strings.NewReplacer(file, "FILE", here, "DIR")
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	c, err := Load("", lookup(working()))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		GitHub: GitHub{
			WebURL:   "https://github.com",
			V3APIURL: "https://api.github.com",
			V4APIURL: "https://api.github.com/graphql",
			App:      App{IntegrationID: 7, WebhookSecret: NewSecret("hook-s3cret"), PrivateKey: NewSecret(testKey())},
		},
		Server:   Server{Address: "127.0.0.1:8080"},
		Database: Database{URL: NewSecret("sqlite:changegate.db")},
		Gate:     Gate{Issuers: []string{"https://token.actions.githubusercontent.com"}},
		Ledger:   Ledger{KeyFile: "changegate.db.ledger-key", PublishEvery: time.Hour},
		Log:      Log{Level: zerolog.InfoLevel, Format: "json"},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEnvironmentOverridesFile(t *testing.T) {
	path := write(t, "changegate.yml", `
github:
  web_url: https://ghe.acme.example/
  v3_api_url: https://ghe.acme.example/api/v3/
  app: {integration_id: "12", webhook_secret: from-file}
server:
  address: ":9000"
  public_url: https://Change.acme.example/gate/
  previous_webhook_secret: before
database: {url: "postgres://gate:pa%40ss@db.acme.example:5432/gate?sslmode=verify-full"}
ledger: {publish_file: checkpoints, publish_every: 10m, publish_repository: acme/audit}
slack: {token: xoxb-1-file, api_url: "https://slack.acme.example/api/"}
log: {level: debug, format: console}
`)
	c, err := Load(path, lookup(map[string]string{
		"GITHUB_APP_WEBHOOK_SECRET": "from-environment",
		"GITHUB_APP_PRIVATE_KEY":    strings.ReplaceAll(testKey(), "\n", `\n`),
		"GITHUB_OAUTH_CLIENT_ID":    "Iv1.x", "GITHUB_OAUTH_CLIENT_SECRET": "oauth-s3cret",
		"CHANGEGATE_SERVER_ADDRESS": "127.0.0.1:0",
		"CHANGEGATE_SLACK_TOKEN":    "xoxb-1-environment",
		"CHANGEGATE_LEDGER_KEY":     testLedgerKey, "CHANGEGATE_LEDGER_PUBLISH_REPOSITORY": "acme/other",
		"CHANGEGATE_LOG_LEVEL": "", // set to nothing is not set
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		GitHub: GitHub{
			WebURL:   "https://ghe.acme.example",
			V3APIURL: "https://ghe.acme.example/api/v3",
			V4APIURL: "https://ghe.acme.example/api/graphql",
			App:      App{IntegrationID: 12, WebhookSecret: NewSecret("from-environment"), PrivateKey: NewSecret(testKey())},
			OAuth:    OAuth{ClientID: "Iv1.x", ClientSecret: NewSecret("oauth-s3cret")},
		},
		Server:   Server{Address: "127.0.0.1:0", PublicURL: "https://change.acme.example/gate", PreviousWebhookSecret: NewSecret("before")},
		Database: Database{URL: NewSecret("postgres://gate:pa%40ss@db.acme.example:5432/gate?sslmode=verify-full")},
		Slack:    Slack{Token: NewSecret("xoxb-1-environment"), APIURL: "https://slack.acme.example/api"},
		Gate:     Gate{Audience: "https://change.acme.example/gate", Issuers: []string{"https://ghe.acme.example/_services/token"}},
		Ledger: Ledger{
			Key: NewSecret(testLedgerKey), PublishFile: "checkpoints", PublishEvery: 10 * time.Minute, PublishRepository: "acme/other",
		},
		Log: Log{Level: zerolog.DebugLevel, Format: "console"},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	app := c.GitHubApp()
	if app.App.WebhookSecret != "from-environment" || app.App.PrivateKey != testKey() || app.App.IntegrationID != 12 ||
		app.V3APIURL != c.GitHub.V3APIURL || app.OAuth.ClientSecret != "oauth-s3cret" {
		t.Error("GitHubApp does not carry the github block")
	}
	if got, want := c.Database.String(), "postgres://gate:xxxxx@db.acme.example:5432/gate"; got != want {
		t.Errorf("Database.String() = %q, want %q", got, want)
	}
}

func TestWhatStandsInForGitHubHasOneAddress(t *testing.T) {
	const address = "http://127.0.0.1:8000"
	for name, set := range map[string][]string{
		"said of both":    {"GITHUB_WEB_URL", address, "GITHUB_V3_API_URL", address + "/"},
		"said of the API": {"GITHUB_V3_API_URL", address},
	} {
		c, err := Load("", lookup(working(set...)))
		if err != nil || c.GitHub.WebURL != address || c.GitHub.V3APIURL != address || c.GitHub.V4APIURL != address+"/graphql" {
			t.Errorf("%s: got %+v, %v", name, c.GitHub, err)
		}
	}
	c, err := Load("", lookup(working("GITHUB_V3_API_URL", address+"/api/v3")))
	if err != nil || c.GitHub.WebURL != address || c.GitHub.V4APIURL != address+"/api/graphql" {
		t.Errorf("got %+v, %v", c.GitHub, err)
	}
}

func TestProblems(t *testing.T) {
	tests := map[string]struct {
		file string
		env  map[string]string
		want []string // each the start of a problem's line
	}{
		"nothing at all": {
			env: map[string]string{},
			want: []string{
				"github.app.integration_id: is missing or not a positive whole number; it is the App ID on the App's settings page",
				"github.app.webhook_secret: is empty; set the webhook secret of the App's settings, or name a file with it in server.webhook_secret_file",
				"github.app.private_key: is missing; paste the whole .pem file of the App, or name it in server.private_key_file",
			},
		},
		"an integer that go-githubapp would ignore": {
			env:  working("GITHUB_APP_INTEGRATION_ID", "12x"),
			want: []string{"github.app.integration_id: is missing or not a positive whole number; it is the App ID on the App's settings page (GITHUB_APP_INTEGRATION_ID)"},
		},
		"an integer that is not positive": {
			env:  working("GITHUB_APP_INTEGRATION_ID", "-1"),
			want: []string{"github.app.integration_id: is missing or not"},
		},
		"unknown keys, with the nearest": {
			file: "github:\n  app:\n    webhook_secrett: x\n  webhook_secret: x\nserver:\n  adress: x\nlogs:\n  level: info\ncompletely: different\n",
			env:  working(),
			want: []string{
				"github.app.webhook_secrett: is not a key of this configuration; did you mean github.app.webhook_secret? (FILE:3:5)",
				"github.webhook_secret: is not a key of this configuration; did you mean github.app.webhook_secret? (FILE:4:3)",
				"server.adress: is not a key of this configuration; did you mean server.address? (FILE:6:3)",
				"logs: is not a key of this configuration; did you mean log? (FILE:7:1)",
				"completely: is not a key of this configuration; remove it (FILE:9:1)",
			},
		},
		"a block that is none, and values that are none": {
			file: "github: yes please\nserver: [a]\nlog:\n  level: {a: b}\n  format: 12\n",
			env:  working(),
			want: []string{
				"github: is not a block of keys; indent its keys below it (FILE:1:9)",
				"server: is not a block of keys; indent its keys below it (FILE:2:9)",
				"log.level: is not a text; put it in quotes (FILE:4:",
				"log.format: is a number and not a text; put it in quotes (FILE:5:11)",
			},
		},
		"a secret that YAML reads as a number": {
			file: "github: {app: {webhook_secret: 0123456}}",
			env:  map[string]string{"GITHUB_APP_INTEGRATION_ID": "7", "GITHUB_APP_PRIVATE_KEY": testKey()},
			want: []string{"github.app.webhook_secret: is a number and not a text; put it in quotes (FILE:1:32)"},
		},
		"another file": {
			file: "s3cret hunter2\n",
			env:  working(),
			want: []string{"the file has no keys, so that it is no configuration; name another, or begin it with github: (FILE:1:1)"},
		},
		"a key twice": {
			file: "log:\n  level: info\n  level: debug\n",
			env:  working(),
			want: []string{"level: is there twice; keep one (FILE:3:3)"},
		},
		"no YAML": {
			file: "github:\n  app:\n    webhook_secret: \"hook-s3cret\n",
			env:  working(),
			want: []string{"is not YAML: could not find end character of double-quoted text; check the indentation and the quotes there, and on the line before (FILE:"},
		},
		"nothing is missing from what could not be read": {
			file: "github:\n  app:\n  \tintegration_id: 7\n",
			want: []string{"is not YAML: found character '\t' that cannot start any token; check"},
		},
		"blocks, with the nearest": {
			file: "databse: {url: 'sqlite:a.db'}\ngithub: {oath: {client_id: x}}\napp: {integration_id: 7}\n",
			env:  working(),
			want: []string{
				"databse: is not a key of this configuration; did you mean database? (FILE:1:1)",
				"github.oath: is not a key of this configuration; did you mean github.oauth? (FILE:2:10)",
				"app: is not a key of this configuration; did you mean github.app? (FILE:3:1)",
			},
		},
		"two documents": {
			file: "log: {level: info}\n---\nlog: {level: debug}\n",
			env:  working(),
			want: []string{"the file holds more than one YAML document; keep one (FILE)"},
		},
		"no key": {
			env:  working("GITHUB_APP_PRIVATE_KEY", "hunter2"),
			want: []string{"github.app.private_key: is not an RSA private key of 2048 bits or more in PEM form; paste the whole .pem file, or name it in server.private_key_file (GITHUB_APP_PRIVATE_KEY)"},
		},
		"secrets twice": {
			env: working("CHANGEGATE_SERVER_WEBHOOK_SECRET_FILE", "there/is/none", "CHANGEGATE_SERVER_PRIVATE_KEY_FILE", "there/is/none",
				"CHANGEGATE_SERVER_PREVIOUS_WEBHOOK_SECRET", "before"),
			want: []string{
				"github.app.webhook_secret: is set and server.webhook_secret_file too; keep one of them",
				"server.previous_webhook_secret: is set and server.webhook_secret_file too; write it as the second line of that file",
				"server.webhook_secret_file: names no file: DIR has none of that name; write the whole path, or start the server in the directory in which this one begins (CHANGEGATE_SERVER_WEBHOOK_SECRET_FILE)",
				"github.app.private_key: is set and server.private_key_file too; keep one of them",
				"server.private_key_file: names no file: DIR has none of that name; write the whole path, or start the server in the directory in which this one begins (CHANGEGATE_SERVER_PRIVATE_KEY_FILE)",
			},
		},
		"a secret with a line break": {
			env:  working("GITHUB_APP_WEBHOOK_SECRET", "hook-s3cret\n"),
			want: []string{"github.app.webhook_secret: begins or ends with white space; remove it"},
		},
		"half of OAuth": {
			env:  working("GITHUB_OAUTH_CLIENT_ID", "Iv1.x"),
			want: []string{"github.oauth.client_secret: is missing although github.oauth.client_id is set; set both or neither"},
		},
		"the other half": {
			env:  working("GITHUB_OAUTH_CLIENT_SECRET", "x"),
			want: []string{"github.oauth.client_id: is missing although github.oauth.client_secret is set; set both or neither"},
		},
		"plain http over the network": {
			env: working("GITHUB_WEB_URL", "http://ghe.acme.example", "GITHUB_V3_API_URL", "http://10.0.0.1/api/v3", "CHANGEGATE_SERVER_PUBLIC_URL", "http://gate"),
			want: []string{
				"github.web_url: is plain http; use https, because secrets travel over it (http is for localhost only) (GITHUB_WEB_URL)",
				"github.v3_api_url: is plain http; use https",
				"server.public_url: is plain http; use https",
			},
		},
		"no URLs": {
			env: working("GITHUB_WEB_URL", "ghe.acme.example", "GITHUB_V3_API_URL", "https://user:pw@h/", "GITHUB_V4_API_URL", "ftp://h", "CHANGEGATE_SERVER_PUBLIC_URL", "https://h/?a=b"),
			want: []string{
				"github.web_url: is not a URL with a host; write it as https://HOST",
				"github.v3_api_url: has a user, a query or a fragment; leave only https://HOST and a path",
				"github.v4_api_url: is not a URL with a host",
				"server.public_url: has a user, a query or a fragment",
			},
		},
		"another GitHub, half told": {
			env:  working("GITHUB_WEB_URL", "https://ghe.acme.example"),
			want: []string{"github.v3_api_url: is missing although github.web_url is not GitHub.com; on Enterprise Server it is https://HOST/api/v3"},
		},
		"the pages for the API": {
			env:  working("GITHUB_WEB_URL", "https://ghe.acme.example", "GITHUB_V3_API_URL", "https://ghe.acme.example/"),
			want: []string{"github.v3_api_url: is the address of the pages, where no API is; on Enterprise Server that is at https://HOST/api/v3"},
		},
		"another API, half told": {
			env:  working("GITHUB_V3_API_URL", "https://ghe.acme.example/api/v3"),
			want: []string{"github.web_url: is missing although github.v3_api_url is not that of GitHub.com; set the address that people open in a browser"},
		},
		"addresses, databases and logs": {
			env: working("CHANGEGATE_SERVER_ADDRESS", "localhost", "CHANGEGATE_DATABASE_URL", "mysql://root:pw@h/db", "CHANGEGATE_LOG_LEVEL", "loud", "CHANGEGATE_LOG_FORMAT", "xml"),
			want: []string{
				"server.address: is not HOST:PORT; use 127.0.0.1:8080 behind a proxy on the same host, or :8080 for every interface (CHANGEGATE_SERVER_ADDRESS)",
				"database.url: is neither sqlite:PATH nor postgres://USER:PASSWORD@HOST:PORT/DATABASE; use one of these",
				"log.level: is not a level; use debug, info, warn or error",
				"log.format: is not a format; use json or console",
			},
		},
		"a token that is no bot's": {
			env:  working("CHANGEGATE_SLACK_TOKEN", "xoxp-hunter2"),
			want: []string{"slack.token: is not a bot's token, which begins with xoxb-; copy the Bot User OAuth Token of the Slack app, under OAuth & Permissions (CHANGEGATE_SLACK_TOKEN)"},
		},
		"a token twice, its file missing": {
			env: working("CHANGEGATE_SLACK_TOKEN", "xoxb-hunter2", "CHANGEGATE_SLACK_TOKEN_FILE", "there/is/none"),
			want: []string{
				"slack.token: is set and slack.token_file too; keep one of them",
				"slack.token_file: names no file: DIR has none of that name; write the whole path, or start the server in the directory in which this one begins (CHANGEGATE_SLACK_TOKEN_FILE)",
			},
		},
		"an address of Slack without a token": {
			env:  working("CHANGEGATE_SLACK_API_URL", "https://slack.acme.example/api"),
			want: []string{"slack.api_url: is set and there is no token; set slack.token or slack.token_file, or remove it (CHANGEGATE_SLACK_API_URL)"},
		},
		"a token over plain http": {
			env:  working("CHANGEGATE_SLACK_TOKEN", "xoxb-hunter2", "CHANGEGATE_SLACK_API_URL", "http://slack.acme.example/api"),
			want: []string{"slack.api_url: is plain http; use https"},
		},
		"PostgreSQL without a key for the ledger": {
			env: working("CHANGEGATE_DATABASE_URL", "postgres://u:pw@h/db"),
			want: []string{"ledger.key: is missing although database.url is PostgreSQL's, which several servers may share; make one with changegate audit key FILE, " +
				"and give it to each server here or in ledger.key_file"},
		},
		"how the ledger is signed and published": {
			env: working("CHANGEGATE_LEDGER_KEY", "PRIVATE+KEY+hunter2", "CHANGEGATE_LEDGER_PUBLISH_EVERY", "1s", "CHANGEGATE_LEDGER_PUBLISH_REPOSITORY", "audit"),
			want: []string{
				"ledger.key: is not a key that signs the ledger, one line that begins with PRIVATE+KEY+; make one with changegate audit key FILE (CHANGEGATE_LEDGER_KEY)",
				"ledger.publish_every: is not a time between a minute and a day; write it as 30m or 1h",
				"ledger.publish_repository: is not OWNER/NAME; name one repository that the App is installed on",
			},
		},
		"two keys for the ledger": {
			env:  working("CHANGEGATE_LEDGER_KEY", testLedgerKey, "CHANGEGATE_LEDGER_KEY_FILE", "ledger-key"),
			want: []string{"ledger.key: is set and ledger.key_file too; keep one of them"},
		},
		"a port that is none":            {env: working("CHANGEGATE_SERVER_ADDRESS", ":99999"), want: []string{"server.address: is not HOST:PORT"}},
		"a database that is not kept":    {env: working("CHANGEGATE_DATABASE_URL", "sqlite::memory:"), want: []string{"database.url: names no file; write sqlite:PATH"}},
		"a database with parameters":     {env: working("CHANGEGATE_DATABASE_URL", "sqlite:cg.db?mode=ro"), want: []string{"database.url: has a question mark"}},
		"a database without a name":      {env: working("CHANGEGATE_DATABASE_URL", "postgres://u:p@h"), want: []string{"database.url: is not postgres://"}},
		"a password that breaks the URL": {env: working("CHANGEGATE_DATABASE_URL", "postgres://u:p%zz@h/db"), want: []string{"database.url: is not postgres://USER:PASSWORD@HOST:PORT/DATABASE; escape special characters in the password (%40 for @)"}},
		"a password with a slash":        {env: working("CHANGEGATE_DATABASE_URL", "postgres://u:12/zz@h/db"), want: []string{"database.url: is not postgres://USER:PASSWORD@HOST:PORT/DATABASE; escape special characters in the password (%40 for @)"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := ""
			if tt.file != "" {
				path = write(t, "changegate.yml", tt.file)
			}
			_, err := Load(path, lookup(tt.env))
			problems, ok := errors.AsType[Problems](err)
			if !ok {
				t.Fatalf("Load: %v, want Problems", err)
			}
			if len(problems) != len(tt.want) {
				t.Fatalf("%d problems, want %d:\n%v", len(problems), len(tt.want), err)
			}
			for i, p := range problems {
				got := anywhere(t, path).Replace(p.String())
				if !strings.HasPrefix(got, tt.want[i]) {
					t.Errorf("problem %d:\n got %s\nwant %s", i, got, tt.want[i])
				}
			}
			for _, secret := range []string{"hook-s3cret", "hunter2", "pw@", "BEGIN RSA"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows a value: %v", err)
				}
			}
		})
	}
}

func TestStrayVariables(t *testing.T) {
	for name, want := range map[string]string{
		"CHANGEGATE_DATABASE_ULR":             "CHANGEGATE_DATABASE_ULR: is no variable of this configuration; did you mean CHANGEGATE_DATABASE_URL?",
		"CHANGEGATE_GITHUB_APP_PRIVATE_KEY":   "did you mean GITHUB_APP_PRIVATE_KEY?",
		"CHANGEGATE_SERVER_PORT":              "is no variable of this configuration",
		"CHANGEGATE_XYZZY_OF_ANOTHER_PROGRAM": "is no variable of this configuration; unset it",
		// The command gate's, and what Kubernetes sets in each container.
		"CHANGEGATE_SERVER": "", "CHANGEGATE_SERVICE_HOST": "", "CHANGEGATE_SERVICE_PORT_HTTP": "", "CHANGEGATE_DB_PORT_5432_TCP_ADDR": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "postgres:hunter2")
			t.Setenv("CHANGEGATE_PORT", "tcp://10.0.0.1:8080")
			t.Setenv("CHANGEGATE_NOTHING", "")
			_, err := LoadDatabase("", os.LookupEnv)
			switch {
			case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
				t.Errorf("LoadDatabase: %v, want %q", err, want)
			case err != nil && (strings.Contains(err.Error(), "hunter2") || len(err.(Problems)) != 1):
				t.Errorf("LoadDatabase: %v", err)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yml"), lookup(working()))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load: %v, want that it does not exist", err)
	}
}

func TestEmptyFileIsAllDefaults(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "github:\nserver:\n  # address: x\nlog: ~\n"} {
		if _, err := Load(write(t, "changegate.yml", text), lookup(working())); err != nil {
			t.Errorf("Load of %q: %v", text, err)
		}
	}
}

func TestExampleLoads(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"example.yml": Example(), "webhook-secret": "hook-s3cret\n", "private-key.pem": testKey()} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load("example.yml", lookup(nil))
	if err != nil {
		t.Fatal(err)
	}
	if c.GitHub.App.IntegrationID != 123456 || c.GitHub.App.WebhookSecret.Reveal() != "hook-s3cret" || c.Server.PrivateKeyFile != "private-key.pem" {
		t.Errorf("the example does not say what it shows: %v", c)
	}

	// Uncommented, it is a configuration with every key, each beside its variable.
	for _, k := range keys() {
		name := k[strings.LastIndexByte(string(k), '.')+1:]
		if !strings.Contains(Example(), string(name)+":") || !strings.Contains(Example(), "# "+k.variable()) {
			t.Errorf("the example lacks %s or its variable %s", k, k.variable())
		}
	}
}

// TestNoOutputShowsASecret formats, encodes and logs a configuration in every way that there is.
func TestNoOutputShowsASecret(t *testing.T) {
	secrets := map[string]string{
		"GITHUB_APP_WEBHOOK_SECRET":                 "s3cret-hook",
		"GITHUB_OAUTH_CLIENT_ID":                    "Iv1.x",
		"GITHUB_OAUTH_CLIENT_SECRET":                "s3cret-oauth",
		"CHANGEGATE_SERVER_PREVIOUS_WEBHOOK_SECRET": "s3cret-before",
		"CHANGEGATE_SLACK_TOKEN":                    "xoxb-s3cret-slack",
		"CHANGEGATE_DATABASE_URL":                   "postgres://gate:s3cret-db@h/db?password=s3cret-too",
		"CHANGEGATE_LEDGER_KEY":                     testLedgerKey,
	}
	env := working()
	maps.Copy(env, secrets)
	c, err := Load("", lookup(env))
	if err != nil {
		t.Fatal(err)
	}
	hidden := struct{ c Config }{*c} // fmt can call no methods below here
	live := NewSecrets(c, time.Now, nil)

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{c, *c, hidden, &hidden, c.GitHub, c.GitHub.App.PrivateKey, c.Slack, c.Database, c.Database.URL, live} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	if err := json.NewEncoder(&out).Encode(c); err != nil {
		t.Fatal(err)
	}
	log := zerolog.New(&out)
	log.Info().Interface("c", c).Any("d", *c).Stringer("s", c.GitHub.App.WebhookSecret).Msgf("%v", c)
	console := zerolog.New(zerolog.ConsoleWriter{Out: &out, NoColor: true})
	console.Info().Interface("c", c).Msg("x")

	text := out.String()
	for _, leak := range []string{"s3cret", "PRIVATE KEY", "PRIVATE+KEY", fmt.Sprintf("%x", "s3cret")} {
		if i := strings.Index(text, leak); i >= 0 {
			t.Errorf("output shows %q: …%s…", leak, text[max(0, i-200):min(len(text), i+50)])
		}
	}
	if !strings.Contains(text, "[redacted]") {
		t.Error("no output says that something was redacted")
	}
}

func TestTheDatabaseAlone(t *testing.T) {
	for _, row := range []struct {
		name, file, want, problem string
		env                       map[string]string
	}{
		{name: "nothing else is there", file: "database: {url: 'sqlite:a.db'}", want: "sqlite:a.db"},
		{name: "the environment wins", file: "database: {url: 'sqlite:a.db'}", env: map[string]string{"CHANGEGATE_DATABASE_URL": "sqlite:b.db"}, want: "sqlite:b.db"},
		{name: "as the server takes it where nothing is said", file: "server: {private_key_file: gone.pem}", want: "sqlite:changegate.db"},
		{name: "another kind", file: "database: {url: 'mysql:a'}", problem: "database.url: is neither"},
		{name: "a slip", file: "databse: {url: 'sqlite:a.db'}", problem: "did you mean database?"},
		{name: "a mark at the beginning, as editors on Windows write", file: "\ufeffdatabase: {url: 'sqlite:a.db'}", want: "sqlite:a.db"},
		{name: "a slip further in", file: "database: {ulr: 'sqlite:a.db'}", problem: "did you mean database.url?"},
		{name: "no file", file: "", problem: "no such file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "changegate.yml")
			if row.file != "" {
				if err := os.WriteFile(path, []byte(row.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := LoadDatabase(path, func(k string) (string, bool) { v, ok := row.env[k]; return v, ok })
			switch {
			case row.problem == "" && (err != nil || got.URL.Reveal() != row.want):
				t.Errorf("%q, %v, want %q", got.URL.Reveal(), err, row.want)
			case row.problem != "" && (err == nil || !strings.Contains(err.Error(), row.problem)):
				t.Errorf("%v, want %q", err, row.problem)
			}
		})
	}
}

func TestDigest(t *testing.T) {
	digest := func(with ...string) string {
		c, err := Load("", lookup(working(with...)))
		if err != nil {
			t.Fatal(err)
		}
		d, err := c.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	one := digest("CHANGEGATE_DATABASE_URL", "postgres://u:one@h/db", "CHANGEGATE_LEDGER_KEY_FILE", "k")
	if one != digest("CHANGEGATE_DATABASE_URL", "postgres://u:two@h/db", "CHANGEGATE_LEDGER_KEY_FILE", "k") {
		t.Error("a password is in the digest")
	}
	if one == digest("CHANGEGATE_DATABASE_URL", "postgres://u:one@other/db", "CHANGEGATE_LEDGER_KEY_FILE", "k") {
		t.Error("another database has the same digest")
	}
}

func TestTheLedgerAlone(t *testing.T) {
	path := write(t, "changegate.yml", "database: {url: 'sqlite:a.db'}\nserver: {private_key_file: gone.pem}\n")
	d, l, err := LoadLedger(path, lookup(nil))
	if err != nil || d.URL.Reveal() != "sqlite:a.db" || l.KeyFile != "a.db.ledger-key" {
		t.Errorf("%v, %+v, %v", d, l, err)
	}
}
