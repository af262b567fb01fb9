package main

import (
	"cmp"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker for a build from a checkout, where the toolchain
// knows none.
var version string

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the commit and the Go version",
		Example: "  ostiary version",
		Args:    noArguments,
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
	if revision := built["vcs.revision"]; revision != "" {
		line += " commit " + revision
		if built["vcs.modified"] == "true" {
			line += " with changes"
		}
	}
	return line + " " + cmp.Or(info.GoVersion, "go unknown")
}
