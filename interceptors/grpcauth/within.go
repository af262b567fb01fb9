package grpcauth

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/interceptors/internal/lease"
)

// within returns the error of read; or DEADLINE_EXCEEDED when read takes longer
// than the limit, if there is one. grpc-go ends a read that goes on once the
// handler has returned. A panic of read is within's as well.
func within(limit time.Duration, read func() error) error {
	if limit <= 0 {
		return read()
	}
	done := make(chan lease.Outcome, 1)
	go lease.Run(read, func(o lease.Outcome) { done <- o })
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case outcome := <-done:
		return outcome.Deliver()
	case <-timer.C:
		return status.Errorf(codes.DeadlineExceeded, "the request did not arrive within %v", limit)
	}
}
