package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/backtest"
	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/policy"
)

// backtestOptions are what policy backtest is called with.
type backtestOptions struct {
	policy, against string // files
	json            bool
}

func newPolicyBacktestCommand() *cobra.Command {
	var o backtestOptions
	cmd := &cobra.Command{
		Use:   "backtest FILE.jsonl…",
		Short: "Show what a policy would have done to what was merged",
		Long: `Show what a policy would have done to pull requests that were merged: the share of each category in each repository, how often each
rule fired and which never, with examples.

A file has one JSON object on each line: repository, number, title, author_is_bot, and files with path, previous_path, status, additions and
deletions; - is standard input. Contents, labels and approvals are not known, so that rules on them stay unmeasured.

With --against, it lists the pull requests that another policy would decide otherwise. The exit code is 1 if a line could not be read or an
expression failed.`,
		Example: `  changegate policy backtest --policy .github/change-policy.yml merged.jsonl
  changegate policy backtest --policy old.yml --against new.yml merged.jsonl`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("no file is named (see '%s --help')", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error { return o.run(cmd, files) },
	}
	cmd.Flags().StringVar(&o.policy, "policy", "", "the policy `file`; the built-in default if none is named")
	cmd.Flags().StringVar(&o.against, "against", "", "list what the policy in this `file` would decide otherwise")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object for each pull request")
	return cmd
}

func (o backtestOptions) run(cmd *cobra.Command, files []string) error {
	p, err := loadPolicy(cmd, o.policy, nil)
	if err != nil {
		return err
	}
	var other *policy.Policy
	if o.against != "" {
		if other, err = loadPolicy(cmd, o.against, nil); err != nil {
			return err
		}
	}
	pulls, bad, err := readPulls(cmd, files)
	if err != nil {
		return err
	}
	var run backtestRun
	if run.outcomes, err = classify(cmd, p, pulls); err != nil {
		return err
	}
	if other != nil {
		if run.against, err = classify(cmd, other, pulls); err != nil {
			return err
		}
	}
	run.report = backtest.Summarize(p, run.outcomes)
	out := bufio.NewWriter(cmd.OutOrStdout())
	switch {
	case o.json:
		err = run.writeJSON(out)
	case other != nil:
		run.writeDifferences(out, p, other)
	default:
		run.writeReport(out)
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	for _, problem := range run.report.Problems {
		fmt.Fprintln(cmd.ErrOrStderr(), "changegate: "+visible(problem))
	}
	if bad || len(run.report.Problems) > 0 {
		return errBadAnswer
	}
	return nil
}

// readPulls reads all files. Lines that cannot be read are printed and left out; bad says that there were some.
func readPulls(cmd *cobra.Command, files []string) (pulls []backtest.Pull, bad bool, err error) {
	for _, file := range files {
		in, err := open(cmd, file)
		if err != nil {
			return nil, false, err
		}
		read, err := backtest.Read(file, in)
		in.Close()
		if ctx := cmd.Context(); ctx.Err() != nil {
			return nil, false, fmt.Errorf("read %s: %w", visible(file), context.Cause(ctx))
		}
		if err != nil {
			bad = true
			for line := range strings.Lines(err.Error()) {
				fmt.Fprintln(cmd.ErrOrStderr(), "changegate: "+visible(strings.TrimSuffix(line, "\n")))
			}
		}
		pulls = append(pulls, read...)
	}
	if len(pulls) == 0 {
		return nil, bad, errors.New("there is no pull request in the files: write one JSON object a line")
	}
	return pulls, bad, nil
}

// classify classifies pull requests, with a progress bar on a terminal, unless the command is interrupted.
func classify(cmd *cobra.Command, p *policy.Policy, pulls []backtest.Pull) ([]backtest.Outcome, error) {
	bar := newProgress(cmd.ErrOrStderr(), len(pulls))
	defer bar.clear()
	outcomes := make([]backtest.Outcome, len(pulls))
	for i, pull := range pulls {
		if ctx := cmd.Context(); ctx.Err() != nil {
			return nil, fmt.Errorf("%d of %d pull requests were classified: %w", i, len(pulls), context.Cause(ctx))
		}
		outcomes[i] = backtest.Classify(p, pull)
		bar.done(i + 1)
	}
	return outcomes, nil
}

// progress is a bar on a terminal; on anything else it is silent.
type progress struct {
	w           io.Writer // nil: silent
	total, seen int
}

const barWidth = 40

func newProgress(w io.Writer, total int) *progress {
	if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		return &progress{w: w, total: total, seen: -1}
	}
	return &progress{}
}

func (p *progress) done(n int) {
	if p.w == nil || n*barWidth/p.total == p.seen {
		return
	}
	p.seen = n * barWidth / p.total
	fmt.Fprintf(p.w, "\r[%s%s] %d of %d", strings.Repeat("#", p.seen), strings.Repeat(".", barWidth-p.seen), n, p.total)
}

func (p *progress) clear() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// backtestRun is what there is to print.
type backtestRun struct {
	report            *backtest.Report
	outcomes, against []backtest.Outcome
}

// writeJSON writes a line a pull request; with another policy's outcome where that is another.
func (r backtestRun) writeJSON(w io.Writer) error {
	type line struct {
		backtest.Outcome
		Against *backtest.Outcome `json:"against,omitempty"`
	}
	out := json.NewEncoder(w)
	for i, o := range r.outcomes {
		l := line{Outcome: o}
		if r.against != nil && !o.Agrees(r.against[i]) {
			l.Against = &r.against[i]
		}
		if err := out.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

func (r backtestRun) writeReport(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "\tpull requests\t")
	for _, c := range backtest.Categories {
		fmt.Fprintf(table, "%s\t", c)
	}
	fmt.Fprintln(table, "security review\t")
	counts := r.report.Repositories
	if len(counts) > 1 {
		total := r.report.Total
		total.Repository = "all"
		counts = append(counts[:len(counts):len(counts)], total)
	}
	for _, c := range counts {
		fmt.Fprintf(table, "%s\t%d\t", visible(c.Repository), c.Pulls)
		for _, category := range backtest.Categories {
			fmt.Fprintf(table, "%s\t", share(c.Categories[category], c.Pulls))
		}
		fmt.Fprintf(table, "%s\t\n", share(c.SecurityReview, c.Pulls))
	}
	table.Flush()

	var fired, silent []*backtest.Fired
	for _, f := range r.report.Rules {
		if f.Count == 0 {
			silent = append(silent, f)
		} else {
			fired = append(fired, f)
		}
	}
	if len(fired) > 0 {
		fmt.Fprintln(w, "\nWhat fired:")
	}
	for _, f := range fired {
		fmt.Fprintf(w, "%6d  %s\n", f.Count, firedName(f))
		for _, e := range f.Examples {
			fmt.Fprintf(w, "        %s %s\n          %s\n", visible(e.Key), visible(e.Title), matchLine(e.Match))
		}
	}
	if len(silent) > 0 {
		fmt.Fprintln(w, "\nWhat never fired:")
	}
	for _, f := range silent {
		fmt.Fprintf(w, "        %s\n", firedName(f))
	}
}

func share(n, of int) string {
	return fmt.Sprintf("%d (%.1f%%)", n, 100*float64(n)/float64(max(of, 1)))
}

// firedName names a rule or trigger by what it is for, its place and what could not be measured of it.
func firedName(f *backtest.Fired) string {
	name := fmt.Sprintf("%s: %s", f.Category, visible(f.Name))
	if f.Trigger != "" {
		name = "security review: " + visible(f.Name)
	}
	switch {
	case f.Line > 0:
		name += fmt.Sprintf(" (line %d)", f.Line)
	default:
		name += " (built in)"
	}
	if len(f.Unmeasured) > 0 {
		name += ", " + strings.Join(f.Unmeasured, " and ") + " not measured"
	}
	return name
}

func matchLine(m change.Match) string {
	line := visible(m.Subject.String()) + " matches " + visible(m.Rule.String())
	if m.More > 0 {
		line += fmt.Sprintf(", and %d more", m.More)
	}
	return line
}

func (r backtestRun) writeDifferences(w io.Writer, p, other *policy.Policy) {
	differences := backtest.Compare(r.outcomes, r.against)
	fmt.Fprintf(w, "%s → %s: %d of %d pull requests would be decided otherwise\n",
		visible(p.Ref.Source), visible(other.Ref.Source), len(differences), len(r.outcomes))
	for _, d := range differences {
		fmt.Fprintf(w, "\n%s %s\n  %s → %s\n", visible(d.Key()), visible(d.Title), outcomeLine(d.Outcome), outcomeLine(d.Against))
		for _, m := range d.Matches {
			fmt.Fprintf(w, "  - %s: %s\n", matchKind(m), matchLine(m))
		}
		for _, m := range d.Against.Matches {
			fmt.Fprintf(w, "  + %s: %s\n", matchKind(m), matchLine(m))
		}
	}
}

func outcomeLine(o backtest.Outcome) string {
	if o.SecurityReview {
		return o.Category.String() + " with security review"
	}
	return o.Category.String()
}

func matchKind(m change.Match) string {
	if m.Trigger != "" {
		return visible(m.Trigger)
	}
	return m.Category.String()
}
