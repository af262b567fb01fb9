package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/unverified"
)

// maxTokenRead is the longest token that is read; far longer than any server
// accepts.
const maxTokenRead = 1 << 20

func newTokenInspect() *cobra.Command {
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
		Args: fromStandardInput,
		RunE: func(cmd *cobra.Command, _ []string) error {
			raw, err := readToken(cmd.InOrStdin())
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

// fromStandardInput refuses a token as the argument, without repeating it. A dash is standard
// input, by custom.
func fromStandardInput(cmd *cobra.Command, args []string) error {
	if len(args) > 1 || len(args) == 1 && args[0] != "-" {
		return usageError{fmt.Errorf("an argument is given, which other users of the machine can read; write the token to standard input: pbpaste | %s", cmd.CommandPath())}
	}
	return nil
}

func readToken(stdin io.Reader) (string, error) {
	raw, err := io.ReadAll(io.LimitReader(stdin, maxTokenRead))
	if err != nil {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	return string(raw), nil
}

// describe returns the token's header and claims, and its times in words (RFC
// 7519, section 4.1).
func describe(token *unverified.Token, now time.Time) string {
	var b strings.Builder
	b.WriteString("NOT VERIFIED: the signature was not checked, and anybody could have written this.\n")
	fmt.Fprintf(&b, "\nHeader\n%s\n\nClaims\n%s\n\nTimes\n", printable(token.Header()), printable(token.Claims()))
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
			fmt.Fprintf(&b, "  %-10s  %s (%s)\n", c.name, at.UTC().Format(time.RFC3339), fmt.Sprintf(words, inUnits(distance)))
		}
	}
	return b.String()
}
