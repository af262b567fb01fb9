package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/connectauth"
)

// A Watch opens a stream again when the server has stopped, and says so. The zero value is ready for use.
type Watch struct {
	// Begun is set when the server has answered: where it never has, the watch fails.
	Begun bool
}

// Run reads a stream until it is interrupted, or the server refuses for good. recovers, if it is not nil, is
// asked about each error of a server, by its reason, and reports whether to go on although the server refuses.
func (w *Watch) Run(ctx context.Context, progress io.Writer, read func(context.Context) error, recovers func(reason string) bool) error {
	advice := func(err error) (advice authclient.Advice, retryAfter time.Duration) {
		if !w.Begun {
			return authclient.GiveUp, 0
		}
		advice, retryAfter = connectauth.RetryAdvice(err)
		if received, ok := errors.AsType[*connect.Error](err); ok && recovers != nil && recovers(ReasonOf(received)) {
			advice = authclient.RetryLater
		}
		if advice == authclient.RetryLater {
			fmt.Fprintf(progress, "ostiary: the watch was interrupted and goes on: %s\n", terminal.Printable(err.Error()))
		}
		return advice, retryAfter
	}
	err := authclient.Retry{Advice: advice, MaxDelay: MaxDelay}.Stream(ctx, read)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // interrupted, as a watch is meant to end
	}
	return err
}
