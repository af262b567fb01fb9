package server

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
)

// BenchmarkHeartbeats has a thousand followers, each with a heartbeat a second. What is
// sent is encoded and goes nowhere. With the transport, which comes to it, it should be
// less than 50 µs: 5 % of one core.
func BenchmarkHeartbeats(b *testing.B) {
	const followers = 1000
	r := start(b, withFeed)
	r.issuer.Session("user_otto") // its key takes a while to make
	ctx, leave := context.WithCancel(r.follower(b.Context()))
	var sent atomic.Int64
	begun, enough, ended := make(chan struct{}), make(chan struct{}), make(chan error, followers)
	for range followers {
		go func() {
			ended <- r.feed.watch(ctx, &feedv1.WatchChangesRequest{Follower: someFollower()}, func(res *feedv1.WatchChangesResponse) error {
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

// processorTime returns how long this process has used a processor.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
