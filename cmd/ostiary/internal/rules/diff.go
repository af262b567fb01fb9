package rules

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// Diff returns ostiary policy diff.
func Diff() *cobra.Command {
	var failOnLoosening bool
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Show how a schema change affects who may call",
		Long: `Show in words how the change from one schema image to another affects who may call.
Either image can be "-", for standard input.

  looser       some callers gain access, or a new method is open to anybody
  stricter     some callers lose access and none gain it
  different    neither, such as a new method that requires a token
  undecidable  cannot be decided, such as which of two conditions lets more callers
               pass, or whether a new method is a removed one under another name

With --fail-on-loosening, the exit status is 1 if any change is looser or undecidable.`,
		Example: `  # what this branch changes in the rules
  buf build .git#ref=main -o old.binpb
  buf build -o - | ostiary policy diff --fail-on-loosening old.binpb -`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) != 2:
				return usage.Wrong(fmt.Errorf("%s given, but two are needed, OLD and NEW; see: %s --help", terminal.Count(len(args), "image"), cmd.CommandPath()))
			case args[0] == "-" && args[1] == "-":
				return usage.Wrong(errors.New("both images cannot come from standard input; write one to a file"))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&failOnLoosening, "fail-on-loosening", false, "exit with status 1 if the change may let more callers pass")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		before, err := readImage(cmd.InOrStdin(), args[0])
		if err != nil {
			return err
		}
		after, err := readImage(cmd.InOrStdin(), args[1])
		if err != nil {
			return err
		}
		changes := policydiff.Diff(before, after)
		if err := writeChanges(cmd.OutOrStdout(), changes); err != nil {
			return err
		}
		return verdictOf(cmd.ErrOrStderr(), changes, failOnLoosening)
	}
	return cmd
}

func writeChanges(w io.Writer, changes []policydiff.Change) error {
	for _, c := range changes {
		if _, err := fmt.Fprintln(w, terminal.OneLine(fmt.Sprintf("%v: %s (%v): %s", c.Verdict, c.Procedure, c.Origin, c.Text))); err != nil {
			return err
		}
	}
	return nil
}

// verdictOf sums up, and returns an error where the change must not pass.
func verdictOf(w io.Writer, changes []policydiff.Change, failOnLoosening bool) error {
	loosening := 0
	for _, c := range changes {
		if c.Verdict.Loosens() {
			loosening++
		}
	}
	switch {
	case loosening > 0 && failOnLoosening:
		return fmt.Errorf("%s may let more callers pass", terminal.Count(loosening, "change"))
	case len(changes) == 0:
		fmt.Fprintln(w, "ostiary: no change in who may call")
	default:
		fmt.Fprintf(w, "ostiary: %s in who may call, %d of which may let more callers pass\n", terminal.Count(len(changes), "change"), loosening)
	}
	return nil
}
