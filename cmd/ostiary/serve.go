package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/server"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API to the tokens of your issuer",
		Long: `Serve the API: Connect, gRPC and gRPC-Web on one address, native gRPC on another.

Each setting is a flag, a variable of the environment or of a .env file, or a line
in a YAML file; the first of these that has it counts. Only the YAML file can list
more than one issuer, and give methods another rule than their schema does.
docs/configuration.md has everything in one table.

Every fault in the settings is reported at once, with exit status 2, and then
nothing was started. SIGTERM and SIGINT end the server after the calls that are
under way; a second one ends it at once.`,
		Example: `  # Clerk, with tokens that were made for this service
  CLERK_JWT_ISSUER=https://clerk.example.com CLERK_JWT_AUD=invoices ostiary serve

  # Clerk, with the session tokens of one web page
  ostiary serve --issuer https://clerk.example.com \
    --authorized-parties https://app.example.com --cors-allowed-origins https://app.example.com

  # any other provider
  ostiary serve --issuer https://accounts.example.com --profile oidc --audiences invoices

  # settings in a file
  ostiary serve --config ostiary.yaml`,
		Args: noArguments,
	}
	table := table()
	addFlags(cmd, table, nil)
	addSources(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		loader := &loader{table: table, flags: cmd.Flags(), environ: os.Environ()}
		s := loader.load()
		if err := loader.verdict(s.server); err != nil {
			return err
		}
		s.server.Logger = s.logger(cmd.ErrOrStderr())
		srv, err := server.New(cmd.Context(), s.server)
		if err != nil {
			return err
		}
		return srv.Run(cmd.Context())
	}
	return cmd
}

// logger writes to standard error, as the settings say.
func (s *settings) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: s.level()}
	if s.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
