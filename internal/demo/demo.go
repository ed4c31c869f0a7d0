// Package demo shows changegate at work: the real server beside an embedded GitHub (see package githubsim), with an organization,
// people and a repository, and a story that is played on them step by step. Each step states what the check run must say
// afterwards, so that the demo is a test of the whole as well.
package demo

import (
	"context"
	"fmt"
	"io"
)

// The addresses that the demo listens on unless told otherwise.
const (
	DefaultAddress       = "127.0.0.1:8080"
	DefaultGitHubAddress = "127.0.0.1:8090"
)

// Options say how the demo runs.
type Options struct {
	Out           io.Writer // the story
	Color         bool      // whether Out shows colours
	Once          bool      // return when the story has been told
	Dir           string    // where a directory is made that is kept; "": a temporary one
	Address       string    // of the server, as HOST:PORT
	GitHubAddress string    // of the embedded GitHub, as HOST:PORT
}

// StepError is a step of the story that did not end as expected.
type StepError struct {
	Step, Expected, Got string
}

func (e *StepError) Error() string {
	return fmt.Sprintf("step %q: expected %s, got %s", e.Step, e.Expected, e.Got)
}

// Run plays the demo.
func Run(ctx context.Context, o Options) error { return nil }
