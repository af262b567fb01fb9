package processtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/internal/testprogram"
)

// rollingCalls is the variable that sets how many calls are made while the replicas are
// restarted: 1500 otherwise.
const rollingCalls = "OSTIARY_TEST_ROLLING_CALLS"

// TestARollingRestartLosesNoCall restarts each of two replicas in turn, behind proxies that
// send no call again which a replica may have begun. It does so until there were enough
// calls, and at least once.
func TestARollingRestartLosesNoCall(t *testing.T) {
	t.Parallel()
	want := int64(1500)
	if set := os.Getenv(rollingCalls); set != "" {
		var err error
		if want, err = strconv.ParseInt(set, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	issuer := authtest.Start(t)
	// Nobody else takes a port of these addresses, which Linux has all, during a restart.
	replicas := [2]*replica{{issuer: issuer, http: "127.0.0.2:0", grpc: "127.0.0.2:0"}, {issuer: issuer, http: "127.0.0.3:0", grpc: "127.0.0.3:0"}}
	for _, r := range replicas {
		r.start(t)
	}
	dir := startProxies(t, replicas)

	token := issuer.Session("user_ada", authtest.ExpiresIn(time.Hour))
	calls := map[string]calling{
		"Connect through HAProxy":                  connectCaller(t, dir+"/haproxy-connect.sock", token),
		"gRPC through HAProxy":                     grpcCaller(t, dir+"/haproxy-grpc.sock", token),
		"gRPC through HAProxy, to the native port": grpcCaller(t, dir+"/haproxy-native.sock", token),
		"Connect through nginx":                    connectCaller(t, dir+"/nginx-connect.sock", token),
		"gRPC through nginx, to the native port":   grpcCaller(t, dir+"/nginx-native.sock", token),
	}
	var made atomic.Int64
	over := make(chan struct{})
	var workers sync.WaitGroup
	for name, call := range calls {
		for range 2 {
			workers.Go(func() {
				pace := time.NewTicker(4 * time.Millisecond)
				defer pace.Stop()
				for {
					select {
					case <-pace.C:
						if err := call(t.Context()); err != nil {
							t.Errorf("%v %s: %v", time.Now().Format("05.000"), name, err)
						}
						made.Add(1)
					case <-over:
						return
					}
				}
			})
		}
	}
	rounds := 0
	for ; rounds == 0 || made.Load() < want && !t.Failed(); rounds++ {
		for i, r := range replicas {
			r.restart(t)
			awaitUp(t, dir, i)
			<-time.After(1500 * time.Millisecond) // nginx tries a server that has failed again after a second
		}
	}
	close(over)
	workers.Wait()
	t.Logf("%d calls over %d rolling restarts", made.Load(), rounds)
}

// A replica is a server that is started again on its ports.
type replica struct {
	*piped

	issuer     *authtest.Issuer
	http, grpc string // the addresses; a free port before the first start
}

func (r *replica) start(t *testing.T) {
	t.Helper()
	r.piped = startPiped(t, serveAnywhere(r.issuer, "--drain-delay", "1s", "--http-addr", r.http, "--grpc-addr", r.grpc)...)
	r.http, r.grpc = strings.TrimPrefix(r.url, "http://"), r.piped.grpc
	r.awaitReady(t)
}

func (r *replica) restart(t *testing.T) {
	t.Helper()
	r.stop(t)
	r.start(t)
}

// startProxies returns the directory of the proxies' sockets, once both replicas are up.
func startProxies(t *testing.T, replicas [2]*replica) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "rolling") //nolint:usetesting // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	pairs := []string{"SOCKETS", dir}
	for i, r := range replicas {
		host, port, err := net.SplitHostPort(r.http)
		if err != nil {
			t.Fatal(err)
		}
		n := strconv.Itoa(i)
		pairs = append(pairs, "HTTPHOST"+n, host, "HTTPPORT"+n, port, "HTTP"+n, r.http, "GRPC"+n, r.grpc)
	}
	fill := strings.NewReplacer(pairs...)
	for program, file := range map[string]string{"haproxy": "haproxy.cfg", "nginx": "nginx.conf"} {
		config, err := os.ReadFile(filepath.Join("testdata", "rolling", file))
		if err != nil {
			t.Fatal(err)
		}
		file = filepath.Join(dir, file)
		if err := os.WriteFile(file, []byte(fill.Replace(string(config))), 0o600); err != nil {
			t.Fatal(err)
		}
		args := map[string][]string{"haproxy": {"-db", "-f", file}, "nginx": {"-c", file}}[program]
		startProxy(t, program, args...)
	}
	for _, socket := range []string{"haproxy-stats", "nginx-connect", "nginx-native"} {
		eventually(t, socket+" is there", func() bool {
			_, err := os.Stat(filepath.Join(dir, socket+".sock"))
			return err == nil
		})
	}
	for i := range replicas {
		awaitUp(t, dir, i)
	}
	return dir
}

func startProxy(t *testing.T, program string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		path = "/usr/sbin/" + program // not in every PATH
		if _, err := os.Stat(path); err != nil {
			testprogram.Missing(t, program+" is missing: apt-get install haproxy nginx-light")
		}
	}
	proxy := exec.Command(path, args...)
	var out syncBuffer
	proxy.Stdout, proxy.Stderr = &out, &out
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = proxy.Process.Signal(syscall.SIGTERM)
		_ = proxy.Wait()
		if t.Failed() {
			t.Logf("%s: %s", program, out.String())
		}
	})
}

// awaitUp waits until HAProxy takes a replica for one that is ready, in all its lists.
func awaitUp(t *testing.T, dir string, i int) {
	t.Helper()
	name := [2]string{"first", "second"}[i]
	eventually(t, "HAProxy takes the "+name+" replica for ready", func() bool {
		conn, err := net.Dial("unix", dir+"/haproxy-stats.sock")
		if err != nil {
			return false
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "show stat\n")
		stats, _ := io.ReadAll(conn)
		return len(regexp.MustCompile(`(?m)^\w+,`+name+`,.*,UP,`).FindAll(stats, -1)) == 3
	})
}

// calling makes one call. It makes none again.
type calling func(ctx context.Context) error

// overSocket dials a Unix socket, whatever the address.
func overSocket(socket string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
}

func connectCaller(t *testing.T, socket, token string) calling {
	t.Helper()
	transport := &http.Transport{DialContext: overSocket(socket), MaxIdleConnsPerHost: 2}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: serverTimeout}
	return func(ctx context.Context) error {
		status, _, err := do(client, whoAmIRequest(ctx, "http://ostiary.example.com", token))
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		return err
	}
}

func grpcCaller(t *testing.T, socket, token string) calling {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	client := identityv1.NewIdentityServiceClient(conn)
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), serverTimeout)
		defer cancel()
		_, err := client.WhoAmI(ctx, new(identityv1.WhoAmIRequest))
		return err
	}
}
