package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server/config"
	"github.com/ostiary/ostiary/server/internal/bounds"
	"github.com/ostiary/ostiary/server/internal/eventstream"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/transport"
)

// signalTimeout is how long a message may take to arrive.
const signalTimeout = 5 * time.Second

// A signalSource is one of the sources of messages of issuers.
type signalSource struct {
	name     string
	issuers  []string
	receiver config.Receiver

	settings config.SignalSource // zero for logout tokens
	keys     jwks.Set            // of the transmitter; nil for none
	tokens   *liveTokens         // for the transmitter; nil for none
}

// A signalSink makes durable in the ledger what messages revoke.
type signalSink struct{ ledger *ledger.Ledger }

// Revoke implements signals.Sink.
func (s signalSink) Revoke(ctx context.Context, m signals.Message) error {
	return s.ledger.Signal(ctx, store.Signal{Source: m.Source, Issuer: m.Issuer, Type: m.Type, MessageID: m.ID}, m.Revocations...)
}

// buildSignals makes the receivers of the sources.
func (s *Server) buildSignals(verifier *token.Verifier) error {
	if s.relay != nil {
		return nil // it has none: they are faults of its settings
	}
	sink := signalSink{s.ledger}
	for _, source := range s.config.Sources() {
		keys, err := s.keysOf(source)
		if err != nil {
			return fmt.Errorf("signals %s: %w", source.Name, err)
		}
		tokens, err := source.TokenSource(s.config.Now)
		if err != nil {
			return err
		}
		built := signalSource{issuers: []string{source.Issuer}, settings: source, keys: keys}
		if tokens != nil {
			built.tokens = newLiveTokens(tokens)
			tokens = built.tokens
		}
		if built.receiver, err = s.config.Receiver(source, keys, tokens, sink); err != nil {
			return err
		}
		s.addSource(built)
	}
	if issuers := s.config.LogoutIssuers(); len(issuers) > 0 {
		urls := make([]string, len(issuers))
		for i, issuer := range issuers {
			urls[i] = issuer.URL
		}
		receiver, err := signals.NewBackChannelLogout(signals.LogoutConfig{Name: config.LogoutSource, Verifier: verifier, Issuers: issuers, Sink: sink, Now: s.config.Now, Logger: s.log})
		if err != nil {
			return err
		}
		s.addSource(signalSource{issuers: urls, receiver: receiver})
	}
	return nil
}

func (s *Server) addSource(source signalSource) {
	source.name = source.receiver.Status().Source
	s.signals = append(s.signals, source)
	if _, isHandler := source.receiver.(http.Handler); !isHandler {
		s.log.Info("messages of an issuer are fetched", "source", source.name, "issuers", source.issuers)
		return
	}
	s.log.Info("messages of an issuer are received", "source", source.name, "path", config.SignalsPath+source.name, "issuers", source.issuers)
}

// poll fetches the messages of those sources that have them fetched, and keeps the streams
// of those that have one, until ctx ends.
func (s *Server) poll(ctx context.Context) {
	var polling sync.WaitGroup
	defer polling.Wait()
	for _, source := range s.signals {
		if runner, ok := source.receiver.(interface{ Run(ctx context.Context) }); ok {
			polling.Go(func() { runner.Run(ctx) })
		}
	}
}

// closePollers ends what is left of the pollers of a server that was not run.
func (s *Server) closePollers() {
	for _, source := range s.signals {
		if poller, ok := source.receiver.(*signals.Poller); ok {
			_ = poller.Close() // never fails
		}
	}
}

// keysOf opens the keys of a transmitter of security events; nil for other kinds.
func (s *Server) keysOf(source config.SignalSource) (jwks.Set, error) {
	switch {
	case source.Kind != config.SignalEvents || source.Stream != "": // the stream's metadata says where
		return nil, nil
	case source.JWKSURL == "":
		return s.keySets[source.Issuer], nil
	}
	remote, err := jwks.NewRemote(jwks.RemoteConfig{URL: source.JWKSURL, Now: s.config.Now, Logger: s.log})
	if err == nil {
		s.signalKeys = append(s.signalKeys, remote)
	}
	return remote, err
}

// signalsHandler serves the sources. Neither CORS nor the guard is in front of them: what
// is sent to them is no call of a page, and each verifies it by itself.
func (s *Server) signalsHandler() http.Handler {
	mux := http.NewServeMux()
	for _, source := range s.signals {
		if handler, ok := source.receiver.(http.Handler); ok {
			mux.Handle(http.MethodPost+" "+config.SignalsPath+source.name, bounds.NewMessages(source.name, handler, s.log))
		}
	}
	calls := s.callLog()
	calls.Signed = true
	return transport.Chain(mux,
		transport.BodyDeadline(signalTimeout, func(string) bool { return false }),
		calls.Middleware,
		transport.ExactPaths,
		transport.RecordRoute,
	)
}

// serveSignals serves the sources on the HTTP port, unless they have one of their own.
func (s *Server) serveSignals(next http.Handler) http.Handler {
	if len(s.signals) == 0 || s.config.SignalsAddr != "" {
		return next
	}
	sources := s.signalsHandler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, config.SignalsPath) {
			sources.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// signalReadiness is what became of the messages of a source, since the server was started.
type signalReadiness struct {
	Source       string    `json:"source"`
	Issuers      []string  `json:"issuers"`
	LastMessage  time.Time `json:"last_message,omitzero"`
	LastAccepted time.Time `json:"last_accepted,omitzero"`
	LastRefused  time.Time `json:"last_refused,omitzero"`
	LastError    string    `json:"last_error,omitempty"` // why that was refused, or failed
	LagSeconds   float64   `json:"lag_seconds,omitempty"`
	Accepted     int64     `json:"accepted"`
	Repeated     int64     `json:"repeated"`
	Ignored      int64     `json:"ignored"`
	Refused      int64     `json:"refused"`
	Failed       int64     `json:"failed"`
	LastPoll     time.Time `json:"last_poll,omitzero"` // that was answered
	// Stream is that which the server keeps at the transmitter; nil for other sources.
	Stream *eventstream.Readiness `json:"stream,omitempty"`
}

func (s signalSource) readiness() signalReadiness {
	status := s.receiver.Status()
	state := signalReadiness{
		Source: s.name, Issuers: s.issuers,
		LastMessage: status.LastMessage, LastAccepted: status.LastAccepted, LastRefused: status.LastRefused, LastError: status.LastError,
		LagSeconds: status.Lag.Seconds(), Accepted: status.Accepted, Repeated: status.Repeated, Ignored: status.Ignored, Refused: status.Refused, Failed: status.Failed,
		LastPoll: status.LastPoll,
	}
	if status.LastErrorIsOurs {
		state.LastError = "it could not be fetched, verified or stored: the log says why"
	}
	if kept, ok := s.receiver.(interface{ Readiness() *eventstream.Readiness }); ok {
		state.Stream = kept.Readiness()
	}
	return state
}
