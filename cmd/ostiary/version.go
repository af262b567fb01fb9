package main

import (
	"cmp"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
)

// version and revision, a commit, are set by the linker for a build from a checkout: the
// toolchain knows no version there, and no commit where it has no git.
var version, revision string

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the commit and the Go version",
		Example: "  ostiary version",
		Args:    usage.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), versionOfThis())
			return err
		},
	}
}

func versionOfThis() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return versionLine(info)
}

// versionLine is one line: ostiary, its version, its commit, its Go.
func versionLine(info *debug.BuildInfo) string {
	line := "ostiary " + cmp.Or(version, info.Main.Version, "(devel)")
	built := make(map[string]string)
	for _, s := range info.Settings {
		built[s.Key] = s.Value
	}
	if commit := cmp.Or(revision, built["vcs.revision"]); commit != "" {
		line += " commit " + commit
		if built["vcs.modified"] == "true" {
			line += " with changes"
		}
	}
	return line + " " + cmp.Or(info.GoVersion, "go unknown")
}
