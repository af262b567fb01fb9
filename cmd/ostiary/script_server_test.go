package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// serverTimeout bounds every wait for a server.
const serverTimeout = 30 * time.Second

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

var (
	servingLine = regexp.MustCompile(`msg=serving http=(\S+) grpc=(\S+)`)
	adminLine   = regexp.MustCompile(`admin=(\S+)`)
)

func startServer(ts *testscript.TestScript, _ bool, args []string) {
	p := &process{cmd: exec.Command(args[0], args[1:]...), exited: make(chan struct{})}
	p.cmd.Dir = ts.MkAbs(".")
	// None of the developer's own settings, and no port that two servers would want.
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + ts.Getenv("HOME"), "OSTIARY_ADMIN_ADDR=none", "OSTIARY_DRAIN_DELAY=0s"}
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

	tick, deadline := time.NewTicker(10*time.Millisecond), time.NewTimer(serverTimeout)
	defer tick.Stop()
	defer deadline.Stop()
	for {
		if addrs := servingLine.FindStringSubmatch(p.err.String()); addrs != nil {
			ts.Setenv("HTTP", addrs[1])
			ts.Setenv("GRPC", addrs[2])
			awaitReady(ts, addrs[1], deadline.C)
			if addr := adminLine.FindStringSubmatch(p.err.String()); addr != nil {
				ts.Setenv("ADMIN", addr[1])
			}
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
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: serverTimeout}
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
	tick, deadline := time.NewTicker(10*time.Millisecond), time.NewTimer(serverTimeout)
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

func endServer(ts *testscript.TestScript, _ bool, _ []string) {
	p := sessionOf(ts).server
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.exited:
	case <-time.After(serverTimeout):
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
