package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/register"
)

// gitHubWeb is the GitHub that is meant where none is named.
const gitHubWeb = "https://github.com"

func newSetupManifestCommand() *cobra.Command {
	var c register.Config
	cmd := &cobra.Command{
		Use:   "manifest --public-url URL",
		Short: "Print the manifest of the GitHub App",
		Long:  `Print the manifest of the GitHub App: its permissions, the least that work, and its events. "changegate setup register" makes an App of it.`,
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := register.Manifest(c.PublicURL, c.Name)
			if err != nil {
				return usageError{err}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", text)
			return err
		},
	}
	appFlags(cmd, &c)
	return cmd
}

// registerTime is how long GitHub keeps what was begun.
const registerTime = time.Hour

func newSetupRegisterCommand() *cobra.Command {
	var c register.Config
	var address string
	cmd := &cobra.Command{
		Use:   "register --public-url URL [--organization NAME]",
		Short: "Register the GitHub App, and write the configuration",
		Long: `Register a GitHub App with the permissions and events that changegate needs, and write its private key, its webhook secret and a
configuration that names them, for its owner's eyes only.

It prints an address to open in a browser on this machine. From there GitHub is sent the manifest, shows what the App may do, and has you
confirm it; its answer comes back to this machine. To do so on a machine without a browser, forward the port of --listen to it.`,
		Example: `  changegate setup register --public-url https://changegate.example.com \
    --organization acme --directory github-app`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.Check(); err != nil {
				return usageError{err}
			}
			flow, err := register.Begin(c, address)
			if err != nil {
				return fmt.Errorf("register the App: %w", err)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "Open this in a browser on this machine, and confirm on GitHub within an hour:\n\n  %s\n\n", flow.URL())
			ctx, cancel := context.WithTimeout(cmd.Context(), registerTime)
			defer cancel()
			app, err := flow.Wait(ctx)
			if err != nil {
				return fmt.Errorf("register the App: %w", err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), `App %d (%s) is registered. Written:

  %s
  %s
  %s

Next:

  changegate serve --config %[3]s
  install it: %[6]s
`, app.ID, app.Slug, app.Configuration, app.PrivateKey, app.WebhookSecret, app.InstallURL)
			return err
		},
	}
	appFlags(cmd, &c)
	cmd.Flags().StringVar(&c.Organization, "organization", "", "the `name` of the organization that is to own the App; without one, whoever confirms it does")
	cmd.Flags().StringVar(&c.GitHubURL, "github-url", gitHubWeb, "the `URL` of the GitHub; for Enterprise Server https://HOST, for GHE.com https://NAME.ghe.com")
	cmd.Flags().StringVar(&c.Directory, "directory", ".", "the `directory` to write to")
	cmd.Flags().StringVar(&address, "listen", "127.0.0.1:0", "where GitHub's answer comes back to, a `host:port` of this machine")
	return cmd
}

func appFlags(cmd *cobra.Command, c *register.Config) {
	cmd.Flags().StringVar(&c.PublicURL, "public-url", os.Getenv("CHANGEGATE_SERVER_PUBLIC_URL"), "where GitHub reaches the server, as `https://HOST`")
	cmd.Flags().StringVar(&c.Name, "name", "", "the App's `name`, which must be unique on GitHub; changegate unless given")
}
