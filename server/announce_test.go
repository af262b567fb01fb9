package server

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/ostiary/ostiary/server/internal/transport"
)

// What a server announces is what well-behaved clients keep to.
func TestBothListenersAnnounceTheirLimits(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, addr := range map[string]net.Addr{"the HTTP port": r.HTTPAddr(), "the native listener": r.GRPCAddr()} {
		settings := announced(t, addr)
		if got, _ := settings.Value(http2.SettingMaxConcurrentStreams); got != transport.MaxStreams {
			t.Errorf("%s allows %d streams; want %d", name, got, transport.MaxStreams)
		}
		// net/http allows for some overhead of each header.
		if got, ok := settings.Value(http2.SettingMaxHeaderListSize); !ok || got > transport.MaxHeaderBytes+1024 {
			t.Errorf("%s allows %d bytes of headers; want %d", name, got, transport.MaxHeaderBytes)
		}
	}
}

// announced returns the first settings of a server (RFC 9113, section 3.4).
func announced(t *testing.T, addr net.Addr) *http2.SettingsFrame {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	frame, err := framer.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("the first frame is %v; want settings", frame)
	}
	return settings
}
