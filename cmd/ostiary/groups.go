package main

import (
	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/decisions"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/explain"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/revocations"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/rules"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/sessions"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/tokens"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
)

// The commands that have commands below them.

func newSession() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "session",
		Short: "List, end and watch the sessions that a server has seen",
		Long: `List, end and watch the sessions that a server has seen: your own; with the role
org:admin, those in your organization; as an operator, all of them.

The commands call a running server over gRPC. The token comes from the environment
variable OSTIARY_TOKEN, from a file or standard input with --token-file, or from a persona
of "ostiary dev" with --as. It is not taken as an argument, which other users of the
machine can read.`,
		Example: `  ostiary session list --as ada
  ostiary session revoke --as ada sess_2f…
  ostiary session revoke-subject --as robo user_ben
  OSTIARY_TOKEN=… ostiary session watch --server https://api.example.com`,
		Args: usage.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(sessions.List(), sessions.Revoke(), sessions.RevokeSubject(), sessions.Watch())
	return cmd
}

func newRevocation() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revocation",
		Short: "List and watch what is revoked at a server",
		Long: `List and watch what is revoked at a server: by operators, by users who sign out, and by the
signals of issuers. It takes an operator, as the server's settings name them. To revoke, use
"ostiary session revoke" and "ostiary session revoke-subject".

The commands call a running server over gRPC. The token comes from the environment
variable OSTIARY_TOKEN, from a file or standard input with --token-file, or from a persona
of "ostiary dev" with --as. It is not taken as an argument, which other users of the
machine can read.`,
		Example: `  ostiary revocation list --as robo --since 2h
  OSTIARY_TOKEN=… ostiary revocation watch --server https://api.example.com`,
		Args: usage.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(revocations.List(), revocations.Watch())
	return cmd
}

func newDecision() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "decision",
		Short: "Watch what a server decides about calls",
		Long: `Watch what a server decides about calls. It takes an operator, as the server's settings
name them.

The command calls a running server over gRPC. The token comes from the environment
variable OSTIARY_TOKEN, from a file or standard input with --token-file, or from a persona
of "ostiary dev" with --as. It is not taken as an argument, which other users of the
machine can read.`,
		Example: `  ostiary decision watch --as robo --outcome refused`,
		Args:    usage.NoArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(decisions.Watch())
	return cmd
}

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Add, list, check, compare and explain the rules of a schema",
		Long: `Add the schema of the rules to a project, or list, check, compare and explain the
rules that a schema gives its methods: the schema of ostiary's own services, or any
schema in an image.

Create an image with "buf build -o image.binpb", or with protoc --include_imports
--include_source_info --descriptor_set_out=image.binpb. It must be binary, not
compressed, and at most 256 MiB.`,
		Example: `  ostiary policy init
  ostiary policy list
  buf build -o - | ostiary policy check --image -
  ostiary policy diff --fail-on-loosening old.binpb new.binpb`,
		Args: usage.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(rules.Init(version), rules.List(), rules.Check(), rules.Diff(), explain.Policy())
	return cmd
}

func newToken() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Mint a development token, or inspect or explain any token",
		Example: `  ostiary token mint --as ada
  ostiary token mint --as ada | ostiary token inspect
  pbpaste | ostiary token explain --config ostiary.yaml`,
		Args: usage.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(tokens.Mint(), tokens.Inspect(), explain.Token())
	return cmd
}
