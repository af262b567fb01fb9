// Package eventstream receives the security events of a transmitter at which it makes and keeps
// a stream by itself (Shared Signals 1.0).
//
//	stream, err := eventstream.New(eventstream.Config{Events: events})
//	go stream.Run(ctx) // and if events are pushed: mux.Handle("POST /signals/entra", eventstream.Pushed{Stream: stream})
package eventstream

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/signals"
)

// The pause after the metadata of a transmitter could not be fetched, which doubles.
const minDiscoverPause, maxDiscoverPause = time.Second, time.Minute

// Config configures a Stream. Only Events are required.
type Config struct {
	// Events says which events are taken, and what becomes of them. Its Transmitter is asked for the
	// metadata, with the first of the Authorizations. Keys and Stream are set from the answer.
	Events signals.SecurityEventsConfig
	// JWKSURL is where its keys are. Default: where the metadata say.
	JWKSURL string
	// PushURL is where the transmitter is to push the events (RFC 8935). Default: they are
	// fetched (RFC 8936).
	PushURL string
	// Tokens are for the transmitter. Default: nothing is sent.
	Tokens authclient.TokenSource
	// Shared says that other servers share the database, and so the stream.
	Shared bool
}

// A Stream is a source of security events. The transmitter is asked what it is like after the
// start, so that one that is away holds up nothing. Its methods may be called from any goroutine.
type Stream struct {
	config Config
	log    *slog.Logger

	mu     sync.Mutex
	opened *opened // nil until the transmitter is known
	failed bool    // it could not be asked last
}

// opened is a stream whose transmitter is known.
type opened struct {
	keys     *jwks.Remote
	stream   *signals.Stream
	receiver receiver
}

// A receiver takes the events of a stream, or fetches them.
type receiver interface{ Status() signals.Status }

// Pushed is a Stream whose events are pushed.
type Pushed struct{ *Stream }

// New checks the Config, and asks nobody.
func New(config Config) (*Stream, error) {
	s := &Stream{config: config, log: cmp.Or(config.Events.Logger, slog.Default())}
	_, receiver, err := s.receiver(signals.Transmitter{Issuer: config.Events.Transmitter, ConfigurationURL: config.Events.Transmitter}, new(jwks.Static))
	if poller, ok := receiver.(*signals.Poller); ok && err == nil {
		_ = poller.Close() // never fails
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// receiver makes the stream, and what receives its events.
func (s *Stream) receiver(found signals.Transmitter, keys jwks.Set) (*signals.Stream, receiver, error) {
	c := signals.StreamConfig{
		Transmitter: found, TokenSource: s.config.Tokens, PushURL: s.config.PushURL, Description: "ostiary " + s.config.Events.Name, Shared: s.config.Shared,
		Now: s.config.Events.Now, Logger: s.log,
	}
	if s.pushed() && len(s.config.Events.Authorizations) > 0 {
		c.PushAuthorization = s.config.Events.Authorizations[0]
	}
	stream, err := signals.NewStream(c)
	if err != nil {
		return nil, nil, err
	}
	events := s.config.Events
	events.Stream, events.Keys = stream, keys
	if s.pushed() {
		receiver, err := signals.NewSecurityEvents(events)
		return stream, receiver, err
	}
	poller, err := signals.NewPoller(signals.PollConfig{Events: events, TokenSource: s.config.Tokens})
	return stream, poller, err
}

func (s *Stream) pushed() bool { return s.config.PushURL != "" }

// TakesSecretsOf reports whether both take events with the same Authorizations.
func (s *Stream) TakesSecretsOf(other *Stream) bool {
	return slices.Equal(s.config.Events.Authorizations, other.config.Events.Authorizations)
}

// Run keeps the stream, and fetches its events or has them pushed, until ctx ends.
func (s *Stream) Run(ctx context.Context) {
	opened := s.open(ctx)
	if opened == nil {
		return
	}
	var running sync.WaitGroup
	running.Go(func() { opened.stream.Run(ctx) })
	if poller, ok := opened.receiver.(*signals.Poller); ok {
		running.Go(func() { poller.Run(ctx) })
	}
	running.Wait()
	if err := opened.keys.Close(); err != nil {
		s.log.Warn("closing the keys of a transmitter", "source", s.config.Events.Name, "error", err)
	}
}

// open asks the transmitter what it is like until it answers; nil if ctx ends before.
func (s *Stream) open(ctx context.Context) *opened {
	for pause := minDiscoverPause; ; pause = min(2*pause, maxDiscoverPause) {
		opened, err := s.discover(ctx)
		if ctx.Err() != nil {
			if err == nil {
				_ = opened.keys.Close() // nothing was fetched
			}
			return nil
		}
		s.mu.Lock()
		before := s.failed
		s.opened, s.failed = opened, err != nil
		s.mu.Unlock()
		if err == nil {
			return opened
		}
		if !before {
			s.log.Warn("the transmitter of security events is not found; it is asked again and again", "source", s.config.Events.Name, "error", err)
		}
		timer := time.NewTimer(pause - rand.N(pause/4)) //nolint:gosec // it spreads load and keeps no secret
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

func (s *Stream) discover(ctx context.Context) (*opened, error) {
	found, err := signals.DiscoverTransmitter(ctx, nil, s.config.Events.Transmitter)
	if err != nil {
		return nil, err
	}
	keysURL := cmp.Or(s.config.JWKSURL, found.KeySetURL)
	switch {
	case found.ConfigurationURL == "":
		return nil, errors.New("its metadata names no configuration_endpoint: make the stream there by hand, and set poll_url, or neither that nor stream")
	case keysURL == "":
		return nil, errors.New("its metadata names no jwks_uri: set jwks_url")
	}
	keys, err := jwks.NewRemote(jwks.RemoteConfig{URL: keysURL, Now: s.config.Events.Now, Logger: s.log}) //nolint:contextcheck // it fetches until it is closed
	if err != nil {
		return nil, err
	}
	stream, receiver, err := s.receiver(found, keys)
	if err != nil {
		return nil, errors.Join(err, keys.Close())
	}
	return &opened{keys, stream, receiver}, nil
}

// current returns the stream, nil until the transmitter is known, and whether that could
// not be asked.
func (s *Stream) current() (opened *opened, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened, s.failed
}

// Status returns what became of the events.
func (s *Stream) Status() signals.Status {
	if opened, _ := s.current(); opened != nil {
		return opened.receiver.Status()
	}
	return signals.Status{Source: s.config.Events.Name}
}

// ServeHTTP takes events. Those that come before their stream is known are to come again.
func (s Pushed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if opened, _ := s.current(); opened != nil {
		if handler, ok := opened.receiver.(http.Handler); ok {
			handler.ServeHTTP(w, r)
			return
		}
	}
	w.Header().Set("Retry-After", "5")
	http.Error(w, "the stream of these events is not known yet; send it again", http.StatusServiceUnavailable)
}

// Readiness is the state of a stream that is kept here. Why something fails is in the
// log alone.
type Readiness struct {
	ID       string    `json:"stream_id,omitempty"` // empty until there is one
	Status   string    `json:"status,omitempty"`
	Asked    time.Time `json:"asked,omitzero"`
	Verified time.Time `json:"verified,omitzero"`
	Stale    bool      `json:"stale,omitempty"`
	Failing  bool      `json:"failing,omitempty"` // the transmitter could not be asked for something
}

// Readiness returns the state of the stream.
func (s *Stream) Readiness() *Readiness {
	opened, failed := s.current()
	if opened == nil {
		return &Readiness{Failing: failed}
	}
	status := opened.stream.Status()
	return &Readiness{ID: status.ID, Status: status.Status, Asked: status.Asked, Verified: status.Verified, Stale: status.Stale, Failing: status.LastError != ""}
}
