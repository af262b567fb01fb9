package signals

import (
	"context"
	"crypto/sha256"
	"fmt"
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
	// What was accepted, and the order in which it is forgotten.
	known map[digest]struct{}
	order []digest
	next  int
	// When a refusal was last written to the log, of what strangers and of what issuers sent.
	logged, loggedSigned time.Time
	silent               bool // the last poll failed
}

// A digest stands for a message: the same issuer, the same ID, and the same meaning. Some
// senders give two messages one ID.
type digest [sha256.Size]byte

func digestOf(m Message) digest {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %#v", m.Issuer, m.ID, m.Revocations))
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
		known:  make(map[digest]struct{}),
	}
}

// take has the revocations of a message made durable. A message without any is ignored.
func (b *inbox) take(ctx context.Context, message Message) error {
	message.Source = b.source
	if err := message.check(); err != nil {
		return b.refused(&refusal{status: http.StatusBadRequest, code: "invalid_request", message: err.Error(), signed: true})
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
	if _, known := b.known[digestOf(message)]; known {
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
	key := digestOf(message)
	if _, known := b.known[key]; known {
		return
	}
	b.known[key] = struct{}{}
	if len(b.order) < maxRemembered {
		b.order = append(b.order, key)
		return
	}
	delete(b.known, b.order[b.next])
	b.order[b.next] = key
	b.next = (b.next + 1) % maxRemembered
}

// refused counts a message that is refused, or whose revocations are not in force, and
// returns the error.
func (b *inbox) refused(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	limit, reason := &b.logged, err.Error()
	refused, isRefusal := err.(*refusal) //nolint:errorlint // it is ours, and not wrapped
	if isRefusal {
		b.status.Refused++
		reason = refused.message
	} else {
		b.status.Failed++
	}
	if isRefusal && refused.signed {
		b.status.LastMessage = now
		limit = &b.loggedSigned
	}
	// A stranger can send as many as it likes: one line a second is enough.
	if now.Sub(*limit) >= time.Second {
		*limit = now
		b.logger.Warn("a message of an issuer is refused", "source", b.source, "error", err)
	}
	b.status.LastRefused, b.status.LastError, b.status.LastErrorIsOurs = now, reason, !isRefusal
	return err
}

// answered notes that a poll was answered.
func (b *inbox) answered() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status.LastPoll = b.now()
	if b.silent {
		b.silent = false
		b.logger.Info("messages are fetched again", "source", b.source)
	}
}

// unanswered notes that a poll has failed.
func (b *inbox) unanswered(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status.LastRefused, b.status.LastError, b.status.LastErrorIsOurs = b.now(), err.Error(), true
	if !b.silent {
		b.silent = true
		b.logger.Warn("messages cannot be fetched", "source", b.source, "error", err)
	}
}

// Status returns what became of the messages until now.
func (b *inbox) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}
