package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/audit"
	"github.com/changegate/changegate/internal/ledger"
)

// reconcileOptions are what audit reconcile is called with.
type reconcileOptions struct {
	audit.ReconcileOptions
	at        place
	dir, repo string
	keys      []string
}

func newAuditReconcileCommand() *cobra.Command {
	var o reconcileOptions
	cmd := &cobra.Command{
		Use:   "reconcile --git DIR (BUNDLE | --database URL)",
		Short: "Map every commit of a branch to a change or an exception",
		Long: `Compare a branch, as a clone of the repository has it, with what the ledger knows: every commit on its line of first parents came through a
pull request that was merged, or is an exception that was found. Each is printed with what it is. A commit that is neither is UNKNOWN, and
the exit code is 1. After that come the policies that the branch was decided by: from when to when, and who approved the pull request that
brought each.

With --key a database is verified first, as by 'changegate audit verify', and a bundle, which is verified in any case, must be signed with it.

Unless --after says otherwise, it begins with the oldest commit that the ledger knows of. Of a pull request that was rebased, the commits before
the last one are known by their content, for which the clone needs the pull requests' own commits:

  git fetch origin 'refs/pull/*/head:refs/pull/*/head'`,
		Example: `  changegate audit reconcile --git shop --repo 1296269 q1.jsonl
  changegate audit reconcile --git shop --repo acme/shop \
    --config changegate.yml --key NAME+HASH+KEY`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.at.flags(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.dir, "git", "", "a clone of the repository in this `directory`")
	flags.StringVar(&o.repo, "repo", "", "the `repository`, GitHub's numeric id or, with --database, OWNER/NAME; needed where the ledger knows several")
	flags.StringArrayVar(&o.keys, "key", nil, "a public `key` that may have signed; repeat it for each. That of the bundle unless given")
	flags.StringVar(&o.Branch, "branch", "", "the `branch`; the default one unless given")
	flags.StringArrayVar(&o.Formerly, "formerly", nil, "a `name` that the branch had before; repeat it for each")
	flags.StringVar(&o.After, "after", "", "the `commit` before the first that is looked at")
	flags.StringVar(&o.Until, "until", "", "the last `commit` that is looked at; the last one of the branch unless given")
	return cmd
}

func (o *reconcileOptions) run(cmd *cobra.Command, args []string) error {
	switch {
	case o.dir == "":
		return usageError{errors.New("no clone is named: use --git DIR")}
	case len(args) > 1 || len(args) == 1 && o.at.isNamed():
		return usageError{errors.New("name one bundle, or a database (see 'changegate audit reconcile --help')")}
	}
	err := publicKeys(o.keys)
	if err != nil {
		return err
	}
	var record audit.Record
	if len(args) == 1 {
		err = o.readBundle(cmd, args[0], &record)
	} else {
		err = o.readDatabase(cmd, &record)
	}
	if err != nil {
		return err
	}
	r, err := audit.Reconcile(cmd.Context(), audit.Git{Dir: o.dir}, &record, o.ReconcileOptions)
	if err != nil {
		return err
	}
	if len(r.Missing) > 0 && len(r.Unknown()) == len(r.Landed) {
		fmt.Fprintf(cmd.ErrOrStderr(), "The ledger knows none of these commits, and %d pull requests that were merged into\n%s elsewhere: this may be a clone of another repository.\n",
			len(r.Missing), visible(r.Branch))
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	writeReconciliation(out, r, o.dir, len(args) == 1)
	if err := out.Flush(); err != nil {
		return err
	}
	if len(r.Unknown()) > 0 {
		return errBadAnswer
	}
	return nil
}

func (o *reconcileOptions) readBundle(cmd *cobra.Command, file string, record *audit.Record) (err error) {
	if record.Repository, err = repository(cmd.Context(), nil, o.repo); err != nil {
		return err
	}
	in, err := open(cmd, file)
	if err != nil {
		return err
	}
	defer in.Close()
	var about []int64
	each := func(e ledger.Entry) error {
		if id := e.Subject.Repository; id != 0 && !slices.Contains(about, id) {
			about = append(about, id)
		}
		return record.Add(e)
	}
	r, err := audit.Verify(in, audit.VerifyOptions{Keys: o.keys, Each: each})
	if err != nil {
		return tellBroken(cmd.OutOrStdout(), file, err)
	}
	if n := r.Header.Number; n != 0 {
		return usageError{fmt.Errorf("%s has what is about pull request %d only, and knows no other commit: name a bundle of the whole repository, or of all", visible(file), n)}
	}
	if id := record.Repository; id != 0 && !slices.Contains(about, id) {
		return notAbout(id, slices.Sorted(slices.Values(about)), nil)
	}
	if len(o.keys) == 0 {
		warnOfOwnKey(cmd)
	}
	return nil
}

func (o *reconcileOptions) readDatabase(cmd *cobra.Command, record *audit.Record) error {
	s, err := o.at.open(cmd.Context())
	if err != nil {
		return err
	}
	defer s.Close()
	if record.Repository, err = repository(cmd.Context(), s, o.repo); err != nil {
		return err
	}
	if len(o.keys) == 0 {
		return audit.Each(cmd.Context(), s, record.Repository, record.Add)
	}
	head, err := holds(cmd, s, o.keys, func(ctx context.Context, from audit.Source) (ledger.Tree, error) {
		return audit.CheckEach(ctx, from, record.Add)
	})
	if err != nil {
		return err
	}
	missing, err := unsigned(cmd.Context(), s, head)
	if err == nil && missing != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "Not signed: %s.\n", missing)
	}
	return err
}

// writeReconciliation says what each commit is. What landed after the end of a bundle a later one may know; a database has all that the server heard of.
func writeReconciliation(out io.Writer, r audit.Reconciliation, dir string, bundle bool) {
	pulls, exceptions := 0, 0
	for _, l := range r.Landed {
		fmt.Fprintf(out, "%.12s %s", l.SHA, l.At.Format("2006-01-02"))
		if l.Pull != nil {
			fmt.Fprintf(out, " #%d %s, %s", l.Pull.Number, visible(l.Pull.Category), visible(l.Pull.Verdict))
			if l.Pull.Observing {
				fmt.Fprint(out, " (only observed)")
			}
		}
		for _, e := range l.Exceptions {
			explained := "not explained"
			if e.Explained {
				explained = "explained"
			}
			fmt.Fprintf(out, " exception: %s, %s", visible(e.Kind), explained)
		}
		switch {
		case len(l.Exceptions) > 0:
			exceptions++
		case l.Pull != nil:
			pulls++
		default:
			fmt.Fprintf(out, " UNKNOWN: %s", visible(l.Subject))
		}
		fmt.Fprintln(out)
	}
	for _, p := range r.Missing {
		fmt.Fprintf(out, "%.12s is not on the line of first parents of %s, and #%d was merged as it\n", p.Commit, visible(r.Branch), p.Number)
	}
	for _, p := range r.Policies {
		writePolicy(out, p)
	}
	if len(r.Unfetched) > 0 {
		fmt.Fprint(out, "commits that are UNKNOWN may be of")
		for _, p := range r.Unfetched {
			fmt.Fprintf(out, " #%d", p.Number)
		}
		fmt.Fprintf(out, ", rebased: this clone does not have their own commits to compare with. Fetch them, and ask again:\n  git -C %s fetch origin 'refs/pull/*/head:refs/pull/*/head'\n", visible(dir))
	}
	for _, name := range r.Elsewhere {
		fmt.Fprintf(out, "some commits of %s are of pull requests into %s: if the branch was called so before, ask again with --formerly %[2]s\n", visible(r.Branch), visible(name))
	}
	if n := len(r.Later()); bundle && n > 0 && n < len(r.Landed) {
		fmt.Fprintf(out, "UNKNOWN commits at the end that are dated after the last entry that was read, of %s: %d. A later bundle may know them; --until %.12s leaves them out\n",
			clocked(r.Last), n, r.Landed[len(r.Landed)-n-1].SHA)
	}
	fmt.Fprintf(out, "%s: %d commits: %d of changes, %d of exceptions, %d of neither", visible(r.Branch), len(r.Landed), pulls, exceptions, len(r.Unknown()))
	if r.Before > 0 {
		fmt.Fprintf(out, "; %d before them were not looked at", r.Before)
	}
	fmt.Fprintln(out)
}

// writePolicy says from when to when a policy was in force, and who approved it.
func writePolicy(out io.Writer, p audit.InForce) {
	until := "on"
	if !p.Until.IsZero() {
		until = "to " + clocked(p.Until)
	}
	fmt.Fprintf(out, "policy from %s %s: %s %.12s", clocked(p.From), until, visible(p.Source), visible(p.Digest))
	if p.Owner != "" {
		fmt.Fprintf(out, ", with %s %.12s", visible(p.Owner), visible(p.OwnerDigest))
	}
	l := p.Brought
	switch {
	case l == nil:
		fmt.Fprintln(out, "; no commit of this clone brought it")
		return
	case l.Pull != nil && len(l.Pull.Approvers) > 0:
		fmt.Fprintf(out, "; came with #%d, approved by %s", l.Pull.Number, visible(strings.Join(l.Pull.Approvers, ", ")))
	case l.Pull != nil:
		fmt.Fprintf(out, "; came with #%d, approved by nobody", l.Pull.Number)
	default:
		fmt.Fprintf(out, "; came with %.12s of %s, through no pull request that the ledger knows", l.SHA, l.At.Format("2006-01-02"))
	}
	for _, e := range l.Exceptions {
		fmt.Fprintf(out, ", exception: %s", visible(e.Kind))
	}
	fmt.Fprintln(out)
}
