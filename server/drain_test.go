package server

import (
	"net"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/server/settings"
)

// A connection that is made while the server drains, and stays silent, is waited for, but not
// for all of shutdown_timeout: streams need some of that to end.
func TestASilentConnectionLeavesStreamsTheTimeToEnd(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.DrainDelay, c.ShutdownTimeout = time.Second, 4*time.Second })
	stream, err := grpc_health_v1.NewHealthClient(r.grpcConn(t)).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan time.Time, 1)
	go func() {
		_ = r.stop()
		stopped <- time.Now()
	}()
	<-r.draining.Begun()
	silent, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.HTTPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	for err == nil {
		_, err = stream.Recv()
	}
	ended := time.Now()
	if status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended with %v", err)
	}
	if left := (<-stopped).Sub(ended); left < time.Second {
		t.Errorf("the stream ended %s before all was cut off", left)
	}
}
