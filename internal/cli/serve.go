package cli

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/app"
	"github.com/changegate/changegate/internal/config"
)

func newServeCommand() *cobra.Command {
	var file string
	var ask bool
	cmd := &cobra.Command{
		Use:   "serve [--config FILE]",
		Short: "Run the server",
		Long: `Run the server until it is interrupted.

The configuration is a YAML file; every key can also come from the environment, which wins. Without --config all of them come from there.
A configuration with mistakes is refused before anything starts, and all mistakes are named at once.

With --probe nothing is served: the server that runs with the same server.address is asked whether it is ready. The answer is the exit
status, 0 or 1, and a line.`,
		Example: `  changegate serve --config changegate.yml
  changegate serve --config changegate.yml --probe`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && file == "" {
				return usageError{fmt.Errorf("name the configuration with --config %s (see '%s --help')", visible(args[0]), cmd.CommandPath())}
			}
			return noArguments(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if ask {
				return probe(cmd, file)
			}
			c, err := config.Load(file, os.LookupEnv)
			if err != nil && file == "" {
				return fmt.Errorf("%w\nno file is named with --config, so that all of it is taken from the environment (see '%s --help'). "+
					"'changegate setup register' makes the App and a configuration", err, cmd.CommandPath())
			}
			if err != nil {
				return err
			}
			go boundMemory(cmd.Context())
			log := newLogger(c.Log, cmd.ErrOrStderr())
			log.Info().Str("version", Version()).Stringer("database", c.Database).Str("github", c.GitHub.V3APIURL).Msg("starting")
			a, err := app.New(cmd.Context(), c, log, app.Options{Version: Version()})
			if err != nil {
				return err
			}
			return a.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "the configuration `file`")
	cmd.Flags().BoolVar(&ask, "probe", false, "do not serve, and ask the server that runs whether it is ready")
	return cmd
}

// probeTime is how long a server may take to say whether it is ready: a little longer than it gives itself.
const probeTime = 4 * time.Second

// probe asks the server that listens where a configuration says whether it is ready. It is for whatever keeps the server running, in an image without
// any other program. Nothing else of the configuration is looked at: what has become unusable must not have a server restarted that goes on without
// it.
func probe(cmd *cobra.Command, file string) error {
	address, err := config.LoadAddress(file, os.LookupEnv)
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), probeTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{Proxy: nil}} // it is on this machine
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("no server answers: %w", err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("the server's answer ends early: %w", err)
	}
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSpace(string(said))); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errBadAnswer
	}
	return nil
}

// newLogger returns a logger that writes as the configuration says.
func newLogger(c config.Log, w io.Writer) zerolog.Logger {
	if c.Format == "console" {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !isTerminal(w)}
	}
	return zerolog.New(w).Level(c.Level).With().Timestamp().Logger()
}
