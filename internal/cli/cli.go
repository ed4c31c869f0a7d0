// Package cli is the command line of changegate.
//
// Output rules. What a command was asked for goes to standard output, everything else to standard error; standard output is the same
// whether or not it is a terminal, so that it can be piped. Exit codes: 0 it worked, 1 it ran and the answer is bad (a policy with
// errors, a story that failed, a server that stopped with an error) or could not be written, 2 it was called wrongly, or a policy's tests
// cannot be run. Of gate, which scripts build on, they are 0 go, 75 not yet (EX_TEMPFAIL of sysexits), and 1 for everything else. An error
// is one paragraph: what was attempted, what is wrong, and how to fix it.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitOK    = 0
	exitBad   = 1
	exitUsage = 2
	exitLater = 75
)

// errBadAnswer is an error whose explanation has already been printed: the command ran, and its answer is bad.
var errBadAnswer = errors.New("the answer is bad")

// errBadInput is an error whose explanation has already been printed: what the command was given cannot be used.
var errBadInput = errors.New("the input cannot be used")

// errNotYet is the answer of a gate that may open later, and has already been printed.
var errNotYet = errors.New("not yet")

// usageError is a mistake in how a command was called.
type usageError struct{ error }

// Run runs the command that args name (without the program's own name) and returns its exit code. Cancelling ctx stops a running
// server gracefully.
func Run(ctx context.Context, args []string, streams Streams) int {
	return run(ctx, args, streams, realTime{})
}

func run(ctx context.Context, args []string, streams Streams, c clock) int {
	out := &output{Writer: streams.Out}
	root := newRoot(c, Streams{In: streams.In, Out: out, Err: streams.Err})
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if out.err != nil && (err == nil || isTold(err) || errors.Is(err, out.err)) {
		err = fmt.Errorf("the output is not complete: %w", out.err)
	}
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errBadInput):
		return exitUsage
	case errors.Is(err, errBadAnswer):
		return exitBad
	case errors.Is(err, errNotYet):
		return exitLater
	case errors.As(err, &usage):
		fmt.Fprintf(streams.Err, "changegate: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(streams.Err, "changegate: %v\n", err)
		return exitBad
	}
}

// isTold says whether an error's explanation has already been printed.
func isTold(err error) bool {
	return errors.Is(err, errBadInput) || errors.Is(err, errBadAnswer) || errors.Is(err, errNotYet)
}

func newRoot(c clock, streams Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "changegate",
		Short: "Enforce a change policy on pull requests",
		Long:  "Enforce a company's change policy on pull requests and on what is deployed, as a GitHub App.",
		Example: `  changegate demo                            see it at work on this machine
  changegate policy lint                     check a repository's policy
  changegate setup register --help           make the App and a configuration
  changegate serve --config changegate.yml   run the server`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	root.Version = Version()
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if before := cmd.Flags().Args(); cmd.HasAvailableSubCommands() && len(before) > 0 {
			return noArguments(cmd, before) // the flag is of the command that was meant
		}
		return usageError{fmt.Errorf("%w (see '%s --help')", err, cmd.CommandPath())}
	})
	root.AddCommand(newServeCommand(), newDemoCommand(), newPolicyCommand(c), newGateCommand(c), newAuditCommand(), newSetupCommand(), newVersionCommand())
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = aboutACommand
	}
	root.InitDefaultCompletionCmd() // which writes to what is standard output by now
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		completion.Args = noArguments
		for _, shell := range completion.Commands() {
			shell.Args = noArguments
		}
	}
	root.SetUsageTemplate(usage)
	layOut(root)
	return root
}

// aboutACommand says whether the arguments of help name a command.
func aboutACommand(help *cobra.Command, args []string) error {
	cmd, rest, err := help.Root().Find(args)
	if err != nil {
		return usageError{err}
	}
	return noArguments(cmd, rest)
}

// noArguments is cobra.NoArgs as a mistake in how the command was called. What follows a command of commands was to be one of them.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	problem := fmt.Sprintf("%s takes no %q", cmd.CommandPath(), args[0])
	if cmd.HasAvailableSubCommands() {
		problem = fmt.Sprintf("%s has no command %q", cmd.CommandPath(), args[0])
		cmd.SuggestionsMinimumDistance = 2
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			problem += fmt.Sprintf(": did you mean %q?", near[0])
		} else if other := elsewhere(cmd.Root(), args[0]); other != nil {
			problem += fmt.Sprintf(": did you mean %q?", other.CommandPath())
		}
	}
	return usageError{fmt.Errorf("%s (see '%s --help')", problem, cmd.CommandPath())}
}

// elsewhere returns the command below another one that has a name; nil if none has.
func elsewhere(root *cobra.Command, name string) *cobra.Command {
	for _, group := range root.Commands() {
		if i := slices.IndexFunc(group.Commands(), func(c *cobra.Command) bool { return c.Name() == name }); i >= 0 {
			return group.Commands()[i]
		}
	}
	return nil
}

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), Version())
			return err
		},
	}
}

// version is what the linker was told (-X), where the build knows of no version itself: an image is built without Git.
var version string

// Version describes the build: its module version where it has one, and the commit it was made from.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "changegate (unknown build)"
	}
	version := cmp.Or(version, info.Main.Version, "(devel)")
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			version += " " + s.Value[:12]
		}
	}
	return fmt.Sprintf("changegate %s %s", version, info.GoVersion)
}
