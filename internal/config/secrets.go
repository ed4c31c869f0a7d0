package config

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// rereadEvery is how often the files of secrets are looked at, when anybody asks.
const rereadEvery = 5 * time.Second

// Secrets are the secrets as they are now. Those that are kept in files are read again at most every five seconds, so that they can be
// replaced while the server runs; a file that cannot be read or is wrong is reported, and what it held before stays in use.
// It is safe for use by many goroutines.
type Secrets struct {
	now    func() time.Time
	report func(error)

	mu        sync.Mutex
	readAt    time.Time
	files     Server
	tokenFile string
	webhook   webhookSecrets
	key       Secret
	token     Secret
	gate      []GateToken
	problems  map[key]string
}

// NewSecrets returns the secrets of a configuration. Report is called for each new problem with a file, while a lock is held: it
// must not ask for a secret.
func NewSecrets(c *Config, now func() time.Time, report func(error)) *Secrets {
	return &Secrets{
		now:       now,
		report:    report,
		readAt:    now(),
		files:     c.Server,
		tokenFile: c.Slack.TokenFile,
		webhook:   webhookSecrets{c.GitHub.App.WebhookSecret, c.Server.PreviousWebhookSecret},
		key:       c.GitHub.App.PrivateKey,
		token:     c.Slack.Token,
		gate:      slices.Clone(c.Gate.Tokens),
		problems:  map[key]string{},
	}
}

// Webhook returns the secret that GitHub signs deliveries with, and the one before it (empty: none).
func (s *Secrets) Webhook() (current, previous []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reread()
	return []byte(s.webhook.current.Reveal()), []byte(s.webhook.previous.Reveal())
}

// PrivateKey returns the App's private key in PEM form.
func (s *Secrets) PrivateKey() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reread()
	return []byte(s.key.Reveal())
}

// SlackToken returns the token of the bot that posts to Slack; empty: there is none.
func (s *Secrets) SlackToken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reread()
	return s.token.Reveal()
}

// GateTokens returns the static tokens that jobs may ask at the gate with.
func (s *Secrets) GateTokens() []GateToken {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reread()
	return slices.Clone(s.gate)
}

// Unusable returns how many of the files cannot be used as they are now, so that what they held before is in use.
func (s *Secrets) Unusable() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reread()
	return len(s.problems)
}

// reread reads the files again if it is time to, with mu held.
func (s *Secrets) reread() {
	now := s.now()
	if now.Sub(s.readAt) < rereadEvery {
		return
	}
	s.readAt = now
	rereadFile(s, webhookSecretFile, s.files.WebhookSecretFile, parseSecrets, &s.webhook)
	rereadFile(s, privateKeyFile, s.files.PrivateKeyFile, parsePrivateKey, &s.key)
	rereadFile(s, slackTokenFile, s.tokenFile, parseToken, &s.token)
	for i, t := range s.gate {
		rereadFile(s, key(fmt.Sprintf("%s[%d].token_file", gateTokens, i)), t.File, parseGateToken, &s.gate[i].SHA256)
	}
}

// rereadFile reads the file of a setting into secret, which stays as it is if there is no such file or it cannot be used.
func rereadFile[T any](s *Secrets, k key, path string, parse func([]byte) (T, error), secret *T) {
	if path == "" {
		return
	}
	read, err := readSecret(path, parse)
	if err == nil {
		*secret = read
	}
	s.noteProblem(k, err)
}

// noteProblem reports a problem when it is new.
func (s *Secrets) noteProblem(k key, err error) {
	if err == nil {
		delete(s.problems, k)
		return
	}
	if s.problems[k] != err.Error() {
		s.problems[k] = err.Error()
		s.report(fmt.Errorf("%s: %w; what it held before stays in use", k, err))
	}
}
