package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/cobra"
)

// maxTokenRead is the longest token that is read; far longer than any server
// accepts.
const maxTokenRead = 1 << 20

func newTokenInspect() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect [TOKEN | -]",
		Short: "Show what a token says, without verifying it",
		Long: `Show a token's header, its claims, and its times in words. The token is the argument,
or is read from standard input if the argument is missing or "-". A leading "Bearer "
is ignored.

Nothing is verified: anybody can write a token that says anything. The exit status is
0 if the token could be read, and 1 if it is not a JWT.`,
		Example: `  ostiary token mint --as ada | ostiary token inspect
  pbpaste | ostiary token inspect`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{errors.New("more than one argument; quote the token, or pipe it to standard input")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := tokenToInspect(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			description, err := inspect(raw, time.Now())
			if err != nil {
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), description)
			return err
		},
	}
}

func tokenToInspect(stdin io.Reader, args []string) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	return readToken(stdin)
}

func readToken(stdin io.Reader) (string, error) {
	raw, err := io.ReadAll(io.LimitReader(stdin, maxTokenRead))
	if err != nil {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	return string(raw), nil
}

// withoutScheme returns the token alone, as people paste it together with what
// stands around it in a header.
func withoutScheme(raw string) string {
	raw = strings.TrimSpace(raw)
	if scheme, rest, found := strings.Cut(raw, " "); found && strings.EqualFold(scheme, "Bearer") {
		raw = strings.TrimSpace(rest)
	}
	return raw
}

// inspect describes a JWT in compact form (RFC 7519, section 3). It reads
// leniently, since what a server refuses is what people want to look into.
func inspect(raw string, now time.Time) (string, error) {
	raw = withoutScheme(raw)
	parts := strings.Split(raw, ".")
	switch {
	case raw == "":
		return "", errors.New("no token; pass one as the argument or on standard input")
	case len(parts) == 5:
		return "", errors.New("an encrypted token (JWE); only the holder of its key can read it")
	case len(parts) != 3:
		return "", notThreeParts(len(parts))
	}
	header, _, err := decodePart("header", parts[0])
	if err != nil {
		return "", err
	}
	claims, values, err := decodePart("claims", parts[1])
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("NOT VERIFIED: the signature was not checked, and anybody could have written this.\n")
	fmt.Fprintf(&b, "\nHeader\n%s\n\nClaims\n%s\n", header, claims)
	writeTimes(&b, values, now)
	return b.String(), nil
}

func notThreeParts(n int) error {
	return fmt.Errorf("not a JWT: it has %s instead of 3", countOf(n, "dot-separated part"))
}

// decodePart returns a part of a token as it is to be shown, and its members.
func decodePart(name, part string) (shown string, members map[string]any, err error) {
	decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	if err != nil {
		return "", nil, fmt.Errorf("not a JWT: its %s part is not base64url", name)
	}
	if json.Unmarshal(decoded, &members) != nil || members == nil {
		return "", nil, fmt.Errorf("not a JWT: its %s part is not a JSON object", name)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, decoded, "", "  "); err != nil {
		return "", nil, fmt.Errorf("not a JWT: its %s part: %w", name, err)
	}
	return printable(indented.String()), members, nil
}

// printable escapes what a terminal might obey or hide. JSON allows such
// characters inside its texts alone, where the escape means the same.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}
