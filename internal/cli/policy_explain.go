package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/facts"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/report"
)

// explanation is the JSON form of `policy explain`.
type explanation struct {
	Decision change.Decision `json:"decision"`
	Effects  []plan.Effect   `json:"effects"` // what would be done on GitHub if nothing were there yet
}

func newPolicyExplainCommand() *cobra.Command {
	var factsFile, policyFile, floorFile string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain --facts FILE [--policy FILE] [--floor FILE]",
		Short: "Show what a policy makes of a pull request, and why",
		Long: `Show the decision on a pull request as a tree, and what would be done on GitHub. Nothing is done.

The facts are a JSON file of what is true of the pull request; - is standard input. Without --policy the built-in default decides.

With --floor the owner's policy decides beside the one of --policy; without --policy it decides alone, as for a repository that has none.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if factsFile == "" {
				return usageError{errors.New("no facts are named: use --facts FILE")}
			}
			p, err := loadLayers(cmd, policyFile, floorFile)
			if err != nil {
				return err
			}
			f, err := readFacts(cmd, factsFile)
			if err != nil {
				return err
			}
			// The policy in the file speaks for the default branch too.
			f.Governed = f.Governed || p.Governs(f.Repository, f.Pull.Base.Name)
			d := p.Decide(f)
			e := explanation{Decision: d, Effects: effects(d, f.Now)}
			if asJSON {
				out := json.NewEncoder(cmd.OutOrStdout())
				out.SetIndent("", "  ")
				return out.Encode(e)
			}
			return explain(cmd.OutOrStdout(), e)
		},
	}
	cmd.Flags().StringVar(&factsFile, "facts", "", "the facts of the pull request, a JSON `file`")
	cmd.Flags().StringVar(&policyFile, "policy", "", "the policy `file`; the built-in default if none is named")
	cmd.Flags().StringVar(&floorFile, "floor", "", "the owner's policy, a `file`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the decision and the effects as JSON")
	return cmd
}

// readFacts reads the facts of one pull request.
func readFacts(cmd *cobra.Command, file string) (change.Facts, error) {
	in, err := open(cmd, file)
	if err != nil {
		return change.Facts{}, err
	}
	defer in.Close()
	text, err := io.ReadAll(in)
	var f change.Facts
	if err == nil {
		f, err = facts.Parse(text)
	}
	if err != nil {
		return change.Facts{}, fmt.Errorf("read the facts in %s: %w", visible(file), err)
	}
	return f, nil
}

// loadLayers is loadPolicy for a repository's policy and its owner's, either of which may not be there.
func loadLayers(cmd *cobra.Command, policyFile, floorFile string) (*policy.Policy, error) {
	if floorFile == "" {
		return loadPolicy(cmd, policyFile, nil)
	}
	floor, err := loadPolicy(cmd, floorFile, nil)
	if err != nil || policyFile == "" {
		return floor, err
	}
	return loadPolicy(cmd, policyFile, floor)
}

// effects returns what would be done on GitHub for a decision if nothing were there yet.
func effects(d change.Decision, now time.Time) []plan.Effect {
	if !d.Governed {
		return []plan.Effect{}
	}
	asks := map[change.PullKey][]change.Ask{d.Pull: d.Asks}
	return plan.Decided(d, asks, plan.Present{Now: now}, report.Render)
}

func explain(w io.Writer, e explanation) error {
	if _, err := io.WriteString(w, report.Terminal(e.Decision)); err != nil {
		return err
	}
	if len(e.Effects) == 0 {
		_, err := fmt.Fprintln(w, "\nNothing would be done on GitHub.")
		return err
	}
	if _, err := fmt.Fprintln(w, "\nWould be done on GitHub:"); err != nil {
		return err
	}
	for _, effect := range e.Effects {
		if _, err := fmt.Fprintln(w, "  "+visible(effect.String())); err != nil {
			return err
		}
	}
	return nil
}
