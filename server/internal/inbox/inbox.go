// Package inbox receives the messages of issuers that say what has ended, or fetches them, and has the
// ledger revoke it.
//
//	received, err := inbox.Open(inbox.Config{Settings: settings, Ledger: ledger, Verifier: verifier, Keys: keys})
//	go received.Run(ctx)                       // fetches
//	mux.Handle("/signals/", received.Handler(calls)) // receives
package inbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server/internal/bounds"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/tokensource"
	"github.com/ostiary/ostiary/server/internal/transport"
	"github.com/ostiary/ostiary/server/settings"
)

// arrivalTimeout is how long a message may take to arrive.
const arrivalTimeout = 5 * time.Second

// Config configures an Inbox. All fields are required, but those of the Settings.
type Config struct {
	// Settings name the sources. They have no faults, and their defaults.
	Settings settings.Config
	Ledger   *ledger.Ledger
	// Verifier verifies logout tokens.
	Verifier *token.Verifier
	// Keys are those of the issuers, by their URL.
	Keys map[string]jwks.Set
}

// An Inbox has the sources of messages of issuers. Its methods may be called from any goroutine.
type Inbox struct {
	settings settings.Config
	sink     sink
	sources  []source
	keys     []*jwks.Remote // of transmitters of security events
}

// A source is one of the sources of messages of issuers.
type source struct {
	name     string
	issuers  []string
	receiver settings.Receiver

	settings settings.SignalSource    // zero for logout tokens
	keys     jwks.Set                 // of the transmitter; nil for none
	tokens   *tokensource.Replaceable // for the transmitter; nil for none
}

// A sink makes durable in the ledger what messages revoke.
type sink struct{ ledger *ledger.Ledger }

// Revoke implements signals.Sink.
func (s sink) Revoke(ctx context.Context, m signals.Message) error {
	return s.ledger.Signal(ctx, store.Signal{Source: m.Source, Issuer: m.Issuer, Type: m.Type, MessageID: m.ID}, m.Revocations...)
}

// Open makes the receivers of the sources. The Inbox must be closed.
func Open(c Config) (*Inbox, error) {
	i := &Inbox{settings: c.Settings, sink: sink{c.Ledger}}
	if err := i.open(c); err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return i, nil
}

func (i *Inbox) open(c Config) error {
	for _, named := range c.Settings.Sources() {
		keys, err := i.keysOf(named, c.Keys)
		if err != nil {
			return fmt.Errorf("signals %s: %w", named.Name, err)
		}
		tokens, err := named.TokenSource(c.Settings.Now)
		if err != nil {
			return err
		}
		built := source{issuers: []string{named.Issuer}, settings: named, keys: keys}
		if tokens != nil {
			built.tokens = tokensource.New(tokens)
			tokens = built.tokens
		}
		if built.receiver, err = c.Settings.Receiver(named, keys, tokens, i.sink); err != nil {
			return err
		}
		i.add(built)
	}
	issuers := c.Settings.LogoutIssuers()
	if len(issuers) == 0 {
		return nil
	}
	urls := make([]string, len(issuers))
	for n, issuer := range issuers {
		urls[n] = issuer.URL
	}
	receiver, err := signals.NewBackChannelLogout(signals.LogoutConfig{
		Name: settings.LogoutSource, Verifier: c.Verifier, Issuers: issuers, Sink: i.sink, Now: c.Settings.Now, Logger: c.Settings.Logger,
	})
	if err != nil {
		return err
	}
	i.add(source{issuers: urls, receiver: receiver})
	return nil
}

func (i *Inbox) add(s source) {
	s.name = s.receiver.Status().Source
	i.sources = append(i.sources, s)
	if _, isHandler := s.receiver.(http.Handler); !isHandler {
		i.settings.Logger.Info("messages of an issuer are fetched", "source", s.name, "issuers", s.issuers)
		return
	}
	i.settings.Logger.Info("messages of an issuer are received", "source", s.name, "path", settings.SignalsPath+s.name, "issuers", s.issuers)
}

// keysOf opens the keys of a transmitter of security events; nil for other kinds.
func (i *Inbox) keysOf(source settings.SignalSource, ofIssuers map[string]jwks.Set) (jwks.Set, error) {
	switch {
	case source.Kind != settings.SignalEvents || source.Stream != "": // the stream's metadata says where
		return nil, nil
	case source.JWKSURL == "":
		return ofIssuers[source.Issuer], nil
	}
	remote, err := jwks.NewRemote(jwks.RemoteConfig{URL: source.JWKSURL, Now: i.settings.Now, Logger: i.settings.Logger})
	if err == nil {
		i.keys = append(i.keys, remote)
	}
	return remote, err
}

// IsEmpty reports whether there is no source.
func (i *Inbox) IsEmpty() bool { return len(i.sources) == 0 }

// Issuers returns the URLs of those of whom the messages speak, each once.
func (i *Inbox) Issuers() (urls []string) {
	for _, source := range i.sources {
		for _, issuer := range source.issuers {
			if !slices.Contains(urls, issuer) {
				urls = append(urls, issuer)
			}
		}
	}
	return urls
}

// Run fetches the messages of those sources that have them fetched, and keeps the streams
// of those that have one, until ctx ends.
func (i *Inbox) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for _, source := range i.sources {
		if runner, ok := source.receiver.(interface{ Run(ctx context.Context) }); ok {
			running.Go(func() { runner.Run(ctx) })
		}
	}
}

// Close ends the fetching of keys, and what is left of an Inbox that was not run.
func (i *Inbox) Close() error {
	if i == nil {
		return nil
	}
	var errs []error
	for _, source := range i.sources {
		if poller, ok := source.receiver.(*signals.Poller); ok {
			errs = append(errs, poller.Close())
		}
	}
	for _, remote := range i.keys {
		errs = append(errs, remote.Close())
	}
	return errors.Join(errs...)
}

// Handler serves the sources below settings.SignalsPath. Neither CORS nor the guard is in front of
// them: what is sent to them is no call of a page, and each verifies it by itself.
func (i *Inbox) Handler(calls transport.CallLog) http.Handler {
	mux := http.NewServeMux()
	for _, source := range i.sources {
		if handler, ok := source.receiver.(http.Handler); ok {
			mux.Handle(http.MethodPost+" "+settings.SignalsPath+source.name, bounds.NewMessages(source.name, handler, i.settings.Logger))
		}
	}
	calls.Signed = true
	return transport.Chain(mux,
		transport.BodyDeadline(arrivalTimeout, func(string) bool { return false }),
		calls.Middleware,
		transport.ExactPaths,
		transport.RecordRoute,
	)
}
