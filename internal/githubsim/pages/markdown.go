package pages

import (
	"bytes"
	"html/template"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
)

// markdown renders Markdown as GitHub does. HTML in it is left out and dangerous links lead nowhere: that is goldmark's way unless told
// otherwise.
func markdown(text string, options ...goldmark.Option) template.HTML {
	var b bytes.Buffer
	if err := goldmark.New(append(options, goldmark.WithExtensions(extension.GFM))...).Convert([]byte(text), &b); err != nil {
		return template.HTML("<pre>" + template.HTMLEscapeString(text) + "</pre>")
	}
	return template.HTML(b.String())
}

// comment renders a description or a comment, where every line break counts.
func comment(text string) template.HTML {
	return markdown(text, goldmark.WithRendererOptions(html.WithHardWraps()))
}
