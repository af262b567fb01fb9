package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server/devissuer"
)

// newCompletion is cobra's own command with the shell as its argument.
func newCompletion() *cobra.Command {
	scripts := map[string]func(*cobra.Command, io.Writer) error{
		"bash":       func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"zsh":        (*cobra.Command).GenZshCompletion,
		"fish":       func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
		"powershell": (*cobra.Command).GenPowerShellCompletionWithDesc,
	}
	shells := slices.Sorted(maps.Keys(scripts))
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the completion script of a shell: " + strings.Join(shells, ", "),
		Long: `Print a script with which a shell completes the commands, flags, personas and profiles
of ostiary: for ` + strings.Join(shells, ", ") + `.

The packages for Linux install these scripts.`,
		Example: `  source <(ostiary completion bash) # in ~/.bashrc, with the package bash-completion
  source <(ostiary completion zsh)  # in ~/.zshrc, after compinit
  ostiary completion fish > ~/.config/fish/completions/ostiary.fish
  ostiary completion powershell | Out-String | Invoke-Expression # in $PROFILE`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || scripts[args[0]] == nil {
				return usage.Wrong(fmt.Errorf("name one shell: %s", strings.Join(shells, ", ")))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return scripts[args[0]](cmd.Root(), cmd.OutOrStdout())
		},
	}
}

// completeValues has the shell complete the values of flags that are one of a few words.
func completeValues(root *cobra.Command) {
	var personas, profiles []cobra.Completion
	for _, persona := range devissuer.Personas() {
		personas = append(personas, cobra.CompletionWithDesc(persona.Name, persona.Title))
	}
	for _, profile := range token.Profiles() {
		profiles = append(profiles, profile.Name)
	}
	for _, cmd := range visible(root) {
		for flag, words := range map[string][]cobra.Completion{"as": personas, "profile": profiles} {
			if cmd.Flags().Lookup(flag) != nil {
				// It fails only for a flag that does not exist, or that has words already.
				_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
			}
		}
	}
}
