package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/changegate/changegate/internal/backup"
	"github.com/changegate/changegate/internal/config"
)

func newSetupBackupCommand() *cobra.Command {
	var configuration, file string
	cmd := &cobra.Command{
		Use:   "backup --config FILE --to FILE",
		Short: "Copy the database to a file, while servers use it",
		Long: `Copy the database that the configuration names to a new file, as it is at one moment. Servers may go on using it.

Of SQLite the copy is a database file, of PostgreSQL a dump, for which pg_dump must be installed. It appears whole or not at all, only
its owner can read it, and no file is overwritten.

Of the configuration only database.url is needed, or the variable CHANGEGATE_DATABASE_URL.`,
		Example: `  changegate setup backup --config changegate.yml --to 2026-01-31.copy`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			database, err := databaseFor(configuration, "to", file)
			if err != nil {
				return err
			}
			c, err := backup.Save(cmd.Context(), database.URL.Reveal(), file)
			if err != nil {
				return fmt.Errorf("back up %s: %w", database, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: a copy of the %s database, with a ledger of %s, %d bytes\n", file, c.Kind, entries(c.Entries), c.Bytes)
			return err
		},
	}
	databaseFlags(cmd, &configuration)
	cmd.Flags().StringVar(&file, "to", "", "the `file` to make")
	return cmd
}

func newSetupRestoreCommand() *cobra.Command {
	var configuration, file string
	var force bool
	cmd := &cobra.Command{
		Use:   "restore --config FILE --from FILE",
		Short: "Put a copy in the place of the database",
		Long: `Put a copy that "changegate setup backup" made in the place of the database that the configuration names. Stop all servers first: it
refuses as long as one uses the database.

It also refuses if the ledger of that database has entries, unless --force says that they may be lost. What fails leaves the database as
it was. For PostgreSQL pg_restore and psql must be installed, and the database must be there.

Of the configuration only database.url is needed, or the variable CHANGEGATE_DATABASE_URL.`,
		Example: `  changegate setup restore --config changegate.yml --from 2026-01-31.copy`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			database, err := databaseFor(configuration, "from", file)
			if err != nil {
				return err
			}
			c, err := backup.Restore(cmd.Context(), database.URL.Reveal(), file, force)
			var notEmpty *backup.NotEmpty
			switch {
			case errors.As(err, &notEmpty):
				return fmt.Errorf("restore %s: %w, with --force", database, err)
			case err != nil:
				return fmt.Errorf("restore %s: %w", database, err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is restored, with a ledger of %s\n", database, entries(c.Entries))
			return err
		},
	}
	databaseFlags(cmd, &configuration)
	cmd.Flags().StringVar(&file, "from", "", "the `file` with the copy")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite a database whose ledger has entries: they are lost")
	return cmd
}

func databaseFlags(cmd *cobra.Command, configuration *string) {
	cmd.Flags().StringVarP(configuration, "config", "c", "", "the configuration `file`")
}

// databaseFor reads which database is meant, once the flag that names the copy is there. It must be named: the one that a server has unless told
// is wherever that was started.
func databaseFor(configuration, flag, file string) (config.Database, error) {
	switch {
	case file == "":
		return config.Database{}, usageError{fmt.Errorf("--%s must name a file", flag)}
	case configuration == "" && os.Getenv(databaseVariable) == "":
		return config.Database{}, usageError{fmt.Errorf("no database is named: use --config, or set %s", databaseVariable)}
	}
	return config.LoadDatabase(configuration, os.LookupEnv)
}
