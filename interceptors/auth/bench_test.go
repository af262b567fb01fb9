package auth_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// serveAll opens a stream for each identity, and returns how many bytes of the
// heap each takes. Without leases, each is a goroutine that waits.
func serveAll(b *testing.B, guard *auth.Guard, ids []*auth.Identity, leased bool) (ended *sync.WaitGroup, bytes float64) {
	b.Helper()
	ended = new(sync.WaitGroup)
	var opened sync.WaitGroup
	handle := func(ctx context.Context) error {
		opened.Done()
		<-ctx.Done()
		return nil
	}
	before := heap()
	for _, id := range ids {
		call := auth.Call{Procedure: watch}
		if leased {
			call.Stream = auth.ServerStream
		}
		parent, cancel := context.WithCancel(auth.NewContext(b.Context(), id))
		b.Cleanup(cancel)
		ctx, err := guard.Admit(parent, call)
		if err != nil {
			b.Fatal(err)
		}
		opened.Add(1)
		if !leased {
			ended.Go(func() { _ = handle(ctx) })
			continue
		}
		ended.Go(func() { _ = guard.Serve(ctx, bare(handle), nil) })
	}
	opened.Wait()
	return ended, float64(heap()-before) / float64(len(ids))
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func BenchmarkHundredThousandLeases(b *testing.B) {
	const streams = 100_000
	for b.Loop() {
		revoked := new(revocations)
		guard := &auth.Guard{
			Authenticator: authenticatorFromContext{},
			Policy:        streamRule{},
			Revocations:   revoked,
		}
		ids := make([]*auth.Identity, streams)
		for i := range ids {
			id := issued(0)
			id.ExpiresAt, id.Leeway = time.Now().Add(time.Hour), 0
			id.SessionID = fmt.Sprint("sess_", i)
			ids[i] = id
		}
		_, bare := serveAll(b, guard, ids, false)
		ended, leased := serveAll(b, guard, ids, true)
		b.ReportMetric(leased-bare, "B/lease")

		began := time.Now()
		for _, id := range ids {
			next := *id
			next.IssuedAt = next.IssuedAt.Add(time.Second)
			if _, err := guard.Admit(auth.NewContext(b.Context(), &next), auth.Call{Procedure: ping}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(time.Since(began).Nanoseconds())/streams, "ns/renewal")

		began = time.Now()
		revoked.mu.Lock()
		revoked.revoked = make(map[string]bool, streams)
		for _, id := range ids {
			revoked.revoked[id.SessionID] = true
		}
		revoked.mu.Unlock()
		revoked.changed()
		ended.Wait()
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms-to-end-all")
	}
}

// authenticatorFromContext returns the identity of the context.
type authenticatorFromContext struct{}

func (authenticatorFromContext) Authenticate(ctx context.Context, _ auth.Call) (*auth.Identity, error) {
	return auth.MustFromContext(ctx), nil
}

// BenchmarkLeasedMessage measures what a lease adds to each message that is sent, and
// to each that is received.
func BenchmarkLeasedMessage(b *testing.B) {
	guard := &auth.Guard{Authenticator: authenticatorFromContext{}, Policy: streamRule{}}
	serve := func(handle func(*testing.B, *auth.Stream)) func(*testing.B) {
		return func(b *testing.B) {
			ctx, err := guard.Admit(auth.NewContext(b.Context(), issued(time.Hour)), auth.Call{Procedure: watch, Stream: auth.BidiStream})
			if err != nil {
				b.Fatal(err)
			}
			_ = guard.Serve(ctx, func(_ context.Context, stream *auth.Stream) error { handle(b, stream); return nil }, nil)
		}
	}
	b.Run("sent", serve(func(b *testing.B, stream *auth.Stream) {
		b.ReportAllocs()
		var message any = "hello"
		var last any
		for b.Loop() {
			if err := stream.Send(func() error { last = message; return nil }); err != nil {
				b.Error(err)
			}
		}
		_ = last
	}))
	b.Run("received", serve(func(b *testing.B, stream *auth.Stream) {
		b.ReportAllocs()
		for b.Loop() {
			if err := stream.Err(); err != nil {
				b.Error(err)
			}
			if err := stream.Received("hello"); err != nil {
				b.Error(err)
			}
		}
	}))
}

// BenchmarkCheckRequest measures what checking a request adds to admitting its call.
func BenchmarkCheckRequest(b *testing.B) {
	guard := &auth.Guard{Authenticator: authenticatorFromContext{}, Policy: streamRule{}, Revocations: new(revocations)}
	caller := auth.NewContext(b.Context(), issued(time.Hour))
	b.Run("admit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := guard.Admit(caller, auth.Call{Procedure: ping}); err != nil {
				b.Fatal(err)
			}
		}
	})
	ctx, err := guard.Admit(caller, auth.Call{Procedure: ping})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := guard.CheckRequest(ctx, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("clock", func(b *testing.B) {
		for b.Loop() {
			_ = time.Now()
		}
	})
}
