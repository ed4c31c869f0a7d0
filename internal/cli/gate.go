package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/gate"
	"github.com/changegate/changegate/internal/release"
)

// askFor is how long one question may take, which is longer than a server lets it.
const askFor = 30 * time.Second

type gateOptions struct {
	server      string
	environment string
	audience    string
	commit      string
	tokenFile   string
	wait        time.Duration
}

// defaultWait is how long --wait alone waits.
const defaultWait = "30m"

func newGateCommand(c clock) *cobra.Command {
	var o gateOptions
	cmd := &cobra.Command{
		Use:   "gate --environment NAME [--server URL] [--wait[=30m]]",
		Short: "Ask the server whether this job may deploy",
		Long: `Ask the server whether the commit of this job may go to an environment, by the policy of the repository.

Exit status: 0 go, 1 no, 75 not yet. 1 is also that of a question that was refused and of a mistake in how this was called; 75 is also
that of a server that cannot be reached or cannot decide now. The answer and its reason are one line on standard output.

In a job of GitHub Actions the commit, the repository and the run are what the job's OIDC token says. The job needs the permission to
get one:

  jobs:
    deploy:
      runs-on: ubuntu-latest
      environment: production  # where the plan has environments; the gate
                               # then answers for this one only
      permissions:
        contents: read
        id-token: write
      steps:
        - run: |
            changegate gate --server https://changegate.example.com \
              --environment production --wait=2h
        - uses: actions/checkout@v4  # the commit that the gate answered for
        - run: ./deploy.sh

Elsewhere a static token of the server's configuration asks, about a commit that its bearer names:

  changegate gate --server https://changegate.example.com \
    --environment production --token-file token \
    --commit "$(git rev-parse HEAD)"`,
		// 2, of other commands that are called wrongly, is none of this command's answers.
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.Flags().Changed("wait") {
				if _, err := time.ParseDuration(args[0]); err == nil {
					return fmt.Errorf("write --wait=%s, with an equals sign: --wait alone is %s (see '%s --help')", args[0], defaultWait, cmd.CommandPath())
				}
			}
			if len(args) > 0 {
				return fmt.Errorf("%s takes no %q (see '%s --help')", cmd.CommandPath(), visible(args[0]), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return askGate(cmd, o, c) },
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w (see '%s --help')", err, cmd.CommandPath())
	})
	flags := cmd.Flags()
	flags.StringVar(&o.server, "server", "", "the server's `URL`; CHANGEGATE_SERVER if none is named")
	flags.StringVar(&o.environment, "environment", "", "the `name` of the environment to deploy to")
	flags.DurationVar(&o.wait, "wait", 0, "while it is not yet, ask again for at most this `time`")
	flags.Lookup("wait").NoOptDefVal = defaultWait
	flags.StringVar(&o.audience, "audience", "", "the server's gate.audience, a `text`; the server's URL if none is named")
	flags.StringVar(&o.tokenFile, "token-file", "", "a `file` with a static token, instead of the job's OIDC token")
	flags.StringVar(&o.commit, "commit", "", "the full SHA of the `commit`; with a static token only")
	return cmd
}

func askGate(cmd *cobra.Command, o gateOptions, c clock) error {
	client, question, err := o.client(c)
	if err != nil {
		return err
	}
	reply, err := client.Wait(cmd.Context(), question, o.wait, func(reply gate.Reply, pause time.Duration) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s; asking again in %s\n", sentence(reply), pause.Round(time.Second))
	})
	if err != nil {
		return errors.New(oneLine(err.Error()))
	}
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), sentence(reply)); err != nil {
		return err
	}
	switch reply.Answer {
	case release.Go:
		return nil
	case release.NotYet:
		return errNotYet
	default:
		return errBadAnswer
	}
}

// sentence is a reply in one line.
func sentence(r gate.Reply) string {
	line := string(r.Answer) + ": " + oneLine(r.Reason)
	if !r.Until.IsZero() {
		line += " (until " + r.Until.UTC().Format(time.RFC3339) + ")"
	}
	return line
}

// oneLine makes what a stranger may have written fit for the log of a job: it cannot move the cursor, and is no command to the runner, which takes
// ##[…] for one anywhere in a line, and :: at the beginning of a line, where our own words are.
func oneLine(s string) string { return strings.ReplaceAll(visible(s), "##[", "# #[") }

// client checks the options, and returns whom to ask and what.
func (o gateOptions) client(c clock) (*gate.Client, gate.Question, error) {
	question := gate.Question{Environment: o.environment, Commit: o.commit}
	if o.environment == "" {
		return nil, question, errors.New("no environment is named: use --environment NAME")
	}
	if o.wait < 0 {
		return nil, question, errors.New("--wait is less than nothing: name a time such as 30m")
	}
	server := o.server
	if server == "" {
		server = os.Getenv("CHANGEGATE_SERVER")
	}
	if server == "" {
		return nil, question, errors.New("no server is named: use --server URL, or set CHANGEGATE_SERVER")
	}
	server, err := gate.ServerURL(server)
	if err != nil {
		return nil, question, fmt.Errorf("the server's address: %w", err)
	}
	client := &gate.Client{Server: server, Now: c.Now, Sleep: c.Sleep, HTTP: &http.Client{
		Timeout:       askFor,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	switch {
	case o.tokenFile == "" && o.commit != "":
		return nil, question, errors.New("--commit goes with --token-file only: the job's OIDC token says which commit it is about")
	case o.tokenFile != "" && o.commit == "":
		return nil, question, errors.New(`no commit is named: use --commit "$(git rev-parse HEAD)"`)
	case o.tokenFile != "":
		client.Token = func(context.Context) (string, error) { return readToken(o.tokenFile) }
		return client, question, nil
	}
	audience := o.audience
	if audience == "" {
		audience = server
	}
	client.Token, err = gate.ActionsToken(audience, os.Getenv, client.HTTP)
	return client, question, err
}

// readToken reads a static token, each time that one is needed: it may be replaced while a job waits.
func readToken(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("read the token in %s: it is not one line with a token and nothing else", file)
	}
	return token, nil
}
