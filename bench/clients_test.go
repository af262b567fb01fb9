package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
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

// clients is the parent's end.
type clients struct {
	orders  *json.Encoder
	answers *json.Decoder
}

// startClients starts a process of clients, and has every token sent once.
func startClients(tb testing.TB, c config) clients {
	tb.Helper()
	program, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	command := exec.CommandContext(context.WithoutCancel(tb.Context()), program)
	command.Env, command.Stderr = append(os.Environ(), clientsEnv+"=1"), os.Stderr
	orders, err := command.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	answers, err := command.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := command.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = orders.Close() // which ends it
		_ = command.Wait()
	})
	started := clients{json.NewEncoder(orders), json.NewDecoder(answers)}
	if err := started.orders.Encode(c); err != nil {
		tb.Fatal(err)
	}
	if _, err := started.do("unary", len(c.Tokens)); err != nil {
		tb.Fatal(err)
	}
	return started
}

func (c clients) do(what string, n int) (answer, error) {
	var a answer
	if err := errors.Join(c.orders.Encode(order{what, n}), c.answers.Decode(&a)); err != nil {
		return a, err
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// A child carries out orders.
type child struct {
	config
	clients []client
	ended   chan end // of streams that are watched
}

type end struct {
	stream int
	at     time.Time
	err    error
}

// serveOrders carries out orders until there are no more.
func serveOrders(ctx context.Context, in io.Reader, out io.Writer) error {
	var c child
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
		c.clients = append(c.clients, client)
	}
	for {
		var o order
		if err := orders.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		a, err := c.carryOut(ctx, o)
		if err != nil {
			a.Error = err.Error()
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}

func (c *child) carryOut(ctx context.Context, o order) (answer, error) {
	switch o.Do {
	case "unary":
		return answer{}, concurrently(ctx, 8, o.N, func(i int) error {
			client, token := c.of(i % len(c.Tokens))
			return client.unary(ctx, token)
		})
	case "receive":
		return answer{}, c.clients[0].receive(ctx, c.Tokens[0], o.N, func() {})
	case "send":
		return answer{}, c.clients[0].send(ctx, c.Tokens[0], o.N)
	case "watch":
		return answer{}, c.watch(ctx)
	case "await":
		ends, err := c.await(o.N)
		return answer{Ends: ends}, err
	default:
		return answer{}, fmt.Errorf("unknown order %q", o.Do)
	}
}

// of returns the token of that number, and the client that sends it.
func (c *child) of(token int) (client, string) {
	return c.clients[token*len(c.clients)/len(c.Tokens)], c.Tokens[token]
}

// watch returns once each stream has received its first message.
func (c *child) watch(ctx context.Context) error {
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
func (c *child) await(n int) ([]time.Time, error) {
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
