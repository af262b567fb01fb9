package grpcauth

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// checkedStream is a stream whose context carries the identity, and whose
// messages the Guard decides about.
type checkedStream struct {
	grpc.ServerStream

	ctx   context.Context
	guard *auth.Guard
	// refusal of a message ends the stream, even where the handler takes it for
	// the end of what the client sends.
	refusal atomic.Pointer[statusError]
}

func (s *checkedStream) Context() context.Context { return s.ctx }

func (s *checkedStream) RecvMsg(message any) error {
	if refusal := s.refusal.Load(); refusal != nil {
		return refusal
	}
	if err := s.ServerStream.RecvMsg(message); err != nil {
		return err
	}
	if err := s.guard.CheckMessage(s.ctx, message); err != nil {
		refusal := refuse(s.ctx, auth.AsError(err))
		s.refusal.Store(refusal)
		return refusal
	}
	return nil
}
