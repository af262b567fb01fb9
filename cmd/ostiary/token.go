package main

import "github.com/spf13/cobra"

func newToken() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Mint a development token, or inspect or explain any token",
		Example: `  ostiary token mint --as ada
  ostiary token mint --as ada | ostiary token inspect
  pbpaste | ostiary token explain --config ostiary.yaml`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenMint(), newTokenInspect(), newTokenExplain())
	return cmd
}
