package processtest

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// piped is a server whose log goes into a pipe.
type piped struct {
	url, grpc string // grpc is an address
	cmd       *exec.Cmd
	log       *bufio.Reader
	end       *os.File // of the pipe, where it is read
}

// startPiped starts a server, and reads its log until it serves.
func startPiped(t *testing.T, args ...string) *piped {
	t.Helper()
	return startCommand(t, "ostiary", args...)
}

// startCommand is startPiped for a command that becomes the server.
func startCommand(t *testing.T, name string, args ...string) *piped {
	t.Helper()
	end, log, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	p := &piped{cmd: exec.Command(name, args...), end: end, log: bufio.NewReader(end)}
	p.cmd.Dir, p.cmd.Env = t.TempDir(), []string{"PATH=" + os.Getenv("PATH"), "OSTIARY_ADMIN_ADDR=none", "OSTIARY_DRAIN_DELAY=0s"}
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := end.SetReadDeadline(time.Now().Add(4 * serverTimeout)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.end.Close()
	})
	serving := p.await(t, servingLine)
	p.url, p.grpc = "http://"+serving[1], serving[2]
	return p
}

// await reads the log up to a line that matches.
func (p *piped) await(t *testing.T, pattern *regexp.Regexp) []string {
	t.Helper()
	var seen strings.Builder
	for {
		line, err := p.log.ReadString('\n')
		if err != nil {
			t.Fatalf("%v; no line matches %v in\n%s", err, pattern, &seen)
		}
		seen.WriteString(line)
		if found := pattern.FindStringSubmatch(line); found != nil {
			return found
		}
	}
}

// call makes so many calls that are logged, whatever their number: with a token that has
// expired.
func (p *piped) call(t *testing.T, issuer *authtest.Issuer, times int) {
	t.Helper()
	expired := issuer.Session("user_ada", authtest.IssuedAt(time.Now().Add(-time.Hour)))
	client := &http.Client{Transport: new(http.Transport), Timeout: serverTimeout}
	defer client.CloseIdleConnections()
	for range times {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+identityv1connect.IdentityServiceWhoAmIProcedure, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+expired)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
}

// stop ends the server with SIGTERM, which must succeed.
func (p *piped) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(serverTimeout, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// serveAnywhere is a command that serves the issuer's users.
func serveAnywhere(issuer *authtest.Issuer, flags ...string) []string {
	return append([]string{"serve", "--issuer", issuer.URL(), "--http-addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"}, flags...)
}

// More lines than the pipe and the queue hold together.
const tooManyLines = 11_000

func TestALogThatNobodyReadsStopsNoCall(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	p := startPiped(t, serveAnywhere(issuer)...)
	p.call(t, issuer, tooManyLines)
	dropped, logged := 0, 0
	called, lost := regexp.MustCompile(`msg=call .* reason=TOKEN_EXPIRED`), regexp.MustCompile(`level=ERROR msg="log lines were dropped.*" lines=(\d+)`)
	for dropped+logged < tooManyLines {
		found := p.await(t, regexp.MustCompile(called.String()+"|"+lost.String()))
		if found[1] == "" {
			logged++
			continue
		}
		lines, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		dropped += lines
	}
	if dropped == 0 || dropped+logged != tooManyLines {
		t.Errorf("%d lines and %d dropped; want %d in all, not all of them lines", logged, dropped, tooManyLines)
	}
}

func TestALogThatNobodyReadsDoesNotKeepTheServerFromStopping(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	p := startPiped(t, serveAnywhere(issuer)...)
	p.call(t, issuer, 1000) // fill the pipe
	p.stop(t)
}

func TestTheServerOutlivesTheReaderOfItsLog(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	p := startPiped(t, serveAnywhere(issuer)...)
	if err := p.end.Close(); err != nil {
		t.Fatal(err)
	}
	p.call(t, issuer, 100)
	p.stop(t)
}
