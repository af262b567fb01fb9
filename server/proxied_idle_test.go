package server

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/internal/proxytest"
)

// timeouts makes the time-outs of a minute in a proxy's file short ones. Caddy has none.
func timeouts(kind proxytest.Kind, timeout time.Duration) []string {
	if kind.File == proxytest.Caddy.File {
		return nil
	}
	return []string{" 60s", fmt.Sprintf(" %dms", timeout.Milliseconds())}
}

// hold opens streams of every protocol, and that of the health protocol, and returns the error
// of the first that has ended before the time is over, or nil.
func (p proxied) hold(t *testing.T, time <-chan time.Time) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	broken := make(chan error, 100)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	read := func(what string, receive func() error, err error) {
		for ; err == nil; err = receive() {
		}
		broken <- fmt.Errorf("%s: %w", what, err)
	}
	for protocol, call := range p.calls(t) {
		subject := strings.NewReplacer(" ", "_", "/", "_").Replace(protocol)
		header := map[string]string{"Authorization": "Bearer " + p.issuer.Session(subject, authtest.With("sid", "of_"+subject))}
		reading.Go(func() {
			receive, err := call.watch(ctx, header)
			read(protocol, receive, err)
		})
	}
	health := grpc_health_v1.NewHealthClient(p.native(t))
	reading.Go(func() {
		stream, err := health.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
		read("health", func() error { return stream.RecvMsg(new(grpc_health_v1.HealthCheckResponse)) }, err)
	})
	select {
	case err := <-broken:
		return err
	case <-time:
		return nil
	}
}

// Proxies end a stream that is silent for a minute. Here a minute is half a second, and a
// stream stays for sixty of them. Where the machine is so busy that a message is late, the
// minute is longer.
func TestAnIdleStreamOutlivesAnHourOfProxies(t *testing.T) {
	t.Parallel()
	var holding sync.WaitGroup
	for name, kind := range proxies {
		holding.Go(func() {
			var err error
			for _, timeout := range []time.Duration{time.Second / 2, 4 * time.Second} {
				p := behind(t, kind, timeouts(kind, timeout), tuning{heartbeat: timeout / 5})
				if err = p.hold(t, time.After(30*time.Second)); err == nil {
					return
				}
				t.Logf("%s with %s: %v", name, timeout, err)
			}
			t.Errorf("behind %s a stream has ended: %v", name, err)
		})
	}
	holding.Wait()
}

// The time-outs do count: a stream that is silent ends.
func TestProxiesEndASilentStream(t *testing.T) {
	t.Parallel()
	for _, kind := range []proxytest.Kind{proxytest.NGINX, proxytest.HAProxy} {
		p := behind(t, kind, timeouts(kind, time.Second/2), tuning{heartbeat: time.Hour})
		if err := p.hold(t, time.After(time.Minute)); err == nil {
			t.Errorf("%s keeps a silent stream, so the test of those with heartbeats shows nothing", kind.File)
		}
	}
}
