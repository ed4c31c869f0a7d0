package github

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/changegate/changegate/internal/change"
)

func TestCoAuthors(t *testing.T) {
	bobs := change.Signature{Name: "Bob", Email: "bob@acme.example"}
	for name, tt := range map[string]struct {
		message string
		want    []change.Signature
	}{
		"none":                   {"Fix the thing", nil},
		"one":                    {"Fix\n\nCo-authored-by: Bob <bob@acme.example>", []change.Signature{bobs}},
		"any case":               {"Fix\n\nCO-AUTHORED-BY: Bob <bob@acme.example>\n", []change.Signature{bobs}},
		"Windows lines":          {"Fix\r\n\r\nCo-authored-by: Bob <bob@acme.example>\r\n", []change.Signature{bobs}},
		"trailing space":         {"Fix\n \nCo-authored-by: Bob <bob@acme.example>  \n\n\n", []change.Signature{bobs}},
		"space before the colon": {"Fix\n\nCo-authored-by : Bob <bob@acme.example>", []change.Signature{bobs}},
		"continued":              {"Fix\n\nCo-authored-by: Bob\n  <bob@acme.example>", []change.Signature{bobs}},
		"among others":           {"Fix\n\nSigned-off-by: A <a@b>\nCo-authored-by: Bob <bob@acme.example>\nReviewed-by: C <c@d>", []change.Signature{bobs}},
		"among prose":            {"Fix\n\nwith much help\nCo-authored-by: Bob <bob@acme.example>", []change.Signature{bobs}},
		"the message is all":     {"Co-authored-by: Bob <bob@acme.example>", []change.Signature{bobs}},
		"two":                    {"Fix\n\nCo-authored-by: Bob <bob@acme.example>\nCo-authored-by: <c@d>", []change.Signature{bobs, {Email: "c@d"}}},
		"no address":             {"Fix\n\nCo-authored-by: Bob", []change.Signature{{Name: "Bob"}}},
		"nobody":                 {"Fix\n\nCo-authored-by:", nil},
		"angles in the name":     {"Fix\n\nCo-authored-by: B <o> b <bob@acme.example>", []change.Signature{{Name: "B <o> b", Email: "bob@acme.example"}}},
		"angles the wrong way":   {"Fix\n\nCo-authored-by: B > a <", []change.Signature{{Name: "B > a <"}}},
		"an earlier paragraph":   {"Fix\n\nCo-authored-by: Bob <bob@acme.example>\n\nand more", nil},
		"quoted":                 {"Fix\n\n> Co-authored-by: Bob <bob@acme.example>", nil},
		"indented":               {"Fix\n\n  Co-authored-by: Bob <bob@acme.example>", []change.Signature{bobs}},
	} {
		t.Run(name, func(t *testing.T) { diff(t, coAuthors(tt.message), tt.want) })
	}
}

func TestCoAuthorsAreNeverLost(t *testing.T) {
	line := rapid.StringMatching(`[A-Za-z-]{1,12}: [ -~]{1,20}`)
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.String().Draw(t, "body")
		lines := rapid.SliceOfN(line, 0, 5).Draw(t, "other trailers")
		at := rapid.IntRange(0, len(lines)).Draw(t, "at")
		lines = append(lines[:at:at], append([]string{"Co-authored-by: Bob <bob@acme.example>"}, lines[at:]...)...)
		for _, sig := range coAuthors(body + "\n\n" + strings.Join(lines, "\n")) {
			if sig.Email == "bob@acme.example" {
				return
			}
		}
		t.Fatalf("lost in %q", lines)
	})
}

func TestNoreplyAddresses(t *testing.T) {
	g := newFake(t).github()
	for email, tt := range map[string]struct {
		account change.Account
		login   string
	}{
		"12+bob@users.noreply.github.com":                   {bob, "bob"},
		"12+bob@USERS.noreply.github.com":                   {bob, "bob"},
		"49699333+dependabot[bot]@users.noreply.github.com": {change.Account{ID: 49699333, Login: "dependabot[bot]", Kind: change.KindBot}, "dependabot[bot]"},
		"bob@users.noreply.github.com":                      {change.Account{}, "bob"},
		"x+bob@users.noreply.github.com":                    {},
		"-1+bob@users.noreply.github.com":                   {},
		"12+@users.noreply.github.com":                      {},
		"@users.noreply.github.com":                         {},
		"12+bob@users.noreply.github.com.evil.example":      {},
		"12+bob@evil.example":                               {},
		"noreply@github.com":                                {},
		"":                                                  {},
	} {
		a, login := g.noreplyAccount(email)
		if a != tt.account || login != tt.login {
			t.Errorf("%q: got %v, %q", email, a, login)
		}
	}
}

func TestNoreplyAddressesOfWhatStandsInForGitHub(t *testing.T) {
	for web, domains := range map[string][]string{
		"http://127.0.0.1:8000":    {"users.noreply.127.0.0.1", "users.noreply.github.com"},
		"https://github.acme.test": {"users.noreply.github.acme.test"},
	} {
		config := newFake(t).config()
		config.App.WebURL = web
		g, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		for _, domain := range []string{"users.noreply.127.0.0.1", "users.noreply.github.acme.test", "users.noreply.github.com"} {
			want := change.Account{}
			if slices.Contains(domains, domain) {
				want = bob
			}
			if a, _ := g.noreplyAccount("12+bob@" + domain); a != want {
				t.Errorf("%s at %s: got %v", domain, web, a)
			}
		}
	}
}
