package signals

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"
)

// maxBodyBytes bounds the body of a message.
const maxBodyBytes = 256 << 10

// A Receiver is the http.Handler that the messages of one source are sent to. It answers
// POST alone, and keeps no message in memory after its answer. It is safe for concurrent
// use.
type Receiver struct {
	protocol atomic.Pointer[protocol]
	inbox    *inbox
}

func newReceiver(inbox *inbox, protocol protocol) *Receiver {
	receiver := &Receiver{inbox: inbox}
	receiver.protocol.Store(&protocol)
	return receiver
}

// Replace has the messages that come from now on verified and read as by would, such as by other
// secrets. Messages that are under way are not affected. The name of the source, its Sink, and
// what its Status has counted stay. by must not be nil.
func (s *Receiver) Replace(by *Receiver) { s.protocol.Store(by.protocol.Load()) }

// A protocol says how a kind of sender writes messages, and what it wants to be answered.
type protocol struct {
	// mediaType is what the Content-Type must be; "" for any.
	mediaType string
	// read verifies a request and returns what it means. A message without revocations is
	// ignored. The error is a *refusal where the sender gets the reason; any other means
	// that it should send again.
	read func(ctx context.Context, header http.Header, body []byte) (Message, error)
	// accept answers a message that is in force, or means nothing here.
	accept func(w http.ResponseWriter)
	// refuse answers one that is refused.
	refuse func(w http.ResponseWriter, refused *refusal)
}

// A refusal is why a message is refused.
type refusal struct {
	status int    // of HTTP
	code   string // the error code of the protocol, such as invalid_request
	// message says to the sender what is wrong, without what is right.
	message string
	// cause is for logs alone.
	cause error
	// signed says that the issuer has sent it, whatever is wrong with it.
	signed bool
}

func (r *refusal) Error() string {
	if r.cause == nil {
		return r.message
	}
	return r.message + ": " + r.cause.Error()
}

func (r *refusal) Unwrap() error { return r.cause }

// ServeHTTP answers a message.
func (s *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	protocol := s.protocol.Load()
	err := s.receive(protocol, w, r)
	if err == nil {
		protocol.accept(w)
		return
	}
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		w.Header().Set("Retry-After", "5")
		refused = &refusal{status: http.StatusServiceUnavailable, code: "temporarily_unavailable", message: "it could not be stored, or not be verified; send it again"}
	}
	protocol.refuse(w, refused)
}

func (s *Receiver) receive(protocol *protocol, w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return s.inbox.refused(&refusal{status: http.StatusMethodNotAllowed, code: "invalid_request", message: "use POST"})
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); protocol.mediaType != "" && (err != nil || !strings.EqualFold(kind, protocol.mediaType)) {
		return s.inbox.refused(&refusal{status: http.StatusUnsupportedMediaType, code: "invalid_request", message: "the Content-Type must be " + protocol.mediaType})
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	switch _, tooLarge := errors.AsType[*http.MaxBytesError](err); {
	case tooLarge:
		return s.inbox.refused(&refusal{status: http.StatusRequestEntityTooLarge, code: "invalid_request", message: "the body is longer than 256 KiB"})
	case err != nil:
		return s.inbox.refused(&refusal{status: http.StatusBadRequest, code: "invalid_request", message: "the body ends too early"})
	}
	message, err := protocol.read(r.Context(), r.Header, body)
	if err != nil {
		return s.inbox.refused(err)
	}
	return s.inbox.take(r.Context(), message)
}

// Status returns what became of the messages until now.
func (s *Receiver) Status() Status { return s.inbox.Status() }
