// Package usage says what is wrong with a command line, and with which status a command ends.
//
//	if cause == "" {
//		return usage.Wrong(errors.New("--cause is missing"))
//	}
//	return usage.StatusError(1) // the output has the answer
package usage

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
)

// An Error is a command line that cannot be understood.
type Error struct{ err error }

// Wrong returns the Error of a command line with this fault.
func Wrong(err error) error { return Error{err} }

func (e Error) Error() string { return e.err.Error() }

// Unwrap returns the fault.
func (e Error) Unwrap() error { return e.err }

// A StatusError is an exit status that needs no message: the output has the
// answer.
type StatusError int

func (s StatusError) Error() string { return "exit status " + strconv.Itoa(int(s)) }

// NoArguments is the cobra.PositionalArgs of a command with flags alone.
func NoArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 && (args[0] == "true" || args[0] == "false") {
		return Wrong(fmt.Errorf("%q is not an argument here; write boolean flags as --flag=%s", args[0], args[0]))
	}
	if len(args) > 0 {
		return Wrong(fmt.Errorf("unknown command or argument %q; see: %s --help", args[0], cmd.CommandPath()))
	}
	return nil
}

// NotEmpty refuses flags, other than settings, that are given without a value.
func NotEmpty(flags *pflag.FlagSet, names ...string) error {
	for _, name := range names {
		if flag := flags.Lookup(name); flag != nil && flag.Changed && flag.Value.String() == "" {
			return fmt.Errorf("--%s: %w", name, settings.ErrEmptyFlag)
		}
	}
	return nil
}

// FromStandardInput refuses a token as the argument, without repeating it. A dash is standard
// input, by custom.
func FromStandardInput(cmd *cobra.Command, args []string) error {
	if len(args) > 1 || len(args) == 1 && args[0] != "-" {
		return Wrong(fmt.Errorf("an argument is given, which other users of the machine can read; write the token to standard input: pbpaste | %s", cmd.CommandPath()))
	}
	return nil
}
