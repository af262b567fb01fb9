package main

import (
	"context"

	"github.com/ostiary/ostiary/bench/measure"
	"github.com/ostiary/ostiary/bench/served"
)

// A fleet is servers that are up at the same time.
type fleet struct{ servers []*server }

// A server is a process and its caller.
type server struct {
	process *served.Process
	caller  served.Caller
}

// open starts a server.
func (f *fleet) open(ctx context.Context, config served.Config, protocol served.Protocol) (*server, error) {
	process, err := served.Start(ctx, config)
	if err != nil {
		return nil, err
	}
	caller, err := process.Caller(protocol)
	if err != nil {
		_ = process.Close()
		return nil, err
	}
	s := &server{process, caller}
	f.servers = append(f.servers, s)
	return s, nil
}

// close ends all of them. What they say at their end changes no figure.
func (f *fleet) close() {
	for _, s := range f.servers {
		_ = s.caller.Close()
		_ = s.process.Close()
	}
}

// cost returns what work cost the server, for each of n operations.
func (s *server) cost(n int, work func() error) (measure.Sample, error) {
	before, err := s.process.Usage()
	if err != nil {
		return measure.Sample{}, err
	}
	if err := work(); err != nil {
		return measure.Sample{}, err
	}
	after, err := s.process.Usage()
	return after.Since(before).Per(n), err
}
