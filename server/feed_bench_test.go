package server

import (
	"context"
	"crypto/rand"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/settings"
)

// BenchmarkHeartbeats has a thousand followers, each with a heartbeat a second. What is
// sent is encoded and goes nowhere. With the transport, which comes to it, it should be
// less than 50 µs: 5 % of one core.
func BenchmarkHeartbeats(b *testing.B) {
	const followers = 1000
	r := start(b, withFeed)
	r.issuer.Session("user_otto") // its key takes a while to make
	ctx, leave := context.WithCancel(r.follower(b.Context(), b))
	var sent atomic.Int64
	begun, enough, ended := make(chan struct{}), make(chan struct{}), make(chan error, followers)
	for range followers {
		go func() {
			ended <- r.feed.Watch(ctx, &feedv1.WatchChangesRequest{Follower: someFollower()}, func(res *feedv1.WatchChangesResponse) error {
				switch sent.Add(1) {
				case followers:
					close(begun)
				case int64(followers + b.N):
					close(enough)
				}
				_, err := proto.Marshal(res)
				return err
			})
		}()
	}
	<-begun
	before := processorTime(b)
	b.ResetTimer()
	<-enough
	b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/heartbeat")
	leave()
	for range followers {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			b.Error(err)
		}
	}
}

// BenchmarkCatchUp has a follower read 200,000 revocations from the beginning. What is sent
// is encoded and goes nowhere.
func BenchmarkCatchUp(b *testing.B) {
	for name, url := range map[string]func() string{
		"sqlite":   func() string { return "" },
		"postgres": func() string { return pgtest.NewDatabase(b) },
	} {
		b.Run(name, func(b *testing.B) {
			const many = 200_000
			r := start(b, withFeed, func(c *settings.Config) { c.DatabaseURL = url() })
			for range many / ledger.BatchSize {
				requests := make([]ledger.Request, ledger.BatchSize)
				for i := range requests {
					requests[i].Revocation = revocation.Revocation{
						Kind: revocation.TargetSession, Issuer: r.issuer.URL(), ID: "sess_" + rand.Text(), Subject: "user_" + rand.Text()[:10],
						AllTokens: true, Expires: time.Now().Add(time.Hour),
					}
				}
				if _, err := r.ledger.Revoke(b.Context(), store.Origin{Kind: store.OriginImport}, nil, requests...); err != nil {
					b.Fatal(err)
				}
			}
			if err := r.ledger.ReadRevocations(b.Context()); err != nil {
				b.Fatal(err)
			}
			r.issuer.Session("user_otto") // its key takes a while to make
			before := processorTime(b)
			for b.Loop() {
				received, enough := 0, errors.New("enough")
				err := r.feed.Watch(r.follower(b.Context(), b), &feedv1.WatchChangesRequest{Follower: someFollower()}, func(res *feedv1.WatchChangesResponse) error {
					if _, err := proto.Marshal(res); err != nil {
						return err
					}
					if received += len(res.GetChanges()); received >= many {
						return enough
					}
					return nil
				})
				if !errors.Is(err, enough) {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*many), "ns/change")
			b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/float64(b.N*many), "cpu-ns/change")
		})
	}
}
