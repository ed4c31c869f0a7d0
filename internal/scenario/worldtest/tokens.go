package worldtest

import (
	"fmt"
	"slices"
)

// tokens returns what is wrong with the tokens that the server was given: each is to reach one repository, or to read nothing in any.
func (w *World) tokens() (problems []error) {
	for _, t := range w.Sim.Minted() {
		if t.App != w.Gate.Slug || len(t.Repositories) == 1 {
			continue
		}
		for name, level := range t.Permissions {
			if level != "read" || !slices.Contains([]string{"metadata", "members"}, name) {
				problems = append(problems, fmt.Errorf("a token of %v has %s: %s", t.Repositories, name, level))
			}
		}
	}
	return problems
}
