package tokens

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/unverified"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
)

// Inspect returns ostiary token inspect.
func Inspect() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect [-]",
		Short: "Show what a token says, without verifying it",
		Long: `Show a token's header, its claims, and its times in words. The token is read from
standard input, and not taken as an argument, which other users of the machine can read.
A leading "Bearer " is ignored.

Nothing is verified: anybody can write a token that says anything. The exit status is
0 if the token could be read, and 1 if it is not a JWT.`,
		Example: `  ostiary token mint --as ada | ostiary token inspect
  pbpaste | ostiary token inspect`,
		Args: usage.FromStandardInput,
		RunE: func(cmd *cobra.Command, _ []string) error {
			raw, err := unverified.Read(cmd.InOrStdin())
			if err != nil {
				return err
			}
			token, err := unverified.Parse(raw)
			if err != nil {
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), describe(token, time.Now()))
			return err
		},
	}
}

// describe returns the token's header and claims, and its times in words (RFC
// 7519, section 4.1).
func describe(token *unverified.Token, now time.Time) string {
	var b strings.Builder
	b.WriteString("NOT VERIFIED: the signature was not checked, and anybody could have written this.\n")
	fmt.Fprintf(&b, "\nHeader\n%s\n\nClaims\n%s\n\nTimes\n", terminal.Printable(token.Header()), terminal.Printable(token.Claims()))
	for _, c := range []struct{ claim, name, future, past string }{
		{"iat", "issued", "%s from now", "%s ago"},
		{"nbf", "valid from", "%s from now", "%s ago"},
		{"exp", "expires", "in %s", "expired %s ago"},
	} {
		at, isTime := token.Time(c.claim)
		switch {
		case !token.Has(c.claim):
			fmt.Fprintf(&b, "  %-10s  not set (no %s)\n", c.name, c.claim)
		case !isTime:
			fmt.Fprintf(&b, "  %-10s  not a time (%s)\n", c.name, c.claim)
		default:
			words, distance := c.future, at.Sub(now)
			if !at.After(now) {
				words, distance = c.past, now.Sub(at)
			}
			fmt.Fprintf(&b, "  %-10s  %s (%s)\n", c.name, at.UTC().Format(time.RFC3339), fmt.Sprintf(words, terminal.InUnits(distance)))
		}
	}
	return b.String()
}
