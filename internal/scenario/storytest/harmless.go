package storytest

import (
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"github.com/changegate/changegate/internal/scenario/worldtest"
)

// mention is what GitHub takes for a mention in text.
var mention = regexp.MustCompile(`(^|[^\w/.` + "`" + `])@[A-Za-z0-9]`)

// harmless N: nothing in the check's summary and text pings anybody, links anywhere, is HTML, or breaks a table.
func harmless(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	v := w.view(ts, args[0])
	c, _ := worldtest.OurCheck(v)
	for _, part := range []string{c.Summary, c.Text} {
		for _, problem := range harms(part) {
			ts.Fatalf("%s\n%s", problem, w.Whole(v))
		}
	}
}

// harms returns what is not harmless in Markdown that our own words never need.
func harms(markdown string) []string {
	var problems []string
	source := []byte(markdown)
	doc := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	var prose strings.Builder
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.CodeSpan, *ast.CodeBlock, *ast.FencedCodeBlock:
			prose.WriteString(" ")
			return ast.WalkSkipChildren, nil
		case *ast.RawHTML, *ast.HTMLBlock:
			problems = append(problems, "there is HTML in it")
		case *ast.Link, *ast.Image, *ast.AutoLink:
			problems = append(problems, "there is a link in it")
		case *ast.Text:
			prose.Write(n.Segment.Value(source))
			prose.WriteString(" ")
		}
		return ast.WalkContinue, nil
	})
	if at := mention.FindString(prose.String()); at != "" {
		problems = append(problems, "it mentions somebody: "+at)
	}
	columns := 0
	for line := range strings.Lines(markdown) {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if columns != 0 && n != columns {
			problems = append(problems, "a row of a table has other columns than the others: "+line)
		}
		columns = n
	}
	return problems
}
