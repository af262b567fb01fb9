package main

import (
	"context"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/bench/measure"
	"github.com/ostiary/ostiary/bench/served"
)

// streams measures what a message costs on a stream that is guarded, and on one
// that is not. Opening the stream is spread over so many messages that it hardly
// counts.
func streams(ctx context.Context, effort effort) ([]measure.Table, error) {
	iss := issuer.New("RS256")
	token := iss.Token(0)
	var servers fleet
	defer servers.close()
	section := measure.Section{
		Name:  "streams",
		Title: "A streamed message",
		Note:  "CPU time of the server's process for each message of a long stream. On a server stream the server sends them, on a client stream it receives them.",
		Unit:  "ns",
	}
	for _, way := range []struct {
		transport served.Transport
		protocol  served.Protocol
	}{{served.Connect, served.ProtocolConnect}, {served.GRPC, served.ProtocolNative}} {
		var pair [2]*server
		for i, guard := range []served.Guard{served.None, served.Ours} {
			opened, err := servers.open(ctx, served.Config{Transport: way.transport, Guard: guard, Trust: iss.Trust()}, way.protocol)
			if err != nil {
				return nil, err
			}
			pair[i] = opened
		}
		section.Contenders = append(section.Contenders,
			streamPair(string(way.transport)+", server stream", pair, effort.messages, func(ctx context.Context, c served.Caller) error {
				return c.Receive(ctx, token, effort.messages)
			})...)
		section.Contenders = append(section.Contenders,
			streamPair(string(way.transport)+", client stream", pair, effort.messages, func(ctx context.Context, c served.Caller) error {
				return c.Send(ctx, token, effort.messages)
			})...)
	}
	return one(ctx, section, effort.rounds*effort.laps)
}

// streamPair returns the bare stream and the wrapped one.
func streamPair(name string, servers [2]*server, messages int, stream func(context.Context, served.Caller) error) []measure.Contender {
	turn := func(s *server) func(context.Context) (measure.Sample, error) {
		return func(ctx context.Context) (measure.Sample, error) {
			return s.cost(messages, func() error { return stream(ctx, s.caller) })
		}
	}
	bare := name + ", bare"
	return []measure.Contender{
		{Name: bare, Measure: turn(servers[0])},
		{
			Name: name + ", guarded", Against: bare, Ours: true,
			Goals:   []measure.Goal{{Of: measure.Ratio, Limit: 1.02}, {Of: measure.Extra}},
			Measure: turn(servers[1]),
		},
	}
}
