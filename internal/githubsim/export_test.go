package githubsim

import "slices"

// Operations returns every operation that the Sim serves, for the test that each was held to GitHub's description.
func Operations() []string {
	var out []string
	for _, rt := range slices.Concat(appRoutes(), repoRoutes(), pullRoutes(), issueRoutes(), checkRoutes(), orgRoutes()) {
		out = append(out, rt.method+" "+rt.template)
	}
	return out
}
