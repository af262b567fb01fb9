package grpcauth

import (
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// within returns the error of read; or DEADLINE_EXCEEDED when read takes longer
// than the limit, if there is one. grpc-go ends a read that goes on once the
// handler has returned.
func within(limit time.Duration, read func() error) error {
	if limit <= 0 {
		return read()
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() { done <- r }()
		defer func() {
			if !r.returned {
				r.panicked = recover()
			}
		}()
		r.err = read()
		r.returned = true
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		if !r.returned {
			panic(r.panicked) // of the codec, for whoever recovers on the call's goroutine
		}
		return r.err
	case <-timer.C:
		return status.Errorf(codes.DeadlineExceeded, "the request did not arrive within %v", limit)
	}
}

// result is how a read has ended.
type result struct {
	err      error
	returned bool
	panicked any // where it has not returned
}
