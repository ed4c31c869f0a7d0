package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/ledger"
	"github.com/changegate/changegate/internal/store"
)

func newAuditVerifyCommand() *cobra.Command {
	var at place
	var keys, since []string
	var quick bool
	cmd := &cobra.Command{
		Use:   "verify (BUNDLE | --database URL | --config FILE)",
		Short: "Verify a bundle, or the whole ledger in a database",
		Long: `Verify a bundle that 'changegate audit export' wrote; - is standard input. Neither a database nor the network is needed. What does not
hold is named, and the exit code is 1.

With --database or --config the whole ledger is read: each entry's record, its hash and its columns, the tree over them, and every checkpoint that was
signed of it. With --since it must also begin with all that the checkpoints in a file are over, as it was then: that finds what the holder of
the database altered and signed anew, and a backup that was restored. With --key it must be signed, and with no other keys than those.

With --since a bundle must prove the same of the longest checkpoint in the file, which is the one over the most entries: 'changegate audit
export --since' has it do so.

A key is what vouches for all that: with --key name the one that the server printed, as you noted it somewhere else. Where the ledger's key
was replaced, name each: a bundle and the checkpoints in a file may be signed with any of them.`,
		Example: `  changegate audit verify --key NAME+HASH+KEY q1.jsonl
  changegate audit verify --config changegate.yml --since kept-checkpoints`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && quick && !at.isNamed() {
				return usageError{errors.New("--quick reads the end of a database, and a bundle is read to its end: leave it out")}
			}
			if len(args) > 1 || len(args) == 1 && at.isNamed() {
				return usageError{errors.New("name one bundle, or a database (see 'changegate audit verify --help')")}
			}
			if err := publicKeys(keys); err != nil {
				return err
			}
			if len(args) == 1 {
				return verifyBundle(cmd, args[0], keys, since)
			}
			if !at.isNamed() && os.Getenv(databaseVariable) == "" {
				return usageError{fmt.Errorf("nothing is named to verify: name a BUNDLE, or a database with --database or --config, or set %s", databaseVariable)}
			}
			return verifyDatabase(cmd, &at, keys, since, quick)
		},
	}
	at.flags(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&since, "since", nil, "a `file` of checkpoints that were kept elsewhere")
	flags.StringArrayVar(&keys, "key", nil, "a public `key` that may have signed; repeat it for each. Those of the bundle or the database unless given")
	flags.BoolVar(&quick, "quick", false, "read only the end of the ledger, as the server does when it starts")
	return cmd
}

func verifyBundle(cmd *cobra.Command, file string, keys, since []string) error {
	in, err := open(cmd, file)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := audit.Verify(in, audit.VerifyOptions{Keys: keys})
	if err != nil {
		return tellBroken(cmd.OutOrStdout(), file, err)
	}
	out, h, own := cmd.OutOrStdout(), r.Header, len(keys) == 0
	if own {
		keys = []string{h.Key}
	}
	for _, kept := range since {
		list, err := readCheckpoints(cmd, kept, keys)
		if err != nil {
			return tellBroken(out, kept, err)
		}
		if err := extends(r, kept, longest(list)); err != nil {
			return tellBroken(out, file, err)
		}
	}
	fmt.Fprintf(out, "%s: holds\n", visible(file))
	if h.Repository == 0 {
		fmt.Fprintf(out, "  entries     %d to %d, every one between\n", h.From, h.To)
	} else {
		about := fmt.Sprintf("repository %d", h.Repository)
		if h.Number != 0 {
			about = fmt.Sprintf("pull request %d of %s, and the policies in force meanwhile", h.Number, about)
		}
		fmt.Fprintf(out, "  entries     %d about %s\n", r.Entries, about)
		doubt := fmt.Sprintf("that the range is %d to %d, as it claims, and that what is left out of that (%d) is about others: only a bundle of all repositories shows it",
			h.From, h.To, h.To-h.From+1-r.Entries)
		fmt.Fprintln(out, filled(append([]string{"  not proven "}, strings.Fields(doubt)...), "              "))
	}
	if r.Entries > 0 {
		fmt.Fprintf(out, "  appended    %s to %s\n", clocked(r.Oldest), clocked(r.Newest))
	}
	fmt.Fprintf(out, "  checkpoint  over entries 1 to %d, at %s\n", r.Checkpoint.Size, clocked(r.Checkpoint.At))
	for _, kept := range since {
		fmt.Fprintf(out, "  extends     the longest checkpoint in %s\n", visible(kept))
	}
	if h.Since != nil {
		fmt.Fprintf(out, "  extends     the ledger as it was with %s, which came to %s\n", entries(h.Since.Size), h.Since.Root)
	}
	fmt.Fprintf(out, "  signed with %s\n", visible(h.Key))
	if own {
		warnOfOwnKey(cmd)
	}
	return nil
}

// warnOfOwnKey says that a bundle was found to hold by a key that nobody named.
func warnOfOwnKey(cmd *cobra.Command) {
	fmt.Fprintln(cmd.ErrOrStderr(), "The key is the bundle's own. Compare it with the server's, or name that with --key.")
}

// publicKeys says whether what --key names are public keys. The error repeats none: one may be a secret key by mistake.
func publicKeys(keys []string) error {
	for _, key := range keys {
		if err := ledger.CheckPublic(key); err != nil {
			return usageError{fmt.Errorf("--key names no public key, NAME+HASH+KEY as the server prints it at its start: %w", err)}
		}
	}
	return nil
}

// extends says whether a bundle proves that its ledger extends the longest checkpoint in a file.
func extends(r audit.Report, file string, kept ledger.Checkpoint) error {
	since := r.Header.Since
	switch {
	case kept.Tree == r.Checkpoint.Tree || kept.Size == 0:
		return nil
	case kept.Size > r.Checkpoint.Size:
		return fmt.Errorf("the bundle's checkpoint is over %s, and the longest in %s over %s: it was exported before that was signed, or of an old backup: have it exported now, with --since and that file",
			entries(r.Checkpoint.Size), visible(file), entries(kept.Size))
	case since == nil || since.Size != kept.Size:
		return fmt.Errorf("the bundle does not say whether it extends the longest checkpoint in %s, over %s: have it exported with --since and that",
			visible(file), entries(kept.Size))
	case since.Root != kept.Root:
		return &audit.Broken{Why: fmt.Sprintf("the ledger was altered: its first %d entries come to %s, and to %s in %s",
			kept.Size, since.Root, kept.Root, file)}
	}
	return nil
}

func verifyDatabase(cmd *cobra.Command, at *place, keys, since []string, quick bool) error {
	s, err := at.open(cmd.Context())
	if err != nil {
		return err
	}
	defer s.Close()
	check := audit.Check
	if quick {
		check = func(ctx context.Context, from audit.Source) (ledger.Tree, error) { return audit.CheckTip(ctx, from) }
	}
	out := cmd.OutOrStdout()
	head, err := holds(cmd, s, keys, check)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the ledger: holds\n  %s, which come to %s\n", entries(head.Size), head.Root)
	signed, err := signers(cmd.Context(), s)
	if err != nil {
		return err
	}
	for _, key := range signed {
		fmt.Fprintf(out, "  signed with %s\n", visible(key))
	}
	missing, err := unsigned(cmd.Context(), s, head)
	if err != nil {
		return err
	}
	if missing != "" {
		fmt.Fprintf(out, "  not signed: %s\n", missing)
	}
	if len(keys) == 0 {
		keys = signed
	}
	for _, file := range since {
		if err := verifySince(cmd, s, file, keys); err != nil {
			return err
		}
	}
	return nil
}

// holds says whether a database's ledger holds by a check, and, if keys are named, is signed with these and no others. What does not hold is printed.
func holds(cmd *cobra.Command, s *store.Store, keys []string, check func(context.Context, audit.Source) (ledger.Tree, error)) (ledger.Tree, error) {
	var from audit.Source = s
	if len(keys) > 0 {
		from = audit.Signed{Source: s, Keys: keys}
	}
	head, err := check(cmd.Context(), from)
	if err != nil {
		err = tellBroken(cmd.OutOrStdout(), "the ledger", err)
	}
	return head, err
}

// unsigned says what of a ledger no checkpoint is over; empty if one is over all.
func unsigned(ctx context.Context, s *store.Store, head ledger.Tree) (string, error) {
	c, found, err := newest(ctx, s)
	switch {
	case err != nil:
		return "", err
	case !found:
		return "nothing but the database vouches for it", nil
	case head.Size <= c.Size:
		return "", nil
	}
	return fmt.Sprintf("%s after the newest checkpoint, at %s: nothing but the database vouches for them", entries(head.Size-c.Size), clocked(c.At)), nil
}

// verifySince says whether a database bears out the checkpoints in a file.
func verifySince(cmd *cobra.Command, s *store.Store, file string, keys []string) error {
	out := cmd.OutOrStdout()
	list, err := readCheckpoints(cmd, file, keys)
	if err == nil {
		err = audit.CheckSince(cmd.Context(), s, list...)
	}
	if err != nil {
		return tellBroken(out, file, err)
	}
	first, last := list[0], list[len(list)-1]
	if len(list) == 1 {
		fmt.Fprintf(out, "%s: the ledger extends its checkpoint, over %s at %s\n", visible(file), entries(first.Size), clocked(first.At))
		return nil
	}
	fmt.Fprintf(out, "%s: the ledger extends its %d checkpoints, over %s at %s to %s at %s\n",
		visible(file), len(list), entries(first.Size), clocked(first.At), entries(last.Size), clocked(last.At))
	return nil
}

// signers returns the public keys that a database's checkpoints are signed with.
func signers(ctx context.Context, s *store.Store) (keys []string, err error) {
	err = s.ReadLedger(ctx, func(tx ledger.Tx) error {
		keys, err = ledger.Keys(ctx, tx)
		return err
	})
	return keys, err
}

// tellBroken prints what does not hold, and returns errBadAnswer. What could not be read is not known to be broken: its error is returned as it is.
func tellBroken(out io.Writer, what string, err error) error {
	var broken *audit.Broken
	if !errors.As(err, &broken) {
		return err
	}
	fmt.Fprintf(out, "%s: DOES NOT HOLD\n  %s\n", visible(what), visible(broken.Error()))
	return errBadAnswer
}

// clocked is how a time is shown.
func clocked(t time.Time) string { return t.UTC().Format(time.RFC3339) }
