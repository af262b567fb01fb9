package signals

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// maxRemembered is how many messages are known when they come again. One that is
// forgotten is revoked again, which changes nothing.
const maxRemembered = 4096

// An inbox hands the messages of one source to the sink, and counts them. It is the part
// that those which are sent to us and those which we fetch have in common.
type inbox struct {
	source string
	sink   Sink
	now    func() time.Time
	logger *slog.Logger

	mu     sync.Mutex
	status Status
	// The IDs of messages that were accepted, and the order in which they are forgotten.
	known map[string]struct{}
	order []string
	next  int
}

func newInbox(source string, sink Sink, now func() time.Time, logger *slog.Logger) *inbox {
	if now == nil {
		now = time.Now
	}
	if logger == nil {
		logger = slog.Default()
	}
	return &inbox{
		source: source, sink: sink, now: now, logger: logger,
		status: Status{Source: source},
		known:  make(map[string]struct{}),
	}
}

// take has the revocations of a message made durable. A message without any is ignored.
func (b *inbox) take(ctx context.Context, message Message) error {
	message.Source = b.source
	if err := message.check(); err != nil {
		return b.refused(&refusal{status: http.StatusBadRequest, code: "invalid_request", message: err.Error()})
	}
	if b.seen(message) {
		return nil
	}
	if err := b.sink.Revoke(ctx, message); err != nil {
		return b.refused(err)
	}
	b.accepted(message)
	b.logger.InfoContext(ctx, "an issuer has said that something is over", "source", b.source, "type", message.Type, "message_id", message.ID,
		"issuer", message.Issuer, "target", message.Revocations[0].Kind, "revocations", len(message.Revocations))
	return nil
}

// seen counts a message, and reports whether nothing is left to do for it.
func (b *inbox) seen(message Message) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status.LastMessage = b.now()
	if len(message.Revocations) == 0 {
		b.status.Ignored++
		return true
	}
	if _, known := b.known[message.ID]; known {
		b.status.Repeated++
		return true
	}
	return false
}

func (b *inbox) accepted(message Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.status.Accepted++
	b.status.LastAccepted = now
	b.status.Lag = 0
	if !message.Time.IsZero() {
		b.status.Lag = max(now.Sub(message.Time), 0)
	}
	if _, known := b.known[message.ID]; known {
		return
	}
	b.known[message.ID] = struct{}{}
	if len(b.order) < maxRemembered {
		b.order = append(b.order, message.ID)
		return
	}
	delete(b.known, b.order[b.next])
	b.order[b.next] = message.ID
	b.next = (b.next + 1) % maxRemembered
}

// refused counts a message that is refused, or whose revocations are not in force, and
// returns the error.
func (b *inbox) refused(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if _, isRefusal := err.(*refusal); isRefusal { //nolint:errorlint // it is ours, and not wrapped
		b.status.Refused++
	} else {
		b.status.Failed++
	}
	// A stranger can send as many as it likes: one line a second is enough.
	if now.Sub(b.status.LastRefused) >= time.Second {
		b.logger.Warn("a message of an issuer is refused", "source", b.source, "error", err)
	}
	b.status.LastRefused, b.status.LastError = now, err.Error()
	return err
}

// Status returns what became of the messages until now.
func (b *inbox) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}
