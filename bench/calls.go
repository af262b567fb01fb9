package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/ostiary/ostiary/bench/issuer"
	"github.com/ostiary/ostiary/bench/measure"
	"github.com/ostiary/ostiary/bench/served"
)

// calls measures what a unary call costs its server, with each guard in a
// process of its own. All processes are up at once and take turns.
func calls(ctx context.Context, effort effort) ([]measure.Table, error) {
	iss := issuer.New("RS256")
	many := mint(iss, effort.tokens)
	var tables []measure.Table
	for _, way := range []struct {
		transport served.Transport
		protocol  served.Protocol
		peers     []served.Guard
		goals     []measure.Goal
	}{
		{served.Connect, served.ProtocolConnect, []served.Guard{served.Authn, served.Clerk}, belowPeers(1.03)},
		{served.Connect, served.ProtocolGRPC, []served.Guard{served.Authn, served.Clerk}, belowPeers(1.03)},
		{served.GRPC, served.ProtocolNative, []served.Guard{served.GRPCAuth}, belowPeers(1.08)},
	} {
		entrants := []entrant{
			{name: "no auth, no token sent", guard: served.None, tokens: []string{""}},
			{name: "no auth, one token sent", guard: served.None, tokens: many[:1]},
			{name: fmt.Sprintf("no auth, %d tokens sent", len(many)), guard: served.None, tokens: many},
			{name: "ostiary, warm", guard: served.Ours, tokens: many[:1], goals: way.goals},
			{name: fmt.Sprintf("ostiary, %d tokens, warm", len(many)), guard: served.Ours, tokens: many},
			{name: "ostiary, cold", guard: served.OursCold, tokens: many[:1]},
		}
		for _, peer := range way.peers {
			entrants = append(entrants, entrant{name: string(peer), guard: peer, tokens: many[:1], peer: true})
		}
		title := string(way.transport)
		if way.transport == served.Connect {
			title += ", " + string(way.protocol) + " protocol"
		}
		section := measure.Section{
			Name:  "calls",
			Title: "A unary call on " + title,
			Note: "CPU time of the server's process, user and system, for a call that echoes a short text over HTTP/2, eight at a time. " +
				"Tokens are signed with RS256.",
			Unit:  "ns",
			Chart: "Server CPU for a call, " + title,
		}
		table, err := race(ctx, iss, effort, section, way.transport, way.protocol, entrants)
		if err != nil {
			return nil, err
		}
		tables = append(tables, table)
	}
	return tables, nil
}

func belowPeers(ratio float64) []measure.Goal {
	return []measure.Goal{{Of: measure.Ratio, Limit: ratio}, {Of: measure.BelowPeers}}
}

// An entrant is a guard, and the tokens that its callers send.
type entrant struct {
	name   string
	guard  served.Guard
	tokens []string
	peer   bool
	goals  []measure.Goal
}

// race runs a section in which each entrant has a server of its own. The first
// is the baseline of all others.
func race(ctx context.Context, iss *issuer.Issuer, effort effort, section measure.Section,
	transport served.Transport, protocol served.Protocol, entrants []entrant,
) (measure.Table, error) {
	var servers fleet
	defer servers.close()
	for _, e := range entrants {
		server, err := servers.open(ctx, served.Config{Transport: transport, Guard: e.guard, Trust: iss.Trust()}, protocol)
		if err != nil {
			return measure.Table{}, err
		}
		contender := measure.Contender{
			Name:  e.name,
			Ours:  e.guard == served.Ours || e.guard == served.OursCold,
			Peer:  e.peer,
			Goals: e.goals,
			Measure: func(ctx context.Context) (measure.Sample, error) {
				return server.cost(effort.calls, func() error {
					return served.Many(ctx, server.caller, e.tokens, effort.calls)
				})
			},
		}
		if len(section.Contenders) > 0 {
			contender.Against = section.Contenders[0].Name
		}
		// Every token is sent once before anything is measured.
		if err := served.Many(ctx, server.caller, e.tokens, len(e.tokens)); err != nil {
			return measure.Table{}, fmt.Errorf("%s: %w", e.name, err)
		}
		section.Contenders = append(section.Contenders, contender)
	}
	return section.Run(ctx, effort.rounds*effort.laps)
}

// mint signs so many tokens, on all cores.
func mint(iss *issuer.Issuer, n int) []string {
	tokens := make([]string, n)
	var all sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		all.Go(func() {
			for i := worker; i < n; i += workers {
				tokens[i] = iss.Token(i)
			}
		})
	}
	all.Wait()
	return tokens
}
