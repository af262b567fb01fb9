package auth

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// everybody is an Authenticator and a Policy that lets everybody in.
type everybody struct{ id *Identity }

func (e everybody) Authenticate(context.Context, Call) (*Identity, error) { return e.id, nil }
func (e everybody) Rule(string) Rule                                      { return e }
func (e everybody) Check(*Identity) error                                 { return nil }

func TestAnEndedStreamLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]func(context.Context) error{
		"with its handler": func(context.Context) error { return nil },
		"with its token":   func(ctx context.Context) error { <-ctx.Done(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				id := &Identity{Issuer: "https://issuer.test", Subject: "ada", Kind: KindSession, SessionID: "sess_1", IssuedAt: now, ExpiresAt: now.Add(time.Minute)}
				guard := &Guard{Authenticator: everybody{id}, Policy: everybody{}}
				_ = guard.open(t.Context(), handle) // an error or none
				synctest.Wait()
				if guard.leases.Len() > 0 {
					t.Error("something of the stream is left")
				}
			})
		})
	}
}

// crowd is an Authenticator whose callers come with newer and newer tokens of a
// few sessions, a Policy that lets everybody in, and Revocations of every seventh
// token.
type crowd struct {
	everybody

	calls   atomic.Int64
	changed func()
}

func (c *crowd) Authenticate(context.Context, Call) (*Identity, error) {
	n := c.calls.Add(1)
	now := time.Now()
	return &Identity{
		Issuer: "https://issuer.test", Subject: "ada", Kind: KindSession, SessionID: "sess_" + strconv.FormatInt(n%5, 10),
		TokenID: strconv.FormatInt(n, 10), IssuedAt: now, ExpiresAt: now.Add(5 * time.Millisecond),
	}, nil
}

func (c *crowd) Revoked(id *Identity) error {
	if n, _ := strconv.Atoi(id.TokenID); n%7 == 0 && time.Since(id.IssuedAt) > time.Millisecond {
		return NewError(TokenRevoked, nil)
	}
	return nil
}

func (c *crowd) Watch(changed func()) (stop func()) {
	c.changed = changed
	return func() {}
}

func TestManyStreamsOpenAndCloseConcurrently(t *testing.T) {
	t.Parallel()
	everywhere := new(crowd)
	guard := &Guard{Authenticator: everywhere, Policy: everywhere, Revocations: everywhere}
	const goroutines, each = 8, 200
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for i := range each {
				ctx, cancel := context.WithCancel(t.Context())
				err := guard.open(ctx, func(ctx context.Context) error {
					switch i % 4 {
					case 0:
						cancel()
					case 1:
						return nil
					case 2:
						everywhere.changed()
					}
					<-ctx.Done()
					return nil
				})
				cancel()
				if reason, refused := ReasonOf(err); refused && reason != TokenExpired && reason != TokenRevoked {
					t.Errorf("a stream ended with %v", err)
				}
			}
		})
	}
	all.Wait()
	if err := guard.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if guard.leases.Len() > 0 {
		t.Error("something of the streams is left")
	}
}

// open admits a stream and serves it.
func (g *Guard) open(ctx context.Context, handle func(context.Context) error) error {
	ctx, err := g.Admit(ctx, Call{Stream: ServerStream})
	if err != nil {
		return err
	}
	return g.Serve(ctx, func(ctx context.Context, _ *Stream) error { return handle(ctx) }, nil)
}

func TestAStreamThatWaitsToBeClosedSendsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		all := &revocable{everybody: everybody{&Identity{Issuer: "https://issuer.test", Subject: "ada", Kind: KindSession}}}
		guard := &Guard{Authenticator: all, Policy: all, Revocations: all}
		var opened []*Stream
		var ended sync.WaitGroup
		var notified atomic.Int32 // that the lease has ended
		for range 3 {
			ended.Go(func() {
				ctx, _ := guard.Admit(t.Context(), Call{Stream: ServerStream})
				_ = guard.Serve(ctx, func(ctx context.Context, s *Stream) error {
					opened = append(opened, s)
					s.AfterEnd(func() { notified.Add(1) })
					<-ctx.Done()
					return nil
				}, nil)
			})
			synctest.Wait()
		}
		goOn, closing := make(chan struct{}), guard.leases.Close
		guard.leases.Close = func(s *Stream) bool {
			<-goOn
			return closing(s)
		}
		all.revoked.Store(true)
		all.changed()
		synctest.Wait()
		if open := guard.OpenStreams(); open != 3 {
			t.Errorf("%d are open; want 3, which wait", open)
		}
		opened[0].AfterEnd(func() { notified.Add(1) }) // late, and so at once
		synctest.Wait()
		if notified := notified.Load(); notified != 4 {
			t.Errorf("notified %d times that the lease has ended; want 4", notified)
		}
		for _, s := range opened {
			err := s.Send(func() error {
				t.Error("a message was sent")
				return nil
			})
			if reason, _ := ReasonOf(err); reason != TokenRevoked {
				t.Errorf("to send: %v; want %v", err, TokenRevoked)
			}
		}
		close(goOn)
		ended.Wait()
		if open := guard.OpenStreams(); open != 0 {
			t.Errorf("%d are open after all", open)
		}
	})
}

// revocable is Revocations of everybody, or of nobody.
type revocable struct {
	everybody

	revoked atomic.Bool
	changed func()
}

func (c *revocable) Revoked(*Identity) error {
	if c.revoked.Load() {
		return NewError(TokenRevoked, nil)
	}
	return nil
}

func (c *revocable) Watch(changed func()) (stop func()) {
	c.changed = changed
	return func() {}
}
