package githubsim

import "slices"

// Operations returns every operation that the Sim serves, for the test that each was held to GitHub's description.
func Operations() []string {
	var out []string
	for _, rt := range slices.Concat(appRoutes(), repoRoutes(), pullRoutes(), issueRoutes(), checkRoutes(), deploymentRoutes(), orgRoutes()) {
		out = append(out, rt.method+" "+rt.template)
	}
	return out
}

// Token issues a token without the exchange.
func Token(s *Sim, installation int64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.installations[installation]
	name, _ := s.newToken(in, in.permissions, nil)
	return name
}
