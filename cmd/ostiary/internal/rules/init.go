package rules

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/bufproject"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/proto"
)

// Init returns ostiary policy init of a program of this version, which is empty if the linker
// was given none.
func Init(version string) *cobra.Command {
	var options bufproject.Options
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Add the schema of the rules to a project with buf or protoc",
		Long: `Add the schema of the rules, ostiary/policy/v1/policy.proto, to a project, so that its
.proto files can import it. Run this command in the folder in which you run buf.

  - policy.proto is written to the module with your sources. If there are several,
    choose one with --dir. Without buf, --dir is the folder that protoc has as -I.
  - In buf.gen.yaml, no code is generated for policy.proto, since the library has it,
    and managed mode leaves its go_package alone.
  - In buf.yaml, buf lint is given the plugin that asks for a rule on every method.

Your files keep their comments and their form: lines are only added. What cannot be
added in this way is printed. Run the command again to upgrade policy.proto. One that
somebody has changed is not replaced without --force.`,
		Example: `  ostiary policy init --dry-run
  ostiary policy init
  ostiary policy init --dir api/proto`,
		Args: usage.NoArguments,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&options.Dir, "dir", "", "`folder` from which your .proto files are imported (default: the module in buf.yaml)")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print what would be written, and write nothing")
	cmd.Flags().BoolVar(&options.Force, "force", false, "replace a policy.proto that somebody has changed")
	cmd.Flags().BoolVar(&options.NoLint, "no-lint", false, "leave buf.yaml as it is")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := usage.NotEmpty(cmd.Flags(), "dir"); err != nil {
			return usage.Wrong(err)
		}
		if options.Dir != "" {
			options.Dir = filepath.ToSlash(filepath.Clean(options.Dir))
		}
		release := releaseOfThis()
		options.Version = cmp.Or(version, release, "(devel)")
		project, err := bufproject.Open(os.DirFS("."))
		if err != nil {
			return err
		}
		plan, err := project.Plan(options)
		if err != nil {
			return err
		}
		if !dryRun {
			for _, file := range plan.Files {
				if err := writeFile(file); err != nil {
					return err
				}
			}
		}
		writePlan(cmd.OutOrStdout(), plan, dryRun)
		writeNextSteps(cmd.OutOrStdout(), plan, cmp.Or(release, "latest"))
		return nil
	}
	return cmd
}

func writeFile(file bufproject.File) error {
	name := filepath.FromSlash(file.Name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // sources, which others may read
		return err
	}
	return os.WriteFile(name, []byte(file.Text), 0o644) //nolint:gosec // the same
}

func writePlan(w io.Writer, plan *bufproject.Plan, dryRun bool) {
	verb := "wrote"
	if dryRun {
		verb = "would write"
	}
	for _, file := range plan.Files {
		fmt.Fprintf(w, "%s %s (%s)\n", verb, file.Name, file.What)
		for _, line := range file.Lines {
			fmt.Fprintf(w, "    %s\n", terminal.Printable(line))
		}
	}
	if len(plan.Files) == 0 {
		fmt.Fprintf(w, "%s is up to date, and nothing is to be written\n", plan.Schema)
	}
	for _, note := range plan.ByHand {
		fmt.Fprintf(w, "\nBy hand: %s\n", strings.ReplaceAll(terminal.Printable(note), "\n", "\n    "))
	}
}

// writeNextSteps ends with what to run, at the version of this program.
func writeNextSteps(w io.Writer, plan *bufproject.Plan, at string) {
	fmt.Fprintf(w, "\nNext:\n    go get github.com/ostiary/ostiary@%s\n", at)
	if plan.Lints {
		fmt.Fprintf(w, "    go install github.com/ostiary/ostiary/cmd/buf-plugin-ostiary@%s\n", at)
	}
	fmt.Fprintf(w, "Then import %q, write a rule beside each method, and\n", proto.PolicyFile)
	generate := "buf generate"
	if plan.Exclude != "" {
		generate += " --exclude-path " + plan.Exclude
	}
	switch {
	case plan.Lints:
		fmt.Fprintf(w, "    buf lint && %s\n", generate)
	case plan.UsesBuf:
		fmt.Fprintf(w, "    %s\n", generate)
	default:
		fmt.Fprintf(w, "run protoc with -I %s for your own files, not for policy.proto: the library has its Go code.\n",
			path.Clean(strings.TrimSuffix(plan.Schema, proto.PolicyFile)))
	}
}

// releaseOfThis returns the version that go install was given, such as v1.2.3, or
// an empty text for a build from a checkout with changes.
func releaseOfThis() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || !release.MatchString(info.Main.Version) {
		return ""
	}
	return info.Main.Version
}

var release = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)
