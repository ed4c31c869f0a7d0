package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/changegate/changegate/internal/change"
)

// manifestFiles are manifests by the names that patterns mostly mean.
var manifestFiles = []string{
	"go.mod", "package.json", "composer.json", "Gemfile", "pyproject.toml", "requirements.txt", "Pipfile", "Cargo.toml", "pom.xml",
	"build.gradle", "build.gradle.kts", "libs.versions.toml", "mix.exs", "setup.py", "pubspec.yaml", "Chart.yaml", "app.csproj",
}

// newDependencies warns of a rule by which a new dependency is standard, though only bumps of versions are meant to be: whoever makes the
// change, a trusted bot too. None is where a trigger has it reviewed, and where a label or an expression decides.
func (l *linter) newDependencies(r ruleShape) {
	if r.BumpsOnly.present() || r.Labels.present() || r.Expression.present() {
		return
	}
	for _, t := range r.OnlyPaths.items {
		if len(riskyAmong(t.value)) == len(riskyFiles) && !r.Authors.present() {
			continue // that is warned of already
		}
		if file := l.unreviewedManifest(t.value); file != "" {
			l.warn(t.at, fmt.Sprintf("with %q a new dependency in %s is standard", t.value, file), "add `bumps_only: true`, or a trigger whose `new_dependencies` lists it")
			return
		}
	}
}

// unreviewedManifest returns a manifest that a pattern covers and no trigger looks at; empty if there is none. A pattern of all that is in a
// folder means no manifests.
func (l *linter) unreviewedManifest(pattern string) string {
	dir, base := path.Split(pattern)
	dir = strings.ReplaceAll(dir, "**/", "")
	if dir != "" && strings.Trim(base, "*") == "" {
		return ""
	}
	only, err := NewGlobs([]string{pattern}, false)
	if err != nil {
		return ""
	}
	for _, file := range manifestFiles {
		if file = dir + file; only.Find(file) >= 0 && !l.isReviewed(file) {
			return file
		}
	}
	return ""
}

// isReviewed says whether a trigger asks for a review of a new dependency in a manifest.
func (l *linter) isReviewed(manifest string) bool {
	return l.policy.Security != nil && slices.ContainsFunc(l.policy.Security.Triggers, func(t *Trigger) bool {
		finds := func(g *Globs) bool { return g != nil && g.Find(manifest) >= 0 }
		return finds(t.Paths) || finds(t.NewDependencies)
	})
}

// leastMonitor is how long the process has every change watched.
const leastMonitor = 30 * time.Minute

// monitor warns of a watch that is shorter than the process has it.
func (l *linter) monitor(category change.Category, s text) {
	if is := l.policy.Categories[category].Monitor; s.present() && is < leastMonitor {
		l.warn(s.at, fmt.Sprintf("%s changes are watched for less than 30 minutes once they are deployed", category), "write 30m or more")
	}
}
