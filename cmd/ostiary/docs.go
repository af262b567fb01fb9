package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
)

// newDocs prints documentation that is made from the code, so that it cannot
// disagree with it.
func newDocs() *cobra.Command {
	docs := &cobra.Command{Use: "docs", Short: "Print documentation generated from the code", Hidden: true, Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	docs.AddCommand(&cobra.Command{
		Use:     "configuration",
		Short:   "Print docs/configuration.md",
		Example: "  ostiary docs configuration > docs/configuration.md",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), settings.Documentation())
			return err
		},
	})
	docs.AddCommand(&cobra.Command{
		Use:     "commands",
		Short:   "Print docs/commands.md",
		Example: "  ostiary docs commands > docs/commands.md",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return writeCommands(cmd.OutOrStdout(), cmd.Root()) },
	})
	return docs
}
