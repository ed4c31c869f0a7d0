package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/changegate/changegate/internal/change"
)

func expressionFacts() change.Facts {
	return change.Facts{
		Pull: change.Pull{
			Number: 7, Title: "Bump x", Author: change.Account{ID: 1, Login: "alice", Kind: change.KindUser},
			Base: change.Branch{Name: "main"}, Head: change.Branch{Name: "topic"}, Labels: []string{"ci"},
		},
		Content: change.Content{
			Files: []change.File{
				{Path: "go.mod", Status: change.FileModified, Additions: 2, Deletions: 30},
				{Path: "b.go", PreviousPath: "a.go", Status: change.FileRenamed, Additions: 1},
			},
			Commits: []change.Commit{{SHA: "c0ffee", Author: change.Signature{Account: change.Account{ID: 1, Login: "alice"}}}},
		},
	}
}

func TestExpression(t *testing.T) {
	tests := []struct {
		source string
		want   bool
	}{
		{`change.files.exists(f, f.path == "go.mod" && f.deletions > 20)`, true},
		{`change.files.exists(f, f.path.endsWith(".rb"))`, false},
		{`change.title.matches("(?i)^bump ") && change.author.login == "alice" && !change.author.bot`, true},
		{`change.base == "main" && change.head == "topic" && !change.draft && !change.fork`, true},
		{`"ci" in change.labels && size(change.labels) == 1`, true},
		{`change.additions == 3 && change.deletions == 30 && size(change.commits) == 1`, true},
		{`change.files.all(f, f.status == "renamed" || f.previous_path == "")`, true},
		{`change.commits.all(c, c.author == "alice" && !c.verified)`, true},
		{`change.body == ""`, true},
	}
	a := NewActivation(expressionFacts())
	for _, tt := range tests {
		e, err := CompileExpression(tt.source)
		if err != nil {
			t.Errorf("%s: %v", tt.source, err)
			continue
		}
		if got, err := e.Eval(a); err != nil || got != tt.want {
			t.Errorf("%s = %v, %v; want %v", tt.source, got, err, tt.want)
		}
	}
}

func TestExpressionRefused(t *testing.T) {
	tests := []struct{ source, want string }{
		{`change.fils.exists(f, true)`, "undefined field 'fils' (at its column 7): did you mean \"files\"?"},
		{`change.files.exists(f, f.pth == "x")`, "undefined field 'pth'"},
		{`change.additions`, "is int and not a condition"},
		{`change.additions > "3"`, "no matching overload"},
		{`change.title.matches("(")`, "invalid matches argument"},
		{`true &&`, "Syntax error: it ends too early (at its column 8)"},
		{"true\n&& foo", "(at line 2, column 4 of it)"},
		{`env("HOME") == ""`, "undeclared reference"},
		{`change.files.all(f, !f.path.matches("(x?.?){900}z"))`, "has a regular expression of more than 2000 steps"},
		{`change.body.matches(change.title)`, "has a regular expression that is not written out"},
		{`change.body.replace("", change.body) == ""`, "has replace, which could make a text without end: compare the parts instead"},
		{`change.files.map(f, change.body).join("") == ""`, "has join, which"},
		{`"%s".format([change.files.map(f, change.body)]) == ""`, "has format, which"},
		{strings.Repeat("(", 200) + "true" + strings.Repeat(")", 200), "recursion"},
		{strings.Repeat("a", 5000), "has 5000 bytes"},
	}
	for _, tt := range tests {
		if _, err := CompileExpression(tt.source); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60s: %v, want %q", tt.source, err, tt.want)
		} else if wrong, ok := errors.AsType[*ExpressionError](err); !ok || strings.Contains(err.Error(), "\n") || strings.Contains(wrong.Message, wrong.Mend) {
			t.Errorf("%.60s: not one line with one mend: %q", tt.source, err)
		}
	}
}

func TestExpressionThatErrsIsNoAnswer(t *testing.T) {
	facts := expressionFacts()
	for range 3000 {
		facts.Content.Files = append(facts.Content.Files, change.File{Path: strings.Repeat("x", 100)})
	}
	a := NewActivation(facts)
	for _, source := range []string{
		`change.labels[4] == "x"`,
		`change.files.all(a, change.files.all(b, a.path != "nowhere" && b.path != "nowhere"))`,
		`change.files.all(f, !f.path.matches("(x?.?){250}[yz]$"))`, // it would take seconds
	} {
		e, err := CompileExpression(source)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Eval(a); err == nil {
			t.Errorf("%s: no error", source)
		}
	}
	e, err := CompileExpression(`change.files.all(f, !f.path.matches("^(db|infra)/.*secret") && !f.path.startsWith("x/") && f.additions < 500)`)
	if err != nil {
		t.Fatal(err)
	}
	if held, err := e.Eval(a); err != nil || !held {
		t.Errorf("an ordinary expression over 3,000 files: %v, %v", held, err)
	}
}

func BenchmarkExpression(b *testing.B) {
	e, err := CompileExpression(`change.files.exists(f, f.path == "go.mod" && f.deletions > 20)`)
	if err != nil {
		b.Fatal(err)
	}
	for _, files := range []int{12, 3000} {
		facts := expressionFacts()
		facts.Content.Files = make([]change.File, files)
		b.Run(fmt.Sprintf("files=%d", files), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Eval(NewActivation(facts)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
