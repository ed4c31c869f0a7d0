package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/policies"
)

// newPolicyCommand returns the commands of a policy's author: lint, explain, test and backtest. None of them reaches the network.
func newPolicyCommand(c clock) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check, explain, test and try out a policy file",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyLintCommand(c), newPolicyExplainCommand(), newPolicyTestCommand(), newPolicyBacktestCommand(), newPolicySchemaCommand(), newPolicyDefaultCommand())
	return cmd
}

func newPolicyLintCommand(c clock) *cobra.Command {
	var floorFile string
	cmd := &cobra.Command{
		Use:   "lint [FILE] [--floor FILE]",
		Short: "Check a policy file",
		Long: `Check a policy file, ` + change.PolicyPath + ` unless another is named; - is standard input.

Every problem is a line: file, line, column, error or warning, what is wrong, and how to fix it. A policy with errors decides nothing, and
its pull requests fail. Warnings are about what is probably not meant, some of them by today's date. The exit code is 1 if there are errors.

With --floor it is checked as a repository's policy beside its owner's, the change-policy.yml of the owner's repository .github.`,
		Example: `  changegate policy lint
  changegate policy lint --floor ../.github/change-policy.yml`,
		Args: atMostOneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			file := change.PolicyPath
			if len(args) == 1 {
				file = args[0]
			}
			text, err := readPolicy(cmd, file)
			if err != nil {
				return err
			}
			var floor *policy.Policy
			if floorFile != "" {
				if floor, err = loadPolicy(cmd, floorFile, nil); err != nil {
					return err
				}
			}
			problems := policy.LintBeside(floor, file, text, c.Now())
			for _, p := range problems {
				fmt.Fprintln(cmd.OutOrStdout(), problemLine(file, p))
			}
			if len(problems) == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: no problems\n", visible(file))
			}
			if len(problems.Errors()) > 0 {
				return errBadAnswer
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&floorFile, "floor", "", "the owner's policy, a `file`")
	return cmd
}

func newPolicySchemaCommand() *cobra.Command {
	var tests bool
	cmd := &cobra.Command{
		Use:   "schema [--tests]",
		Short: "Print the JSON schema of a policy, or of its tests, for editors",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema := policies.Schema()
			if tests {
				schema = policies.TestSchema()
			}
			_, err := cmd.OutOrStdout().Write(schema)
			return err
		},
	}
	cmd.Flags().BoolVar(&tests, "tests", false, "print the schema of a file of tests instead")
	return cmd
}

func newPolicyDefaultCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "default",
		Short: "Print the policy of repositories that have none, to start one from",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(policies.Default())
			return err
		},
	}
}

// atMostOneFile is cobra.MaximumNArgs(1) as a mistake in how the command was called.
func atMostOneFile(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usageError{fmt.Errorf("%d files are named, and %s takes one (see '%s --help')", len(args), cmd.CommandPath(), cmd.CommandPath())}
	}
	return nil
}

// problemLine is a problem in the form that editors and CI know: file:line:column.
func problemLine(file string, p policy.Problem) string {
	place := visible(file)
	if p.Line > 0 {
		place += fmt.Sprintf(":%d:%d", p.Line, p.Column)
	}
	return fmt.Sprintf("%s: %s: %s: %s", place, p.Severity, visible(p.Message), visible(p.Mend))
}

// readPolicy reads a policy's text, up to one byte more than a policy may have, by which one that is too long is noticed.
func readPolicy(cmd *cobra.Command, file string) ([]byte, error) {
	in, err := open(cmd, file)
	if errors.Is(err, fs.ErrNotExist) && file == change.PolicyPath {
		return nil, fmt.Errorf("there is no %s here: name a file, or go to the root of the repository", change.PolicyPath)
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, policy.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", visible(file), err)
	}
	return text, nil
}

// loadPolicy reads and compiles a policy, beside its owner's if that is not nil; the built-in default if no file is named. Its problems
// are printed.
func loadPolicy(cmd *cobra.Command, file string, floor *policy.Policy) (*policy.Policy, error) {
	source, text := policies.DefaultSource, policies.Default()
	if file != "" {
		var err error
		if text, err = readPolicy(cmd, file); err != nil {
			return nil, err
		}
		source = file
	}
	p, err := policy.ParseBeside(floor, source, text)
	var problems policy.Problems
	if errors.As(err, &problems) {
		for _, problem := range problems {
			fmt.Fprintln(cmd.ErrOrStderr(), problemLine(source, problem))
		}
		return nil, errBadAnswer
	}
	return p, err
}
