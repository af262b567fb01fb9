package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"connectrpc.com/connect"
	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

// patience bounds every wait for a server.
const patience = 30 * time.Second

// A process is a server that runs beside a script.
type process struct {
	cmd    *exec.Cmd
	out    output
	err    output
	exited chan struct{} // closed once result is there
	result error
}

// An output is read while it is written.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

var servingLine = regexp.MustCompile(`msg=serving http=(\S+) grpc=(\S+)`)

func startServer(ts *testscript.TestScript, _ bool, args []string) {
	p := &process{cmd: exec.Command(args[0], args[1:]...), exited: make(chan struct{})}
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + ts.Getenv("HOME")} // none of the developer's own settings
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	ts.Check(p.cmd.Start())
	go func() {
		defer close(p.exited)
		p.result = p.cmd.Wait()
	}()
	ts.Defer(func() {
		_ = p.cmd.Process.Kill()
		<-p.exited
	})
	sessionOf(ts).server = p

	tick, deadline := time.NewTicker(10*time.Millisecond), time.NewTimer(patience)
	defer tick.Stop()
	defer deadline.Stop()
	for {
		if addrs := servingLine.FindStringSubmatch(p.err.String()); addrs != nil {
			ts.Setenv("HTTP", addrs[1])
			ts.Setenv("GRPC", addrs[2])
			awaitReady(ts, addrs[1], deadline.C)
			return
		}
		select {
		case <-tick.C:
		case <-p.exited:
			ts.Fatalf("the server ended: %v\n%s", p.result, p.err.String())
		case <-deadline.C:
			ts.Fatalf("the server does not say that it serves\n%s", p.err.String())
		}
	}
}

func awaitReady(ts *testscript.TestScript, addr string, deadline <-chan time.Time) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if res, err := client.Get("http://" + addr + "/readyz"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("the server does not become ready\n%s", sessionOf(ts).server.err.String())
		}
	}
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	pattern := regexp.MustCompile("(?m)" + args[1])
	tick, deadline := time.NewTicker(10*time.Millisecond), time.NewTimer(patience)
	defer tick.Stop()
	defer deadline.Stop()
	for {
		content, _ := os.ReadFile(ts.MkAbs(args[0])) // which may not be there yet
		if pattern.Match(content) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			ts.Fatalf("%s never matches %s:\n%s", args[0], args[1], content)
		}
	}
}

func mint(ts *testscript.TestScript, _ bool, args []string) {
	mint := append([]string{"token", "mint", "--server", "http://" + ts.Getenv("HTTP"), "--as"}, args[1:]...)
	ts.Check(ts.Exec("ostiary", mint...))
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

func crash(ts *testscript.TestScript, _ bool, _ []string) {
	p := sessionOf(ts).server
	ts.Check(p.cmd.Process.Kill())
	<-p.exited
}

func stopServer(ts *testscript.TestScript, _ bool, _ []string) {
	p := sessionOf(ts).server
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.exited:
	case <-time.After(patience):
		ts.Fatalf("the server does not end\n%s", p.err.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs("server.out"), []byte(p.out.String()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("server.err"), []byte(p.err.String()), 0o600))
	ts.Check(p.result)
}

// printed finds the command whose first line begins with PREFIX; it goes on for
// as long as lines end in a backslash.
func printed(ts *testscript.TestScript, _ bool, args []string) {
	var command []string
	for line := range strings.Lines(sessionOf(ts).server.out.String()) {
		if len(command) == 0 && !strings.HasPrefix(line, "  "+args[0]) {
			continue
		}
		command = append(command, line)
		if !strings.HasSuffix(line, "\\\n") {
			break
		}
	}
	if command == nil {
		ts.Fatalf("nothing printed begins with %q:\n%s", args[0], sessionOf(ts).server.out.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Join(command, "")), 0o600))
}

// call prints the subject, or the reason of the refusal.
func call(ts *testscript.TestScript, _ bool, args []string) {
	token := ""
	if len(args) > 1 {
		token = args[1]
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ask := askOverHTTP
	if args[0] == "native" {
		ask = askNatively
	}
	res, err := ask(ctx, ts, args[0], token)
	if reason, ok := connectauth.ReasonOf(err); ok {
		answer(ts.Stdout(), "refused", reason)
		return
	}
	if reason, ok := grpcauth.ReasonOf(err); ok {
		answer(ts.Stdout(), "refused", reason)
		return
	}
	ts.Check(err)
	answer(ts.Stdout(), "hello", res.GetIdentity().GetSubject())
}

func answer(w io.Writer, words ...any) { fmt.Fprintln(w, words...) }

func askOverHTTP(ctx context.Context, ts *testscript.TestScript, protocol, token string) (*identityv1.WhoAmIResponse, error) {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	url := "http://" + ts.Getenv("HTTP")
	options := []connect.ClientOption{connectauth.WithToken(url, auth.StaticToken(token))}
	switch protocol {
	case "grpc":
		options = append(options, connect.WithGRPC())
	case "grpcweb":
		options = append(options, connect.WithGRPCWeb())
	}
	client := identityv1connect.NewIdentityServiceClient(&http.Client{Transport: transport}, url, options...)
	return client.WhoAmI(ctx, &identityv1.WhoAmIRequest{})
}

func askNatively(ctx context.Context, ts *testscript.TestScript, _, token string) (*identityv1.WhoAmIResponse, error) {
	conn, err := grpc.NewClient(ts.Getenv("GRPC"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithPerRPCCredentials(grpcauth.Credentials(auth.StaticToken(token))))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return identityv1.NewIdentityServiceClient(conn).WhoAmI(ctx, &identityv1.WhoAmIRequest{})
}
