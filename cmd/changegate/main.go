// Command changegate enforces a company's change policy on pull requests, as a GitHub App.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/changegate/changegate/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}
