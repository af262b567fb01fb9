package settings

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/server/internal/eventstream"
)

// A Receiver receives the messages of a source, or fetches them.
type Receiver interface{ Status() signals.Status }

// Receiver makes what receives the messages of a source. The keys are those of the
// transmitter, and the tokens are for it; nil for other kinds.
func (c Config) Receiver(source SignalSource, keys jwks.Set, tokens authclient.TokenSource, sink signals.Sink) (Receiver, error) {
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
func (c Config) eventReceiver(source SignalSource, secrets []string, keys jwks.Set, tokens authclient.TokenSource, sink signals.Sink) (Receiver, error) {
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
	events.Authorizations = bearers(secrets)
	fetched := source.PollURL != "" || source.Stream == StreamPoll
	switch {
	case fetched && len(secrets) > 0:
		return nil, errors.New("secrets are for events that are pushed; what proves to the transmitter who fetches is client_secret")
	case source.Stream != "":
		return c.eventStream(source, events, tokens)
	case fetched:
		return signals.NewPoller(signals.PollConfig{Events: events, URL: source.PollURL, TokenSource: tokens})
	case tokens != nil:
		return nil, errors.New("client_secret and token_url are for a transmitter that is asked for something; set poll_url or stream, or remove them")
	default:
		return signals.NewSecurityEvents(events)
	}
}

// eventStream makes what keeps a stream of security events at their transmitter.
func (c Config) eventStream(source SignalSource, events signals.SecurityEventsConfig, tokens authclient.TokenSource) (Receiver, error) {
	config := eventstream.Config{Events: events, JWKSURL: source.JWKSURL, Tokens: tokens, Shared: c.DatabaseURL != ""}
	if source.Stream == StreamPush {
		config.PushURL = source.PushURL
	}
	stream, err := eventstream.New(config)
	switch {
	case err != nil:
		return nil, err
	case source.Stream == StreamPush:
		return eventstream.Pushed{Stream: stream}, nil
	default:
		return stream, nil
	}
}

// bearers returns the values of the Authorization header with each of the secrets.
func bearers(secrets []string) (values []string) {
	for _, secret := range secrets {
		values = append(values, "Bearer "+secret)
	}
	return values
}

// TokenSource gives the tokens for the transmitter of security events; nil for none.
func (s SignalSource) TokenSource(now func() time.Time) (authclient.TokenSource, error) {
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

// clerkWebhookSecrets returns those of the settings and of the file.
func (c Config) clerkWebhookSecrets() ([]string, error) {
	return withSecretsIn(c.ClerkWebhookSecretFile, c.ClerkWebhookSecret)
}

// withSecretsIn adds the secrets in a file, if one is given.
func withSecretsIn(path string, secrets []string) ([]string, error) {
	if path == "" {
		return secrets, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the secrets: %w", err)
	}
	more := strings.Fields(string(text))
	if len(more) == 0 {
		return nil, errors.New("the file has no secret in it; write it there, on a line of its own")
	}
	return slices.Concat(secrets, more), nil
}
