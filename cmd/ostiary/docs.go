package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
)

// newDocs prints documentation that is made from the code, so that it cannot
// disagree with it.
func newDocs() *cobra.Command {
	docs := &cobra.Command{Use: "docs", Short: "Print documentation generated from the code", Hidden: true, Args: usage.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	docs.AddCommand(&cobra.Command{
		Use:     "configuration",
		Short:   "Print docs/configuration.md",
		Example: "  ostiary docs configuration > docs/configuration.md",
		Args:    usage.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), settings.Documentation())
			return err
		},
	})
	docs.AddCommand(&cobra.Command{
		Use:     "commands",
		Short:   "Print docs/commands.md",
		Example: "  ostiary docs commands > docs/commands.md",
		Args:    usage.NoArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return writeCommands(cmd.OutOrStdout(), cmd.Root()) },
	})
	docs.AddCommand(&cobra.Command{
		Use:     "man FOLDER",
		Short:   "Write the manual pages into a folder",
		Example: "  ostiary docs man bin/man",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // manual pages are for everybody
				return err
			}
			return doc.GenManTree(cmd.Root(), &doc.GenManHeader{Section: "1", Source: "ostiary", Manual: "ostiary"}, args[0])
		},
	})
	return docs
}

// writeCommands writes docs/commands.md: the help of every command that is not hidden.
// The settings of serve and dev are left to docs/configuration.md.
func writeCommands(w io.Writer, root *cobra.Command) error {
	var page strings.Builder
	page.WriteString(`# Commands

<!-- Made by "ostiary docs commands" from the commands themselves: edit those, in cmd/ostiary. -->

`)
	commands := visible(root)
	for _, cmd := range commands {
		depth := strings.Count(cmd.CommandPath(), " ") - 1
		fmt.Fprintf(&page, "%s- [`%s`](#%s): %s\n", strings.Repeat("  ", max(depth, 0)), cmd.CommandPath(), strings.ReplaceAll(cmd.CommandPath(), " ", "-"), cmd.Short)
	}
	for _, cmd := range commands {
		fmt.Fprintf(&page, "\n## %s\n\n```text\n%s\n```\n", cmd.CommandPath(), strings.TrimSpace(helpOf(cmd)))
		if isServer(cmd) {
			page.WriteString("\nThe flags are in [configuration](configuration.md).\n")
		}
	}
	page.WriteString("\nThe exit status is 0 for success, 2 for wrong usage or settings, and 1 for everything that goes wrong later, unless the command says otherwise.\n")
	_, err := io.WriteString(w, page.String())
	return err
}

// visible returns the command and all below it, in the order of the help.
func visible(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, below := range cmd.Commands() {
		if !below.Hidden && below.Name() != "help" {
			all = append(all, visible(below)...)
		}
	}
	return all
}

// isServer reports whether the flags of a command are the settings.
func isServer(cmd *cobra.Command) bool {
	return slices.Contains([]string{"serve", "dev", "doctor"}, cmd.Name())
}

// helpOf is what --help prints, but for the flags of a server.
func helpOf(cmd *cobra.Command) string {
	var help strings.Builder
	cmd.InitDefaultHelpFlag()
	help.WriteString(cmp.Or(cmd.Long, cmd.Short) + "\n\n")
	help.WriteString(cmd.UsageString())
	if isServer(cmd) {
		return regexp.MustCompile(`(?s)\nFlags:\n.*`).ReplaceAllString(help.String(), "")
	}
	return help.String()
}
