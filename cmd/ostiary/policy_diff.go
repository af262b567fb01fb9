package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/interceptors/policy"
)

func newPolicyDiff() *cobra.Command {
	var failOnLoosening bool
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Tell what a change of the schema does to who may call",
		Long: `Tell, in words, what the change from one image of a schema to another does to who
may call. Either image can be "-", for standard input.

  looser       somebody may call who could not, or a new method is open to anybody
  stricter     somebody may call no more, and nobody may who could not
  different    neither, as with a new method that asks for a token
  undecidable  it cannot be told, as of two conditions which lets more callers pass,
               or whether a new method is one that is gone under another name

With --fail-on-loosening the exit status is 1 where anything is looser or cannot be
decided.`,
		Example: `  # what this branch does to the rules
  buf build .git#ref=main -o old.binpb
  buf build -o - | ostiary policy diff --fail-on-loosening old.binpb -`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) != 2:
				return usageError{fmt.Errorf("%s given, and two are compared, OLD and NEW; see: %s --help", countOf(len(args), "image"), cmd.CommandPath())}
			case args[0] == "-" && args[1] == "-":
				return usageError{errors.New("both images cannot come from standard input; write one to a file")}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&failOnLoosening, "fail-on-loosening", false, "end with status 1 where the change may let more callers pass")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		before, err := readServices(cmd.InOrStdin(), args[0])
		if err != nil {
			return err
		}
		after, err := readServices(cmd.InOrStdin(), args[1])
		if err != nil {
			return err
		}
		changes := policy.Diff(before, after)
		if err := writeChanges(cmd.OutOrStdout(), changes); err != nil {
			return err
		}
		return verdictOf(cmd.ErrOrStderr(), changes, failOnLoosening)
	}
	return cmd
}

// readServices reads an image that has something to compare. One that was built of
// the wrong folder is no schema of which everything is new.
func readServices(stdin io.Reader, name string) ([]protoreflect.FileDescriptor, error) {
	files, err := readImage(stdin, name)
	if err != nil {
		return nil, err
	}
	declares := func(file protoreflect.FileDescriptor) bool { return file.Services().Len() > 0 }
	if !slices.ContainsFunc(files, declares) {
		return nil, fmt.Errorf("%s: the image declares no service, so there is no rule to compare; build it of the module that has the services", name)
	}
	return files, nil
}

func writeChanges(w io.Writer, changes []policy.Change) error {
	for _, c := range changes {
		if _, err := fmt.Fprintln(w, oneLine(fmt.Sprintf("%v: %s (%v): %s", c.Verdict, c.Procedure, c.Origin, c.Text))); err != nil {
			return err
		}
	}
	return nil
}

// verdictOf sums up, and returns an error where the change must not pass.
func verdictOf(w io.Writer, changes []policy.Change, failOnLoosening bool) error {
	loosening := 0
	for _, c := range changes {
		if c.Verdict.Loosens() {
			loosening++
		}
	}
	switch {
	case loosening > 0 && failOnLoosening:
		return fmt.Errorf("%s may let more callers pass than before", countOf(loosening, "change"))
	case len(changes) == 0:
		fmt.Fprintln(w, "ostiary: no change in who may call")
	default:
		fmt.Fprintf(w, "ostiary: %s in who may call, of which %d may let more callers pass\n", countOf(len(changes), "change"), loosening)
	}
	return nil
}
