package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/bench/measure"
	"github.com/ostiary/ostiary/bench/served"
)

// streamsPerConnection is what any client dares before it has heard how many the
// server allows.
const streamsPerConnection = 100

// revokedOfEach is how many streams there are for each that is revoked.
const revokedOfEach = 100

// watched is what was seen of the streams of one server.
type watched struct {
	each measure.Held // for each open stream
	ends []float64    // milliseconds until each that was revoked has ended, in order
}

// watch opens a stream with each of the tokens at a server of its own, and
// revokes some where that has a guard.
func watch(ctx context.Context, config served.Config, protocol served.Protocol, tokens []string) (watched, error) {
	process, err := served.Start(ctx, config)
	if err != nil {
		return watched{}, err
	}
	defer func() { _ = process.Close() }()
	c := crowd{process: process}
	defer c.close()
	if err := c.connect(ctx, protocol, tokens); err != nil {
		return watched{}, err
	}
	before, err := process.Holding()
	if err != nil {
		return watched{}, err
	}
	if err := c.open(ctx, tokens); err != nil {
		return watched{}, err
	}
	after, err := process.Holding()
	if err != nil {
		return watched{}, err
	}
	seen := watched{each: after.Since(before, len(tokens))}
	if config.Guard == served.Ours {
		seen.ends, err = c.revoke(ctx)
	}
	return seen, err
}

// A crowd is streams that are open at once.
type crowd struct {
	process *served.Process
	callers []served.Caller

	cancel  context.CancelFunc
	waiting sync.WaitGroup
	opened  int
	ended   chan end // has room for all
}

// An end is that of the n-th stream.
type end struct {
	n   int
	at  time.Time
	err error
}

// connect opens the connections, and has every token verified.
func (c *crowd) connect(ctx context.Context, protocol served.Protocol, tokens []string) error {
	for some := range slices.Chunk(tokens, streamsPerConnection) {
		caller, err := c.process.Caller(protocol)
		if err != nil {
			return err
		}
		c.callers = append(c.callers, caller)
		for _, token := range some {
			if err := caller.Unary(ctx, token); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *crowd) open(ctx context.Context, tokens []string) error {
	ctx, c.cancel = context.WithCancel(ctx)
	c.ended = make(chan end, len(tokens))
	for n, token := range tokens {
		wait, err := c.callers[n/streamsPerConnection].Watch(ctx, token)
		if err != nil {
			return fmt.Errorf("stream %d: %w", n+1, err)
		}
		c.opened++
		c.waiting.Go(func() {
			err := wait()
			c.ended <- end{n, time.Now(), err}
		})
	}
	return nil
}

// revoke returns how many milliseconds each of the streams took to end that were
// revoked. It is an error when another ends, or for another reason.
func (c *crowd) revoke(ctx context.Context) ([]float64, error) {
	var subjects []string
	for n := 0; n < c.opened; n += revokedOfEach {
		subjects = append(subjects, issuer.Subject(n))
	}
	start := time.Now()
	if err := c.process.Revoke(subjects); err != nil {
		return nil, err
	}
	var took []float64
	for range subjects {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Minute):
			return nil, fmt.Errorf("%d of %d streams that were revoked have ended after a minute", len(took), len(subjects))
		case e := <-c.ended:
			if e.n%revokedOfEach != 0 || !served.IsRevoked(e.err) {
				return nil, fmt.Errorf("stream %d ended too soon, or for another reason: %v", e.n+1, e.err) //nolint:errorlint // it may be nil
			}
			took = append(took, float64(e.at.Sub(start))/float64(time.Millisecond))
		}
	}
	if len(c.ended) > 0 {
		return nil, errors.New("a stream ended that was not revoked")
	}
	slices.Sort(took)
	return took, nil
}

// close ends the streams that are still open, and lets go of the connections.
func (c *crowd) close() {
	if c.cancel != nil {
		c.cancel()
	}
	c.waiting.Wait()
	for _, caller := range c.callers {
		_ = caller.Close()
	}
}

// quantile returns the value that a part of the sorted ones do not exceed.
func quantile(sorted []float64, part float64) float64 {
	return sorted[int(math.Ceil(part*float64(len(sorted))))-1]
}
