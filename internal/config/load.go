package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// key is a setting's name: its path in the file.
type key string

const (
	webURL                  key = "github.web_url"
	v3APIURL                key = "github.v3_api_url"
	v4APIURL                key = "github.v4_api_url"
	integrationID           key = "github.app.integration_id"
	webhookSecret           key = "github.app.webhook_secret"
	privateKey              key = "github.app.private_key"
	clientID                key = "github.oauth.client_id"
	clientSecret            key = "github.oauth.client_secret"
	address                 key = "server.address"
	publicURL               key = "server.public_url"
	previousWebhookSecret   key = "server.previous_webhook_secret"
	webhookSecretFile       key = "server.webhook_secret_file"
	privateKeyFile          key = "server.private_key_file"
	databaseURL             key = "database.url"
	slackToken              key = "slack.token"
	slackTokenFile          key = "slack.token_file"
	slackAPIURL             key = "slack.api_url"
	gateAudience            key = "gate.audience"
	gateIssuers             key = "gate.issuers"
	gateTokens              key = "gate.tokens"
	ledgerKey               key = "ledger.key"
	ledgerKeyFile           key = "ledger.key_file"
	ledgerPublishFile       key = "ledger.publish_file"
	ledgerPublishEvery      key = "ledger.publish_every"
	ledgerPublishRepository key = "ledger.publish_repository"
	logLevel                key = "log.level"
	logFormat               key = "log.format"
)

// keys returns all settings, in the order in which they are checked and shown.
func keys() []key {
	return []key{
		webURL, v3APIURL, v4APIURL, integrationID, webhookSecret, privateKey, clientID, clientSecret,
		address, publicURL, previousWebhookSecret, webhookSecretFile, privateKeyFile, databaseURL,
		slackToken, slackTokenFile, slackAPIURL, gateAudience, gateIssuers, gateTokens,
		ledgerKey, ledgerKeyFile, ledgerPublishFile, ledgerPublishEvery, ledgerPublishRepository, logLevel, logFormat,
	}
}

// isList says whether a setting is a list of things.
func (k key) isList() bool { return k == gateIssuers || k == gateTokens }

// variable returns the environment variable of a setting: go-githubapp's own for the github block, and for the rest
// CHANGEGATE_ before the key.
func (k key) variable() string {
	name := strings.ToUpper(strings.ReplaceAll(string(k), ".", "_"))
	if strings.HasPrefix(string(k), "github.") {
		return name
	}
	return "CHANGEGATE_" + name
}

// value is what a setting was given, and where.
type value struct {
	text         string
	node         *ast.SequenceNode // of a list in the file, whose text is of no account
	source       string
	line, column int
}

// loader collects values and problems.
type loader struct {
	values   map[key]value
	problems Problems
}

// Load reads the file at path, if path is not empty, and the environment, which overrides the file; a variable that is set to nothing
// counts as not set, and one that begins with CHANGEGATE_ and is no setting's is wrong. Relative paths are relative to the working directory.
// Environment variables are looked up with env, which is os.LookupEnv but in tests.
//
// The error is of type Problems when the configuration is wrong, and holds all that is wrong with it. It shows no value.
func Load(path string, env func(string) (string, bool)) (*Config, error) {
	l, err := read(path, env)
	if err != nil {
		return nil, err
	}
	c := l.check()
	if len(l.problems) > 0 {
		slices.SortStableFunc(l.problems, func(a, b Problem) int {
			return cmp.Or(cmp.Compare(a.line(), b.line()), cmp.Compare(a.Column, b.Column))
		})
		return nil, l.problems
	}
	return c, nil
}

// LoadDatabase is Load for whoever needs the database and nothing else. Other settings may be missing or wrong; an unknown key is a mistake all the
// same, because it may be the database's misspelt.
func LoadDatabase(path string, env func(string) (string, bool)) (Database, error) {
	l, err := read(path, env)
	if err != nil {
		return Database{}, err
	}
	d := Database{URL: l.database()}
	if len(l.problems) > 0 {
		return Database{}, l.problems
	}
	return d, nil
}

// LoadAddress is LoadDatabase for server.address, which whoever asks a running server needs. Nothing else is checked: a file with a secret may hold
// by now what cannot be used, and the server goes on with what it has.
func LoadAddress(path string, env func(string) (string, bool)) (string, error) {
	l, err := read(path, env)
	if err != nil {
		return "", err
	}
	text := l.address()
	if len(l.problems) > 0 {
		return "", l.problems
	}
	return text, nil
}

// read collects the values of the file and of the environment.
func read(path string, env func(string) (string, bool)) (*loader, error) {
	l := &loader{values: map[key]value{}}
	if path != "" {
		if err := l.readFile(path); err != nil {
			return nil, err
		}
	}
	for _, k := range keys() {
		if text, ok := env(k.variable()); ok && text != "" {
			l.values[k] = value{text: text, source: k.variable()}
		}
	}
	l.strays(env)
	return l, nil
}

// serviceVariable matches the names by which Kubernetes tells each container of services, which may themselves be named changegate or changegate-db.
var serviceVariable = regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`)

// strays notes the variables that begin as this program's do and are none of its own: one may be the database's misspelt.
func (l *loader) strays(env func(string) (string, bool)) {
	known := []string{"CHANGEGATE_SERVER"} // the command gate's
	for _, k := range keys() {
		known = append(known, k.variable())
	}
	for _, pair := range slices.Sorted(slices.Values(os.Environ())) {
		name, _, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "CHANGEGATE_") || slices.Contains(known, name) {
			continue
		}
		text, _ := env(name)
		isService := serviceVariable.MatchString(name) || strings.HasSuffix(name, "_PORT") && strings.Contains(text, "://")
		if text == "" || isService {
			continue
		}
		problem := Problem{Key: name, Text: "is no variable of this configuration; unset it"}
		if guess := nearest(name, known); guess != "" {
			problem.Text = "is no variable of this configuration; did you mean " + guess + "?"
		}
		l.problems = append(l.problems, problem)
	}
}

func (l *loader) readFile(path string) error {
	text, err := readSmall(path)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	file, err := parser.ParseBytes(bytes.TrimPrefix(text, []byte("\ufeff")), 0)
	if err != nil {
		return Problems{unparsed(err, path)}
	}
	if len(file.Docs) > 1 {
		return Problems{{Text: "the file holds more than one YAML document; keep one", Source: path}}
	}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			l.readNode("", doc.Body, path)
		}
	}
	return nil
}

// unparsed says why a file is no YAML. Of the parser's words the first line is shown, and no more than its kind of mistake: below that the
// lines around it are, and with them secrets.
func unparsed(err error, path string) Problem {
	problem := Problem{Text: "is not YAML; check the indentation and the quotes there", Source: path}
	var at *yaml.SyntaxError
	if !errors.As(err, &at) || at.Token == nil {
		return problem
	}
	problem.Line, problem.Column = at.Token.Position.Line, at.Token.Position.Column
	found, _, _ := strings.Cut(at.Message, "\n")
	switch {
	case strings.HasPrefix(found, "mapping key "):
		problem.Key, problem.Text = at.Token.Value, "is there twice; keep one"
	case !strings.Contains(found, `"`): // what it quotes is the file's
		problem.Text = "is not YAML: " + found + "; check the indentation and the quotes there, and on the line before"
	}
	return problem
}

// readNode reads a block into the values of its keys.
func (l *loader) readNode(prefix string, node ast.Node, path string) {
	switch node.(type) {
	case *ast.NullNode, *ast.CommentGroupNode:
		return // a block whose every line is commented out
	}
	entries, ok := entriesOf(node)
	if !ok {
		text := "is not a block of keys; indent its keys below it"
		if prefix == "" {
			text = "the file has no keys, so that it is no configuration; name another, or begin it with github:"
		}
		l.problemAt(prefix, node, path, text)
		return
	}
	for _, e := range entries {
		name := e.Key.GetToken().Value
		if prefix != "" {
			name = prefix + "." + name
		}
		switch {
		case slices.Contains(keys(), key(name)):
			l.readValue(key(name), e.Value, path)
		case isBlock(name):
			l.readNode(name, e.Value, path)
		default:
			text := "is not a key of this configuration; remove it"
			known := names()
			if _, ok := entriesOf(e.Value); ok {
				known = append(blocks(), known...)
			}
			if guess := nearest(name, known); guess != "" {
				text = "is not a key of this configuration; did you mean " + guess + "?"
			}
			l.problemAt(name, e.Key, path, text)
		}
	}
}

func names() []string {
	var out []string
	for _, k := range keys() {
		out = append(out, string(k))
	}
	return out
}

// blocks returns the keys that have others below them, each once.
func blocks() []string {
	var out []string
	for _, name := range names() {
		for i, c := range name {
			if c == '.' && !slices.Contains(out, name[:i]) {
				out = append(out, name[:i])
			}
		}
	}
	return out
}

// entriesOf returns the entries of a node that is a block of keys, and whether it is one.
func entriesOf(node ast.Node) (entries []*ast.MappingValueNode, ok bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode: // a block with one entry
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// scalar returns the text of a node, and whether it is a text. A number is not, because YAML would have read it its own way.
func scalar(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.NullNode:
		return "", true
	}
	return "", false
}

func isBlock(name string) bool {
	return slices.ContainsFunc(names(), func(k string) bool { return strings.HasPrefix(k, name+".") })
}

func (l *loader) readValue(k key, node ast.Node, path string) {
	at := node.GetToken().Position
	v := value{source: path, line: at.Line, column: at.Column}
	if list, ok := node.(*ast.SequenceNode); ok && k.isList() {
		if len(list.Values) > 0 { // an empty one is as if it were not there
			v.node, v.text = list, list.String()
			l.values[k] = v
		}
		return
	}
	switch n := node.(type) {
	case *ast.StringNode:
		v.text = n.Value
	case *ast.LiteralNode:
		v.text = n.Value.Value
	case *ast.IntegerNode:
		v.text = n.Token.Value
		if k != integrationID {
			l.problemAt(string(k), node, path, "is a number and not a text; put it in quotes")
		}
	case *ast.NullNode:
		return // as if it were not there
	default:
		text := "is not a text; put it in quotes"
		if k.isList() {
			text = "is not a list; begin each of its entries with a hyphen"
		}
		l.problemAt(string(k), node, path, text)
	}
	l.values[k] = v
}

func (l *loader) problemAt(name string, node ast.Node, path, text string) {
	p := Problem{Key: name, Text: text, Source: path}
	if t := node.GetToken(); t != nil && t.Position != nil {
		p.Line, p.Column = t.Position.Line, t.Position.Column
	}
	l.problems = append(l.problems, p)
}

// wrong notes a problem with a setting's value, or with its absence, once a setting.
func (l *loader) wrong(k key, format string, args ...any) {
	if l.isWrong(string(k)) {
		return
	}
	v := l.values[k]
	l.problems = append(l.problems, Problem{
		Key: string(k), Text: fmt.Sprintf(format, args...), Source: v.source, Line: v.line, Column: v.column,
	})
}

func (l *loader) isWrong(name string) bool {
	return slices.ContainsFunc(l.problems, func(p Problem) bool { return p.Key == name })
}

func (l *loader) isSet(k key) bool { return l.values[k].text != "" }

// text returns a setting's value, or what stands for it when it is not set.
func (l *loader) text(k key, otherwise string) string {
	if l.isSet(k) {
		return l.values[k].text
	}
	return otherwise
}

func (l *loader) positive(k key) int64 {
	n, err := strconv.ParseInt(l.values[k].text, 10, 64)
	if err != nil || n <= 0 {
		return 0
	}
	return n
}
