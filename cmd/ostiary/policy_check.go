package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/interceptors/policy"
)

func newPolicyCheck() *cobra.Command {
	var schema schema
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check that every method has a rule, and that each rule can hold",
		Long: `Check that every method has a rule, its own or its service's default, and that
each can hold: that names are such as somebody can have, and that conditions fit
the method's request. A server with such a rule does not start.

Every fault is a line on standard output, with file, line, method and remedy. The
exit status is 1 where there is any. Lines are known only of an image.`,
		Example: `  buf build -o - | ostiary policy check --image -
  ostiary policy check --image image.binpb`,
		Args: noArguments,
	}
	schema.addFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		rules, err := schema.read(cmd.InOrStdin())
		var broken policy.RuleErrors
		if errors.As(err, &broken) {
			writeFaults(cmd.OutOrStdout(), broken)
			return fmt.Errorf("%s; a server with these rules does not start", countOf(len(broken), "fault"))
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "ostiary: %s, each with a rule that can hold\n", countOf(len(schema.entries(rules)), "method"))
		return nil
	}
	return cmd
}

// writeFaults begins each line as compilers do, so that editors find the place.
func writeFaults(w io.Writer, faults policy.RuleErrors) {
	for _, fault := range faults {
		place := ""
		if fault.Origin.File != "" {
			place = fault.Origin.String() + ": "
		}
		fmt.Fprintln(w, oneLine(place+fault.Procedure+": "+fault.Err.Error()))
	}
}
