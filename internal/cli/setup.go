package cli

import (
	"github.com/spf13/cobra"
)

func newSetupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Register the GitHub App; back up and restore the database",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSetupManifestCommand(), newSetupRegisterCommand(), newSetupBackupCommand(), newSetupRestoreCommand())
	return cmd
}
