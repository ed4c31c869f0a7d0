package cli

import (
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/app"
	"github.com/changegate/changegate/internal/config"
)

func newServeCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run the server",
		Long: `Run the server until it is interrupted.

The configuration is a YAML file; every key can also come from the environment, which wins. Without --config it all comes from the
environment. A configuration with mistakes is refused before anything starts, with all of them at once.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file, os.LookupEnv)
			if err != nil {
				return err
			}
			log := newLogger(c.Log, cmd.ErrOrStderr())
			log.Info().Str("version", Version()).Stringer("database", c.Database).Str("github", c.GitHub.V3APIURL).Msg("starting")
			a, err := app.New(cmd.Context(), c, log, app.Options{})
			if err != nil {
				return err
			}
			return a.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "the configuration `file`")
	return cmd
}

// newLogger returns a logger that writes as the configuration says.
func newLogger(c config.Log, w io.Writer) zerolog.Logger {
	if c.Format == "console" {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly}
	}
	return zerolog.New(w).Level(c.Level).With().Timestamp().Logger()
}
