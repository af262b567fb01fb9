package settings

import (
	"net/http"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/interceptors/signals"
)

const (
	// SignalsPath begins the paths that issuers send messages to; the name of the source
	// follows.
	SignalsPath = "/signals/"
	// LogoutSource is the name of the source of BackChannelLogout.
	LogoutSource = "backchannel-logout"
	// clerkSource is that of ClerkWebhookSecret.
	clerkSource = "clerk"
)

// The kinds of a SignalSource.
const (
	// SignalClerk is webhooks of Clerk.
	SignalClerk = "clerk"
	// SignalWebhooks is webhooks of others, with a table of what they mean.
	SignalWebhooks = "webhooks"
	// SignalEvents is security event tokens that are pushed (RFC 8935) or fetched (RFC 8936).
	SignalEvents = "security_events"
)

// A SignalSource is a sender of messages that say what has ended at an issuer. They are sent
// to /signals/ and its Name. docs/signals.md says what each kind of message revokes.
type SignalSource struct {
	// Name is that in the path, in logs and in the origin of revocations: lower-case letters,
	// digits, hyphens and underscores. Required.
	Name string
	// Kind is SignalClerk, SignalWebhooks or SignalEvents. Default: SignalWebhooks.
	Kind string
	// Issuer is the URL of the one of Config.Issuers of whose tokens the messages speak.
	// Default: the only one.
	Issuer string
	// Secrets prove that a message is the sender's. Those of SignalClerk and of
	// SignalWebhooks are as the sender shows them. Those of SignalEvents are sent as bearer
	// tokens, have at least 16 characters, and are optional, since the events are signed. A
	// transmitter whose Stream is kept here is given the first of them.
	Secrets []string
	// SecretsFile is a file with more such secrets, each on a line of its own. It is read
	// at the start, and by Server.Reload. Default: none.
	SecretsFile string

	// InstanceID is for SignalClerk, and means what it does in signals.ClerkConfig.
	InstanceID string

	// Signature, Header, TypePath, IDPath, TimePath and Events are for SignalWebhooks, and
	// mean what they do in signals.WebhookConfig.
	Signature, Header, TypePath, IDPath, TimePath string
	Events                                        []signals.EventMapping

	// Transmitter is the iss of the tokens of SignalEvents. Default: the Issuer.
	Transmitter string
	// JWKSURL is where the keys of the transmitter are. Default: they are those of the
	// Issuer.
	JWKSURL string
	// Audiences, Algorithms, CriticalMembers, CredentialTypes and AllowUntyped are for
	// SignalEvents, and mean what they do in signals.SecurityEventsConfig.
	Audiences, Algorithms, CriticalMembers, CredentialTypes []string
	AllowUntyped                                            bool
	// SessionsInTokens says of the Issuer what it does in BackChannelLogout.
	SessionsInTokens bool
	// PollURL is where SignalEvents are fetched: https, or http on a loopback host. Default:
	// they are pushed, or the Stream says where.
	PollURL string
	// Stream is StreamPoll or StreamPush, and has the server find the metadata of the
	// Transmitter, and make and keep a stream there, named after the Name. Audiences and
	// JWKSURL are then those of the stream and of the metadata. Default: the stream is made
	// at the transmitter, by hand.
	Stream string
	// PushURL is where the transmitter reaches /signals/ and the Name. Required with
	// StreamPush.
	PushURL string
	// ClientSecret proves to the transmitter who fetches, and who keeps the stream: it is
	// the secret of ClientID or, without TokenURL, sent as the bearer token itself.
	// Default: nothing is sent.
	ClientSecret string
	// ClientSecretFile is a file with the ClientSecret instead. It is read at the start, and by
	// Server.Reload.
	ClientSecretFile string
	// TokenURL is the token endpoint at which ClientID gets a token for the transmitter
	// (RFC 6749, section 4.4), and Scopes what it is for. Default: there is none.
	TokenURL, ClientID string
	Scopes             []string
}

// signalSources are Signals with their defaults.
func (c Config) signalSources() []SignalSource {
	sources := slices.Clone(c.Signals)
	for i := range sources {
		source := &sources[i]
		if source.Kind == "" {
			source.Kind = SignalWebhooks
		}
		if source.Issuer == "" && len(c.Issuers) == 1 {
			source.Issuer = c.Issuers[0].URL
		}
		if source.Transmitter == "" && source.Kind == SignalEvents {
			source.Transmitter = source.Issuer
		}
	}
	return sources
}

// Sources are those of Signals, and that of ClerkWebhookSecret.
func (c Config) Sources() []SignalSource {
	sources := c.signalSources()
	if len(c.ClerkWebhookSecret) > 0 || c.ClerkWebhookSecretFile != "" {
		sources = append(sources, SignalSource{
			Name: clerkSource, Kind: SignalClerk, Issuer: c.clerkIssuers()[0], Secrets: c.ClerkWebhookSecret, SecretsFile: c.ClerkWebhookSecretFile,
		})
	}
	return sources
}

// issuerNamed returns that of Issuers by its URL, or nil.
func (c Config) issuerNamed(url string) *Issuer {
	for i := range c.Issuers {
		if c.Issuers[i].URL == url {
			return &c.Issuers[i]
		}
	}
	return nil
}

// String names the source without its secrets, so that no log shows them.
func (s SignalSource) String() string { return strings.TrimSpace(s.Kind + " " + s.Name) }

// SourcesOf says where messages about the issuer with this URL are received, such as POST
// /signals/clerk; nil for nowhere. The Config must have no faults.
func (c Config) SourcesOf(issuer string) []string {
	var all []string
	for _, source := range c.Sources() {
		switch {
		case source.Issuer != issuer:
		case source.PollURL != "" || source.Stream == StreamPoll:
			all = append(all, "events of "+source.Name)
		default:
			all = append(all, http.MethodPost+" "+SignalsPath+source.Name)
		}
	}
	for _, heard := range c.LogoutIssuers() {
		if heard.URL == issuer {
			all = append(all, http.MethodPost+" "+SignalsPath+LogoutSource)
		}
	}
	return all
}

// clerkIssuers returns the URLs of the issuers that are Clerk's.
func (c Config) clerkIssuers() []string {
	var urls []string
	for _, issuer := range c.Issuers {
		if issuer.isClerk() {
			urls = append(urls, issuer.URL)
		}
	}
	return urls
}

// LogoutIssuers returns the issuers that say who has signed out.
func (c Config) LogoutIssuers() []signals.LogoutIssuer {
	var issuers []signals.LogoutIssuer
	for _, issuer := range c.Issuers {
		if logout := issuer.BackChannelLogout; len(logout.ClientIDs) > 0 {
			issuers = append(issuers, signals.LogoutIssuer{URL: issuer.URL, ClientIDs: logout.ClientIDs, SessionsInTokens: logout.SessionsInTokens})
		}
	}
	return issuers
}

// The ways in which the events of a SignalSource.Stream are delivered.
const (
	// StreamPoll has them fetched (RFC 8936).
	StreamPoll = "poll"
	// StreamPush has them pushed (RFC 8935).
	StreamPush = "push"
)
