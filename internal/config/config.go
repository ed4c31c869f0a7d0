// Package config is the configuration of the server: a YAML file, overridden by environment variables, checked as a whole before
// anything starts. Each problem names its key, what is wrong and how to mend it, and all problems are told at once.
//
// The github block has the keys and the environment variables of go-githubapp, so that a file for another App of that family can be
// used as it is. Secrets are of type Secret, which nothing can print, and those that are kept in files are read again when they
// change (see Secrets).
package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/palantir/go-githubapp/githubapp"
	"github.com/rs/zerolog"
)

// Config is a checked configuration, as Load returns it: nothing in it needs to be checked again. Formatting it, logging it or
// encoding it shows no secret.
type Config struct {
	GitHub   GitHub
	Server   Server
	Database Database
	Slack    Slack
	Gate     Gate
	Ledger   Ledger
	Log      Log
}

// GitHub says which GitHub, and which App there. URLs have no trailing slash.
type GitHub struct {
	WebURL   string // https://github.com
	V3APIURL string // https://api.github.com, or https://HOST/api/v3
	V4APIURL string // https://api.github.com/graphql, or https://HOST/api/graphql
	App      App
	OAuth    OAuth
}

// App is the GitHub App that the server is.
type App struct {
	IntegrationID int64  // the App's id, positive
	WebhookSecret Secret // never empty; from Server.WebhookSecretFile if that is set
	PrivateKey    Secret // an RSA private key in PEM form; from Server.PrivateKeyFile if that is set
}

// OAuth is what go-githubapp's block holds for people to sign in by the App. No page of the server asks them to, so that it is not used. Both fields
// are set, or neither is.
type OAuth struct {
	ClientID     string
	ClientSecret Secret
}

// Server is how the server is reached, and where its secrets are kept.
type Server struct {
	Address string // HOST:PORT to listen on
	// PublicURL is where jobs reach it, and the default of Gate.Audience; the ledger key that the server makes is named after its host. It may be
	// empty.
	PublicURL             string
	PreviousWebhookSecret Secret // accepted too while the webhook secret is being replaced, from WebhookSecretFile if that is set; empty: none
	WebhookSecretFile     string
	PrivateKeyFile        string
}

// Database is where the server keeps what it must not lose. Its URL is a Secret because it can hold a password.
type Database struct {
	URL Secret // sqlite:PATH or postgres://…
}

// String returns the URL without password and parameters.
func (d Database) String() string {
	u, err := url.Parse(d.URL.Reveal())
	if err != nil {
		return redacted
	}
	u.RawQuery, u.Fragment = "", ""
	return u.Redacted()
}

// Format writes what String returns, whatever the verb.
func (d Database) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(d.String())) }

// isPostgres says whether a database is one that several servers may share.
func (d Database) isPostgres() bool { return strings.HasPrefix(d.URL.Reveal(), "postgres") }

// Slack is where announcements are posted. Its zero value posts none, and no host of Slack's is called.
type Slack struct {
	Token     Secret // a bot's token; from TokenFile if that is set; empty: nothing is posted
	TokenFile string
	APIURL    string // https://slack.com/api, without a trailing slash; empty without a token
}

// Log is what is logged, and how.
type Log struct {
	Level  zerolog.Level
	Format string // "json" or "console"
}

// GitHubApp returns the github block as go-githubapp takes it, secrets in plain text: pass it on and do not keep it.
func (c *Config) GitHubApp() githubapp.Config {
	var out githubapp.Config
	out.WebURL, out.V3APIURL, out.V4APIURL = c.GitHub.WebURL, c.GitHub.V3APIURL, c.GitHub.V4APIURL
	out.App.IntegrationID = c.GitHub.App.IntegrationID
	out.App.WebhookSecret = c.GitHub.App.WebhookSecret.Reveal()
	out.App.PrivateKey = c.GitHub.App.PrivateKey.Reveal()
	out.OAuth.ClientID = c.GitHub.OAuth.ClientID
	out.OAuth.ClientSecret = c.GitHub.OAuth.ClientSecret.Reveal()
	return out
}

// Digest tells two configurations apart and discloses nothing of either: it is the SHA-256, in hexadecimal, of everything but the secrets, which
// count only as set or not set.
func (c *Config) Digest() (string, error) {
	text, err := json.Marshal(struct {
		*Config
		Database string
	}{c, c.Database.String()})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
