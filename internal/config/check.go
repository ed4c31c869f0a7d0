package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/golang-jwt/jwt/v4"
	"github.com/rs/zerolog"
)

const (
	gitHubWeb = "https://github.com"
	gitHubAPI = "https://api.github.com"
	slackAPI  = "https://slack.com/api"
)

// check makes a configuration of the values, noting all that is wrong with them.
func (l *loader) check() *Config {
	c := &Config{}
	l.checkURLs(&c.GitHub)

	if c.GitHub.App.IntegrationID = l.positive(integrationID); c.GitHub.App.IntegrationID == 0 {
		l.wrong(integrationID, "is missing or not a positive whole number; it is the App ID on the App's settings page")
	}
	secrets := l.webhookSecrets()
	c.GitHub.App.WebhookSecret, c.Server.PreviousWebhookSecret = secrets.current, secrets.previous
	c.GitHub.App.PrivateKey = l.privateKey()

	c.GitHub.OAuth = OAuth{ClientID: l.text(clientID, ""), ClientSecret: NewSecret(l.text(clientSecret, ""))}
	if l.isSet(clientID) && !l.isSet(clientSecret) {
		l.wrong(clientSecret, "is missing although %s is set; set both or neither", clientID)
	}
	if l.isSet(clientSecret) && !l.isSet(clientID) {
		l.wrong(clientID, "is missing although %s is set; set both or neither", clientSecret)
	}

	c.Server.Address = l.address()
	if l.isSet(publicURL) {
		c.Server.PublicURL = l.url(publicURL, l.values[publicURL].text)
	}
	c.Server.WebhookSecretFile = l.text(webhookSecretFile, "")
	c.Server.PrivateKeyFile = l.text(privateKeyFile, "")
	c.Database.URL = l.database()
	c.Slack = l.slack()
	c.Gate = l.gate(c.GitHub, c.Server)
	c.Ledger = l.ledger(c.Database, true)
	c.Log = l.log()
	return c
}

func (l *loader) address() string {
	text := l.text(address, "127.0.0.1:8080")
	if _, port, err := net.SplitHostPort(text); err != nil || !isPort(port) {
		l.wrong(address, "is not HOST:PORT; use 127.0.0.1:8080 behind a proxy on the same host, or :8080 for every interface")
	}
	return text
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// checkURLs reads the three URLs. For GitHub itself all have a default. For another host the first two must be told, because an App
// that talks to the wrong GitHub would find nothing there and say so to nobody; on this very host the API's is enough.
func (l *loader) checkURLs(g *GitHub) {
	api, pages := l.text(v3APIURL, gitHubAPI), gitHubWeb
	if isLocal(api) {
		pages = strings.TrimSuffix(strings.TrimRight(api, "/"), "/api/v3")
	}
	g.WebURL = l.url(webURL, l.text(webURL, pages))
	g.V3APIURL = l.url(v3APIURL, api)
	elsewhere := g.WebURL != gitHubWeb
	switch {
	case elsewhere && !l.isSet(v3APIURL):
		l.wrong(v3APIURL, "is missing although %s is not GitHub.com; on Enterprise Server it is https://HOST/api/v3, and on GHE.com https://api.NAME.ghe.com", webURL)
	case g.V3APIURL != "" && g.V3APIURL == g.WebURL && !isLocal(g.V3APIURL):
		l.wrong(v3APIURL, "is the address of the pages, where no API is; on Enterprise Server that is at https://HOST/api/v3, and on GHE.com at https://api.NAME.ghe.com")
	case !elsewhere && g.V3APIURL != gitHubAPI && !l.isSet(webURL):
		l.wrong(webURL, "is missing although %s is not that of GitHub.com; set the address that people open in a browser", v3APIURL)
	}
	v4 := g.V3APIURL + "/graphql"
	if server, ok := strings.CutSuffix(g.V3APIURL, "/api/v3"); ok {
		v4 = server + "/api/graphql"
	}
	if g.V3APIURL != "" || l.isSet(v4APIURL) {
		g.V4APIURL = l.url(v4APIURL, l.text(v4APIURL, v4))
	}
}

// url checks a URL and returns it without a trailing slash. Tokens travel over it, so plain HTTP is for this very host only.
func (l *loader) url(k key, text string) string {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		l.wrong(k, "is not a URL with a host; write it as https://HOST")
		return ""
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		l.wrong(k, "has a user, a query or a fragment; leave only https://HOST and a path")
		return ""
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		l.wrong(k, "is plain http; use https, because secrets travel over it (http is for localhost only)")
		return ""
	}
	u.Host = strings.ToLower(u.Host)
	return u.String()
}

// isLocal says whether a URL is of this very host, where no GitHub is but what stands in for one, which may have all at one address.
func isLocal(text string) bool {
	u, err := url.Parse(text)
	return err == nil && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// webhookSecrets are the secret of the webhook, and the one before it, which may be empty.
type webhookSecrets struct{ current, previous Secret }

// webhookSecrets reads them from the file or from the settings.
func (l *loader) webhookSecrets() webhookSecrets {
	if !l.isSet(webhookSecretFile) {
		if !l.isSet(webhookSecret) {
			l.wrong(webhookSecret, "is empty; set the webhook secret of the App's settings, or name a file with it in %s", webhookSecretFile)
		}
		return webhookSecrets{l.secret(webhookSecret), l.secret(previousWebhookSecret)}
	}
	if l.isSet(webhookSecret) {
		l.wrong(webhookSecret, "is set and %s too; keep one of them", webhookSecretFile)
	}
	if l.isSet(previousWebhookSecret) {
		l.wrong(previousWebhookSecret, "is set and %s too; write it as the second line of that file", webhookSecretFile)
	}
	secrets, err := readSecret(l.values[webhookSecretFile].text, parseSecrets)
	if err != nil {
		l.wrong(webhookSecretFile, "%v", err)
	}
	return secrets
}

// secret reads a secret of the settings. White space around one is a slip of copying, which would make every signature wrong.
func (l *loader) secret(k key) Secret {
	text := l.values[k].text
	if text != strings.TrimSpace(text) {
		l.wrong(k, "begins or ends with white space; remove it")
	}
	return NewSecret(text)
}

// parseSecrets reads a file of webhook secrets: the first line is the current one, and a second line, if any, the one before.
func parseSecrets(file []byte) (webhookSecrets, error) {
	var secrets []Secret
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSpace(line)
		if strings.ContainsAny(line, " \t") {
			return webhookSecrets{}, errors.New("has a line with white space in it; write one secret a line and nothing else")
		}
		if line != "" {
			secrets = append(secrets, NewSecret(line))
		}
	}
	switch len(secrets) {
	case 0:
		return webhookSecrets{}, errors.New("is empty; its first line must be the webhook secret of the App's settings")
	case 1:
		return webhookSecrets{current: secrets[0]}, nil
	case 2:
		return webhookSecrets{secrets[0], secrets[1]}, nil
	default:
		return webhookSecrets{}, errors.New("has more than two secrets; the first line is the current one, the second the one before")
	}
}

func (l *loader) privateKey() Secret {
	if !l.isSet(privateKeyFile) {
		if !l.isSet(privateKey) {
			l.wrong(privateKey, "is missing; paste the whole .pem file of the App, or name it in %s", privateKeyFile)
			return Secret{}
		}
		// Tools that keep a variable on one line write the line breaks as \n.
		text := l.values[privateKey].text
		if !strings.Contains(text, "\n") {
			text = strings.ReplaceAll(text, `\n`, "\n")
		}
		if !isPrivateKey([]byte(text)) {
			l.wrong(privateKey, noPrivateKey+"; paste the whole .pem file, or name it in %s", privateKeyFile)
		}
		return NewSecret(text)
	}
	if l.isSet(privateKey) {
		l.wrong(privateKey, "is set and %s too; keep one of them", privateKeyFile)
	}
	secret, err := readSecret(l.values[privateKeyFile].text, parsePrivateKey)
	if err != nil {
		l.wrong(privateKeyFile, "%v", err)
	}
	return secret
}

const noPrivateKey = "is not an RSA private key of 2048 bits or more in PEM form"

// parsePrivateKey reads a file with a private key.
func parsePrivateKey(file []byte) (Secret, error) {
	if !isPrivateKey(file) {
		return Secret{}, errors.New(noPrivateKey + "; download one from the App's settings page, under Private keys")
	}
	return NewSecret(string(file)), nil
}

// isPrivateKey asks the parser that the client library uses, so that what passes here works there.
func isPrivateKey(pem []byte) bool {
	k, err := jwt.ParseRSAPrivateKeyFromPEM(pem)
	return err == nil && k.N.BitLen() >= 2048 && k.Validate() == nil
}

// slack reads how to post to Slack. Without a token nothing is posted, and an address alone is a slip.
func (l *loader) slack() Slack {
	s := Slack{TokenFile: l.text(slackTokenFile, "")}
	switch {
	case l.isSet(slackTokenFile):
		if l.isSet(slackToken) {
			l.wrong(slackToken, "is set and %s too; keep one of them", slackTokenFile)
		}
		var err error
		if s.Token, err = readSecret(s.TokenFile, parseToken); err != nil {
			l.wrong(slackTokenFile, "%v", err)
		}
	case l.isSet(slackToken):
		var err error
		if s.Token, err = parseToken([]byte(l.values[slackToken].text)); err != nil {
			l.wrong(slackToken, "%v", err)
		}
	default:
		if l.isSet(slackAPIURL) {
			l.wrong(slackAPIURL, "is set and there is no token; set %s or %s, or remove it", slackToken, slackTokenFile)
		}
		return s
	}
	s.APIURL = l.url(slackAPIURL, l.text(slackAPIURL, slackAPI))
	return s
}

// parseToken reads a bot's token, which may be one that is rotated.
func parseToken(file []byte) (Secret, error) {
	text := strings.TrimSpace(string(file))
	if !strings.HasPrefix(strings.TrimPrefix(text, "xoxe."), "xoxb-") || strings.ContainsFunc(text, unicode.IsSpace) {
		return Secret{}, errors.New("is not a bot's token, which begins with xoxb-; copy the Bot User OAuth Token of the Slack app, under OAuth & Permissions")
	}
	return NewSecret(text), nil
}

func (l *loader) database() Secret {
	text := l.text(databaseURL, "sqlite:changegate.db")
	scheme, rest, _ := strings.Cut(text, ":")
	switch scheme {
	case "sqlite":
		if rest == "" || strings.HasPrefix(rest, ":memory:") {
			l.wrong(databaseURL, "names no file; write sqlite:PATH, as in sqlite:changegate.db")
		} else if strings.Contains(rest, "?") {
			l.wrong(databaseURL, "has a question mark, which begins no parameters here; write sqlite:PATH and nothing after it")
		}
	case "postgres", "postgresql":
		u, err := url.Parse(text)
		// A socket's directory, which is no host of a URL, is a parameter. A slash in a password ends the host, and what follows would be taken for the
		// database's name, which is shown.
		if err != nil || u.Host+u.Query().Get("host") == "" || strings.Trim(u.Path, "/") == "" || strings.Contains(u.EscapedPath(), "@") {
			l.wrong(databaseURL, "is not postgres://USER:PASSWORD@HOST:PORT/DATABASE; escape special characters in the password (%%40 for @)")
		}
	default:
		l.wrong(databaseURL, "is neither sqlite:PATH nor postgres://USER:PASSWORD@HOST:PORT/DATABASE; use one of these")
	}
	return NewSecret(text)
}

func (l *loader) log() Log {
	out := Log{Level: zerolog.InfoLevel, Format: l.text(logFormat, "json")}
	switch l.text(logLevel, "info") {
	case "debug":
		out.Level = zerolog.DebugLevel
	case "info":
	case "warn":
		out.Level = zerolog.WarnLevel
	case "error":
		out.Level = zerolog.ErrorLevel
	default:
		l.wrong(logLevel, "is not a level; use debug, info, warn or error")
	}
	if out.Format != "json" && out.Format != "console" {
		l.wrong(logFormat, "is not a format; use json or console")
	}
	return out
}
