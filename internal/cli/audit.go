package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/backup"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/config"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

// databaseVariable is where the server's configuration has its database too; a URL in it is not seen by who lists processes.
const databaseVariable = "CHANGEGATE_DATABASE_URL"

func newAuditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Export the ledger as evidence, and verify it",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newExportCommand(), newVerifyCommand(), newCheckpointCommand(), newReconcileCommand(), newKeyCommand())
	return cmd
}

// place is where an auditor finds a ledger.
type place struct {
	database string // a URL
	file     string // the server's configuration
}

// flags adds the flags that say it.
func (p *place) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.database, "database", "", "the server's database, as `URL`; "+databaseVariable+" unless told")
	cmd.Flags().StringVarP(&p.file, "config", "c", "", "the server's configuration `file`, which names its database and the key")
}

// isNamed says whether a flag names a database.
func (p *place) isNamed() bool { return p.database != "" || p.file != "" }

// open opens the database, which a server made, to read it.
func (p *place) open(ctx context.Context) (*store.Store, error) {
	return p.openBy(ctx, store.OpenToRead)
}

// openToSign opens the database and returns the key that a checkpoint is to be signed with; nil, and nothing can be written, if there is none.
func (p *place) openToSign(ctx context.Context, keyFile string) (*store.Store, *ledger.Key, error) {
	key, err := p.key(keyFile)
	if err != nil {
		return nil, nil, err
	}
	how := store.OpenToRead
	if key != nil {
		how = store.OpenExisting
	}
	s, err := p.openBy(ctx, how)
	return s, key, err
}

func (p *place) openBy(ctx context.Context, how func(context.Context, store.Config) (*store.Store, error)) (*store.Store, error) {
	url := cmp.Or(p.database, os.Getenv(databaseVariable))
	switch {
	case p.database != "" && p.file != "":
		return nil, usageError{errors.New("a database is named twice: use --database or --config")}
	case p.file != "":
		d, _, err := config.LoadLedger(p.file, os.LookupEnv)
		if err != nil {
			return nil, err
		}
		url = d.URL.Reveal()
	case url == "":
		return nil, usageError{fmt.Errorf("no database is named: use --database or --config, or set %s", databaseVariable)}
	}
	return how(ctx, store.Config{URL: url})
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

func newExportCommand() *cobra.Command {
	var from, to, repo, keyFile, since, out string
	var at place
	cmd := &cobra.Command{
		Use:   "export (--database URL | --config FILE) [--from WHEN] [--to WHEN] [--repo REPOSITORY] [--out FILE]",
		Short: "Write entries of the ledger with the proof that they are in it",
		Long: `Write a bundle: entries of the ledger, the proof that each is in it, and the signed checkpoint that the proofs lead to. Whoever has it can
verify it with nothing else at hand.

WHEN is an entry's number, a day (2026-01-31, in UTC; --to includes all of it) or a time (2026-01-31T09:00:00Z). With days or times the
entry before and the one after are in the bundle as well, if there are such, so that it shows by itself that nothing of the period is left out; with
--repo they are in the range, and in the bundle only if they are about that repository. Without --from
it begins with the first entry, without --to it ends with the last one that the checkpoint is over.

The checkpoint is the newest that the server signed, unless --key-file or --config names the key to sign one now. With --since the bundle also proves that
this checkpoint extends one that was kept elsewhere, for 'changegate audit verify --since'.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := inOrder(from, to); err != nil {
				return err
			}
			s, key, err := at.openToSign(cmd.Context(), keyFile)
			if err != nil {
				return err
			}
			defer s.Close()
			var o audit.ExportOptions
			if o.Checkpoint, err = checkpoint(cmd.Context(), s, key); err != nil {
				return err
			}
			if since != "" {
				keys, err := signers(cmd.Context(), s)
				if err != nil {
					return err
				}
				kept, err := readCheckpoints(cmd, since, keys)
				if err != nil {
					return bad(cmd.ErrOrStderr(), since, err)
				}
				o.Since = kept[len(kept)-1]
			}
			if o.Repository, err = repository(cmd.Context(), s, repo); err != nil {
				return err
			}
			if o.From, o.To, err = between(cmd.Context(), s, from, to, o.Checkpoint.Size); err != nil {
				return err
			}
			if err := leftOut(cmd, s, from, to, o); err != nil {
				return err
			}
			if out == "" {
				_, err := audit.Export(cmd.Context(), s, cmd.OutOrStdout(), o)
				return err
			}
			h, err := exportTo(cmd.Context(), s, out, o)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s of %d to %d, signed with %s\n", visible(out), entries(h.Entries), h.From, h.To, h.Key)
			return nil
		},
	}
	at.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "`WHEN` the first entry was appended")
	flags.StringVar(&to, "to", "", "`WHEN` the last entry was appended")
	flags.StringVar(&repo, "repo", "", "only entries about this `repository`, OWNER/NAME or GitHub's numeric id")
	flags.StringVar(&keyFile, "key-file", "", "sign a checkpoint now with the server's key in this `file`")
	flags.StringVar(&since, "since", "", "a `file` of checkpoints that were kept elsewhere, of which the last one counts")
	flags.StringVarP(&out, "out", "o", "", "write to this `file`, not to standard output; it is there only once it is whole")
	return cmd
}

// inOrder says whether --from is before --to, where both are of the same sort.
func inOrder(from, to string) error {
	if from == "" || to == "" {
		return nil
	}
	a, err := parseWhen(from)
	if err != nil {
		return err
	}
	b, err := parseWhen(to)
	if err != nil {
		return err
	}
	end := b.time
	if b.day {
		end = end.AddDate(0, 0, 1)
	}
	if a.seq > 0 && b.seq > 0 && a.seq > b.seq || a.seq == 0 && b.seq == 0 && a.time.After(end) {
		return usageError{fmt.Errorf("--from %s is after --to %s: swap them", from, to)}
	}
	return nil
}

func newKeyCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "key FILE",
		Short: "Make a key that signs the ledger, and print its public part",
		Long: `Make a key that signs the ledger, in a file that only its owner can read, and print its public part; if the file is there already, only print
that. Several servers that share a database must have the same key, so none of them can make it.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("name one file (see '%s --help')", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			key, made, err := ledger.LoadKey(args[0], name)
			if err != nil {
				return err
			}
			if !made && cmd.Flags().Changed("name") && key.Name() != name {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s is there already, with a key named %s: --name names only a new one\n", visible(args[0]), visible(key.Name()))
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), key.Public())
			return err
		},
	}
	cmd.Flags().StringVar(&name, "name", ledger.KeyName(""), "the key's `name`, which begins every checkpoint: HOST/changegate")
	return cmd
}

func newCheckpointCommand() *cobra.Command {
	var keyFile, publish string
	var at place
	cmd := &cobra.Command{
		Use:   "checkpoint (--database URL | --config FILE) [--key-file FILE] [--publish FILE]",
		Short: "Print a signed checkpoint of the ledger, to be kept elsewhere",
		Long: `Print the newest checkpoint that the server signed; with --key-file, or where --config names the key, sign one now. The public
key is printed as well, on standard error. Who keeps it where the holder of the database cannot
rewrite it can tell later, by 'changegate audit verify --since', whether anything that it is over was altered.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, key, err := at.openToSign(cmd.Context(), keyFile)
			if err != nil {
				return err
			}
			defer s.Close()
			c, err := checkpoint(cmd.Context(), s, key)
			if err != nil {
				return err
			}
			if publish != "" {
				sink := audit.FileSink{Path: publish}
				if err := sink.Begin(); err != nil {
					return err
				}
				if err := sink.Publish(cmd.Context(), c); err != nil {
					return err
				}
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "signed with %s\n", visible(c.Key))
			_, err = cmd.OutOrStdout().Write(c.Note)
			return err
		},
	}
	at.flags(cmd)
	cmd.Flags().StringVar(&keyFile, "key-file", "", "sign a checkpoint now with the server's key in this `file`")
	cmd.Flags().StringVar(&publish, "publish", "", "append it to this `file` as well")
	return cmd
}

// checkpoint returns one that is signed now with the key, or without one the newest.
func checkpoint(ctx context.Context, s *store.Store, key *ledger.Key) (c ledger.Checkpoint, err error) {
	if key != nil {
		return s.Checkpoint(ctx, key)
	}
	c, found, err := newest(ctx, s)
	if err == nil && !found {
		err = errors.New("the server has signed no checkpoint yet: name its key with --key-file to sign one now")
	}
	return c, err
}

// newest returns the checkpoint over the most entries that the server signed, if there is one.
func newest(ctx context.Context, s *store.Store) (c ledger.Checkpoint, found bool, err error) {
	err = s.ReadLedger(ctx, func(tx ledger.Tx) error {
		c, found, err = ledger.LastCheckpoint(ctx, tx, "")
		return err
	})
	return c, found, err
}

// exportTo writes a bundle to a file that is there only once it is whole.
func exportTo(ctx context.Context, s *store.Store, path string, o audit.ExportOptions) (h audit.Header, err error) {
	taken := fmt.Errorf("%s is there already, and a bundle overwrites nothing: name another file", path)
	if _, err := os.Lstat(path); err == nil {
		return h, taken
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-")
	if err != nil {
		return h, err
	}
	defer os.Remove(f.Name())
	h, err = audit.Export(ctx, s, f, o)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return h, err
	}
	if err = backup.Claim(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return h, taken
	}
	return h, err
}

// leftOut says what of the period the bundle cannot have because no checkpoint is over it yet: an error where that is all of the period, or the
// period has an end that was asked for, and a line for the reader where it has none. It is an error too if there is nothing of the period at all.
func leftOut(cmd *cobra.Command, s *store.Store, from, to string, o audit.ExportOptions) error {
	var size int64
	err := s.ReadLedger(cmd.Context(), func(tx ledger.Tx) (err error) {
		_, size, err = ledger.Sizes(cmd.Context(), tx)
		return err
	})
	if err != nil {
		return err
	}
	size = max(size, o.Checkpoint.Size)
	first, last, err := between(cmd.Context(), s, from, to, size)
	switch {
	case err != nil:
		return err
	case last > size:
		return fmt.Errorf("the ledger has %s, and none has the number %d", entries(size), last)
	case first > last:
		return errors.New("the ledger has no such entries")
	}
	n := last - max(first-1, o.Checkpoint.Size)
	if n <= 0 {
		return nil
	}
	missing := fmt.Sprintf("%s after the checkpoint, which is over %s: name the server's key with --key-file or --config to sign one over all",
		entries(n), entries(o.Checkpoint.Size))
	if to != "" || o.From > o.To {
		return errors.New("the period has " + missing)
	}
	_, err = fmt.Fprintf(cmd.ErrOrStderr(), "The ledger has %s.\n", missing)
	return err
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
		return 0, usageError{fmt.Errorf("no repository %s is known: name it by GitHub's numeric id", visible(name))}
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

// when is a point in the ledger.
type when struct {
	seq  int64     // an entry's number
	time time.Time // or a time
	day  bool      // which is a day's beginning
}

func parseWhen(text string) (w when, err error) {
	if w.seq, err = strconv.ParseInt(text, 10, 64); err == nil && w.seq > 0 {
		return w, nil
	}
	w.seq = 0
	if w.time, err = time.Parse(time.DateOnly, text); err == nil {
		w.day = true
		return w, nil
	}
	if w.time, err = time.Parse(time.RFC3339, text); err == nil {
		return w, nil
	}
	return w, usageError{fmt.Errorf("%q is no entry's number, no day (2026-01-31) and no time (2026-01-31T09:00:00Z)", visible(text))}
}

// between returns the range of entries among the first size that --from and --to mean; first is greater than last if there is none. An entry's number
// counts as it is, also beyond these.
func between(ctx context.Context, s *store.Store, from, to string, size int64) (first, last int64, err error) {
	first, last = 1, size
	begin, end := time.Unix(0, 0), time.Unix(1<<40, 0)
	timed := false
	if from != "" {
		w, err := parseWhen(from)
		if err != nil {
			return 0, 0, err
		}
		if first = max(w.seq, 1); w.seq == 0 {
			begin, timed = w.time, true
		}
	}
	if to != "" {
		w, err := parseWhen(to)
		if err != nil {
			return 0, 0, err
		}
		switch {
		case w.seq > 0:
			last = w.seq
		case w.day:
			end, timed = w.time.AddDate(0, 0, 1), true
		default:
			end, timed = w.time, true
		}
	}
	if timed {
		err := s.ReadLedger(ctx, func(tx ledger.Tx) error {
			a, b, err := audit.Between(ctx, tx, size, begin, end)
			first, last = max(first, a), min(last, b)
			return err
		})
		if err != nil {
			return 0, 0, err
		}
	}
	return first, last, nil
}

// entries is a number of entries in words.
func entries(n int64) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// readCheckpoints reads a file of at least one checkpoint, or standard input for -. Each must be signed with one of the keys.
func readCheckpoints(cmd *cobra.Command, file string, keys []string) ([]ledger.Checkpoint, error) {
	in, err := open(cmd, file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", visible(file), err)
	}
	texts, err := audit.SplitCheckpoints(text)
	if err != nil {
		return nil, &audit.Broken{Why: err.Error()}
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("%s has no checkpoints", visible(file))
	}
	return audit.OpenCheckpoints(texts, keys...)
}
