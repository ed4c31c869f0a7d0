package pages

import (
	"fmt"
	"strings"

	"github.com/changegate/changegate/internal/githubsim"
)

// patched is a changed file with its patch in lines.
type patched struct {
	githubsim.FileView
	Lines []patchLine
}

// patchLine is one line of a patch. Old and New are its numbers before and after; 0: it is not there.
type patchLine struct {
	Kind     string // hunk, add, del, same or more
	Old, New int
	Text     string
}

// shownLines is how many lines of one file's patch are shown.
const shownLines = 400

func patchLines(patch string) []patchLine {
	if patch == "" {
		return nil
	}
	var out []patchLine
	before, after := 0, 0
	lines := strings.Split(patch, "\n")
	for i, text := range lines {
		if i == shownLines {
			return append(out, patchLine{Kind: "more", Text: fmt.Sprintf("%d more lines are not shown.", len(lines)-i)})
		}
		l := patchLine{Kind: "same", Text: strings.TrimPrefix(text, " ")}
		switch {
		case strings.HasPrefix(text, "@@"):
			l.Kind, l.Text = "hunk", text
			if _, err := fmt.Sscanf(text, "@@ -%d", &before); err != nil {
				before = 0
			}
			if _, rest, ok := strings.Cut(text, " +"); ok {
				if _, err := fmt.Sscanf(rest, "%d", &after); err != nil {
					after = 0
				}
			}
		case strings.HasPrefix(text, "+"):
			l.Kind, l.New, l.Text = "add", after, text[1:]
			after++
		case strings.HasPrefix(text, "-"):
			l.Kind, l.Old, l.Text = "del", before, text[1:]
			before++
		case strings.HasPrefix(text, `\`): // no newline at the end
			l.Kind = "hunk"
		default:
			l.Old, l.New = before, after
			before++
			after++
		}
		out = append(out, l)
	}
	return out
}
