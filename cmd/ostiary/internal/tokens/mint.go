// Package tokens has the commands that mint and inspect a token.
package tokens

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/client"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/server/devissuer"
)

// Mint returns ostiary token mint.
func Mint() *cobra.Command {
	var request devissuer.Request
	var claims, serverURL string
	cmd := &cobra.Command{
		Use:   "mint --as PERSONA",
		Short: "Print a fresh token of the development issuer, and nothing else",
		Long: `Print a fresh token of a running "ostiary dev", and nothing else.

The personas:
` + personaLines() + `
Session tokens live for 60 seconds, as Clerk's do; machine tokens for an hour.`,
		Example: `  curl -H "Authorization: Bearer $(ostiary token mint --as ada)" ...

  # one with a longer lifetime and other claims; null removes a claim
  ostiary token mint --as ben --ttl 1h --claims '{"azp":"http://localhost:3000","sid":null}'`,
		Args: usage.NoArguments,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&request.As, "as", "", "`persona` to mint the token for; required")
	cmd.Flags().DurationVar(&request.TTL, "ttl", 0,
		fmt.Sprintf("token lifetime, %s to %s (default 60s for sessions, 1h for machines)", devissuer.MinTTL, devissuer.MaxTTL))
	cmd.Flags().StringVar(&claims, "claims", "", "JSON `object` of claims that override the persona's")
	cmd.Flags().BoolVar(&request.NewSession, "new-session", false, "start a new session, for example after the old one was revoked")
	cmd.Flags().StringVar(&serverURL, "server", client.DefaultURL, "`URL` of the server that ostiary dev runs")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := errors.Join(checkMint(&request, cmd.Flags().Changed("ttl"), claims), client.CheckServer(serverURL)); err != nil {
			return usage.Wrong(err)
		}
		token, err := devissuer.Mint(cmd.Context(), serverURL, request)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
		return err
	}
	return cmd
}

// checkMint completes the request and says everything that is wrong with it.
func checkMint(request *devissuer.Request, hasTTL bool, claims string) error {
	var wrong []error
	if request.As == "" {
		wrong = append(wrong, errors.New("--as is missing; name a persona, such as --as ada"))
	}
	if hasTTL && (request.TTL < devissuer.MinTTL || request.TTL > devissuer.MaxTTL) {
		wrong = append(wrong, fmt.Errorf("--ttl is %s; choose between %s and %s", request.TTL, devissuer.MinTTL, devissuer.MaxTTL))
	}
	if claims != "" && json.Unmarshal([]byte(claims), &request.Claims) != nil {
		wrong = append(wrong, errors.New(`--claims is not a JSON object; write one such as '{"azp":"http://localhost:3000"}'`))
	}
	return errors.Join(wrong...)
}

func personaLines() string {
	var lines string
	for _, p := range devissuer.Personas() {
		lines += fmt.Sprintf("  %-6s %s: %s\n", p.Name, p.Title, p.Description)
	}
	return lines
}
