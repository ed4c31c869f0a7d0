package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSecretsAreReadAgain(t *testing.T) {
	hook := write(t, "webhook-secret", "first\n")
	key := write(t, "key.pem", testKey())
	c, err := Load("", lookup(map[string]string{
		"GITHUB_APP_INTEGRATION_ID":             "7",
		"CHANGEGATE_SERVER_WEBHOOK_SECRET_FILE": hook,
		"CHANGEGATE_SERVER_PRIVATE_KEY_FILE":    key,
	}))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var reports []string
	s := NewSecrets(c, func() time.Time { return now }, func(err error) { reports = append(reports, err.Error()) })

	emptied := "server.webhook_secret_file: " + hook + " is empty; its first line must be the webhook secret of the App's settings; what it held before stays in use"
	steps := []struct {
		name              string
		file              string // "-" leaves it, "" empties it
		later             time.Duration
		current, previous string
		reports           []string
	}{
		{"at the start", "-", 0, "first", "", nil},
		{"changed a moment ago", "second\nfirst\n", time.Second, "first", "", nil},
		{"seen", "-", 5 * time.Second, "second", "first", nil},
		{"emptied", "", 5 * time.Second, "second", "first", []string{emptied}},
		{"still empty: said once", "-", 5 * time.Second, "second", "first", []string{emptied}},
		{"mended, the old one gone", "second\n", 5 * time.Second, "second", "", []string{emptied}},
		{"emptied again: said again", "\n \n", 5 * time.Second, "second", "", []string{emptied, emptied}},
	}
	for _, step := range steps {
		if step.file != "-" {
			if err := os.WriteFile(hook, []byte(step.file), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(step.later)
		current, previous := s.Webhook()
		if string(current) != step.current || string(previous) != step.previous {
			t.Errorf("%s: the secrets are %q and %q, want %q and %q", step.name, current, previous, step.current, step.previous)
		}
		if !slices.Equal(reports, step.reports) {
			t.Errorf("%s: reports are %q, want %q", step.name, reports, step.reports)
		}
		if n, broken := s.Unusable(), current != nil && strings.Contains(step.name, "empt"); n > 0 != broken {
			t.Errorf("%s: %d files are unusable", step.name, n)
		}
	}

	reports = nil
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if got := string(s.PrivateKey()); got != testKey() {
		t.Error("the private key is lost with its file")
	}
	want := []string{"server.private_key_file: names no file: " + filepath.Dir(key) + " has none of that name; name the file; what it held before stays in use"}
	if !slices.Equal(reports, want) {
		t.Errorf("reports are %q, want %q", reports, want)
	}
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if got := string(s.PrivateKey()); got != testKey() {
		t.Error("the private key is lost to what is none")
	}
}

// TestFilesOfSecrets: an error says which file it is about, and shows nothing that may be a secret.
func TestFilesOfSecrets(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{"empty": "", "three": "a\nb\nc", "key.pem": testKey(), "large": strings.Repeat("x", maxFile+1)}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for _, tt := range []struct{ setting, path, want string }{
		{"webhook_secret", "empty", "DIR/empty is empty; its first line"},
		{"webhook_secret", dir + "/three", "DIR/three has more than two secrets"},
		{"webhook_secret", "large", "DIR/large is larger than 1048576 bytes; name another file"},
		{"webhook_secret", ".", "DIR is a directory; name a file in it"},
		{"webhook_secret", "s3cret+of/the+App==", "names no file: DIR has none of that name; write the whole path"},
		{"webhook_secret", "/s3cret+of/the+App==", "names no file: / has none of that name; name the file (CHANGE"},
		{"webhook_secret", "key.pem/s3cret", "names no file: DIR has none of that name"},
		{"private_key", testKey(), "names no file: DIR has none of that name"},
		{"private_key", "three", "DIR/three is not an RSA private key of 2048 bits or more in PEM form; download one"},
	} {
		env := working()
		delete(env, "GITHUB_APP_"+strings.ToUpper(tt.setting))
		env["CHANGEGATE_SERVER_"+strings.ToUpper(tt.setting)+"_FILE"] = tt.path
		_, err := Load("", lookup(env))
		if err == nil {
			t.Fatalf("%s is taken", tt.path)
		}
		want := "configuration: server." + tt.setting + "_file: " + strings.ReplaceAll(tt.want, "DIR", dir)
		if text := err.Error(); !strings.HasPrefix(text, want) || strings.Contains(text, "s3cret+") || strings.Contains(text, "PRIVATE KEY") {
			t.Errorf("%s is refused with %q, want %q", tt.path, text, want)
		}
	}
}

func TestSlackTokenIsReadAgain(t *testing.T) {
	file := write(t, "slack-token", "xoxb-first\n")
	c, err := Load("", lookup(working("CHANGEGATE_SLACK_TOKEN_FILE", file)))
	if err != nil {
		t.Fatal(err)
	}
	if c.Slack.APIURL != "https://slack.com/api" {
		t.Errorf("the address is %q", c.Slack.APIURL)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var reports []string
	s := NewSecrets(c, func() time.Time { return now }, func(err error) { reports = append(reports, err.Error()) })
	for _, step := range []struct {
		file, token string
		reports     int
	}{
		{"xoxb-first", "xoxb-first", 0},
		{"xoxe.xoxb-second\n", "xoxe.xoxb-second", 0},
		{"xapp-other", "xoxe.xoxb-second", 1},
		{"", "xoxe.xoxb-second", 1},
		{"xoxb-third", "xoxb-third", 1},
	} {
		if err := os.WriteFile(file, []byte(step.file), 0o600); err != nil {
			t.Fatal(err)
		}
		now = now.Add(rereadEvery)
		if got := s.SlackToken(); got != step.token || len(reports) != step.reports {
			t.Errorf("with %q in the file the token is %q, with reports %q", step.file, got, reports)
		}
	}
}

func TestParseSecrets(t *testing.T) {
	tests := []struct {
		file, current, previous string
		ok                      bool
	}{
		{"one", "one", "", true},
		{"one\r\ntwo\r\n", "one", "two", true},
		{"\n one \n\n two", "one", "two", true},
		{"", "", "", false},
		{"one two", "", "", false},
		{"one\ntwo\nthree", "", "", false},
	}
	for _, tt := range tests {
		got, err := parseSecrets([]byte(tt.file))
		if got.current.Reveal() != tt.current || got.previous.Reveal() != tt.previous || (err == nil) != tt.ok {
			t.Errorf("parseSecrets(%q) = %q, %q, %v", tt.file, got.current.Reveal(), got.previous.Reveal(), err)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, tt := range []struct{ key, want string }{
		{"github.app.integration_Id", "github.app.integration_id"},
		{"github.app.integrationid", "github.app.integration_id"},
		{"webhook_secret", "github.app.webhook_secret"},
		{"databse.url", "database.url"},
		{"log.lvl", "log.level"},
		{"something.else.entirely", ""},
	} {
		if got := nearest(tt.key, names()); got != tt.want {
			t.Errorf("nearest(%q) = %q, want %q", tt.key, got, tt.want)
		}
	}
}
