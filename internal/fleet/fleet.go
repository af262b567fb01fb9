// Package fleet starts the processes of a fleet on this machine, for programs that show or
// measure one: servers, as hubs of one database, and their issuer.
package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

// readyWithin is how long a hub may take until it is ready.
const readyWithin = time.Minute

// StartIssuer serves an issuer on a free port, until it is closed.
func StartIssuer(ctx context.Context) (*authtest.Issuer, io.Closer, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	issuer := authtest.New("http://" + listener.Addr().String())
	server := &http.Server{Handler: issuer, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return issuer, server, nil
}

// A Hub is one process of `ostiary serve`.
type Hub struct {
	// Program is the path of the binary.
	Program string
	// Settings are environment variables, such as OSTIARY_ISSUER=…. The process gets no
	// others but PATH and HOME.
	Settings []string
	// Dir is the working directory, from which a .env file would be read.
	Dir string

	addr, grpcAddr string
	command        *exec.Cmd
	exited         chan struct{}
	log            log
}

// Start starts the hub, also after Kill, on a free port at first and then on the same
// one, and returns when it is ready. It is killed when the context ends.
func (h *Hub) Start(ctx context.Context) error {
	if h.addr == "" {
		var err error
		if h.addr, err = freeAddress(ctx); err != nil {
			return err
		}
		if h.grpcAddr, err = freeAddress(ctx); err != nil {
			return err
		}
	}
	command := exec.CommandContext(ctx, h.Program, "serve", "--http-addr", h.addr, "--grpc-addr", h.grpcAddr, "--admin-addr", "none") //nolint:gosec // the user of the harness names it
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.Dir}, h.Settings...)
	command.Dir, command.Stderr = h.Dir, &h.log
	if err := command.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	h.command, h.exited = command, exited
	go func() {
		defer close(exited)
		_ = command.Wait()
	}()
	return h.ready(ctx)
}

func (h *Hub) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	client := &http.Client{Timeout: 5 * time.Second}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL()+"/readyz", nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-h.exited:
			return fmt.Errorf("%s serve has ended; its log:\n%s", h.Program, h.Log())
		case <-ctx.Done():
			return fmt.Errorf("%s serve does not become ready: %w; its log:\n%s", h.Program, ctx.Err(), h.Log())
		}
	}
}

// URL returns the hub's URL.
func (h *Hub) URL() string { return "http://" + h.addr }

// PID returns the number of the hub's process.
func (h *Hub) PID() int { return h.command.Process.Pid }

// Log returns what the hub has logged.
func (h *Hub) Log() string { return h.log.String() }

// Kill kills the hub, if it was started, and returns when it has ended.
func (h *Hub) Kill() error {
	if h.command == nil {
		return nil
	}
	err := h.command.Process.Kill()
	<-h.exited
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// A log is read while it is written.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
