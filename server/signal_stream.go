package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/internal/loopback"
)

// The ways in which the events of a SignalSource.Stream are delivered.
const (
	// StreamPoll has them fetched (RFC 8936).
	StreamPoll = "poll"
	// StreamPush has them pushed (RFC 8935).
	StreamPush = "push"
)

// The pause after the metadata of a transmitter could not be fetched, which doubles.
const minDiscoverPause, maxDiscoverPause = time.Second, time.Minute

// A streamSource is a source of security events whose stream is kept here. The transmitter
// is asked what it is like after the start, so that one that is away holds up nothing.
type streamSource struct {
	source SignalSource
	events signals.SecurityEventsConfig // Keys and Stream are missing
	tokens authclient.TokenSource
	shared bool // other servers share the database, and so the stream
	log    *slog.Logger

	mu     sync.Mutex
	opened *keptStream // nil until the transmitter is known
	failed bool        // it could not be asked last
}

// A keptStream is one whose transmitter is known.
type keptStream struct {
	keys     *jwks.Remote
	stream   *signals.Stream
	receiver messageReceiver
}

// A pushedStream is a streamSource whose events are pushed.
type pushedStream struct{ *streamSource }

// newStreamSource checks the configuration. The secrets are those of events that are pushed.
func newStreamSource(source SignalSource, secrets []string, events signals.SecurityEventsConfig, tokens authclient.TokenSource, shared bool) (messageReceiver, error) {
	s := &streamSource{source: source, events: events, tokens: tokens, shared: shared, log: cmp.Or(events.Logger, slog.Default())}
	s.events.Authorizations = bearers(secrets)
	_, receiver, err := s.receiver(signals.Transmitter{Issuer: source.Transmitter, ConfigurationURL: source.Transmitter}, new(jwks.Static))
	if poller, ok := receiver.(*signals.Poller); ok && err == nil {
		_ = poller.Close() // never fails
	}
	if err != nil || source.Stream == StreamPoll {
		return s, err
	}
	return pushedStream{s}, nil
}

// receiver makes the stream, and what receives its events.
func (s *streamSource) receiver(found signals.Transmitter, keys jwks.Set) (*signals.Stream, messageReceiver, error) {
	config := signals.StreamConfig{
		Transmitter: found, TokenSource: s.tokens, PushURL: s.source.PushURL, Description: "ostiary " + s.source.Name, Shared: s.shared, Now: s.events.Now, Logger: s.log,
	}
	if s.source.Stream == StreamPush && len(s.events.Authorizations) > 0 {
		config.PushAuthorization = s.events.Authorizations[0]
	}
	stream, err := signals.NewStream(config)
	if err != nil {
		return nil, nil, err
	}
	events := s.events
	events.Stream, events.Keys = stream, keys
	if s.source.Stream == StreamPush {
		receiver, err := signals.NewSecurityEvents(events)
		return stream, receiver, err
	}
	poller, err := signals.NewPoller(signals.PollConfig{Events: events, TokenSource: s.tokens})
	return stream, poller, err
}

// Run keeps the stream, and fetches its events or has them pushed, until ctx ends.
func (s *streamSource) Run(ctx context.Context) {
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
		s.log.Warn("closing the keys of a transmitter", "source", s.source.Name, "error", err)
	}
}

// open asks the transmitter what it is like until it answers; nil if ctx ends before.
func (s *streamSource) open(ctx context.Context) *keptStream {
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
			s.log.Warn("the transmitter of security events is not found; it is asked again and again", "source", s.source.Name, "error", err)
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

func (s *streamSource) discover(ctx context.Context) (*keptStream, error) {
	found, err := signals.DiscoverTransmitter(ctx, nil, s.source.Transmitter)
	if err != nil {
		return nil, err
	}
	keysURL := cmp.Or(s.source.JWKSURL, found.KeySetURL)
	switch {
	case found.ConfigurationURL == "":
		return nil, errors.New("its metadata names no configuration_endpoint: make the stream there by hand, and set poll_url, or neither that nor stream")
	case keysURL == "":
		return nil, errors.New("its metadata names no jwks_uri: set jwks_url")
	}
	keys, err := jwks.NewRemote(jwks.RemoteConfig{URL: keysURL, Now: s.events.Now, Logger: s.log}) //nolint:contextcheck // it fetches until it is closed
	if err != nil {
		return nil, err
	}
	stream, receiver, err := s.receiver(found, keys)
	if err != nil {
		return nil, errors.Join(err, keys.Close())
	}
	return &keptStream{keys, stream, receiver}, nil
}

// current returns the stream, nil until the transmitter is known, and whether that could
// not be asked.
func (s *streamSource) current() (opened *keptStream, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened, s.failed
}

// Status implements messageReceiver.
func (s *streamSource) Status() signals.Status {
	if opened, _ := s.current(); opened != nil {
		return opened.receiver.Status()
	}
	return signals.Status{Source: s.source.Name}
}

// ServeHTTP takes events. Those that come before their stream is known are to come again.
func (s pushedStream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if opened, _ := s.current(); opened != nil {
		if handler, ok := opened.receiver.(http.Handler); ok {
			handler.ServeHTTP(w, r)
			return
		}
	}
	w.Header().Set("Retry-After", "5")
	http.Error(w, "the stream of these events is not known yet; send it again", http.StatusServiceUnavailable)
}

// streamReadiness is the state of a stream that is kept here. Why something fails is in the
// log alone.
type streamReadiness struct {
	ID       string    `json:"stream_id,omitempty"` // empty until there is one
	Status   string    `json:"status,omitempty"`
	Asked    time.Time `json:"asked,omitzero"`
	Verified time.Time `json:"verified,omitzero"`
	Stale    bool      `json:"stale,omitempty"`
	Failing  bool      `json:"failing,omitempty"` // the transmitter could not be asked for something
}

func (s *streamSource) readiness() *streamReadiness {
	opened, failed := s.current()
	if opened == nil {
		return &streamReadiness{Failing: failed}
	}
	status := opened.stream.Status()
	return &streamReadiness{ID: status.ID, Status: status.Status, Asked: status.Asked, Verified: status.Verified, Stale: status.Stale, Failing: status.LastError != ""}
}

// streamFaults returns what is wrong with how the stream of a source is kept, and with who
// fetches its events.
func (s SignalSource) streamFaults() map[string]error {
	switch {
	case s.Kind != SignalEvents:
		return nil
	case s.Stream == "" && s.PushURL != "":
		return map[string]error{"push_url": errors.New("is for stream push; set that, or remove it")}
	case s.Stream == "":
		return nil
	case s.Stream != StreamPoll && s.Stream != StreamPush:
		return map[string]error{"stream": fmt.Errorf("%q is none; write poll or push", s.Stream)}
	case s.PollURL != "":
		return map[string]error{"poll_url": errors.New("the transmitter says where the events of the stream are fetched; remove it")}
	case s.Stream == StreamPush && s.PushURL == "":
		return map[string]error{"push_url": fmt.Errorf("is missing; say at which URL the transmitter reaches %s%s", signalsPath, s.Name)}
	case s.Stream == StreamPoll && s.PushURL != "":
		return map[string]error{"push_url": errors.New("is for stream push; set that, or remove it")}
	default:
		return map[string]error{"transmitter": checkTransmitter(s.Transmitter)}
	}
}

// checkTransmitter checks the issuer of a transmitter that is asked for its metadata.
func checkTransmitter(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback.Host(u.Hostname())) {
		return errors.New("its metadata is fetched from there, so it must begin with https://, or with http:// on a loopback host")
	}
	return nil
}
