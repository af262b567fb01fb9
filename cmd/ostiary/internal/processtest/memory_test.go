//go:build linux

package processtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

// container makes a cgroup with a limit of memory, in bytes, and returns its
// directory. The test is skipped where none can be made.
func container(t *testing.T, limit int) (dir string) {
	t.Helper()
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skip("this machine has no cgroups")
	}
	for line := range bytes.Lines(own) {
		parts := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		var parent, file string
		switch parts[1] {
		case "memory":
			parent, file = "/sys/fs/cgroup/memory"+parts[2], "memory.limit_in_bytes"
		case "":
			parent, file = "/sys/fs/cgroup"+parts[2], "memory.max"
		default:
			continue
		}
		dir := filepath.Join(parent, "ostiary-test-"+strconv.Itoa(os.Getpid())+path.Base(t.Name()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			for range 100 { // until the process that was killed has gone
				if os.Remove(dir) == nil {
					return
				}
				<-time.After(50 * time.Millisecond)
			}
			t.Errorf("%s is left", dir)
		})
		if os.WriteFile(filepath.Join(dir, file), []byte(strconv.Itoa(limit)), 0o600) == nil {
			return dir
		}
	}
	t.Skip("no cgroup with a limit of memory can be made here: run the test as root")
	return ""
}

func (p *piped) residentKiB(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	var kib int
	_, _ = fmt.Sscan(after, &kib)
	return kib
}

// TestTenThousandStreamsInASmallContainer opens them on each port, in a container of 220 MB:
// they are served or refused, and the server goes on. With the race detector it would need
// more memory, so make test also runs it without.
func TestTenThousandStreamsInASmallContainer(t *testing.T) {
	t.Parallel()
	if raceDetector {
		t.Skip("with the race detector a server does not fit into the container: run this test without -race")
	}
	for _, port := range []string{"native", "HTTP"} {
		t.Run(port, func(t *testing.T) {
			t.Parallel()
			issuer := authtest.Start(t)
			dir := container(t, 220_000_000)
			p := startCommand(t, "sh", append([]string{"-c", `echo $$ > "$0"/cgroup.procs && exec ostiary "$@"`, dir}, serveAnywhere(issuer)...)...)
			before := p.residentKiB(t)
			addr := p.grpc
			if port == "HTTP" {
				addr = strings.TrimPrefix(p.url, "http://")
			}
			served, refused := openStreams(t, issuer, addr, 40, 250)
			after := p.residentKiB(t)
			t.Logf("%d served, %d refused; %d KiB before and %d after: %d for each stream", served, refused, before, after, (after-before)/served)
			if served+refused != 10_000 || served < 900 || served > 1100 {
				t.Errorf("%d served and %d refused of 10,000; want as many as fit into a third of the memory", served, refused)
			}
		})
	}
}

// openStreams opens streams on so many connections, of a subject for each 50, and has another
// caller call meanwhile. They stay open until the test ends.
func openStreams(t *testing.T, issuer *authtest.Issuer, addr string, conns, each int) (served, refused int) {
	t.Helper()
	var mu sync.Mutex
	var opening sync.WaitGroup
	var last *grpc.ClientConn
	for i := range conns {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		last = conn
		opening.Go(func() {
			var token string
			for j := range each {
				if j%50 == 0 {
					token = issuer.Session(fmt.Sprintf("user_%d_%d", i, j), authtest.ExpiresIn(time.Hour))
				}
				ok, err := openStream(t.Context(), conn, token)
				mu.Lock()
				if ok {
					served++
				} else if reason, _ := grpcauth.ReasonOf(err); reason == auth.TooManyStreams {
					refused++
				} else {
					t.Errorf("a stream ended with %v; want %v", err, auth.TooManyStreams)
				}
				mu.Unlock()
			}
		})
	}
	opening.Wait()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+issuer.Session("user_ada", authtest.ExpiresIn(time.Hour)))
	if _, err := identityv1.NewIdentityServiceClient(last).WhoAmI(ctx, &identityv1.WhoAmIRequest{}); err != nil {
		t.Errorf("another call: %v", err)
	}
	return served, refused
}

// openStream returns whether the stream is served, or why not.
func openStream(ctx context.Context, conn *grpc.ClientConn, token string) (bool, error) {
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	stream, err := sessionv1.NewSessionServiceClient(conn).WatchSessions(ctx, &sessionv1.WatchSessionsRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	return err == nil, err
}
