package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/server"
)

func newDoctor() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what the server does not learn from its issuers",
		Long: `Say of each issuer in the settings of ostiary serve whether its messages are received,
and what has to end there that it will not tell: such a token is accepted until it
expires, unless it is revoked in ostiary. Nothing is asked of the network, and no
server has to run.

What issuers tell is from their documentation; docs/signals.md has the table.`,
		Example: `  ostiary doctor --config ostiary.yaml`,
		Args:    noArguments,
	}
	set := settings.Issuers()
	set.AddFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		loaded := set.Load(cmd.Flags(), os.Environ())
		if err := loaded.Faults(); err != nil {
			return err
		}
		_, err := io.WriteString(cmd.OutOrStdout(), examine(&loaded.Server))
		return err
	}
	return cmd
}

// examine says what each issuer tells.
func examine(config *server.Config) string {
	var b strings.Builder
	for i := range config.Issuers {
		issuer := &config.Issuers[i]
		profile := issuer.ProfileName()
		fmt.Fprintf(&b, "%s (%s)\n", printable(issuer.URL), profile)
		told, known := toldBy[profile]
		sources := config.SourcesOf(issuer.URL)
		switch {
		case len(sources) > 0:
			fmt.Fprintf(&b, "  heard:      %s\n", strings.Join(sources, ", "))
		case known && told.remedy != "":
			fmt.Fprintf(&b, "  not heard:  %s\n", told.remedy)
		default:
			fmt.Fprint(&b, "  not heard:  no message of it is known; see whether it has webhooks, back-channel logout or security events\n")
		}
		if !known {
			fmt.Fprint(&b, "  it tells:   not known here; see its documentation\n\n")
			continue
		}
		for _, line := range []struct {
			name string
			is   tells
		}{{"it tells:   ", tellsIt}, {"not told:   ", tellsNot}, {"not known:  ", notKnown}} {
			var events []string
			for n, is := range told.events {
				if is == line.is {
					events = append(events, endings[n])
				}
			}
			if len(events) > 0 {
				fmt.Fprintf(&b, "  %s%s\n", line.name, strings.Join(events, ", "))
			}
		}
		b.WriteByte('\n')
	}
	b.WriteString("A token of what is not told, or not heard, is accepted until it expires. Choose short lifetimes, and revoke in ostiary what must end at once.\n")
	return b.String()
}

// endings are the columns of the table in docs/signals.md.
var endings = [...]string{"sign-out", "ban", "deletion", "password change", "expiry of the session"}

// tells is whether an issuer tells of an ending.
type tells int

const (
	notKnown tells = iota // its documentation does not say
	tellsNot
	tellsIt // if it is set up to
)

type told struct {
	events [len(endings)]tells
	remedy string // how it can be heard; "" for not at all
}

const (
	hearLogout   = "set backchannel_logout to the clients there, and register /signals/backchannel-logout with them"
	hearWebhooks = "add its webhooks to signals in the YAML file; docs/signals.md has the table of events"
	hearEvents   = "add its security events to signals in the YAML file, with kind: security_events"
	hearClerk    = "add an endpoint /signals/clerk in Clerk's dashboard, and set CLERK_WEBHOOK_SIGNING_SECRET"
)

// toldBy is the table in docs/signals.md, by profile.
var toldBy = map[string]told{
	"clerk":    {[...]tells{tellsIt, tellsIt, tellsIt, tellsIt, tellsNot}, hearClerk},
	"auth0":    {[...]tells{tellsIt, tellsIt, tellsIt, tellsIt, tellsIt}, hearLogout},
	"keycloak": {[...]tells{tellsIt, tellsNot, tellsNot, notKnown, tellsNot}, hearLogout},
	"zitadel":  {[...]tells{tellsIt, notKnown, notKnown, notKnown, notKnown}, hearLogout},
	"hydra":    {[...]tells{tellsIt, tellsNot, tellsNot, tellsNot, tellsNot}, hearLogout},
	"dex":      {[...]tells{tellsIt, notKnown, notKnown, notKnown, notKnown}, hearLogout},
	"workos":   {[...]tells{tellsIt, notKnown, tellsIt, notKnown, notKnown}, hearWebhooks},
	"supabase": {[...]tells{tellsIt, tellsNot, tellsIt, notKnown, notKnown}, hearWebhooks},
	"okta":     {[...]tells{tellsIt, notKnown, notKnown, tellsIt, notKnown}, hearEvents},
	"entra":    {[...]tells{tellsNot, tellsNot, tellsNot, tellsNot, tellsNot}, ""},
	"cognito":  {[...]tells{tellsNot, tellsNot, tellsNot, tellsNot, tellsNot}, ""},
}
