package signals

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ostiary/ostiary/interceptors/authclient"
)

// The defaults and bounds of streams.
const (
	defaultDescription = "ostiary"
	defaultVerifyEvery = 5 * time.Minute
	defaultVerifyWait  = 2 * time.Minute
	manageTimeout      = 30 * time.Second
	maxStreamBytes     = 256 << 10
	maxAsked           = 4 // verifications whose event may still come
)

// StreamConfig says what stream is to be had of a transmitter, and how it is delivered.
type StreamConfig struct {
	// Transmitter is what [DiscoverTransmitter] has found. Required, with its
	// ConfigurationURL.
	Transmitter Transmitter
	// TokenSource gives the tokens that are sent with each request: mostly
	// authclient.ClientCredentials with the scope ssf.manage. nil sends none.
	TokenSource authclient.TokenSource
	// PushURL is the URL at which the transmitter delivers events (RFC 8935), to the handler of
	// [NewSecurityEvents]. Default: a [Poller] fetches them (RFC 8936).
	PushURL string
	// PushAuthorization is one of the Authorizations that are accepted there. Optional.
	PushAuthorization string
	// EventTypes are the URIs of the events that are asked for. Default: all that can revoke
	// something.
	EventTypes []string
	// Description is the name of the stream at the transmitter. One that is fetched is
	// found again by it, so it must be another for each service that has the same client
	// there. Default: ostiary.
	Description string
	// Shared says that several processes keep this stream, so that any of them gets its
	// events, verification events that another has asked for included. These are taken, and
	// since one that is asked for here may go to another, the stream is never Stale. Each
	// process needs the same PushURL or Description, and accepts the PushAuthorizations of
	// the others. Default: it is of this process alone.
	Shared bool
	// VerifyEvery is how often the stream is enabled again if it was paused, and the
	// transmitter is asked for a verification event; or more seldom where it wants that
	// (min_verification_interval). Default: 5 minutes.
	VerifyEvery time.Duration
	// VerifyWithin is how long that event may take before the stream counts as stale.
	// Default: 2 minutes.
	VerifyWithin time.Duration
	// HTTPClient makes the requests. It follows no redirects. Default: one like
	// http.DefaultClient. Each request takes at most 30 seconds.
	HTTPClient *http.Client
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Logger gets a line when the stream is there, is stale or fails, and when that ends.
	// Default: slog.Default().
	Logger *slog.Logger
}

// StreamStatus is the state of a stream.
type StreamStatus struct {
	// ID is the transmitter's name for it. "" until there is one.
	ID string
	// Status is enabled, paused or disabled, as the transmitter last said; "" if it did not.
	Status string
	// Asked is when a verification event was last asked for, and Verified when one last
	// came. Zero if none was.
	Asked, Verified time.Time
	// Stale says that none came for too long: events may be lost. It is never set for a
	// Shared stream, of which the newest Verified of all processes says so.
	Stale bool
	// LastError is why the transmitter could last not be asked for something, or "" where
	// it was since. No secret and no part of an answer is in it.
	LastError string
}

// A Stream keeps a stream at a transmitter (SSF 1.0, section 8.1), and watches whether
// events come through it. It is safe for concurrent use.
type Stream struct {
	config StreamConfig
	caller *caller

	mu        sync.Mutex
	status    StreamStatus
	audiences []string
	endpoint  string        // where events are fetched
	least     time.Duration // between two verifications
	asked     []string      // the states of the latest verifications, which may still come
	opened    chan struct{} // closed when there is a stream
}

// NewStream returns a stream that Run creates, or adopts where there is one:
//
//	transmitter, err := signals.DiscoverTransmitter(ctx, nil, "https://idp.example.com")
//	stream, err := signals.NewStream(signals.StreamConfig{
//		Transmitter: transmitter, TokenSource: tokens, PushURL: "https://api.example.com/signals/idp",
//	})
//	// Set it as the Stream of the SecurityEventsConfig.
//	go stream.Run(ctx)
//
// It belongs in one process, unless it is Shared: a verification event must come to the one
// that has asked for it. The error names everything that is wrong with the configuration.
func NewStream(config StreamConfig) (*Stream, error) {
	faults := []error{checkURL("the ConfigurationURL of the Transmitter", config.Transmitter.ConfigurationURL)}
	if config.PushURL != "" {
		faults = append(faults, checkURL("the PushURL", config.PushURL))
	}
	switch {
	case config.PushAuthorization == "":
	case config.PushURL == "":
		faults = append(faults, errors.New("the PushAuthorization is for a PushURL"))
	default:
		faults = append(faults, checkAuthorization(config.PushAuthorization))
	}
	if config.VerifyEvery < 0 || config.VerifyWithin < 0 {
		faults = append(faults, errors.New("VerifyEvery and VerifyWithin must not be negative"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("signals.NewStream: %w", err)
	}
	config.Description = cmp.Or(config.Description, defaultDescription)
	config.VerifyEvery = cmp.Or(config.VerifyEvery, defaultVerifyEvery)
	config.VerifyWithin = cmp.Or(config.VerifyWithin, defaultVerifyWait)
	if len(config.EventTypes) == 0 {
		config.EventTypes = revokingEvents
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	return &Stream{config: config, caller: newCaller(config.HTTPClient, config.TokenSource), opened: make(chan struct{})}, nil
}

// revokingEvents are the types of events that can revoke something.
var revokingEvents = []string{
	caepEvents + "session-revoked", caepEvents + "credential-change",
	riscEvents + "account-disabled", riscEvents + "account-purged", riscEvents + "sessions-revoked", riscEvents + "credential-compromise",
}

// Status returns the state of the stream.
func (s *Stream) Status() StreamStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Run creates or adopts the stream and enables it. Then it enables the stream again from time
// to time if it was paused, and asks for a verification event where the transmitter sends
// them, until ctx ends. What fails is tried again, after about a second at first and a minute
// at last, or when Retry-After says.
func (s *Stream) Run(ctx context.Context) {
	pause := minPollPause
	for ctx.Err() == nil {
		retryAfter, err := s.open(ctx)
		if err == nil {
			pause = minPollPause
			s.failed(nil)
			err = s.watch(ctx) // until the stream is gone
		}
		if ctx.Err() != nil {
			return
		}
		s.failed(err)
		sleep(ctx, max(jittered(pause), retryAfter))
		pause = min(2*pause, maxPollPause)
	}
}

// failed notes why the transmitter could not be asked for something, nil if it could.
func (s *Stream) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != s.status.LastError {
		if err != nil {
			s.config.Logger.Warn("the stream of events cannot be managed", "transmitter", s.config.Transmitter.Issuer, "error", err)
		} else {
			s.config.Logger.Info("the stream of events can be managed again", "transmitter", s.config.Transmitter.Issuer)
		}
		s.status.LastError = text
	}
}

// errStreamGone is that the transmitter does not know the stream any more.
var errStreamGone = errors.New("the transmitter does not know the stream any more")

// watch keeps the stream enabled, and asks for verification events where the transmitter
// sends them, until ctx ends or the stream is gone.
func (s *Stream) watch(ctx context.Context) error {
	verifies := s.config.Transmitter.VerificationURL != ""
	if !verifies {
		s.config.Logger.WarnContext(ctx, "the transmitter sends no verification events, so nothing shows whether its stream works", "transmitter", s.config.Transmitter.Issuer)
	}
	for first := true; ctx.Err() == nil; first = false {
		var enableAfter, verifyAfter time.Duration
		var enabled, verified error
		if !first { // at first it was enabled just now
			enableAfter, enabled = s.enable(ctx)
		}
		if verifies {
			verifyAfter, verified = s.verify(ctx)
		}
		err := errors.Join(enabled, verified)
		if errors.Is(err, errStreamGone) {
			return err
		}
		if ctx.Err() == nil {
			s.failed(err)
		}
		every := max(s.config.VerifyEvery, s.interval(), enableAfter, verifyAfter)
		within := min(s.config.VerifyWithin, every)
		sleep(ctx, within)
		s.judge(ctx)
		sleep(ctx, every+every/4-jittered(every/4)-within) // never less than the interval
	}
	return nil
}

func (s *Stream) interval() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.least
}

// verify asks for a verification event (SSF 1.0, section 8.1.4.2).
func (s *Stream) verify(ctx context.Context) (retryAfter time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, manageTimeout)
	defer cancel()
	state := rand.Text()
	s.mu.Lock()
	s.asked = append(s.asked, state)
	s.asked = s.asked[max(0, len(s.asked)-maxAsked):]
	asked := s.config.Now() // before the answer, since the event may overtake it
	body := map[string]string{"stream_id": s.status.ID, "state": state}
	s.mu.Unlock()
	a, err := s.caller.call(ctx, http.MethodPost, s.config.Transmitter.VerificationURL, body, maxStreamBytes)
	switch {
	case err != nil:
		return 0, fmt.Errorf("the verification endpoint: %w", err)
	case a.status == http.StatusNotFound:
		return 0, errStreamGone
	case a.status == http.StatusTooManyRequests && s.config.Shared:
		return a.retryAfter, nil // another process has asked just now
	case a.status/100 != 2:
		return a.retryAfter, fmt.Errorf("the verification endpoint answered with status %d", a.status)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Asked = asked
	return 0, nil
}

// judge notes whether the last verification event that was asked for has come.
func (s *Stream) judge(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stale := s.status.Verified.Before(s.status.Asked) && !s.config.Shared
	if stale == s.status.Stale || ctx.Err() != nil {
		return
	}
	s.status.Stale = stale
	if stale {
		s.config.Logger.Warn("no verification event came: events may be lost", "transmitter", s.config.Transmitter.Issuer, "stream_id", s.status.ID, "within", s.config.VerifyWithin)
	}
}

// verified takes a verification event, whose state must be one that was asked for, here or
// by another process. The transmitter may also send one of its own accord, without a state.
func (s *Stream) verified(streamID, state string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if streamID != s.status.ID {
		return invalid("it is about another stream")
	}
	if state != "" && !slices.Contains(s.asked, state) && !s.config.Shared {
		return refuseAs("invalid_state", "its state is not one that was asked for", nil)
	}
	s.status.Verified = s.config.Now()
	if s.status.Stale {
		s.status.Stale = false
		s.config.Logger.Info("verification events come again", "transmitter", s.config.Transmitter.Issuer, "stream_id", s.status.ID)
	}
	return nil
}

// updated takes what the transmitter has made of the stream.
func (s *Stream) updated(streamID, status string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if streamID != s.status.ID {
		return invalid("it is about another stream")
	}
	s.status.Status = status
	return nil
}

// audience returns what the stream calls its receiver; nil until there is a stream.
func (s *Stream) audience() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.audiences
}

// pollURL returns where events are fetched, once there is a stream; "" when ctx ends.
func (s *Stream) pollURL(ctx context.Context) string {
	select {
	case <-s.opened:
	case <-ctx.Done():
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endpoint
}
