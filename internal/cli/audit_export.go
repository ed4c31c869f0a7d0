package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/backup"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

type exportOptions struct {
	at       place
	from, to string
	repo     string
	pull     int
	keyFile  string
	since    string
	out      string
}

func newAuditExportCommand() *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export (--database URL | --config FILE) [--out FILE]",
		Short: "Write entries of the ledger with the proof that they are in it",
		Long: `Write a bundle: entries of the ledger, the proof that each is in it, and the signed checkpoint that the proofs lead to. Whoever has it can
verify it with nothing else at hand.

WHEN is an entry's number, a day (2026-01-31, in UTC; --to includes all of it) or a time (2026-01-31T09:00:00Z). With days or times the
entry before and the one after are in the bundle as well, if there are such, so that it shows by itself that nothing of the period is left
out; with --repo they are in the range, and in the bundle only if they are about that repository. Without --from it begins with the first
entry, without --to it ends with the last one that the checkpoint is over.

With --repo and --pull it has the entries about one pull request: its decisions with all that they rest on, its merge, its exceptions and its
deployments, those of another pull request that it shipped with and the rollbacks that took it off included; and the entries that say which
policies were in force meanwhile on the branches that it was to be merged into. That each entry is in the ledger is proven. That none was
left out is not, with --pull as with --repo alone: only a bundle of all repositories shows it.

The checkpoint is the newest that the server signed, unless --key-file or --config names the key to sign one now. With --since the bundle also proves that
this checkpoint extends one that was kept elsewhere, for 'changegate audit verify --since'.`,
		Example: `  changegate audit export --config changegate.yml \
    --from 2026-01-01 --to 2026-03-31 --out q1.jsonl
  changegate audit export --database sqlite:changegate.db \
    --repo acme/shop --pull 12 --out change.jsonl`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return export(cmd, o) },
	}
	o.at.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.from, "from", "", "`WHEN` the first entry was appended")
	flags.StringVar(&o.to, "to", "", "`WHEN` the last entry was appended")
	flags.StringVar(&o.repo, "repo", "", "only entries about this `repository`, OWNER/NAME or GitHub's numeric id")
	flags.IntVar(&o.pull, "pull", 0, "only entries about the pull request of this `number`, and the policies in force meanwhile; with --repo")
	flags.StringVar(&o.keyFile, "key-file", "", "sign a checkpoint now with the server's key in this `file`")
	flags.StringVar(&o.since, "since", "", "a `file` of checkpoints that were kept elsewhere, of which the longest counts")
	flags.StringVarP(&o.out, "out", "o", "", "write to this `file`, not to standard output; it is there only once it is whole")
	return cmd
}

func export(cmd *cobra.Command, o exportOptions) error {
	p, err := parsePeriod(o.from, o.to)
	if err != nil {
		return err
	}
	if err := onePull(cmd, o.repo, o.pull); err != nil {
		return err
	}
	s, key, err := o.at.openToSign(cmd.Context(), o.keyFile, "")
	if err != nil {
		return err
	}
	defer s.Close()
	what := audit.ExportOptions{Number: o.pull}
	if what.Checkpoint, err = checkpoint(cmd.Context(), s, key); err != nil {
		return err
	}
	if o.since != "" {
		if what.Since, err = longestKept(cmd, s, o.since); err != nil {
			return err
		}
	}
	if what.Repository, err = repository(cmd.Context(), s, o.repo); err != nil {
		return err
	}
	if what.From, what.To, err = p.entries(cmd.Context(), s, what.Checkpoint.Size); err != nil {
		return err
	}
	if err := leftOut(cmd, s, p, what); err != nil {
		return err
	}
	if what.Number != 0 {
		if err := hasPull(cmd.Context(), s, what); err != nil {
			return err
		}
	}
	if o.out == "" {
		_, err := audit.Export(cmd.Context(), s, cmd.OutOrStdout(), what)
		return err
	}
	h, err := exportTo(cmd.Context(), s, o.out, what)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s of %d to %d, signed with %s\n", visible(o.out), entries(h.Entries), h.From, h.To, h.Key)
	return nil
}

// longestKept returns the longest checkpoint in a file, all of which must be signed with keys of the ledger.
func longestKept(cmd *cobra.Command, s *store.Store, file string) (c ledger.Checkpoint, err error) {
	keys, err := signers(cmd.Context(), s)
	if err != nil {
		return c, err
	}
	kept, err := readCheckpoints(cmd, file, keys)
	if err != nil {
		return c, tellBroken(cmd.ErrOrStderr(), file, err)
	}
	return longest(kept), nil
}

// onePull says whether --pull names a pull request.
func onePull(cmd *cobra.Command, repo string, pull int) error {
	switch {
	case !cmd.Flags().Changed("pull"):
		return nil
	case pull <= 0:
		return usageError{fmt.Errorf("no pull request has the number %d", pull)}
	case repo == "":
		return usageError{fmt.Errorf("every repository may have a pull request %d: name the one that is meant with --repo", pull)}
	}
	return nil
}

// hasPull says whether there is anything about a pull request in the range that is to be exported.
func hasPull(ctx context.Context, s *store.Store, o audit.ExportOptions) error {
	first, last, err := audit.PullEntries(ctx, s, o.Repository, o.Number)
	switch {
	case err != nil:
		return err
	case first == 0:
		return usageError{fmt.Errorf("the ledger knows no pull request %d of repository %d", o.Number, o.Repository)}
	case first > o.Checkpoint.Size:
		return fmt.Errorf("all about pull request %d is after the checkpoint, which is over %s: name the server's key with --key-file or --config to sign one over all",
			o.Number, entries(o.Checkpoint.Size))
	case first > o.To || last < o.From:
		return fmt.Errorf("what the ledger has about pull request %d is in entries %d to %d: leave out --from and --to", o.Number, first, last)
	}
	return nil
}

// exportTo writes a bundle to a file that is there only once it is whole.
func exportTo(ctx context.Context, s *store.Store, path string, o audit.ExportOptions) (h audit.Header, err error) {
	taken := fmt.Errorf("%s is there already, and a bundle overwrites nothing: name another file", path)
	if _, err := os.Lstat(path); err == nil {
		return h, taken
	}
	f, err := backup.Part(path)
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
func leftOut(cmd *cobra.Command, s *store.Store, p period, o audit.ExportOptions) error {
	var size int64
	err := s.ReadLedger(cmd.Context(), func(tx ledger.Tx) (err error) {
		_, size, err = ledger.Sizes(cmd.Context(), tx)
		return err
	})
	if err != nil {
		return err
	}
	size = max(size, o.Checkpoint.Size)
	first, last, err := p.entries(cmd.Context(), s, size)
	switch {
	case err != nil:
		return err
	case last > size:
		return fmt.Errorf("the ledger has %s, and none has the number %d", entries(size), last)
	case first > last:
		return noEntries(cmd.Context(), s, p, size)
	}
	n := last - max(first-1, o.Checkpoint.Size)
	if n <= 0 {
		return nil
	}
	missing := fmt.Sprintf("%s after the checkpoint, which is over %s: name the server's key with --key-file or --config to sign one over all",
		entries(n), entries(o.Checkpoint.Size))
	if p.to.isNamed() || o.From > o.To {
		return errors.New("the period has " + missing)
	}
	_, err = fmt.Fprintf(cmd.ErrOrStderr(), "The ledger has %s.\n", missing)
	return err
}
