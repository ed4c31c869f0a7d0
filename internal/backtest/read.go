package backtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/changegate/changegate/internal/change"
)

// maxLine bounds one line of a file: a pull request of GitHub's 3,000 files fits many times over.
const maxLine = 16 << 20

// Pull is a merged pull request as a line of a file tells it: names and sizes of files, no contents. Other keys are ignored.
type Pull struct {
	Repository  string        `json:"repository"` // owner/name
	Number      change.Number `json:"number"`
	Title       string        `json:"title"`
	AuthorIsBot bool          `json:"author_is_bot"` // stands for every bot that a policy lists
	Files       []change.File `json:"files"`
}

// maxProblems bounds how many lines of one file are named that cannot be read: a file of another kind has as many as lines.
const maxProblems = 10

// LineError is a line that holds no pull request.
type LineError struct {
	File    string
	Line    int
	Problem string
}

// Error returns the place and the problem.
func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem) }

// Read reads a pull request a line; empty lines are skipped, and so is a byte order mark. What can be read is returned in any case: the error joins
// a LineError for each of the first lines that cannot, how many more there are, and the failure of the reader itself.
func Read(file string, r io.Reader) ([]Pull, error) {
	var (
		pulls    []Pull
		problems []error
	)
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	n, more := 0, 0
	for lines.Scan() {
		n++
		line := lines.Bytes()
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if line[0] == '[' && len(pulls)+len(problems) == 0 {
			return nil, &LineError{file, n, "a list begins here: write one pull request a line, as jq -c '.[]' does"}
		}
		p, err := parseLine(line)
		switch {
		case err == nil:
			pulls = append(pulls, p)
		case len(problems) < maxProblems:
			problems = append(problems, &LineError{file, n, err.Error()})
		default:
			more++
		}
	}
	if more > 0 {
		problems = append(problems, fmt.Errorf("%s: so it is with %d more of its lines", file, more))
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		problems = append(problems, &LineError{file, n + 1, fmt.Sprintf("the line is longer than %d bytes; nothing after it was read", maxLine)})
	} else if err != nil {
		problems = append(problems, fmt.Errorf("read %s: %w", file, err))
	}
	return pulls, errors.Join(problems...)
}

func parseLine(line []byte) (Pull, error) {
	var p Pull
	err := json.Unmarshal(line, &p)
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return Pull{}, fmt.Errorf("this is not a pull request: %q may not be of type %s", kind.Field, kind.Value)
	case err != nil && !bytes.HasPrefix(line, []byte("{")):
		return Pull{}, errors.New("this is not a pull request: write a JSON object, {…}, on one line")
	case errors.As(err, &syntax):
		return Pull{}, fmt.Errorf("this is not a pull request: %w: write the whole JSON object on one line, as jq -c does", err)
	case err != nil:
		return Pull{}, fmt.Errorf("this is not a pull request: %w", err)
	}
	switch {
	case p.Repository == "":
		return Pull{}, errors.New(`the pull request has no "repository"`)
	case p.Number <= 0:
		return Pull{}, errors.New(`the pull request has no "number"`)
	case p.Files == nil:
		return Pull{}, errors.New(`the pull request has no "files"`)
	}
	for i, f := range p.Files {
		if f.Path == "" || f.Additions < 0 || f.Deletions < 0 {
			return Pull{}, fmt.Errorf("file %d has no path, or a negative count of lines", i+1)
		}
	}
	return p, nil
}
