package main

import (
	"context"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"

	"github.com/ostiary/ostiary/bench/measure"
)

// openAll leaves a stream of each guest open, and returns the memory of its
// lease: what it takes besides that of an admitted call without one. Both have a
// context that can be cancelled, as every transport gives one.
func (h *house) openAll(ctx context.Context, born time.Time) (measure.Section, error) {
	bare, cancel := context.WithCancel(ctx)
	defer cancel()
	without, err := h.hold(bare, born, auth.Unary)
	if err != nil {
		return measure.Section{}, err
	}
	// What is bare stays until the others are open, lest they inherit the
	// runtime's records of its goroutines.
	with, err := h.hold(ctx, born, auth.ServerStream)
	if err != nil {
		return measure.Section{}, err
	}
	return measure.Section{
		Name:  "leases",
		Title: "Memory for each lease",
		Note: "Of the heap, for those streams and for as many admitted calls that have no lease. Of what it adds, some 600 bytes are the " +
			"runtime's for one goroutine more that waits, and 400 are for a context that can be cancelled with a cause, on a parent that " +
			"had no other child: neither is the lease's own.",
		Unit:       "bytes",
		Contenders: added("heap", without.Heap, with.Heap, 1024),
	}, nil
}

// hold leaves a call of each guest open, and returns what each of them holds.
func (h *house) hold(ctx context.Context, born time.Time, shape auth.StreamType) (measure.Held, error) {
	before := measure.Holding()
	for guest := range h.guests {
		if err := h.open(ctx, guest, born, shape); err != nil {
			return measure.Held{}, err
		}
	}
	return measure.Holding().Since(before, len(h.guests)), nil
}

// open leaves a call open.
func (h *house) open(ctx context.Context, guest int, issued time.Time, shape auth.StreamType) error {
	ctx, cancel := context.WithCancel(ctx)
	admitted, err := h.admit(ctx, guest, issued, shape)
	if err != nil {
		cancel()
		return err
	}
	serving := make(chan struct{})
	stay := func(ctx context.Context) error {
		close(serving)
		<-ctx.Done()
		return context.Cause(ctx) // so that the context is held until then, as a handler's is
	}
	serve := stay
	if shape != auth.Unary {
		serve = func(ctx context.Context) error {
			return h.guard.Serve(ctx, func(ctx context.Context, _ *auth.Stream) error { return stay(ctx) }, nil)
		}
	}
	h.streams.Go(func() {
		defer cancel()
		_ = serve(admitted) // why it ends is endAll's to say
	})
	<-serving
	return nil
}
