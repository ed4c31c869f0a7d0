package githubsim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// AppOptions describe a GitHub App to register.
type AppOptions struct {
	Slug        string
	Name        string            // default: the slug
	Owner       string            // the account it belongs to; default: github
	Permissions map[string]string // "read" or "write" by GitHub's name of the permission; metadata: read is always there
	Events      []string          // the webhooks it subscribes to, besides those that every App gets
	// WebhookURL gets the deliveries, signed with WebhookSecret. Without it they are recorded as failed.
	WebhookURL    string
	WebhookSecret string
	// Key is the App's private key. Default: a new one, which takes a moment to make.
	Key *rsa.PrivateKey
}

// App is a registered GitHub App.
type App struct {
	ID   int64
	Slug string
	// PrivateKey signs the App's JWTs, in PEM.
	PrivateKey []byte

	sim *Sim
	app *app
}

type app struct {
	id          int64
	slug, name  string
	owner, bot  *account
	permissions map[string]string
	events      []string
	url, secret string
	keys        []*rsa.PublicKey // each is good
	created     time.Time
	sender      *sender
}

type installation struct {
	id          int64
	app         *app
	account     *account
	all         bool // all of the account's repositories
	repos       map[*repository]bool
	permissions map[string]string
	created     time.Time
	updated     time.Time
	suspended   time.Time
	suspendedBy *account
	core        budget // of REST
	graphQL     budget
}

// token is an installation access token. It never gains what its installation got after it.
type token struct {
	installation *installation
	permissions  map[string]string
	repos        map[*repository]bool // nil: all of the installation's
	expires      time.Time
}

const tokenLife = time.Hour

func (in *installation) has(r *repository) bool {
	return r.owner == in.account && (in.all || in.repos[r])
}

func (s *Sim) addApp(id int64, o AppOptions, key *rsa.PublicKey) *app {
	if o.Name == "" {
		o.Name = o.Slug
	}
	if o.Owner == "" {
		o.Owner = "github"
	}
	a := &app{id: id, slug: o.Slug, name: o.Name, owner: s.accounts[strings.ToLower(o.Owner)], created: s.Now(),
		permissions: map[string]string{"metadata": "read"}, events: slices.Clone(o.Events), url: o.WebhookURL, secret: o.WebhookSecret}
	if key != nil {
		a.keys = append(a.keys, key)
	}
	maps.Copy(a.permissions, o.Permissions)
	a.bot = s.addAccount(s.nextID(), o.Slug+"[bot]", kindBot)
	a.sender = newSender(s, s.cfg.DeliveryWorkers)
	s.apps[o.Slug] = a
	return a
}

// RegisterApp registers a GitHub App.
func (s *Sim) RegisterApp(o AppOptions) (*App, error) {
	key := o.Key
	if key == nil {
		var err error
		if key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return nil, fmt.Errorf("key of app %s: %w", o.Slug, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.apps[o.Slug] != nil {
		return nil, fmt.Errorf("the app %s exists already", o.Slug)
	}
	if o.Owner != "" {
		if _, err := s.account(o.Owner); err != nil {
			return nil, err
		}
	}
	a := s.addApp(s.nextID(), o, &key.PublicKey)
	return &App{ID: a.id, Slug: a.slug, PrivateKey: encodeKey(key), sim: s, app: a}, nil
}

func encodeKey(key *rsa.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}

// AddKey gives the App one more private key and returns it in PEM. Those that it had stay good, until DeleteKey.
func (a *App) AddKey(key *rsa.PrivateKey) []byte {
	a.sim.mu.Lock()
	defer a.sim.mu.Unlock()
	a.app.keys = append(a.app.keys, &key.PublicKey)
	return encodeKey(key)
}

// DeleteKey takes a private key from the App: what it signs is refused from now on. Tokens that were made with it stay good.
func (a *App) DeleteKey(key *rsa.PrivateKey) {
	a.sim.mu.Lock()
	defer a.sim.mu.Unlock()
	a.app.keys = slices.DeleteFunc(a.app.keys, func(k *rsa.PublicKey) bool { return k.Equal(&key.PublicKey) })
}

// App returns an App by its slug, for all that does not need its key: "github-actions" is always there.
func (s *Sim) App(slug string) (*App, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.apps[slug]
	if a == nil {
		return nil, fmt.Errorf("there is no app %s", slug)
	}
	return &App{ID: a.id, Slug: a.slug, sim: s, app: a}, nil
}

// SetWebhook changes where the App's webhooks go and what signs them; what is already waiting goes there too.
func (a *App) SetWebhook(url, secret string) {
	a.sim.mu.Lock()
	defer a.sim.mu.Unlock()
	a.app.url, a.app.secret = url, secret
}

// Install installs the App on an account: on the repositories named (without their owner), or on all, those to come included,
// if none is. It returns the installation's id.
func (a *App) Install(owner string, repos ...string) (int64, error) {
	s := a.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	acct, err := s.account(owner)
	if err != nil {
		return 0, err
	}
	if s.installationOf(a.app, acct) != nil {
		return 0, fmt.Errorf("%s is installed on %s already", a.Slug, owner)
	}
	in := &installation{id: s.nextID(), app: a.app, account: acct, all: len(repos) == 0, repos: map[*repository]bool{},
		permissions: maps.Clone(a.app.permissions), created: s.Now(), updated: s.Now()}
	for _, name := range repos {
		r, err := s.repository(owner + "/" + name)
		if err != nil {
			return 0, err
		}
		in.repos[r] = true
	}
	s.installations[in.id] = in
	s.emitInstallation(in, "created")
	return in.id, nil
}

func (s *Sim) installationOf(a *app, on *account) *installation {
	for _, in := range s.installations {
		if in.app == a && in.account == on {
			return in
		}
	}
	return nil
}

func (a *App) installed(owner string, f func(in *installation) error) error {
	s := a.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	acct, err := s.account(owner)
	if err != nil {
		return err
	}
	in := s.installationOf(a.app, acct)
	if in == nil {
		return fmt.Errorf("%s is not installed on %s", a.Slug, owner)
	}
	return f(in)
}

// Uninstall removes the installation; its tokens end.
func (a *App) Uninstall(owner string) error {
	return a.installed(owner, func(in *installation) error {
		a.sim.emitInstallation(in, "deleted")
		delete(a.sim.installations, in.id)
		return nil
	})
}

// Suspend has GitHub refuse the installation's calls and send it no events until Unsuspend.
func (a *App) Suspend(owner string) error {
	return a.installed(owner, func(in *installation) error {
		in.suspended, in.suspendedBy = a.sim.Now(), in.account
		a.sim.emitInstallation(in, "suspend")
		return nil
	})
}

// Unsuspend ends a suspension.
func (a *App) Unsuspend(owner string) error {
	return a.installed(owner, func(in *installation) error {
		in.suspended, in.suspendedBy = time.Time{}, nil
		a.sim.emitInstallation(in, "unsuspend")
		return nil
	})
}

// AddRepositories adds repositories to an installation on selected ones, and RemoveRepositories takes them out.
func (a *App) AddRepositories(owner string, repos ...string) error {
	return a.change(owner, true, repos)
}

// RemoveRepositories takes repositories out of an installation. One on all repositories becomes one on those that remain.
func (a *App) RemoveRepositories(owner string, repos ...string) error {
	return a.change(owner, false, repos)
}

func (a *App) change(owner string, add bool, repos []string) error {
	return a.installed(owner, func(in *installation) error {
		s := a.sim
		if in.all && !add {
			in.all = false
			for _, r := range s.repos {
				if r.owner == in.account {
					in.repos[r] = true
				}
			}
		}
		var changed []*repository
		for _, name := range repos {
			r, err := s.repository(owner + "/" + name)
			if err != nil {
				return err
			}
			changed = append(changed, r)
			if add {
				in.repos[r] = true
			} else {
				delete(in.repos, r)
			}
		}
		action := "removed"
		if add {
			action = "added"
		}
		s.emitInstallationChange(in, action, changed)
		return nil
	})
}

// AcceptPermissions gives the installation the permissions, as its owner does when an App asks for others; "" takes one away.
// The App itself asks for them from now on.
func (a *App) AcceptPermissions(owner string, permissions map[string]string) error {
	return a.installed(owner, func(in *installation) error {
		for name, level := range permissions {
			if level == "" {
				delete(in.permissions, name)
				delete(a.app.permissions, name)
				continue
			}
			in.permissions[name], a.app.permissions[name] = level, level
		}
		a.sim.emitInstallation(in, "new_permissions_accepted")
		return nil
	})
}

// RevokeTokens ends every token of the App: the next call with one is answered 401.
func (a *App) RevokeTokens() {
	a.sim.mu.Lock()
	defer a.sim.mu.Unlock()
	maps.DeleteFunc(a.sim.tokens, func(_ string, t *token) bool { return t.installation.app == a.app })
}

// Minted is a token that an App was given, as of then.
type Minted struct {
	App          string            // its slug
	Repositories []string          // owner/name of those that it was scoped to, in order; nil: all of the installation's
	Permissions  map[string]string // "read" or "write" by GitHub's name of the permission
}

// Minted returns all tokens that Apps were given, the oldest first.
func (s *Sim) Minted() []Minted {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.minted)
}

func (s *Sim) newToken(in *installation, permissions map[string]string, repos map[*repository]bool) (string, *token) {
	var raw [24]byte
	rand.Read(raw[:]) // never fails
	t := &token{installation: in, permissions: maps.Clone(permissions), repos: repos, expires: s.cfg.WallClock().Add(tokenLife)}
	name := "ghs_" + hex.EncodeToString(raw[:])
	s.tokens[name] = t
	m := Minted{App: in.app.slug, Permissions: maps.Clone(permissions)}
	for r := range repos {
		m.Repositories = append(m.Repositories, r.fullName())
	}
	slices.Sort(m.Repositories)
	s.minted = append(s.minted, m)
	return name, t
}

// allows says whether permissions include at least the level ("read" or "write") of the permission.
func allows(permissions map[string]string, name, level string) bool {
	have := permissions[name]
	return have == "write" || have == "admin" || have == level
}
