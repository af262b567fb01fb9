package doctor

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/ostiary/ostiary/server/settings"
)

// signals says of each issuer whether its messages are received, and what has to end there
// that it does not tell: such a token is accepted until it expires, unless it is revoked in
// ostiary. What issuers tell is from their documentation; docs/signals.md has the table.
func (p *patient) signals(context.Context) []Finding {
	config := &p.Settings.Server
	if len(config.Follow.Hubs) > 0 {
		return []Finding{ok("signals.relay", "", "a relay receives no messages of issuers; its hub does")}
	}
	var findings []Finding
	for i := range config.Issuers {
		findings = append(findings, p.heard(&config.Issuers[i]))
	}
	if found := p.findServer(); found.state != nil {
		findings = append(findings, received(found.state)...)
	}
	return findings
}

// heard says whether messages of an issuer are received, and what they tell.
func (p *patient) heard(issuer *settings.Issuer) Finding {
	profile := issuer.ProfileName()
	told, known := toldBy[profile]
	var sources []string
	if len(p.Settings.AllFaults()) == 0 { // on which that depends
		sources = p.Settings.Server.SourcesOf(issuer.URL)
	}
	tells := told.text()
	if !known {
		tells = "what " + profile + " tells is not known here: see its documentation"
	}
	const why = "whose session ends there is accepted here until the token expires; choose short lifetimes, and revoke in ostiary what must end at once"
	switch {
	case len(sources) > 0:
		return ok("signals.heard", issuer.URL, fmt.Sprintf("%s, by %s", tells, strings.Join(sources, ", ")))
	case known && told.remedy != "" && len(p.Settings.AllFaults()) == 0 && !isLocal(issuer.URL):
		return warning("signals.not_heard", issuer.URL, "none of its messages are received here; "+tells, why, told.remedy)
	default:
		return ok("signals.nothing", issuer.URL, "none of its messages are received here; "+tells)
	}
}

// isLocal reports whether an issuer is on this machine, for development.
func isLocal(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && isLoopback(u.Hostname())
}

// received looks at what the running server has received.
func received(state *readiness) []Finding {
	var findings []Finding
	for _, source := range state.Signals {
		const why = "sign-outs at the issuer end nothing here"
		switch {
		case source.Refused > 0 && source.LastAccepted.IsZero():
			findings = append(findings, fault("signals.refused", source.Source, fmt.Sprintf("all %d messages were refused: %s", source.Refused, source.LastError), why,
				"compare the secret with that of the endpoint in the issuer's dashboard; a proxy must not change the body, and the clocks must agree"))
		case source.Failed > 0 && source.LastAccepted.IsZero():
			findings = append(findings, fault("signals.failed", source.Source, fmt.Sprintf("%d messages could not be acted on: %s", source.Failed, source.LastError), why, "see the findings about the store and the issuers"))
		case source.LastMessage.IsZero():
			findings = append(findings, warning("signals.silent", source.Source, "no message has come since the server started", "that is so if nobody has signed out there; otherwise "+why,
				"have the issuer send a test message to /signals/"+source.Source+"; its own log says what it was answered"))
		default:
			findings = append(findings, ok("signals.received", source.Source, "the last message came at "+source.LastMessage.Format(time.RFC3339)))
		}
	}
	return findings
}

// text says what an issuer tells, does not tell, and what is not known of it.
func (t told) text() string {
	var parts []string
	for _, line := range []struct {
		name string
		is   tells
	}{{"it can send: ", tellsIt}, {"it cannot send: ", tellsNot}, {"not known: ", notKnown}} {
		var events []string
		for n, is := range t.events {
			if is == line.is {
				events = append(events, endings[n])
			}
		}
		if len(events) > 0 {
			parts = append(parts, line.name+strings.Join(events, ", "))
		}
	}
	return strings.Join(parts, "; ")
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
