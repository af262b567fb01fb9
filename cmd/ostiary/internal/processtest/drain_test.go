package processtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// A server that is about to stop says no wherever it is asked for its health, and serves
// everybody as before; a second signal ends it at once.
func TestAServerThatIsAboutToStopStillServes(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	p := startPiped(t, serveAnywhere(issuer, "--admin-addr", "127.0.0.1:0", "--drain-delay", "1h")...)
	admin := "http://" + p.await(t, regexp.MustCompile(`msg="operators have an address of their own" admin=(\S+)`))[1]
	p.awaitReady(t)

	ctx := t.Context()
	conn, err := grpc.NewClient(p.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	health, err := grpc_health_v1.NewHealthClient(conn).Watch(ctx, new(grpc_health_v1.HealthCheckRequest))
	if err != nil {
		t.Fatal(err)
	}
	wantHealth(t, health, grpc_health_v1.HealthCheckResponse_SERVING)
	token := issuer.Session("user_ada", authtest.ExpiresIn(time.Hour))
	withToken := metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	identities, err := identityv1.NewIdentityServiceClient(conn).WatchIdentity(withToken, new(identityv1.WatchIdentityRequest))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := identities.Recv(); err != nil {
		t.Fatal(err)
	}

	p.terminate(t)
	p.await(t, regexp.MustCompile(`msg="about to stop.*drain_delay=1h`))

	wantHealth(t, health, grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	status, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, new(grpc_health_v1.HealthCheckRequest))
	if err != nil || status.GetStatus() != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("native gRPC: %v, %v; want NOT_SERVING", status, err)
	}
	overHTTP := connect.NewClient[grpc_health_v1.HealthCheckRequest, grpc_health_v1.HealthCheckResponse](patient, p.url+grpc_health_v1.Health_Check_FullMethodName)
	if res, err := overHTTP.CallUnary(ctx, connect.NewRequest(new(grpc_health_v1.HealthCheckRequest))); err != nil || res.Msg.GetStatus() != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("the HTTP port: %v, %v; want NOT_SERVING", res, err)
	}
	for url, want := range map[string]int{
		p.url + "/readyz": http.StatusServiceUnavailable, admin + "/readyz": http.StatusServiceUnavailable,
		p.url + "/livez": http.StatusOK, admin + "/livez": http.StatusOK,
	} {
		if status := get(t, url); status != want {
			t.Errorf("%s answers %d; want %d", url, status, want)
		}
	}

	if status, closes, err := do(patient, whoAmIRequest(ctx, p.url, token)); err != nil || status != http.StatusOK || !closes {
		t.Errorf("a call to the HTTP port is answered with %d, close %v, %v; want 200, and the connection to be closed", status, closes, err)
	}
	if _, err := identityv1.NewIdentityServiceClient(conn).WhoAmI(withToken, new(identityv1.WhoAmIRequest)); err != nil {
		t.Errorf("a call to the native port: %v", err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := identities.Recv()
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Errorf("the stream ended with %v while calls are still served", err)
	default:
	}

	p.terminate(t)
	var exit *exec.ExitError
	if err := p.cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("the second signal: %v; want it to end the server", err)
	}
	if err := <-ended; err == nil {
		t.Error("the stream goes on without its server")
	}
}

func wantHealth(t *testing.T, watch grpc.ServerStreamingClient[grpc_health_v1.HealthCheckResponse], want grpc_health_v1.HealthCheckResponse_ServingStatus) {
	t.Helper()
	if got, err := watch.Recv(); err != nil || got.GetStatus() != want {
		t.Fatalf("the watch of the health sends %v, %v; want %v", got, err, want)
	}
}

// terminate sends the server SIGTERM.
func (p *piped) terminate(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// awaitReady waits until the server says that it is ready.
func (p *piped) awaitReady(t *testing.T) {
	t.Helper()
	eventually(t, "the server is ready", func() bool { return get(t, p.url+"/readyz") == http.StatusOK })
}

// eventually asks until the answer is yes, and fails the test when it stays no.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	tick, deadline := time.NewTicker(20*time.Millisecond), time.NewTimer(serverTimeout)
	defer tick.Stop()
	defer deadline.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// patient waits as long as a test does for a server.
var patient = &http.Client{Timeout: serverTimeout}

// get returns the status of an answer.
func get(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	status, _, err := do(patient, req)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// do reads an answer whole, and returns its status and whether the server closes the
// connection.
func do(client *http.Client, req *http.Request) (status int, closes bool, err error) {
	res, err := client.Do(req)
	if err != nil {
		return 0, false, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Close, errors.Join(err, res.Body.Close())
}

// whoAmIRequest is a call by Connect.
func whoAmIRequest(ctx context.Context, url, token string) *http.Request {
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, url+identityv1connect.IdentityServiceWhoAmIProcedure, strings.NewReader("{}")) // the address is well formed
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	return req
}
