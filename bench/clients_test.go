package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
)

// clientsEnv is set in the process of clients, a child of the benchmark's: what
// they cost is not counted. Its parent writes orders to it, the first with their
// Config, and it answers each.
const clientsEnv = "OSTIARY_BENCH_CLIENTS"

// streamsPerConnection is what any client dares before it has heard how many the
// server allows.
const streamsPerConnection = 100

// revokedOfEach is how many streams there are for each that is revoked.
const revokedOfEach = 100

type config struct {
	Protocol, Address string
	Tokens            []string
	Connections       int
}

// An order is to make N unary calls, to receive or send N messages on one stream,
// to watch (open a stream with each token), or to await the end of N of those.
type order struct {
	Do string
	N  int
}

type answer struct {
	Error string
	Ends  []time.Time // without their monotonic part, which processes do not share
}

// orders is the benchmark's end of the pipes.
type orders struct {
	*json.Encoder
	*json.Decoder
}

// startClients starts a process of clients, and has every token sent once.
func startClients(tb testing.TB, c config) orders {
	tb.Helper()
	program, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	command := exec.CommandContext(context.WithoutCancel(tb.Context()), program)
	command.Env, command.Stderr = append(os.Environ(), clientsEnv+"=1"), os.Stderr
	in, inErr := command.StdinPipe()
	out, outErr := command.StdoutPipe()
	if err := errors.Join(inErr, outErr, command.Start()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = in.Close() // which ends it
		_ = command.Wait()
	})
	o := orders{json.NewEncoder(in), json.NewDecoder(out)}
	if err := o.Encode(c); err != nil {
		tb.Fatal(err)
	}
	if _, err := o.do("unary", len(c.Tokens)); err != nil {
		tb.Fatal(err)
	}
	return o
}

func (o orders) do(what string, n int) (answer, error) {
	var a answer
	err := errors.Join(o.Encode(order{what, n}), o.Decode(&a))
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	return a, err
}

// clients carry out orders in the child.
type clients struct {
	config
	connections []client
	ended       chan end // of streams that are watched
}

type end struct {
	stream int
	at     time.Time
	err    error
}

// serveOrders carries out orders until there are no more.
func serveOrders(ctx context.Context, in io.Reader, out io.Writer) error {
	defer runtime.KeepAlive(make([]byte, 64<<20)) // as in take
	var c clients
	orders, answers := json.NewDecoder(in), json.NewEncoder(out)
	if err := orders.Decode(&c.config); err != nil {
		return err
	}
	c.ended = make(chan end, len(c.Tokens))
	for range c.Connections {
		client, err := newClient(c.Protocol, c.Address)
		if err != nil {
			return err
		}
		c.connections = append(c.connections, client)
	}
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		ends, err := c.carryOut(ctx, o)
		a := answer{Ends: ends}
		if err != nil {
			a.Error = err.Error()
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}

func (c *clients) carryOut(ctx context.Context, o order) ([]time.Time, error) {
	switch o.Do {
	case "unary":
		return nil, concurrently(ctx, 8, o.N, func(i int) error {
			client, token := c.of(i % len(c.Tokens))
			return client.unary(ctx, token)
		})
	case "receive":
		return nil, c.connections[0].receive(ctx, c.Tokens[0], o.N, func() {})
	case "send":
		return nil, c.connections[0].send(ctx, c.Tokens[0], o.N)
	case "watch":
		err := c.watch(ctx)
		runtime.GC() // so that it does not run while the end of streams is measured
		return nil, err
	case "await":
		return c.await(o.N)
	default:
		return nil, fmt.Errorf("unknown order %q", o.Do)
	}
}

// of returns the token of that number, and the client that sends it.
func (c *clients) of(token int) (client, string) {
	return c.connections[token*len(c.connections)/len(c.Tokens)], c.Tokens[token]
}

// watch returns once each stream has received its first message.
func (c *clients) watch(ctx context.Context) error {
	return repeat(len(c.Tokens), func(i int) error {
		client, token := c.of(i)
		opened := make(chan struct{})
		go func() {
			err := client.receive(ctx, token, -1, func() { close(opened) })
			c.ended <- end{i, time.Now(), err}
		}()
		select {
		case <-opened:
			return nil
		case e := <-c.ended:
			return fmt.Errorf("stream %d ended too soon: %w", e.stream, e.err)
		}
	})
}

// await returns when n streams ended. It is an error when another ends than those
// that were revoked, or for another reason.
func (c *clients) await(n int) ([]time.Time, error) {
	late := time.After(time.Minute)
	var ends []time.Time
	for len(ends) < n {
		select {
		case <-late:
			return nil, fmt.Errorf("%d of %d streams that were revoked have ended after a minute", len(ends), n)
		case e := <-c.ended:
			if e.stream%revokedOfEach != 0 || !isRevoked(e.err) {
				return nil, fmt.Errorf("stream %d ended, or for another reason: %w", e.stream, e.err)
			}
			ends = append(ends, e.at)
		}
	}
	if len(c.ended) > 0 {
		return nil, errors.New("a stream ended that was not revoked")
	}
	return ends, nil
}

func isRevoked(err error) bool {
	for _, reasonOf := range []func(error) (auth.Reason, bool){connectauth.ReasonOf, grpcauth.ReasonOf} {
		if reason, ok := reasonOf(err); ok && reason == auth.TokenRevoked {
			return true
		}
	}
	return false
}
