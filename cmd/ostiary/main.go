// Ostiary guards RPC by the rules written in the schema.
//
//	ostiary dev                      try it on a laptop, no account needed
//	ostiary token mint --as ada      a token of the development issuer
//	ostiary session list --as ada    the sessions that it has seen
//	ostiary policy init              add the schema of the rules to a project
//	ostiary policy list              who may call what, as the schema says
//	ostiary serve                    serve, with the settings of docs/configuration.md
//	ostiary doctor                   find out why the server does not start, or refuses callers
//	ostiary probe                    whether the server on this machine is ready
//	ostiary status --as robo         how a server is, from anywhere
//	ostiary backup                   copy the server's database to a file
//
// What is meant for programs goes to standard output, and nothing else does.
// The exit status is 0 for success, 2 for wrong usage or settings, before
// anything was started, and 1 for everything that goes wrong later. A command
// that answers a question says in its help what other statuses mean.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/nearest"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/status"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second signal ends the program at once
	root := newRoot()
	err := checkSecrets(os.Args[1:])
	if err == nil {
		err = checkCommand(root, os.Args[1:])
	}
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	report(root.ErrOrStderr(), err)
	os.Exit(exitStatus(err))
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ostiary",
		Short: "Authenticate and authorize RPCs by the rules in your schema",
		Long: `Ostiary verifies bearer tokens against their issuer's keys and enforces the rule
on each method in the .proto, for Connect, gRPC and gRPC-Web.`,
		Example: `  # a server with a development issuer, and a token to call it
  ostiary dev
  ostiary token mint --as ada

  # the same server with your own issuer's tokens
  OSTIARY_ISSUER=https://clerk.example.com OSTIARY_AUDIENCES=invoices ostiary serve`,
		Version:       versionOfThis(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          usage.NoArguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage.Wrong(fmt.Errorf("%w;%s see: %s --help", err, meantFlag(cmd, err), cmd.CommandPath()))
	})
	root.SetVersionTemplate("{{.Version}}\n")       // the same line as that of the command
	root.CompletionOptions.DisableDefaultCmd = true // newCompletion is ours
	root.DisableAutoGenTag = true                   // manual pages say nothing of their generator
	root.SetHelpCommand(newHelp())
	root.AddCommand(newServe(), newDev(), newToken(), newSession(), newRevocation(), newDecision(), status.Status(), newPolicy(), newDoctor(), newProbe(), newBackup(), newRestore(), newCompletion(), newVersion(), newDocs())
	completeValues(root)
	root.InitDefaultHelpCmd() // so that it can be found before anything runs
	return root
}

// meantFlag proposes the flag that is most like one which a command does not have.
func meantFlag(cmd *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return ""
	}
	var names []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	if near := nearest.To(unknown.GetSpecifiedName(), names); len(near) > 0 {
		return " did you mean --" + near[0] + "?"
	}
	return ""
}

// newHelp is cobra's own command, except that a name which there is not is an
// error.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Explain a command",
		Example: "  ostiary help policy explain",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil {
				return usage.Wrong(err)
			}
			if err := usage.NoArguments(about, rest); err != nil {
				return err
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// exitStatus is 2 for what the operator can correct before anything starts.
func exitStatus(err error) int {
	var line usage.Error
	var wrong *settings.Error
	var status usage.StatusError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &line), errors.As(err, &wrong):
		return 2
	default:
		return 1
	}
}

// report writes the error, one line for each fault.
func report(w io.Writer, err error) {
	var wrong *settings.Error
	var status usage.StatusError
	switch {
	case err == nil, errors.As(err, &status):
	case errors.As(err, &wrong):
		for _, fault := range wrong.Faults {
			fmt.Fprintln(w, "ostiary:", terminal.OneLine(fault.String()))
		}
		fmt.Fprintln(w, "ostiary: the server cannot start with these settings; see: ostiary serve --help")
	default:
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintln(w, "ostiary:", strings.TrimRight(line, "\n"))
		}
	}
}

// secretArgument matches JWTs, and the keys, secrets and opaque tokens of Clerk.
var secretArgument = regexp.MustCompile(`\beyJ[\w-]+\.|\b(sk_(test|live)|whsec|oat|mt|ak)_\w{8}`)

// checkSecrets refuses a token or a secret as an argument of any command, before anything
// repeats it in an error.
func checkSecrets(args []string) error {
	for i, arg := range args {
		if secretArgument.MatchString(arg) {
			return usage.Wrong(fmt.Errorf("argument %d holds a token or a secret, which other users of the machine can read there, and the shell keeps; write tokens to standard input or a file, and secrets to variables or files", i+1))
		}
	}
	return nil
}

// checkCommand refuses a word that names no command, before flags are parsed:
// cobra would print help for the command above it, or blame the flags.
func checkCommand(root *cobra.Command, args []string) error {
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		return nil // a shell asks what may come next
	}
	cmd, rest, err := root.Find(args)
	if err != nil || !cmd.HasSubCommands() || len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return nil //nolint:nilerr // cobra finds it again
	}
	return usage.NoArguments(cmd, rest)
}
