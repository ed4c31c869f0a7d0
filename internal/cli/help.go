package cli

import (
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// helpWidth is how many columns a help has, and a paragraph that is printed. What scripts read, a record a line, is as long as it is.
const helpWidth = 80

// usage is cobra's template of how a command is called, with its flags in helpWidth columns. A command of commands does nothing by itself.
const usage = `Usage:{{if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND{{else}}
  {{.UseLine}}{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if or .IsAvailableCommand (eq .Name "help")}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

Use "{{.CommandPath}} COMMAND --help" for more about a command.{{end}}
`

// layOut has a command and those below it print their helps in helpWidth columns.
func layOut(cmd *cobra.Command) {
	cmd.Long = paragraphs(cmd.Long)
	for _, below := range cmd.Commands() {
		layOut(below)
	}
}

// paragraphs breaks the lines of a text anew. What is indented stays as it is: it is typed, or is a file.
func paragraphs(text string) string {
	var out, words []string
	end := func() {
		if len(words) > 0 {
			out, words = append(out, filled(words, "")), nil
		}
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); line == "" || line[0] == ' ' || line[0] == '\t' {
			end()
			out = append(out, line)
			continue
		}
		words = append(words, strings.Fields(line)...)
	}
	end()
	return strings.Join(out, "\n")
}

// filled puts words into lines of at most helpWidth columns, as far as no word is longer, with an indent before each line but the first.
func filled(words []string, indent string) string {
	var lines []string
	line := words[0]
	for _, word := range words[1:] {
		if utf8.RuneCountInString(line+" "+word) > helpWidth {
			lines = append(lines, line)
			line = indent + word
			continue
		}
		line += " " + word
	}
	return strings.Join(append(lines, line), "\n")
}
