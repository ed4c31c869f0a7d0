package pages

import (
	"bytes"
	"fmt"
	"html/template"
	"regexp"
	"strconv"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// markdown renders Markdown as GitHub does. HTML in it is left out and dangerous links lead nowhere: that is goldmark's way unless told
// otherwise.
func (s *site) markdown(source string, options ...goldmark.Option) template.HTML {
	options = append(options, goldmark.WithExtensions(extension.GFM),
		goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(references{s.Repo}, 1000))))
	var b bytes.Buffer
	if err := goldmark.New(options...).Convert([]byte(source), &b); err != nil {
		return template.HTML("<pre>" + template.HTMLEscapeString(source) + "</pre>")
	}
	return template.HTML(b.String())
}

// comment renders a description or a comment, where every line break counts.
func (s *site) comment(source string) template.HTML {
	return s.markdown(source, goldmark.WithRendererOptions(html.WithHardWraps()))
}

// reference is how an issue or a pull request is named in prose: its number is the first group.
var reference = regexp.MustCompile(`#(\d{1,9})\b`)

// findReferences returns where source names issues and pull requests, as the bounds of "#5" and of "5". A sign that continues a word, an address
// or an entity, or that is escaped, names none.
func findReferences(source []byte) [][]int {
	var out [][]int
	for _, m := range reference.FindAllSubmatchIndex(source, -1) {
		if m[0] == 0 || !bytes.ContainsAny(source[m[0]-1:m[0]], `&/#\_`) && !isWord(source[m[0]-1]) {
			out = append(out, m)
		}
	}
	return out
}

func isWord(b byte) bool { return '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z' || b >= 0x80 }

// refersTo says whether any of the texts names the issue or the pull request.
func refersTo(number int, texts ...string) bool {
	for _, t := range texts {
		for _, m := range findReferences([]byte(t)) {
			if t[m[2]:m[3]] == strconv.Itoa(number) {
				return true
			}
		}
	}
	return false
}

// references makes links of such names, but for what is code, or a link already.
type references struct{ repo string }

// Transform is goldmark's.
func (r references) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	var texts []*ast.Text
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // it fails only if this does
		switch n := n.(type) {
		case *ast.Link, *ast.AutoLink, *ast.Image, *ast.CodeSpan:
			return ast.WalkSkipChildren, nil
		case *ast.Text:
			if entering {
				texts = append(texts, n)
			}
		}
		return ast.WalkContinue, nil
	})
	found := findReferences(reader.Source())
	for _, t := range texts {
		for _, m := range found {
			if t.Segment.Start <= m[0] && m[1] <= t.Segment.Stop {
				t = r.link(t, m, reader.Source())
			}
		}
	}
}

// link makes a link of a part of a text, and returns the text after it.
func (r references) link(t *ast.Text, m []int, source []byte) *ast.Text {
	link := ast.NewLink()
	link.Destination = fmt.Appendf(nil, "/%s/issues/%s", r.repo, source[m[2]:m[3]])
	link.AppendChild(link, ast.NewTextSegment(text.NewSegment(m[0], m[1])))
	rest := ast.NewTextSegment(text.NewSegment(m[1], t.Segment.Stop))
	rest.SetSoftLineBreak(t.SoftLineBreak())
	rest.SetHardLineBreak(t.HardLineBreak())
	t.Segment.Stop = m[0]
	t.SetSoftLineBreak(false)
	t.SetHardLineBreak(false)
	parent := t.Parent()
	parent.InsertAfter(parent, t, link)
	parent.InsertAfter(parent, link, rest)
	return rest
}
