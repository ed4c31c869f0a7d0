package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/config"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// databaseVariable names the database, as it does for the server. Unlike a flag, it is not seen by whoever lists processes.
const databaseVariable = "CHANGEGATE_DATABASE_URL"

func newAuditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Export the ledger as evidence, and verify it",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuditExportCommand(), newAuditVerifyCommand(), newAuditCheckpointCommand(), newAuditReconcileCommand(), newAuditKeyCommand())
	return cmd
}

// place is where an auditor finds a ledger.
type place struct {
	database string // a URL
	file     string // the server's configuration
}

// flags adds the flags that name it.
func (p *place) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.database, "database", "", "the server's database, as a `URL`; "+databaseVariable+" unless given")
	cmd.Flags().StringVarP(&p.file, "config", "c", "", "the server's configuration `file`, which names its database and the key")
}

// isNamed says whether a flag names a database.
func (p *place) isNamed() bool { return p.database != "" || p.file != "" }

// open opens the database, which a server made, to read it.
func (p *place) open(ctx context.Context) (*store.Store, error) {
	return p.openBy(ctx, store.OpenToRead)
}

// openToSign opens the database, and returns the key that a checkpoint is to be signed with. If there is none it is nil, and the database is open to
// read only. A ledger that published checkpoints contradict is not to be signed: those in the configuration's file, and in the one that what is signed is
// to be added to, unless that is empty or not there yet.
func (p *place) openToSign(ctx context.Context, keyFile, publish string) (*store.Store, *ledger.Key, error) {
	key, err := p.key(keyFile)
	if err != nil {
		return nil, nil, err
	}
	how := store.OpenToRead
	if key != nil {
		how = store.OpenExisting
	}
	s, err := p.openBy(ctx, how)
	if err != nil || key == nil {
		return s, nil, err
	}
	if err := p.holdToPublished(ctx, s, key, publish); err != nil {
		s.Close()
		return nil, nil, err
	}
	return s, key, nil
}

// holdToPublished says whether the ledger bears out the checkpoints in the configuration's file of them and in another, as a server does before it signs: a
// backup that was restored would be signed as a second history. Without such files it says nothing.
func (p *place) holdToPublished(ctx context.Context, s *store.Store, key *ledger.Key, publish string) error {
	var sinks []audit.Sink
	if p.file != "" {
		_, c, err := config.LoadLedger(p.file, os.LookupEnv)
		if err != nil {
			return err
		}
		if c.PublishFile != "" {
			sinks = append(sinks, audit.FileSink{Path: c.PublishFile})
		}
	}
	if _, err := os.Stat(publish); publish != "" && !errors.Is(err, fs.ErrNotExist) {
		sinks = append(sinks, audit.FileSink{Path: publish})
	}
	if len(sinks) == 0 {
		return nil
	}
	_, err := audit.Publisher{Ledger: s, Key: key, Sinks: sinks}.Verify(ctx)
	var broken *audit.Broken
	switch {
	case errors.As(err, &broken):
		return fmt.Errorf("nothing is signed of a ledger that does not hold: %w. If an old backup was restored on purpose, publish to a new file from now on "+
			"(ledger.publish_file, --publish); if not, take it for tampering and keep the database as it is. With --database and no key nothing is signed", err)
	case err != nil:
		return fmt.Errorf("nothing is signed before it was compared with what was published: %w. With --database and no key nothing is signed", err)
	}
	return nil
}

func (p *place) openBy(ctx context.Context, how func(context.Context, store.Config) (*store.Store, error)) (*store.Store, error) {
	url, by := p.database, "--database"
	if url == "" {
		url, by = os.Getenv(databaseVariable), databaseVariable
	}
	switch {
	case p.database != "" && p.file != "":
		return nil, usageError{errors.New("a database is named twice: use --database or --config")}
	case p.file != "":
		d, _, err := config.LoadLedger(p.file, os.LookupEnv)
		if err != nil {
			return nil, err
		}
		if url == "" { // or else the variable wins
			by = p.file
		}
		url = d.URL.Reveal()
	case url == "":
		return nil, usageError{fmt.Errorf("no database is named: use --database or --config, or set %s", databaseVariable)}
	}
	s, err := how(ctx, store.Config{URL: url})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", by, err)
	}
	return s, nil
}

// key returns the key in a file, or that of the configuration; nil if neither is there.
func (p *place) key(file string) (*ledger.Key, error) {
	if file != "" {
		return readKey(file)
	}
	if p.file == "" {
		return nil, nil
	}
	_, c, err := config.LoadLedger(p.file, os.LookupEnv)
	switch {
	case err != nil:
		return nil, err
	case !c.Key.IsEmpty():
		return ledger.ParseKey(c.Key.Reveal())
	case c.KeyFile == "":
		return nil, nil
	}
	key, err := readKey(c.KeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // an auditor need not have it
	}
	return key, err
}

// readKey reads the key that signs checkpoints. None is made.
func readKey(file string) (*ledger.Key, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the ledger's key: %w", err)
	}
	return ledger.ParseKey(string(text))
}

// repository returns the id of a repository by its name or id, which the ledger of a database must have entries about; 0 if neither is given.
func repository(ctx context.Context, s *store.Store, name string) (int64, error) {
	if name == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(name, 10, 64)
	isNumber := err == nil && id > 0
	var known []change.Repository
	if s != nil {
		if known, err = s.Repositories(ctx); err != nil {
			return 0, err
		}
	}
	if i := slices.IndexFunc(known, func(r change.Repository) bool { return strings.EqualFold(r.String(), name) }); !isNumber && i >= 0 {
		id = int64(known[i].ID)
	} else if !isNumber {
		return 0, usageError{fmt.Errorf("no repository %s is known: name it by GitHub's numeric id, which 'gh api repos/%[1]s --jq .id' prints", visible(name))}
	}
	if s == nil {
		return id, nil
	}
	about, err := audit.Repositories(ctx, s)
	if err == nil && !slices.Contains(about, id) {
		err = notAbout(id, about, known)
	}
	return id, err
}

// notAbout says that nothing in a ledger or a bundle is about a repository, and what there is instead.
func notAbout(id int64, about []int64, known []change.Repository) error {
	const most = 10
	var others []string
	for _, other := range about[:min(len(about), most)] {
		text := strconv.FormatInt(other, 10)
		if i := slices.IndexFunc(known, func(r change.Repository) bool { return int64(r.ID) == other }); i >= 0 {
			text += " (" + known[i].String() + ")"
		}
		others = append(others, text)
	}
	if len(about) > most {
		others = append(others, fmt.Sprintf("%d more", len(about)-most))
	}
	if len(others) == 0 {
		others = []string{"none"}
	}
	return usageError{fmt.Errorf("the ledger knows no repository %d; it knows %s", id, visible(strings.Join(others, ", ")))}
}

// entries is a number of entries in words.
func entries(n int64) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}
