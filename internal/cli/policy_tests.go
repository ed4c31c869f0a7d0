package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/policytest"
)

// testsPath is where a repository keeps the tests of its policy.
const testsPath = ".github/change-policy_test.yml"

func newPolicyTestCommand() *cobra.Command {
	var verbose bool
	cmd := &cobra.Command{
		Use:   "test [FILE…]",
		Short: "Run a policy's own tests",
		Long: `Run the tests in files, ` + testsPath + ` unless others are named; - is standard input.

A file names the policy that it tests, from its own directory, and has tests: each has a name, the facts of a pull request, in the form that
explain takes, and what is expected of the decision on it. What the file itself has under facts is true in each test that does not say
otherwise.

  policy: change-policy.yml
  facts: {now: 2026-03-02T10:00:00Z, repository: …, pull: …}
  tests:
    - name: a migration is high-risk
      facts: {content: {files: [{path: db/migrate/1.rb, status: added}]}}
      expect: {category: high-risk, requirements: {tech-lead: awaited}}

Every difference is a line: file, line, column, the test, what was expected and what was got. The exit code is 0 if all tests passed, 1 if one
did not, and 2 if a file of tests or its policy cannot be used.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, files []string) error {
			if len(files) == 0 {
				files = []string{testsPath}
			}
			var all error
			for _, file := range files {
				if ctx := cmd.Context(); ctx.Err() != nil {
					return errors.Join(all, fmt.Errorf("the tests in %s were not run: %w", visible(file), context.Cause(ctx)))
				}
				err := runTests(cmd, file, verbose)
				if err != nil && !errors.Is(err, errBadAnswer) && !errors.Is(err, errBadInput) {
					fmt.Fprintf(cmd.ErrOrStderr(), "changegate: %v\n", err)
					err = errBadInput
				}
				all = errors.Join(all, err)
			}
			return all
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print a line for each test, and what was decided where one fails")
	return cmd
}

// runTests runs the tests of one file, and prints their results. Its error is errBadAnswer if one failed, and errBadInput if what is wrong with
// the file or its policy was printed.
func runTests(cmd *cobra.Command, file string, verbose bool) error {
	tests, err := readTests(cmd, file)
	if err != nil {
		return err
	}
	beside := func(p policytest.Path) string {
		if p.Name == "" {
			return ""
		}
		return filepath.Join(filepath.Dir(file), filepath.FromSlash(p.Name))
	}
	p, err := loadLayers(cmd, beside(tests.Policy), beside(tests.Floor))
	switch {
	case errors.Is(err, errBadAnswer):
		return errBadInput
	case err != nil:
		return fmt.Errorf("the policy that %s tests: %w", visible(file), err)
	}
	results, err := tests.Run(p)
	if err != nil {
		return told(cmd, file, err)
	}
	for _, line := range policytest.Lines(file, results, verbose) {
		fmt.Fprintln(cmd.OutOrStdout(), visible(line))
	}
	if policytest.Failed(results) > 0 {
		return errBadAnswer
	}
	return nil
}

func readTests(cmd *cobra.Command, file string) (*policytest.File, error) {
	in, err := open(cmd, file)
	if errors.Is(err, fs.ErrNotExist) && file == testsPath {
		return nil, fmt.Errorf("there is no %s here: name a file, or go to the root of the repository", testsPath)
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, policytest.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", visible(file), err)
	}
	tests, err := policytest.Read(text)
	return tests, told(cmd, file, err)
}

// told prints an error that is a policy.Problems about a file of tests, and returns errBadInput then; any other it returns as it is.
func told(cmd *cobra.Command, file string, err error) error {
	var problems policy.Problems
	if !errors.As(err, &problems) {
		return err
	}
	for _, problem := range problems {
		fmt.Fprintln(cmd.ErrOrStderr(), problemLine(file, problem))
	}
	return errBadInput
}
