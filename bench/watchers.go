package main

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/bench/measure"
	"github.com/ostiary/ostiary/bench/served"
)

// watchers measures a great many streams that are open at once: how soon those
// end that are revoked, and what the lease of each adds to its server. There is
// one sample of each transport.
func watchers(ctx context.Context, effort effort) ([]measure.Table, error) {
	iss := issuer.New("EdDSA") // quick to sign with
	tokens := mint(iss, effort.watchers)
	ends := measure.Section{
		Name:  "watchers",
		Title: "From revoking to the end of the stream",
		Note: fmt.Sprintf("One client process has %d server streams open, %d on each connection, each of a user of its own, and nothing is sent. "+
			"One user of each hundred is revoked, all at once. What is told is the time on the clock from asking the server's process to revoke "+
			"until the client has read TOKEN_REVOKED from a stream; the other streams go on.", effort.watchers, streamsPerConnection),
		Unit: "ms",
	}
	bytes := measure.Section{
		Name:  "watchers",
		Title: "Memory for each open stream",
		Note: "What the server's process has grown by when those streams were open, divided by their number. " +
			"Tokens were verified and connections were open before.",
		Unit: "bytes",
	}
	goroutines := measure.Section{Name: "watchers", Title: "Goroutines for each open stream", Note: "Of the same streams.", Unit: "goroutines"}
	for _, way := range []struct {
		transport served.Transport
		protocol  served.Protocol
	}{{served.Connect, served.ProtocolConnect}, {served.GRPC, served.ProtocolNative}} {
		bare, err := watch(ctx, served.Config{Transport: way.transport, Guard: served.None, Trust: iss.Trust()}, way.protocol, tokens)
		if err != nil {
			return nil, fmt.Errorf("%s, bare: %w", way.transport, err)
		}
		ours, err := watch(ctx, served.Config{Transport: way.transport, Guard: served.Ours, Trust: iss.Trust()}, way.protocol, tokens)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", way.transport, err)
		}
		name := string(way.transport)
		ends.Contenders = append(ends.Contenders,
			figure(name+", half of them within", measure.Sample{Value: quantile(ours.ends, 0.5)}),
			figure(name+", 99 % within", measure.Sample{Value: quantile(ours.ends, 0.99)}, measure.Goal{Of: measure.Value, Limit: 100}))
		bytes.Contenders = append(bytes.Contenders, added(name+", heap", bare.each.Heap, ours.each.Heap, 1024)...)
		bytes.Contenders = append(bytes.Contenders, added(name+", stacks", bare.each.Stacks, ours.each.Stacks)...)
		goroutines.Contenders = append(goroutines.Contenders, added(name, bare.each.Goroutines, ours.each.Goroutines, 1)...)
	}
	return each(ctx, ends, bytes, goroutines)
}

// added returns a figure without a lease and with one, and the difference, which
// should be within the limits.
func added(name string, bare, ours float64, limits ...float64) []measure.Contender {
	var goals []measure.Goal
	for _, limit := range limits {
		goals = append(goals, measure.Goal{Of: measure.Value, Limit: limit})
	}
	without := figure(name+", bare", measure.Sample{Value: bare})
	without.Ours = false
	return []measure.Contender{
		without,
		figure(name+", guarded", measure.Sample{Value: ours}),
		figure(name+", what the lease adds", measure.Sample{Value: ours - bare}, goals...),
	}
}
