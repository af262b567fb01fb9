package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/server"
)

func oneFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return usage.Wrong(fmt.Errorf("one FILE is needed; see: %s --help", cmd.CommandPath()))
	}
	return nil
}

func newBackup() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the server's database to a file",
		Long: `Copy the SQLite database of sessions and revocations to a file, as it is at one
instant, while servers use it. The file must not exist; only its owner can read it.

A PostgreSQL database is backed up with PostgreSQL's own tools, such as pg_dump; its
schema is named ostiary.`,
		Example: `  ostiary backup /var/backups/ostiary-$(date +%F).db
  ostiary backup --data-dir /var/lib/ostiary backup.db`,
		Args: oneFile,
	}
	set := settings.Database()
	set.AddFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		loaded := set.Load(cmd.Flags(), os.Environ())
		if err := loaded.DatabaseFaults(); err != nil {
			return err
		}
		return server.Backup(cmd.Context(), loaded.Server, args[0])
	}
	return cmd
}

func newRestore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Replace the server's database by a backup",
		Long: `Replace the SQLite database of sessions and revocations by a file that "ostiary
backup" made, while servers use it or not. They notice it within a second, go on
refusing what was revoked since the backup, and give it back to the database. How many
such revocations there were is printed: where no server runs, revoke that again.

A PostgreSQL database is restored with PostgreSQL's own tools, such as pg_restore.`,
		Example: `  ostiary restore backup.db
  ostiary restore --replace /var/backups/ostiary-2026-11-28.db`,
		Args: oneFile,
	}
	replace := cmd.Flags().Bool("replace", false, "Replace a database that exists")
	set := settings.Database()
	set.AddFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		loaded := set.Load(cmd.Flags(), os.Environ())
		if err := loaded.DatabaseFaults(); err != nil {
			return err
		}
		restored, err := server.Restore(cmd.Context(), loaded.Server, args[0], *replace)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "restored %d sessions and %d revocations; %d that were made since the backup are not in it\n", restored.Sessions, restored.Revocations, restored.Lost)
		return err
	}
	return cmd
}
