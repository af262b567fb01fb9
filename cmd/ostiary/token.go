package main

import "github.com/spf13/cobra"

func newToken() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Mint a development token, or inspect any token",
		Example: `  ostiary token mint --as ada
  ostiary token mint --as ada | ostiary token inspect`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenMint(), newTokenInspect())
	return cmd
}
