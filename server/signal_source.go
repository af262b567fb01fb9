package server

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/signals"
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

// A messageReceiver receives the messages of a source, or fetches them.
type messageReceiver interface{ Status() signals.Status }

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

// allSources are those of Signals, and that of ClerkWebhookSecret.
func (c Config) allSources() []SignalSource {
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

// receiver makes what receives the messages of a source. The keys are those of the
// transmitter, and the tokens are for it; nil for other kinds.
func (c Config) receiver(source SignalSource, keys jwks.Set, tokens authclient.TokenSource, sink signals.Sink) (messageReceiver, error) {
	secrets, err := withSecretsIn(source.SecretsFile, source.Secrets)
	if err != nil {
		return nil, err
	}
	switch source.Kind {
	case SignalClerk:
		return signals.NewClerk(signals.ClerkConfig{
			Name: source.Name, Issuer: source.Issuer, Secrets: secrets, InstanceID: source.InstanceID,
			Sink: sink, Now: c.Now, Logger: c.Logger,
		})
	case SignalWebhooks:
		return signals.NewWebhooks(signals.WebhookConfig{
			Name: source.Name, Issuer: source.Issuer, Signature: source.Signature, Secrets: secrets, Header: source.Header,
			TypePath: source.TypePath, IDPath: source.IDPath, TimePath: source.TimePath, Events: source.Events,
			Sink: sink, Now: c.Now, Logger: c.Logger,
		})
	default:
		return c.eventReceiver(source, secrets, keys, tokens, sink)
	}
}

// eventReceiver makes what receives security events, or fetches them.
func (c Config) eventReceiver(source SignalSource, secrets []string, keys jwks.Set, tokens authclient.TokenSource, sink signals.Sink) (messageReceiver, error) {
	issuer := signals.EventIssuer{URL: source.Issuer, SessionsInTokens: source.SessionsInTokens}
	if trusted := c.issuerNamed(source.Issuer); trusted != nil {
		issuer.Aliases = trusted.Aliases
		if profile, err := trusted.TokenProfile(); err == nil && profile.NamesSession() {
			issuer.SessionsInTokens = true
		}
	}
	events := signals.SecurityEventsConfig{
		Name: source.Name, Transmitter: source.Transmitter, Keys: keys, Algorithms: source.Algorithms, Audiences: source.Audiences,
		Issuers: []signals.EventIssuer{issuer}, CriticalMembers: source.CriticalMembers, CredentialTypes: source.CredentialTypes,
		AllowUntyped: source.AllowUntyped, Sink: sink, Now: c.Now, Logger: c.Logger,
	}
	fetched := source.PollURL != "" || source.Stream == StreamPoll
	switch {
	case fetched && len(secrets) > 0:
		return nil, errors.New("secrets are for events that are pushed; what proves to the transmitter who fetches is client_secret")
	case source.Stream != "":
		return newStreamSource(source, secrets, events, tokens, c.DatabaseURL != "")
	case fetched:
		return signals.NewPoller(signals.PollConfig{Events: events, URL: source.PollURL, TokenSource: tokens})
	case tokens != nil:
		return nil, errors.New("client_secret and token_url are for a transmitter that is asked for something; set poll_url or stream, or remove them")
	default:
		events.Authorizations = bearers(secrets)
		return signals.NewSecurityEvents(events)
	}
}

// bearers returns the values of the Authorization header with each of the secrets.
func bearers(secrets []string) (values []string) {
	for _, secret := range secrets {
		values = append(values, "Bearer "+secret)
	}
	return values
}

// tokens gives the tokens for the transmitter of security events; nil for none.
func (s SignalSource) tokens(now func() time.Time) (authclient.TokenSource, error) {
	if s.Kind != SignalEvents {
		return nil, nil
	}
	secret, err := s.clientSecret()
	switch {
	case err != nil:
		return nil, err
	case s.TokenURL != "":
		return authclient.ClientCredentials(
			authclient.TokenEndpoint{URL: s.TokenURL, ClientID: s.ClientID, ClientSecret: secret, Now: now},
			authclient.TokenTarget{Scopes: s.Scopes},
		)
	case s.ClientID != "" || len(s.Scopes) > 0:
		return nil, errors.New("client_id and scopes are for a token of token_url, which is missing; set it, or remove them")
	case secret == "":
		return nil, nil
	default:
		return authclient.StaticToken(secret), nil
	}
}

// clientSecret returns that of the settings or the file; "" for none.
func (s SignalSource) clientSecret() (string, error) {
	if s.ClientSecretFile == "" {
		return s.ClientSecret, nil
	}
	secrets, err := withSecretsIn(s.ClientSecretFile, nil)
	switch {
	case err != nil:
		return "", fmt.Errorf("client_secret_file: %w", err)
	case len(secrets) > 1 || s.ClientSecret != "":
		return "", errors.New("there are several client secrets in client_secret and client_secret_file, and one is sent; keep that")
	default:
		return secrets[0], nil
	}
}

// signalName is what a name can be.
var signalName = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

// sourceFaults returns what is wrong with Signals. It repeats no secret.
func (c Config) sourceFaults() []Fault {
	var faults faultList
	taken := map[string]string{}
	if len(c.logoutIssuers()) > 0 {
		taken[logoutSource] = "backchannel_logout"
	}
	if len(c.ClerkWebhookSecret) > 0 || c.ClerkWebhookSecretFile != "" {
		taken[clerkSource] = "clerk_webhook_secret"
	}
	for i, source := range c.signalSources() {
		place := fmt.Sprintf("signals[%d]", i)
		add := func(setting string, errs ...error) { faults.add(place+"."+setting, errs...) }
		by, again := taken[source.Name]
		taken[source.Name] = place
		switch {
		case !signalName.MatchString(source.Name):
			add("name", errors.New("is missing, or not 1 to 64 lower-case letters, digits, hyphens and underscores; it is part of the path that messages are sent to, such as workos"))
			continue // other faults would name it
		case again:
			add("name", fmt.Errorf("%s has this name already; choose another", by))
		case !slices.Contains([]string{SignalClerk, SignalWebhooks, SignalEvents}, source.Kind):
			add("kind", fmt.Errorf("%q is none; write clerk, webhooks or security_events", source.Kind))
			continue
		}
		add("issuer", c.checkSourceIssuer(source))
		add("jwks_url", checkSourceKeys(source))
		for _, setting := range ofOtherKinds(source) {
			add(setting, fmt.Errorf("means nothing for kind %s; remove it", source.Kind))
		}
		for setting, err := range source.streamFaults() {
			add(setting, err)
			if err != nil {
				source.Stream = "" // what else is wrong would follow from it
			}
		}
		if source.Issuer == "" { // which has its fault
			source.Issuer = "none"
			source.Transmitter = cmp.Or(source.Transmitter, source.Issuer)
		}
		var receiver messageReceiver
		tokens, err := source.tokens(c.Now)
		if err == nil {
			receiver, err = c.receiver(source, new(jwks.Static), tokens, signalSink{})
		}
		if poller, ok := receiver.(*signals.Poller); ok && err == nil {
			_ = poller.Close() // never fails
		}
		for _, err := range each(err) {
			faults = append(faults, Fault{Setting: place, Err: err})
		}
	}
	return faults
}

func (c Config) checkSourceIssuer(source SignalSource) error {
	issuer := c.issuerNamed(source.Issuer)
	switch {
	case source.Issuer == "":
		return errors.New("missing; say of which of the issuers the messages speak, by its url")
	case issuer == nil:
		return fmt.Errorf("%s is none of the issuers; write the url of one as it is there", source.Issuer)
	case source.Kind == SignalClerk && !issuer.isClerk():
		return fmt.Errorf("%s is not of Clerk; write the one whose instance sends the webhooks", source.Issuer)
	case len(issuer.Tenants) > 0:
		return errors.New("an issuer with tenants is none that tokens name; list the tenant that sends messages as an issuer of its own")
	case source.Kind == SignalEvents && !source.SessionsInTokens && issuer.namesSubjectElsewhere():
		return errors.New("its tokens name their user by another claim than sub, which security events name, so nothing could be revoked: set sessions_in_tokens, if the tokens name the session")
	case source.Kind == SignalEvents && source.Transmitter != source.Issuer && source.JWKSURL == "" && source.Stream == "":
		return errors.New("the transmitter is another, so jwks_url must say where its keys are")
	default:
		return nil
	}
}

func checkSourceKeys(s SignalSource) error {
	if s.JWKSURL == "" {
		return nil
	}
	return (&Issuer{}).checkTransport(s.JWKSURL)
}

// ofOtherKinds returns the settings that are given, and mean nothing for the kind.
func ofOtherKinds(s SignalSource) []string {
	of := func(kind string, settings map[string]bool) (misplaced []string) {
		for setting, given := range settings {
			if given && s.Kind != kind {
				misplaced = append(misplaced, setting)
			}
		}
		return misplaced
	}
	all := slices.Concat(
		of(SignalClerk, map[string]bool{"instance_id": s.InstanceID != ""}),
		of(SignalWebhooks, map[string]bool{
			"signature": s.Signature != "", "header": s.Header != "", "type_path": s.TypePath != "", "id_path": s.IDPath != "", "time_path": s.TimePath != "",
			"events": len(s.Events) > 0,
		}),
		of(SignalEvents, map[string]bool{
			"transmitter": s.Transmitter != "", "jwks_url": s.JWKSURL != "", "audiences": len(s.Audiences) > 0, "algorithms": len(s.Algorithms) > 0,
			"critical_members": len(s.CriticalMembers) > 0, "credential_types": len(s.CredentialTypes) > 0, "allow_untyped": s.AllowUntyped,
			"sessions_in_tokens": s.SessionsInTokens, "poll_url": s.PollURL != "", "stream": s.Stream != "", "push_url": s.PushURL != "",
			"client_secret": s.ClientSecret != "", "client_secret_file": s.ClientSecretFile != "", "token_url": s.TokenURL != "", "client_id": s.ClientID != "", "scopes": len(s.Scopes) > 0,
		}),
	)
	slices.Sort(all)
	return all
}

// String names the source without its secrets, so that no log shows them.
func (s SignalSource) String() string { return strings.TrimSpace(s.Kind + " " + s.Name) }

// SourcesOf says where messages about the issuer with this URL are received, such as POST
// /signals/clerk; nil for nowhere. The Config must have no faults.
func (c Config) SourcesOf(issuer string) []string {
	var all []string
	for _, source := range c.allSources() {
		switch {
		case source.Issuer != issuer:
		case source.PollURL != "" || source.Stream == StreamPoll:
			all = append(all, "events of "+source.Name)
		default:
			all = append(all, http.MethodPost+" "+signalsPath+source.Name)
		}
	}
	for _, heard := range c.logoutIssuers() {
		if heard.URL == issuer {
			all = append(all, http.MethodPost+" "+signalsPath+logoutSource)
		}
	}
	return all
}
