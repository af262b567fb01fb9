package bounds

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// messagesPerSecond and messagesAtOnce are what a source takes of messages. Others are
	// answered 429.
	messagesPerSecond = 200
	messagesAtOnce    = 100
	// maxMessageBytes is more than any message may have, so that the source refuses it.
	maxMessageBytes = 256<<10 + 1
)

// Messages bounds what the messages of a source of signals cost. Anybody can send to it, and must
// not keep out the issuer, which may not send again: a message that the source refuses does
// not count for the rate, and of the bodies that are arriving, the oldest makes room for a
// new one. What is signed arrives at once.
type Messages struct {
	source  string
	handler http.Handler
	rate    *rate.Limiter
	places  chan struct{} // holds one element for each message that is handled
	log     *slog.Logger
	logged  *rate.Limiter

	mu       sync.Mutex
	arriving []*arrival // at most messagesAtOnce, the oldest first
}

// An arrival is a message whose body is being read.
type arrival struct {
	control *http.ResponseController
	cut     bool // to make room
}

// NewMessages bounds those that the handler takes.
func NewMessages(source string, handler http.Handler, log *slog.Logger) *Messages {
	return &Messages{
		source: source, handler: handler, rate: rate.NewLimiter(messagesPerSecond, 2*messagesPerSecond), places: make(chan struct{}, messagesAtOnce),
		log: log, logged: rate.NewLimiter(rate.Every(time.Second), 1),
	}
}

// ServeHTTP implements http.Handler.
func (m *Messages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if m.rate.Tokens() < 1 {
		m.tooMany(w, r)
		return
	}
	body, cut := m.read(w, r)
	if cut {
		m.tooMany(w, r)
		return
	}
	select {
	case m.places <- struct{}{}:
		defer func() { <-m.places }()
	default:
		m.tooMany(w, r)
		return
	}
	r.Body = io.NopCloser(body)
	answer := &statusWriter{ResponseWriter: w}
	m.handler.ServeHTTP(answer, r)
	if answer.status/100 != 4 {
		m.rate.Allow()
	}
}

// read returns the body, with the error with which it has ended too early; or that it was
// cut off to make room for another.
func (m *Messages) read(w http.ResponseWriter, r *http.Request) (body io.Reader, cut bool) {
	a := &arrival{control: http.NewResponseController(w)}
	m.mu.Lock()
	if len(m.arriving) == messagesAtOnce {
		oldest := m.arriving[0]
		oldest.cut = true
		_ = oldest.control.SetReadDeadline(time.Unix(1, 0)) // net/http's connections have one
		m.arriving = slices.Delete(m.arriving, 0, 1)
	}
	m.arriving = append(m.arriving, a)
	m.mu.Unlock()

	text, err := io.ReadAll(io.LimitReader(r.Body, maxMessageBytes))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.arriving = slices.DeleteFunc(m.arriving, func(other *arrival) bool { return other == a })
	if err != nil {
		return io.MultiReader(bytes.NewReader(text), failedReader{err}), a.cut
	}
	return bytes.NewReader(text), false
}

// tooMany asks the sender to send again.
func (m *Messages) tooMany(w http.ResponseWriter, r *http.Request) {
	if m.logged.Allow() {
		m.log.WarnContext(r.Context(), "too many messages of an issuer at once, or of a stranger; it is asked to send again", "source", m.source)
	}
	w.Header().Set("Retry-After", "1")
	http.Error(w, "too many messages at once; send it again", http.StatusTooManyRequests)
}

// A failedReader is the end of a body that was not read to its end.
type failedReader struct{ err error }

func (f failedReader) Read([]byte) (int, error) { return 0, f.err }

// A statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter

	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}
