package feed

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"connectrpc.com/connect"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/connectauth"
)

const (
	// tokenTimeout bounds the wait for a token of the TokenSource.
	tokenTimeout = 30 * time.Second
	// firstTimeout bounds the time from dialling to the first message, which hubs send at
	// once.
	firstTimeout = 10 * time.Second
	// minLived is how long a connection has lived that is replaced without a delay.
	minLived = 2 * time.Second
	// maxMessage bounds a message, whose changes have at most 1 MiB.
	maxMessage = 2 << 20
)

var (
	errSilent      = errors.New("the hub has sent nothing for too long")
	errEnded       = errors.New("the hub has ended the stream")
	errClockJumped = errors.New("a clock of this machine was set, or the machine was asleep")
	errReadAgain   = errors.New("everything is read again, since a change could not be added")
)

// positionCodes are those of POSITION_INVALID, POSITION_EPOCH_CHANGED and
// POSITION_EXPIRED.
var positionCodes = []connect.Code{connect.CodeInvalidArgument, connect.CodeFailedPrecondition, connect.CodeOutOfRange}

// A watch is one connection to a hub.
type watch struct {
	hub      string
	sent     reading // when the request was, or shortly before
	restart  bool    // it reads from the beginning
	received bool    // a message
	progress reading // when changes came last, or as of when the copy is complete
	silence  time.Duration
}

// follow connects to one hub after the other, until ctx ends.
func (f *Follower) follow(ctx context.Context) {
	hubs := f.config.Hubs
	at := mathrand.N(len(hubs)) //nolint:gosec // it spreads load and keeps no secret
	fresh := false
	for {
		w := &watch{hub: hubs[at]}
		err := f.watch(ctx, w, fresh)
		if ctx.Err() != nil {
			return
		}
		advice, retryAfter := connectauth.RetryAdvice(err)
		fresh = advice == authclient.RetryWithFreshToken
		atOnce := (fresh && retryAfter == 0 || errors.Is(err, errReadAgain)) && w.received && f.now().since(w.sent) >= minLived
		f.lost(w.hub, err, !atOnce)
		if atOnce {
			continue
		}
		at = (at + 1) % len(hubs)
		select {
		case <-ctx.Done():
			return
		case <-time.After(f.delay()):
		}
	}
}

// delay returns a random time up to 2 seconds, or up to a fifteenth of the time that an
// outage has lasted, but no more than 30 seconds. So followers do not come back all
// together, and each comes back soon after an outage.
func (f *Follower) delay() time.Duration {
	f.mu.Lock()
	outage := f.now().running - f.state.progress.running // no sleep
	f.mu.Unlock()
	return f.jitter(min(max(outage/15, 2*time.Second), 30*time.Second))
}

// watch follows a hub until the connection ends, and returns why.
func (f *Follower) watch(ctx context.Context, w *watch, fresh bool) error {
	token, err := f.token(ctx, fresh)
	if err != nil {
		return fmt.Errorf("get a token to follow with: %w", err)
	}
	options := []connect.ClientOption{connectauth.WithToken(w.hub, token), connect.WithReadMaxBytes(maxMessage)}
	if f.config.InsecureAllowPlaintext {
		options[0] = connectauth.WithToken(w.hub, token, connectauth.InsecureAllowPlaintext())
	}
	f.client.CloseIdleConnections() // one may be dead, and nothing says so
	client := feedv1connect.NewFeedServiceClient(f.client, w.hub, options...)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(firstTimeout, func() { cancel(errSilent) })
	defer silence.Stop()
	position := f.begin(w, cancel)
	defer f.end()
	stream, err := client.WatchChanges(ctx, &feedv1.WatchChangesRequest{
		ResumeToken: position,
		Follower:    &feedv1.Follower{Service: f.config.Service, InstanceId: f.instance},
	})
	if err != nil {
		return causeOf(ctx, err)
	}
	defer func() {
		cancel(nil) // or Close would read on
		_ = stream.Close()
	}()
	for stream.Receive() {
		silence.Stop()
		if err := f.receive(w, stream.Msg()); err != nil {
			return err
		}
		f.reportTo(client)
		silence.Reset(w.silence)
	}
	if err := stream.Err(); err != nil {
		return causeOf(ctx, err)
	}
	return errEnded
}

// causeOf returns why the context was ended, if it was, and otherwise the error, with the
// remedy where that is not a hub's.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if connect.CodeOf(err) == connect.CodeUnimplemented { // 404
		return fmt.Errorf("no hub answers there, so correct the URL: that of http_addr of an ostiary serve, without a path: %w", err)
	}
	return err
}

func (f *Follower) token(ctx context.Context, fresh bool) (authclient.StaticToken, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	if fresh {
		ctx = authclient.WantFreshToken(ctx)
	}
	token, err := f.config.TokenSource.Token(ctx)
	return authclient.StaticToken(token), err
}

// begin starts a connection, which cancel ends, and returns the position to start from.
func (f *Follower) begin(w *watch, cancel context.CancelCauseFunc) (position string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.sent = f.now()
	w.progress = w.sent
	f.disconnect = cancel
	s := &f.state
	s.readAgain = false
	if s.position == "" {
		w.restart = true
		s.reading, s.clean = true, true
	}
	return s.position
}

func (f *Follower) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.disconnect, f.reporting, f.confirmed = nil, nil, ""
	f.state.hub = ""
}

// lost keeps why a connection has ended, and draws what a hub's refusal says of the
// copy.
func (f *Follower) lost(hub string, err error, failed bool) {
	f.mu.Lock()
	f.state.failure = fmt.Errorf("hub %s: %w", hub, err)
	f.state.failed = f.state.failed || failed
	if connect.IsWireError(err) && slices.Contains(positionCodes, connect.CodeOf(err)) {
		f.readFromBeginning()
	}
	if reason, refused := connectauth.ReasonOf(err); refused && reason == auth.TokenRevoked {
		f.state.revoked = true
	}
	f.mu.Unlock()
	f.evaluate()
}
