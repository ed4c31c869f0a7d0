package policy

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"github.com/changegate/changegate/internal/change"
)

// The limits of an expression. The cost is CEL's own measure, roughly one a step: enough to look at each of 3,000 files with
// several conditions, and reached in well under a second.
const (
	MaxExpressionBytes = 4096
	maxExpressionDepth = 64
	maxExpressionCost  = 1_000_000
)

// Expression is a condition in CEL, the Common Expression Language, on one variable, `change` (see ExpressionChange). It was
// type-checked when the policy was read, its cost is limited, and it can call nothing outside. It is safe for concurrent use.
type Expression struct {
	source   string
	program  cel.Program
	labels   []string // those that it asks for by name
	anyLabel bool     // it may depend on others
}

// ExpressionChange is what an expression sees as `change`.
type ExpressionChange struct {
	Number    int                `cel:"number"`
	Title     string             `cel:"title"`
	Body      string             `cel:"body"`
	Author    ExpressionAuthor   `cel:"author"`
	Base      string             `cel:"base"` // the branch it merges into
	Head      string             `cel:"head"` // the branch it comes from
	Fork      bool               `cel:"fork"` // the head is in another repository
	Draft     bool               `cel:"draft"`
	Labels    []string           `cel:"labels"`
	Files     []ExpressionFile   `cel:"files"`
	Commits   []ExpressionCommit `cel:"commits"`
	Additions int                `cel:"additions"` // of all files
	Deletions int                `cel:"deletions"`
}

// ExpressionAuthor is an account as an expression sees it.
type ExpressionAuthor struct {
	Login string `cel:"login"`
	Bot   bool   `cel:"bot"`
}

// ExpressionFile is a changed file as an expression sees it.
type ExpressionFile struct {
	Path         string `cel:"path"`
	PreviousPath string `cel:"previous_path"` // of a rename, else empty
	Status       string `cel:"status"`        // added, removed, modified, renamed, copied, changed
	Additions    int    `cel:"additions"`
	Deletions    int    `cel:"deletions"`
}

// ExpressionCommit is a commit as an expression sees it.
type ExpressionCommit struct {
	SHA      string `cel:"sha"`
	Author   string `cel:"author"` // the account's login, empty if nobody known
	Verified bool   `cel:"verified"`
}

// Activation is the facts in the form that expressions read. Make it once a decision, and only if some rule has an expression.
type Activation struct{ change *ExpressionChange }

// NewActivation prepares the facts of a change for expressions.
func NewActivation(f change.Facts) *Activation {
	c := &ExpressionChange{
		Number:  int(f.Pull.Number),
		Title:   f.Pull.Title,
		Body:    f.Pull.Body,
		Author:  ExpressionAuthor{Login: f.Pull.Author.Login, Bot: f.Pull.Author.IsBot()},
		Base:    f.Pull.Base.Name,
		Head:    f.Pull.Head.Name,
		Fork:    f.Pull.FromFork(),
		Draft:   f.Pull.Draft,
		Labels:  f.Pull.Labels,
		Files:   make([]ExpressionFile, len(f.Content.Files)),
		Commits: make([]ExpressionCommit, len(f.Content.Commits)),
	}
	for i, file := range f.Content.Files {
		c.Files[i] = ExpressionFile{file.Path, file.PreviousPath, string(file.Status), file.Additions, file.Deletions}
		c.Additions += file.Additions
		c.Deletions += file.Deletions
	}
	for i, commit := range f.Content.Commits {
		c.Commits[i] = ExpressionCommit{string(commit.SHA), commit.Author.Account.Login, commit.Verified}
	}
	return &Activation{c}
}

// withLabels returns the same facts with other labels.
func (a *Activation) withLabels(labels []string) *Activation {
	c := *a.change
	c.Labels = labels
	return &Activation{&c}
}

// expressionEnvironment is built on first use, because it takes a millisecond and most policies have no expression.
var expressionEnvironment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		ext.NativeTypes(reflect.TypeFor[ExpressionChange](), ext.ParseStructTags(true)),
		ext.Strings(),
		cel.Variable("change", cel.ObjectType("policy.ExpressionChange")),
		cel.ParserExpressionSizeLimit(MaxExpressionBytes),
		cel.ParserRecursionLimit(maxExpressionDepth),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
	)
})

// ExpressionError says what is wrong with an expression, in words that go on after its name, and what mends it.
type ExpressionError struct{ Message, Mend string }

func (e *ExpressionError) Error() string { return e.Message + ": " + e.Mend }

// CompileExpression type-checks an expression. What is wrong with one is an *ExpressionError, of one line, which says at which of its columns that is,
// and lines if it has several.
func CompileExpression(source string) (*Expression, error) {
	if len(source) > MaxExpressionBytes {
		return nil, &ExpressionError{fmt.Sprintf("has %d bytes", len(source)), fmt.Sprintf("keep it under %d, or split it", MaxExpressionBytes)}
	}
	env, err := expressionEnvironment()
	if err != nil {
		return nil, fmt.Errorf("prepare CEL: %w", err)
	}
	compiled, issues := env.Compile(source)
	if issues.Err() != nil {
		return nil, uncompiled(source, issues.Errors())
	}
	if compiled.OutputType() != cel.BoolType {
		return nil, &ExpressionError{fmt.Sprintf("is %s and not a condition", compiled.OutputType()), "compare it with something"}
	}
	patterns, err := sparing(compiled)
	if err != nil {
		return nil, err
	}
	program, err := env.Program(compiled, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxExpressionCost), cel.CostTracking(patterns))
	if err != nil {
		return nil, &ExpressionError{"does not compile: " + err.Error(), mendCEL}
	}
	named, any := labelsIn(compiled)
	return &Expression{source, program, named, any}, nil
}

const mendCEL = "fix it; it is CEL, and the fields of change are listed in the policy reference"

var undefinedField = regexp.MustCompile(`undefined field '([^']+)'`)

// uncompiled says why CEL does not take an expression, and suggests the field that was probably meant.
func uncompiled(source string, errs []*cel.Error) error {
	var messages []string
	for _, e := range errs {
		place := fmt.Sprintf("at its column %d", e.Location.Column()+1)
		if strings.Contains(source, "\n") {
			place = fmt.Sprintf("at line %d, column %d of it", e.Location.Line(), e.Location.Column()+1)
		}
		messages = append(messages, fmt.Sprintf("%s (%s)", plainCEL(e.Message), place))
	}
	why := &ExpressionError{"does not compile: " + strings.Join(messages, "; "), mendCEL}
	if m := undefinedField.FindStringSubmatch(why.Message); m != nil {
		why.Mend = didYouMean(m[1], expressionFields())
	}
	return why
}

// patternSteps are the steps of the regular expressions of an expression. It tells CEL what matching them costs, which by CEL's own measure
// depends on how long they are written and not on what their repetitions come to.
type patternSteps map[string]int

// CallCost implements cost.ActualCostEstimator. Nil leaves the cost of other calls to CEL.
func (p patternSteps) CallCost(function, _ string, args []ref.Val, _ ref.Val) *uint64 {
	if function != overloads.Matches || len(args) != 2 {
		return nil
	}
	text, _ := args[0].(types.String)
	pattern, _ := args[1].(types.String)
	cost := 1 + uint64(len(text))*uint64(p[string(pattern)])/64
	return &cost
}

// growing are the functions that can make a text of more than the memory holds before CEL knows what they cost.
var growing = []string{"replace", "join", "format"}

// sparing refuses what CEL's limit of the cost comes too late for, and returns the regular expressions.
func sparing(compiled *cel.Ast) (patternSteps, error) {
	patterns := patternSteps{}
	for _, e := range ast.MatchDescendants(ast.NavigateAST(compiled.NativeRep()), ast.KindMatcher(ast.CallKind)) {
		call := e.AsCall()
		switch name := call.FunctionName(); {
		case slices.Contains(growing, name):
			return nil, &ExpressionError{"has " + name + ", which could make a text without end", "compare the parts instead"}
		case name == overloads.Matches:
			args := call.Args()
			pattern := args[len(args)-1]
			if pattern.Kind() != ast.LiteralKind || pattern.AsLiteral().Type() != types.StringType {
				return nil, &ExpressionError{"has a regular expression that is not written out", "give matches a text in quotes, with | between what it may be"}
			}
			source := string(pattern.AsLiteral().(types.String))
			patterns[source] = regexpSteps(source)
			if patterns[source] > MaxRegexpSteps {
				return nil, &ExpressionError{fmt.Sprintf("has a regular expression of more than %d steps with its repetitions written out", MaxRegexpSteps), "repeat less"}
			}
		}
	}
	return patterns, nil
}

// labelsIn returns the labels that an expression asks for by their names, and says whether it looks at labels in any other way.
func labelsIn(compiled *cel.Ast) (named []string, any bool) {
	whole := ast.NavigateAST(compiled.NativeRep())
	for _, e := range ast.MatchDescendants(whole, ast.KindMatcher(ast.IdentKind)) {
		if parent, ok := e.Parent(); e.AsIdent() == "change" && (!ok || parent.Kind() != ast.SelectKind) {
			any = true // it may be read by an index, or under another name
		}
	}
	for _, e := range ast.MatchDescendants(whole, ast.KindMatcher(ast.SelectKind)) {
		if e.AsSelect().FieldName() != "labels" {
			continue
		}
		parent, ok := e.Parent()
		if ok && parent.Kind() == ast.CallKind && parent.AsCall().FunctionName() == operators.In {
			if asked := parent.AsCall().Args()[0]; asked.Kind() == ast.LiteralKind && asked.AsLiteral().Type() == types.StringType {
				named = append(named, string(asked.AsLiteral().(types.String)))
				continue
			}
		}
		any = true
	}
	return named, any
}

// tokenList is the parser's list of all that could have come.
var tokenList = regexp.MustCompile(` expecting \{.*\}$`)

// plainCEL takes the machinery out of CEL's messages.
func plainCEL(message string) string {
	message = strings.ReplaceAll(tokenList.ReplaceAllString(message, ""), "mismatched input '<EOF>'", "it ends too early")
	return strings.Join(strings.Fields(strings.ReplaceAll(message, "in container ''", "")), " ")
}

// Source returns the expression as the policy writes it.
func (e *Expression) Source() string { return e.source }

// readsLabels says whether the expression may depend on any label.
func (e *Expression) readsLabels() bool { return e.anyLabel || len(e.labels) > 0 }

// mindsLabel says whether the expression may depend on a label.
func (e *Expression) mindsLabel(label string) bool { return e.anyLabel || contains(e.labels, label) }

// inItsSpelling returns the facts with each label that the expression asks for as it writes it, because the case of labels does not matter and
// CEL's does.
func (e *Expression) inItsSpelling(a *Activation) *Activation {
	var labels []string
	for i, label := range a.change.Labels {
		for _, named := range e.labels {
			if named != label && change.SameLabel(named, label) {
				if labels == nil {
					labels = slices.Clone(a.change.Labels)
				}
				labels[i] = named
			}
		}
	}
	if labels == nil {
		return a
	}
	return a.withLabels(labels)
}

// Eval says whether the expression holds. An error (a list's index out of range, too high a cost) is no answer: the caller
// must not take it for false.
func (e *Expression) Eval(a *Activation) (bool, error) {
	out, _, err := e.program.Eval(map[string]any{"change": e.inItsSpelling(a).change})
	if err != nil {
		return false, fmt.Errorf("evaluate %q: %w", e.source, err)
	}
	held, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Errorf("evaluate %q: answered %v, which is not true or false", e.source, out.Value())
	}
	return held, nil
}

// expressionFields returns the names of all fields that an expression can use.
func expressionFields() []string {
	var out []string
	for _, t := range []reflect.Type{
		reflect.TypeFor[ExpressionChange](), reflect.TypeFor[ExpressionAuthor](), reflect.TypeFor[ExpressionFile](), reflect.TypeFor[ExpressionCommit](),
	} {
		for i := range t.NumField() {
			out = append(out, t.Field(i).Tag.Get("cel"))
		}
	}
	return out
}
