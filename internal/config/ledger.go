package config

import (
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// publishEvery is how often a checkpoint of the ledger is signed and published unless the configuration says otherwise.
const publishEvery = time.Hour

// Ledger is what the server signs its ledger with, and where it publishes what it signed. Key or KeyFile is set.
type Ledger struct {
	Key               Secret        // an Ed25519 key as note writes it, PRIVATE+KEY+…
	KeyFile           string        // holds it instead; if there is none, the server makes one there
	PublishFile       string        // a file that checkpoints are appended to; empty: none is
	PublishEvery      time.Duration // at least a minute, at most a day
	PublishRepository string        // OWNER/NAME of a repository where checkpoints are posted; empty: nowhere
}

// ledger reads how the ledger is signed and where that is published. Beside an SQLite file there is a place for a key. Servers that share a database
// have no such place in common and must all be given the same key; that none is given is a mistake if one is needed.
func (l *loader) ledger(d Database, needed bool) Ledger {
	out := Ledger{
		Key: NewSecret(strings.TrimSpace(l.text(ledgerKey, ""))), KeyFile: l.text(ledgerKeyFile, ""), PublishFile: l.text(ledgerPublishFile, ""),
		PublishEvery: publishEvery, PublishRepository: l.text(ledgerPublishRepository, ""),
	}
	switch {
	case !out.Key.IsEmpty():
		if out.KeyFile != "" {
			l.wrong(ledgerKey, "is set and %s too; keep one of them", ledgerKeyFile)
		}
		if _, err := note.NewSigner(out.Key.Reveal()); err != nil {
			l.wrong(ledgerKey, "is not a key that signs the ledger, one line that begins with PRIVATE+KEY+; make one with changegate audit key FILE")
		}
	case out.KeyFile != "":
	case l.isWrong(string(databaseURL)):
	case d.isPostgres() && needed:
		l.wrong(ledgerKey, "is missing although %s is PostgreSQL's, which several servers may share; make one with changegate audit key FILE, and give it to "+
			"each server here or in %s", databaseURL, ledgerKeyFile)
	default:
		if path, ok := strings.CutPrefix(d.URL.Reveal(), "sqlite:"); ok {
			out.KeyFile = path + ".ledger-key"
		}
	}
	if l.isSet(ledgerPublishEvery) {
		every, err := time.ParseDuration(l.values[ledgerPublishEvery].text)
		if err != nil || every < time.Minute || every > 24*time.Hour {
			l.wrong(ledgerPublishEvery, "is not a time between a minute and a day; write it as 30m or 1h")
		}
		out.PublishEvery = every
	}
	if l.isSet(ledgerPublishRepository) && !repositoryName.MatchString(out.PublishRepository) {
		l.wrong(ledgerPublishRepository, "is not OWNER/NAME; name one repository that the App is installed on")
	}
	return out
}

// LoadLedger is LoadDatabase for whoever uses the ledger's key if there is one. Both Key and KeyFile may be empty.
func LoadLedger(path string, env func(string) (string, bool)) (Database, Ledger, error) {
	l, err := read(path, env)
	if err != nil {
		return Database{}, Ledger{}, err
	}
	d := Database{URL: l.database()}
	out := l.ledger(d, false)
	if len(l.problems) > 0 {
		return Database{}, Ledger{}, l.problems
	}
	return d, out, nil
}
