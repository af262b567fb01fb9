//go:build unix

package processtest

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

// systemd learns from the server when it serves, reads its settings again, and stops.
func TestSystemdIsNotified(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, config := filepath.Join(dir, "notify"), filepath.Join(dir, "ostiary.yaml")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	want := func(what, pattern string) {
		t.Helper()
		message := make([]byte, 4096)
		err := socket.SetReadDeadline(time.Now().Add(4 * serverTimeout))
		n := 0
		if err == nil {
			n, err = socket.Read(message)
		}
		if err != nil || !regexp.MustCompile(`^`+pattern+`\n*$`).Match(message[:n]) {
			t.Errorf("%s, systemd gets %q, %v; want %s", what, message[:n], err, pattern)
		}
	}
	write := func(settings string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("{}")
	p := startNotifying(t, path, "--config", config)
	want("at the start", `READY=1\nSTATUS=serving`)

	p.hangUp(t)
	want("at SIGHUP", `RELOADING=1\nMONOTONIC_USEC=\d+`)
	want("after it", `READY=1\nSTATUS=serving`)

	write("request_timeot: 7s\n")
	p.hangUp(t)
	want("at SIGHUP with a fault", `RELOADING=1\nMONOTONIC_USEC=\d+`)
	want("after it", `READY=1\nSTATUS=serving with the earlier settings, .*faults.*`)

	p.stop(t)
	want("at SIGTERM", `STOPPING=1\nSTATUS=about to stop`)
}

func TestAServerServesWithoutTheServiceManager(t *testing.T) {
	t.Parallel()
	p := startNotifying(t, filepath.Join(t.TempDir(), "nobody"))
	p.awaitReady(t)
	p.stop(t)
}

// startNotifying starts a server as systemd does, which listens on the socket.
func startNotifying(t *testing.T, socket string, flags ...string) *piped {
	t.Helper()
	return startCommand(t, "env", append([]string{"NOTIFY_SOCKET=" + socket, "ostiary"}, serveAnywhere(authtest.Start(t), flags...)...)...)
}
