package worldtest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/changegate/changegate/internal/githubsim"
)

// OurCheck returns the check run that the pull request's page shows for us.
func OurCheck(v githubsim.PullView) (githubsim.CheckView, bool) {
	i := slices.IndexFunc(v.Checks, func(c githubsim.CheckView) bool { return c.Name == CheckName && c.App == "changegate" })
	if i < 0 {
		return githubsim.CheckView{}, false
	}
	return v.Checks[i], true
}

// Outcome is a check's status, or its conclusion once it has one.
func Outcome(c githubsim.CheckView) string {
	if c.Conclusion != "" {
		return c.Conclusion
	}
	return c.Status
}

// Whole shows a check run as it is, so that a failure explains itself.
func (w *World) Whole(v githubsim.PullView) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is %s (%s), labels %v", v.Pull, v.State, v.Head[:7], v.Labels)
	if c, ok := OurCheck(v); ok {
		fmt.Fprintf(&b, "\n%s: %s\n\n%s\n%s", Outcome(c), c.Title, c.Summary, c.Text)
	} else {
		b.WriteString("\nit has no check run of ours")
	}
	for _, c := range w.Calls() {
		fmt.Fprintf(&b, "\ncall: %s %s: %d", c.Method, c.Path, c.Status)
	}
	if warnings := append(w.Log.Lines("warn"), w.Log.Lines("error")...); len(warnings) > 0 {
		fmt.Fprintf(&b, "\nthe server logged:\n%s", strings.Join(warnings, "\n"))
	}
	return b.String()
}
