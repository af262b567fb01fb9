package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/rpc"
	"os"
	"os/exec"
	"sync"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/emptypb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/feed"
	"github.com/ostiary/ostiary/interceptors/policy"

	"github.com/ostiary/ostiary"
)

// workerEnv is set in the process of a worker.
const workerEnv = "OSTIARY_FLEET_WORKER"

// procedure is what each service serves: a stream that stays open.
const procedure = "/fleet.v1.Service/Watch"

// pipes are a worker's standard input and output, over which its parent calls it.
type pipes struct {
	io.Reader
	io.WriteCloser
}

// startWorker starts a process with followers.
func startWorker(ctx context.Context) (*rpc.Client, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, path) //nolint:gosec // this program
	command.Env, command.Stderr = append(os.Environ(), workerEnv+"=1"), os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	go func() { _ = command.Wait() }()
	return rpc.NewClient(pipes{out, in}), nil
}

// work serves the parent until its pipe is closed, as it is when the parent has ended.
func work() {
	slog.SetLogLoggerLevel(slog.LevelError)
	if err := rpc.RegisterName("Worker", new(Worker)); err != nil {
		panic(err)
	}
	rpc.ServeConn(pipes{os.Stdin, os.Stdout})
}

// A Worker has services that follow. Its exported methods are called by net/rpc.
type Worker struct {
	issuer   string
	services []*service
	url      string
	client   *http.Client

	mu     sync.Mutex
	acked  []string          // sessions whose revocation a hub has acknowledged
	groups map[string]*group // of streams, by their token
}

// A service follows a hub, and counts what it hears.
type service struct {
	*feed.Follower
	has int // so many of the acknowledged, from the first, were found in the copy

	mu   sync.Mutex
	base int
	seen []sight
}

// A sight says that so many revocations were in the copy at a time.
type sight struct {
	at    time.Time
	count int
}

// Setup says whom to follow.
type Setup struct {
	Hubs           []string
	Secret, Issuer string
	Followers      int
}

// Follow starts services, and returns when all have caught up.
func (w *Worker) Follow(setup Setup, took *time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	w.issuer, w.groups = setup.Issuer, make(map[string]*group)
	began := time.Now()
	for range setup.Followers {
		follower, err := feed.Follow(feed.Config{
			Hubs: setup.Hubs, TokenSource: authclient.StaticToken(setup.Secret), Service: "bench", Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return err
		}
		s := &service{Follower: follower}
		changed := make(chan struct{}, 1)
		follower.Watch(func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
		go func() {
			for range changed {
				s.look()
			}
		}()
		w.services = append(w.services, s)
	}
	for _, s := range w.services {
		if err := s.WaitReady(ctx); err != nil {
			return err
		}
	}
	*took = time.Since(began)
	return w.serve()
}

// look takes down what the copy holds now. The time is taken last, so that no lag is
// found to be shorter than it was.
func (s *service) look() {
	count := s.Status().Revocations
	s.mu.Lock()
	s.seen = append(s.seen, sight{time.Now(), count})
	s.mu.Unlock()
}

// serve serves all services on one port, each with a guard of its own. They share their
// cache of verified tokens, as those of one process would.
func (w *Worker) serve() error {
	guard, err := ostiary.New(ostiary.Config{
		Issuer: w.issuer, Profile: "clerk", Logger: slog.New(slog.DiscardHandler),
		Rules: []policy.Option{policy.Override(procedure, &policyv1.Rule{Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}})},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	for i, s := range w.services {
		guarded := &auth.Guard{Authenticator: guard.Authenticator, Policy: guard.Policy, Revocations: s.Follower}
		mux.Handle(fmt.Sprint("/", i, procedure), connect.NewServerStreamHandler(procedure, watch, connectauth.WithGuard(guarded)))
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: mux, Protocols: protocols, ReadHeaderTimeout: time.Minute, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 1000}}
	go func() { _ = server.Serve(listener) }()
	w.url, w.client = "http://"+listener.Addr().String(), &http.Client{Transport: &http.Transport{Protocols: protocols}}
	return nil
}

func watch(ctx context.Context, _ *connect.Request[emptypb.Empty], stream *connect.ServerStream[emptypb.Empty]) error {
	if err := stream.Send(new(emptypb.Empty)); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// A group are streams with one token.
type group struct {
	open  sync.WaitGroup
	mu    sync.Mutex
	last  time.Time
	wrong error
}

// Streams says how many to open with a token.
type Streams struct {
	Token string
	Count int
}

// Open opens streams, spread over the services, and returns when all are open.
func (w *Worker) Open(streams Streams, _ *struct{}) error {
	g := new(group)
	w.mu.Lock()
	w.groups[streams.Token] = g
	w.mu.Unlock()
	var opening errgroup.Group
	opening.SetLimit(16)
	for i := range streams.Count {
		opening.Go(func() error {
			body, err := w.watch(fmt.Sprint(w.url, "/", i%len(w.services), procedure), streams.Token)
			if err != nil {
				return err
			}
			g.open.Go(func() { g.ended(body) })
			return nil
		})
	}
	return opening.Wait()
}

// watch opens a stream, with as little as a client can do for it.
func (w *Worker) watch(url, token string) (io.ReadCloser, error) {
	message := make([]byte, 5) // an empty one
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	request.Header = http.Header{"Content-Type": {"application/connect+proto"}, "Connect-Protocol-Version": {"1"}, "Authorization": {"Bearer " + token}}
	response, err := w.client.Do(request)
	if err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(response.Body, message); err != nil || message[0] != 0 {
		return nil, fmt.Errorf("a stream is not opened: %s, error %w", response.Status, err)
	}
	return response.Body, nil
}

// ended reads the end of a stream.
func (g *group) ended(stream io.ReadCloser) {
	end, err := io.ReadAll(stream)
	now := time.Now()
	_ = stream.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = now
	if !bytes.Contains(end, []byte("TOKEN_REVOKED")) {
		g.wrong = fmt.Errorf("a stream ended with %q, error %w; want TOKEN_REVOKED", end, err)
	}
}

// Ended returns when the last of the streams with a token has ended.
func (w *Worker) Ended(token string, last *time.Time) error {
	w.mu.Lock()
	g := w.groups[token]
	delete(w.groups, token)
	w.mu.Unlock()
	g.open.Wait()
	*last = g.last
	return g.wrong
}

// Mark has Lags count from here.
func (w *Worker) Mark(struct{}, *struct{}) error { //nolint:unparam // as net/rpc wants it
	for _, s := range w.services {
		count := s.Status().Revocations
		s.mu.Lock()
		s.base, s.seen = count, nil
		s.mu.Unlock()
	}
	return nil
}

// Lag says how much later than they were acknowledged revocations were in all copies.
type Lag struct {
	Milliseconds map[int]int // how often it was so many, rounded up
	Last         time.Time   // when the last copy had the last
}

// Lags waits until all copies have the revocations that were made since Mark, which were
// acknowledged at these times.
func (w *Worker) Lags(acknowledged []time.Time, lag *Lag) error {
	lag.Milliseconds = make(map[int]int)
	deadline := time.Now().Add(3 * time.Minute)
	for i, s := range w.services {
		for s.Status().Revocations < s.base+len(acknowledged) {
			if time.Now().After(deadline) {
				return fmt.Errorf("follower %d has %d of %d revocations", i, s.Status().Revocations-s.base, len(acknowledged))
			}
			pause(context.Background(), time.Millisecond)
		}
		s.look()
		s.mu.Lock()
		at := 0
		for k, acked := range acknowledged {
			for s.seen[at].count < s.base+k+1 {
				at++
			}
			lag.Milliseconds[int(max(s.seen[at].at.Sub(acked)+time.Millisecond-1, 0)/time.Millisecond)]++
		}
		if seen := s.seen[at].at; seen.After(lag.Last) {
			lag.Last = seen
		}
		s.mu.Unlock()
	}
	return nil
}

// Acknowledged names further sessions whose revocation was acknowledged, and returns how
// many followers lack one of all.
func (w *Worker) Acknowledged(sessions []string, lacking *int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked = append(w.acked, sessions...)
	for _, s := range w.services {
		for s.has < len(w.acked) && s.revoked(w.issuer, w.acked[s.has]) {
			s.has++
		}
		if s.has < len(w.acked) {
			*lacking++
		}
	}
	return nil
}

func (s *service) revoked(issuer, session string) bool {
	var refusal *auth.Error
	return errors.As(s.Revoked(&auth.Identity{Issuer: issuer, Subject: subject, SessionID: session, Kind: auth.KindSession}), &refusal) &&
		refusal.Reason == auth.TokenRevoked
}
