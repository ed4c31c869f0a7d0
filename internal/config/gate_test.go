package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const aToken = "0123456789abcdef0123456789abcdef"

func digestOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func TestGate(t *testing.T) {
	inFile := write(t, "gate-token", aToken+"\n")
	tokens := []GateToken{
		{Name: "jenkins", Repository: "acme/shop", Environment: "production", SHA256: sha256.Sum256([]byte("another token of thirty-two characters"))},
		{Name: "jenkins-staging", Repository: "acme/shop", Environment: "staging", SHA256: sha256.Sum256([]byte(aToken)), File: inFile},
	}
	digest := digestOf("another token of thirty-two characters")
	tests := map[string]struct {
		file string
		env  []string
		want Gate
	}{
		"the audience is the public URL": {
			env:  []string{"CHANGEGATE_SERVER_PUBLIC_URL", "https://gate.acme.example/"},
			want: Gate{Audience: "https://gate.acme.example", Issuers: []string{actionsIssuer}},
		},
		"on GHE.com": {
			file: "github: {web_url: https://Acme.ghe.com/, v3_api_url: https://api.acme.ghe.com}",
			env:  []string{"CHANGEGATE_SERVER_PUBLIC_URL", "https://gate.acme.example"},
			want: Gate{Audience: "https://gate.acme.example", Issuers: []string{"https://token.actions.acme.ghe.com"}},
		},
		"all in the file": {
			file: `gate:
  audience: acme-gate
  issuers: [https://token.actions.githubusercontent.com/acme, "https://gitlab.acme.example"]
  tokens:
    - name: jenkins
      repository: acme/shop
      environment: production
      sha256: "` + digest + `"
    - {name: jenkins-staging, repository: acme/shop, environment: staging, token_file: ` + inFile + `}
`,
			want: Gate{Audience: "acme-gate", Issuers: []string{"https://token.actions.githubusercontent.com/acme", "https://gitlab.acme.example"}, Tokens: tokens},
		},
		"the environment wins": {
			file: "gate: {audience: acme-gate, issuers: [https://one.example], tokens: []}",
			env: []string{
				"CHANGEGATE_GATE_AUDIENCE", "other-gate", "CHANGEGATE_GATE_ISSUERS", "https://two.example, https://three.example/x",
				"CHANGEGATE_GATE_TOKENS", "[{name: jenkins, repository: acme/shop, environment: production, sha256: '" + digest + "'}]",
			},
			want: Gate{Audience: "other-gate", Issuers: []string{"https://two.example", "https://three.example/x"}, Tokens: tokens[:1]},
		},
		"one issuer as a text": {
			file: "gate: {audience: acme-gate, issuers: https://one.example, tokens: ~}",
			want: Gate{Audience: "acme-gate", Issuers: []string{"https://one.example"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := Load(write(t, "changegate.yml", tt.file), lookup(working(tt.env...)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, c.Gate); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestGateProblems(t *testing.T) {
	short := write(t, "short", "hunter2\n")
	const malformed = "gate.tokens: is not a list of blocks; write it as [{name: …, repository: …, environment: …, sha256: …}]"
	tests := map[string]struct {
		file string
		env  []string
		want []string // each the start of a problem's line
	}{
		"issuers without an audience": {
			file: "gate: {issuers: [https://one.example]}",
			want: []string{"gate.issuers: is set and there is nothing that tokens could be for; set gate.audience or server.public_url (FILE:1:17)"},
		},
		"issuers that are none": {
			file: "gate: {audience: a, issuers: [one.example, http://two.example]}",
			want: []string{"gate.issuers: is not a URL with a host; write it as https://HOST"},
		},
		"an issuer over plain http": {
			env:  []string{"CHANGEGATE_GATE_AUDIENCE", "a", "CHANGEGATE_GATE_ISSUERS", "http://two.example"},
			want: []string{"gate.issuers: is plain http; use https"},
		},
		"an issuer that no token names so": {
			file: "gate: {audience: a, issuers: [https://one.example/]}",
			want: []string{"gate.issuers: has a URL with capitals in its host or a slash at its end; write it as its tokens have it in iss"},
		},
		"lists of something else": {
			file: "gate: {audience: a, issuers: [{a: b}], tokens: {a: b}}",
			want: []string{"gate.issuers: holds something else than texts; write one URL an entry (FILE:1:31)", "gate.tokens: is not a list; begin each of its entries with a hyphen"},
		},
		"an audience that is none":            {file: "gate: {audience: a b}", want: []string{"gate.audience: has white space in it"}},
		"tokens that are a text":              {env: []string{"CHANGEGATE_GATE_TOKENS", "hunter2"}, want: []string{malformed}},
		"tokens that are no YAML":             {env: []string{"CHANGEGATE_GATE_TOKENS", "[{name: 'hunter2"}, want: []string{malformed}},
		"a token that is a text":              {file: "gate: {tokens: [hunter2]}", want: []string{"gate.tokens[0]: is not a block of keys; write name, repository"}},
		"a token that is bound to nothing":    {file: "gate: {tokens: [{sha256: '" + digestOf("a") + "'}]}", want: []string{"gate.tokens[0].name: is missing", "gate.tokens[0].repository: is missing or not OWNER/NAME", "gate.tokens[0].environment: is missing"}},
		"a token without a digest":            {file: "gate: {tokens: [{name: a, repository: a/b, environment: c}]}", want: []string{"gate.tokens[0].sha256: is missing; write what printf %s TOKEN | sha256sum prints"}},
		"a digest that is the token itself":   {file: "gate: {tokens: [{name: a, repository: a/b, environment: c, sha256: hunter2}]}", want: []string{"gate.tokens[0].sha256: is not 64 hexadecimal digits"}},
		"a name that YAML reads as a number":  {file: "gate: {tokens: [{name: 12, repository: a/b, environment: c, sha256: '" + digestOf("a") + "'}]}", want: []string{"gate.tokens[0].name: is not a text; put it in quotes"}},
		"a digest and a file":                 {file: "gate: {tokens: [{name: a, repository: a/b, environment: c, sha256: x, token_file: y}]}", want: []string{"gate.tokens[0].sha256: is set and token_file too; keep one of them"}},
		"a file that is not there":            {file: "gate: {tokens: [{name: a, repository: a/b, environment: c, token_file: there/is/none}]}", want: []string{"gate.tokens[0].token_file: names no file: DIR has none of that name; write the whole path, or start the server in the directory in which this one begins (FILE:1:72)"}},
		"a token that can be guessed":         {file: "gate: {tokens: [{name: a, repository: a/b, environment: c, token_file: " + short + "}]}", want: []string{"gate.tokens[0].token_file: " + short + " does not hold one token of 32 characters or more"}},
		"a key that is none":                  {file: "gate: {tokens: [{name: a, repository: a/b, environment: c, sha256: '" + digestOf("a") + "', enviroment: d}]}", want: []string{"gate.tokens[0].enviroment: is not a key of this configuration; a token has name, repository, environment, sha256, token_file"}},
		"a name and a token that occur twice": {file: "gate: {tokens: [{name: a, repository: a/b, environment: c, sha256: '" + digestOf("a") + "'}, {name: A, repository: a/b, environment: d, sha256: '" + digestOf("b") + "'}, {name: b, repository: a/b, environment: d, sha256: '" + digestOf("a") + "'}]}", want: []string{"gate.tokens[1].name: is that of another token too", "gate.tokens[2]: is the same token as another"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := write(t, "changegate.yml", tt.file)
			_, err := Load(path, lookup(working(tt.env...)))
			problems, _ := errors.AsType[Problems](err)
			if len(problems) != len(tt.want) {
				t.Fatalf("%d problems, want %d:\n%v", len(problems), len(tt.want), err)
			}
			for i, p := range problems {
				if got := anywhere(t, path).Replace(p.String()); !strings.HasPrefix(got, tt.want[i]) {
					t.Errorf("problem %d:\n got %s\nwant %s", i, got, tt.want[i])
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
}

func TestGateTokensAreReadAgain(t *testing.T) {
	path := write(t, "gate-token", aToken)
	c, err := Load("", lookup(working("CHANGEGATE_GATE_TOKENS", "[{name: a, repository: a/b, environment: c, token_file: "+path+"}]")))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var reports []string
	s := NewSecrets(c, func() time.Time { return now }, func(err error) { reports = append(reports, err.Error()) })
	expect := func(token string) {
		t.Helper()
		if got := s.GateTokens(); len(got) != 1 || got[0].SHA256 != sha256.Sum256([]byte(token)) {
			t.Errorf("the tokens are %v, want that of %q", got, token)
		}
	}
	replace := func(token string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		now = now.Add(5 * time.Second)
	}
	expect(aToken)
	replace(strings.ToUpper(aToken))
	expect(strings.ToUpper(aToken))
	replace("short")
	expect(strings.ToUpper(aToken))
	want := []string{"gate.tokens[0].token_file: " + path + " does not hold one token of 32 characters or more and nothing else; make one with openssl rand -hex 32; what it held before stays in use"}
	if !slices.Equal(reports, want) {
		t.Errorf("reports are %q, want %q", reports, want)
	}
}

// TestExampleOfGateLoads takes the hash signs off the example's block.
func TestExampleOfGateLoads(t *testing.T) {
	_, block, _ := strings.Cut(Example(), "\n# gate:\n")
	block, _, _ = strings.Cut(block, "\n\n")
	block = "gate:\n" + strings.ReplaceAll("\n"+block, "\n#", "\n")
	t.Chdir(t.TempDir())
	if err := os.WriteFile("gate-token", []byte(aToken), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(write(t, "gate.yml", block), lookup(working()))
	if err != nil {
		t.Fatalf("%v\n%s", err, block)
	}
	if c.Gate.Audience == "" || !slices.Equal(c.Gate.Issuers, []string{actionsIssuer}) || len(c.Gate.Tokens) != 2 {
		t.Errorf("the example does not say what it shows: %v", c.Gate)
	}
}
