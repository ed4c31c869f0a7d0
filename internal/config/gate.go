package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// actionsIssuer signs the tokens of jobs on GitHub.com.
const actionsIssuer = "https://token.actions.githubusercontent.com"

// minToken is how long a static token must be, so that it cannot be guessed from its digest.
const minToken = 32

// Gate is how jobs prove who they are that ask whether they may deploy.
type Gate struct {
	// Audience is what OIDC tokens must be for; server.public_url unless it is set. Empty: OIDC tokens are refused, and no issuer is called.
	Audience string
	Issuers  []string // URLs, exactly as they call themselves in tokens
	Tokens   []GateToken
}

// GateToken is a static token, bound to one environment of one repository.
type GateToken struct {
	Name        string // unique: letters, digits, dots, hyphens and underscores
	Repository  string // owner/name
	Environment string
	SHA256      [sha256.Size]byte // of the token, which is not kept
	File        string            // which holds the token; empty: the configuration has its digest
}

// gate reads who may ask at the gate. Without anything set, jobs are known by the OIDC tokens of this GitHub, if there is a public URL
// that these can be for.
func (l *loader) gate(g GitHub, server Server) Gate {
	gate := Gate{Audience: l.text(gateAudience, server.PublicURL), Issuers: l.issuers(), Tokens: l.gateTokens()}
	if strings.ContainsFunc(gate.Audience, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		l.wrong(gateAudience, "has white space in it; write a text of your own without, or remove it to take server.public_url")
	}
	switch {
	case l.isSet(gateIssuers) && gate.Audience == "":
		l.wrong(gateIssuers, "is set and there is nothing that tokens could be for; set %s or %s", gateAudience, publicURL)
	case !l.isSet(gateIssuers) && g.WebURL != "":
		gate.Issuers = []string{issuerOf(g.WebURL)}
	}
	return gate
}

// issuerOf returns who signs the tokens of jobs on a GitHub.
func issuerOf(web string) string {
	switch host := strings.TrimPrefix(web, "https://"); {
	case web == gitHubWeb:
		return actionsIssuer
	case strings.HasSuffix(host, ".ghe.com"): // GitHub Enterprise Cloud with data residency
		return "https://token.actions." + host
	default:
		return web + "/_services/token"
	}
}

// issuers reads a list of URLs; in the environment commas part them. A token names its issuer to the letter, so that the URLs are taken
// as they are written.
func (l *loader) issuers() []string {
	if !l.isSet(gateIssuers) {
		return nil
	}
	var out []string
	v := l.values[gateIssuers]
	if v.node == nil {
		for text := range strings.SplitSeq(v.text, ",") {
			out = append(out, strings.TrimSpace(text))
		}
	} else {
		for _, node := range v.node.Values {
			text, ok := scalar(node)
			if !ok {
				l.problemAt(string(gateIssuers), node, v.source, "holds something else than texts; write one URL an entry")
				return nil
			}
			out = append(out, text)
		}
	}
	for _, issuer := range out {
		if l.url(gateIssuers, issuer) == "" {
			continue // it said why
		}
		if u, err := url.Parse(issuer); err != nil || u.Host != strings.ToLower(u.Host) || strings.HasSuffix(issuer, "/") {
			l.wrong(gateIssuers, "has a URL with capitals in its host or a slash at its end; write it as its tokens have it in iss")
		}
	}
	return out
}

// gateTokens reads the static tokens: a list of blocks, which the environment has as YAML too.
func (l *loader) gateTokens() []GateToken {
	v := l.values[gateTokens]
	if v.node == nil && v.text != "" {
		file, err := parser.ParseBytes([]byte(v.text), 0)
		if err == nil && len(file.Docs) == 1 {
			v.node, _ = file.Docs[0].Body.(*ast.SequenceNode)
		}
		if v.node == nil {
			l.wrong(gateTokens, "is not a list of blocks; write it as [{name: …, repository: …, environment: …, sha256: …}]")
			return nil
		}
	}
	if v.node == nil {
		return nil
	}
	var out []GateToken
	for i, node := range v.node.Values {
		t := l.gateToken(fmt.Sprintf("%s[%d]", gateTokens, i), node, v.source)
		for _, other := range out {
			switch {
			case t.Name != "" && strings.EqualFold(t.Name, other.Name):
				l.problemAt(fmt.Sprintf("%s[%d].name", gateTokens, i), node, v.source, "is that of another token too; give each its own")
			case t.SHA256 != ([sha256.Size]byte{}) && t.SHA256 == other.SHA256:
				l.problemAt(fmt.Sprintf("%s[%d]", gateTokens, i), node, v.source, "is the same token as another; make one for each repository and environment")
			}
		}
		out = append(out, t)
	}
	return out
}

var (
	tokenName      = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	repositoryName = regexp.MustCompile(`^[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}$`)
)

func (l *loader) gateToken(name string, node ast.Node, source string) GateToken {
	fields := l.fields(name, node, source, []string{"name", "repository", "environment", "sha256", "token_file"})
	if fields == nil {
		return GateToken{}
	}
	wrong := func(field, text string) {
		if l.isWrong(name + "." + field) {
			return
		}
		at := node
		if n, ok := fields[field]; ok {
			at = n.node
		}
		l.problemAt(name+"."+field, at, source, text)
	}
	t := GateToken{
		Name: fields["name"].text, Repository: fields["repository"].text, Environment: fields["environment"].text, File: fields["token_file"].text,
	}
	if !tokenName.MatchString(t.Name) {
		wrong("name", "is missing or malformed; write up to 64 letters, digits, dots, hyphens and underscores")
	}
	if !repositoryName.MatchString(t.Repository) {
		wrong("repository", "is missing or not OWNER/NAME; a token is for one repository")
	}
	if e := t.Environment; e == "" || len(e) > 255 || e != strings.TrimSpace(e) || strings.ContainsFunc(e, unicode.IsControl) {
		wrong("environment", "is missing or malformed; a token is for one environment")
	}
	digest := fields["sha256"].text
	switch {
	case digest == "" && t.File == "":
		wrong("sha256", "is missing; write what printf %s TOKEN | sha256sum prints, or name a file with the token in token_file")
	case digest != "" && t.File != "":
		wrong("sha256", "is set and token_file too; keep one of them")
	case digest != "":
		raw, err := hex.DecodeString(digest)
		if err != nil || len(raw) != sha256.Size {
			wrong("sha256", "is not 64 hexadecimal digits; write what printf %s TOKEN | sha256sum prints")
			break
		}
		t.SHA256 = [sha256.Size]byte(raw)
	default:
		var err error
		if t.SHA256, err = readSecret(t.File, parseGateToken); err != nil {
			wrong("token_file", err.Error())
		}
	}
	return t
}

// parseGateToken returns the digest of the token in a file.
func parseGateToken(file []byte) ([sha256.Size]byte, error) {
	token := strings.TrimSpace(string(file))
	if len(token) < minToken || strings.ContainsFunc(token, unicode.IsSpace) {
		return [sha256.Size]byte{}, errors.New("does not hold one token of 32 characters or more and nothing else; make one with openssl rand -hex 32")
	}
	return sha256.Sum256([]byte(token)), nil
}

// field is a text in a block, with where it is.
type field struct {
	text string
	node ast.Node
}

// fields reads a block of texts. It returns nil, having said why, where there is none.
func (l *loader) fields(name string, node ast.Node, source string, known []string) map[string]field {
	entries, ok := entriesOf(node)
	if !ok {
		l.problemAt(name, node, source, "is not a block of keys; write name, repository, environment, and sha256 or token_file")
		return nil
	}
	out := map[string]field{}
	for _, e := range entries {
		key := e.Key.GetToken().Value
		if !slices.Contains(known, key) {
			l.problemAt(name+"."+key, e.Key, source, "is not a key of this configuration; a token has "+strings.Join(known, ", "))
			continue
		}
		text, ok := scalar(e.Value)
		if !ok {
			l.problemAt(name+"."+key, e.Value, source, "is not a text; put it in quotes")
		}
		out[key] = field{text, e.Value}
	}
	return out
}
