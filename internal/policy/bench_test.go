package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/change"
)

// benchmarkPolicy has 200 path patterns in the lists that a real policy has: some for high-risk, some for standard, and those of six
// security triggers.
func benchmarkPolicy(b *testing.B, content string) *Policy {
	b.Helper()
	var text strings.Builder
	list := func(from, to int) string {
		var patterns []string
		for i := from; i < to; i++ {
			pattern := [...]string{"**/module%d/**", "services/s%d/**/*.go", "**/*.ext%d", "config/env%d/*.yml", "**/*_secret%d*"}[i%5]
			patterns = append(patterns, `"`+fmt.Sprintf(pattern, i)+`"`)
		}
		return "[" + strings.Join(patterns, ", ") + "]"
	}
	fmt.Fprintf(&text, `
version: 1
roles:
  reviewer:  {permission: write}
  tech-lead: {teams: [tech-leads]}
  security:  {teams: [security]}
categories:
  high-risk:
    when: {any: [{paths: %s, because: infrastructure}, {paths: %s}, {labels: [high-risk]}, {changed_lines: "> 5000"}]}
  standard:
    when: {any: [{only_paths: %s}]}
checks: [{name: build}, {none_failing: "ci/*"}]
security_review:
  role: security
  triggers:
`, list(0, 50), list(50, 80), list(80, 110))
	for i := range 6 {
		fmt.Fprintf(&text, "    trigger%d: {paths: %s%s}\n", i, list(110+15*i, 125+15*i), content)
	}
	p, err := Parse("policy", []byte(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func benchmarkFacts(n int) change.Facts {
	f := pullRequest(approved("bob", "carol"), ran("build", change.CheckSuccess), ran("ci/unit", change.CheckSuccess))
	for i := range n {
		path := fmt.Sprintf("services/s%d/internal/handlers/file_%d.go", i%400, i)
		if i%5 == 1 {
			path = fmt.Sprintf("web/Components/module%d/View%d.tsx", i%400, i)
		}
		patch(path, " func handler() {", "-\treturn err", "+\treturn fmt.Errorf(\"read: %w\", err)", " }")(&f)
	}
	return f
}

// What a decision costs: 12 files are a usual pull request, 3,000 the most that GitHub lists. The description has all sections.
func BenchmarkDecide(b *testing.B) {
	for _, content := range []struct{ name, text string }{
		{"paths", ""},
		{"paths+content", `, content: ['(?i)\b(jwt|oauth|saml|password)\b', 'crypto/(aes|rsa|tls)']`},
	} {
		for _, files := range []int{12, 3000} {
			p, f := benchmarkPolicy(b, content.text), benchmarkFacts(files)
			b.Run(fmt.Sprintf("patterns=200/rules=%s/files=%d", content.name, files), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.Decide(f)
				}
			})
		}
	}
}

func BenchmarkNeeds(b *testing.B) {
	p, f := benchmarkPolicy(b, ""), benchmarkFacts(12)
	b.ReportAllocs()
	for b.Loop() {
		p.Needs(f)
	}
}
