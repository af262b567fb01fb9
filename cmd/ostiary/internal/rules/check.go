package rules

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// Check returns ostiary policy check.
func Check() *cobra.Command {
	var schema Schema
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check that every method has a rule, and that every rule is valid",
		Long: `Check that every method has a rule, its own or its service's default, and that every
rule is valid: its names are valid, and its condition fits the method's request. A
server with an invalid rule does not start. With --config, the rules in a settings
file are checked too, and whether any token of the issuers in its settings can meet
each rule; the issuer may also be set by the environment, as for ostiary serve. With
--image as well, the file gives rules to methods in the image, such as those of a
service of others, which has none.

Each fault is printed to standard output on one line, with file, line, method and
remedy. The exit status is 1 if there are any. Line numbers are shown only with
--image.`,
		Example: `  buf build -o - | ostiary policy check --image -
  ostiary policy check --config ostiary.yaml
  ostiary policy check --image image.binpb --config rules.yaml`,
		Args: usage.NoArguments,
	}
	schema.addFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := schema.check(cmd); err != nil {
			return err
		}
		rules, err := schema.read(cmd.InOrStdin())
		var broken policy.RuleErrors
		if errors.As(err, &broken) {
			if err := writeFaults(cmd.OutOrStdout(), broken); err != nil {
				return err
			}
			return fmt.Errorf("%s; a server with these rules cannot start", terminal.Count(len(broken), "fault"))
		}
		if err != nil {
			return err
		}
		if closed := schema.unmeetable(rules); len(closed) > 0 {
			if err := writeFaults(cmd.OutOrStdout(), closed); err != nil {
				return err
			}
			return fmt.Errorf("%s; a server with these settings cannot start", terminal.Count(len(closed), "fault"))
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "ostiary: %s, each with a valid rule\n", terminal.Count(len(schema.entries(rules)), "method"))
		return nil
	}
	return cmd
}

// writeFaults begins each line as compilers do, so that editors find the place.
func writeFaults(w io.Writer, faults policy.RuleErrors) error {
	for _, fault := range faults {
		place := ""
		if fault.Origin.File != "" {
			place = fault.Origin.String() + ": "
		}
		if _, err := fmt.Fprintln(w, terminal.OneLine(place+fault.Procedure+": "+fault.Err.Error())); err != nil {
			return err
		}
	}
	return nil
}
