package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/change"
	"github.com/changegate/changegate/internal/plan"
	"github.com/changegate/changegate/internal/policy"
	"github.com/changegate/changegate/internal/report"
)

// Explanation is the JSON form of `policy explain`.
type Explanation struct {
	Decision change.Decision `json:"decision"`
	Effects  []plan.Effect   `json:"effects"` // what would be done on GitHub if nothing were there yet
}

func newExplainCommand() *cobra.Command {
	var factsFile, policyFile, floorFile string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain --facts FILE [--policy FILE] [--floor FILE]",
		Short: "Show what a policy makes of a pull request, and why",
		Long: `Show the decision on a pull request as a tree, and what would be done on GitHub. Nothing is done.

The facts are a JSON file of what is true of the pull request; - is standard input. Without --policy the built-in default decides.

With --floor the owner's policy decides beside the policy, and alone where no policy is named, as for a repository without one.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if factsFile == "" {
				return usageError{errors.New("no facts are named: use --facts FILE")}
			}
			p, err := loadLayers(cmd, policyFile, floorFile)
			if err != nil {
				return err
			}
			facts, err := readFacts(cmd, factsFile)
			if err != nil {
				return err
			}
			// The policy in the file speaks for the default branch too.
			facts.Governed = facts.Governed || p.Governs(facts.Repository, facts.Pull.Base.Name)
			d := p.Decide(facts)
			e := Explanation{Decision: d, Effects: effects(d, facts)}
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
func effects(d change.Decision, facts change.Facts) []plan.Effect {
	if !d.Governed {
		return []plan.Effect{}
	}
	asks := map[change.PullKey][]change.Ask{d.Pull: d.Asks}
	return plan.Decided(d, asks, plan.Present{Now: facts.Now}, report.Render)
}

func explain(w io.Writer, e Explanation) error {
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
