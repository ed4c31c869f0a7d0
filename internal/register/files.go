package register

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// files are the files of an App, none of which is there yet.
type files struct{ configuration, privateKey, webhookSecret string }

// prepare sees to it that nothing would be overwritten in the directory, and that it can be written to, or made where it is not there.
func prepare(directory string) (*files, error) {
	dir, err := filepath.Abs(directory)
	if err != nil {
		return nil, err
	}
	f := &files{filepath.Join(dir, "changegate.yml"), filepath.Join(dir, "private-key.pem"), filepath.Join(dir, "webhook-secret")}
	for _, path := range []string{f.configuration, f.privateKey, f.webhookSecret} {
		if _, err := os.Lstat(path); err == nil {
			return nil, fmt.Errorf("%s is there already and would be overwritten: name another directory", path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	// Whether it can be written to is better known before the App is made.
	there := dir
	for _, err := os.Stat(there); errors.Is(err, fs.ErrNotExist) && there != filepath.Dir(there); _, err = os.Stat(there) {
		there = filepath.Dir(there)
	}
	probe, err := os.CreateTemp(there, ".probe-*")
	if err != nil {
		return nil, err
	}
	return f, errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// write makes the directory, in which only its owner can read, and writes what cannot be had again first.
func (f *files) write(c Config, app *App, key, secret string) error {
	app.Configuration, app.PrivateKey, app.WebhookSecret = f.configuration, f.privateKey, f.webhookSecret
	if err := os.MkdirAll(filepath.Dir(f.configuration), 0o700); err != nil {
		return err
	}
	if err := create(f.privateKey, key); err != nil {
		return err
	}
	if err := create(f.webhookSecret, secret+"\n"); err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("# The configuration of changegate; internal/config/example.yml has every key.\n\ngithub:\n")
	if c.GitHubURL != gitHub {
		fmt.Fprintf(&b, "  web_url: %q\n  v3_api_url: %q\n", c.GitHubURL, apiURL(c.GitHubURL))
	}
	fmt.Fprintf(&b, "  app:\n    integration_id: %d   # %s\n\nserver:\n", app.ID, app.Slug)
	fmt.Fprintf(&b, "  address: 127.0.0.1:8080\n  public_url: %q\n", c.PublicURL)
	fmt.Fprintf(&b, "  webhook_secret_file: %q\n  private_key_file: %q\n", f.webhookSecret, f.privateKey)
	fmt.Fprintf(&b, "\ndatabase:\n  url: %q\n", "sqlite:"+filepath.Join(filepath.Dir(f.configuration), "changegate.db"))
	return create(f.configuration, b.String())
}

// create writes a new file that only its owner can read.
func create(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Sync(), file.Close())
}
