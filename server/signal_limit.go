package server

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
	// signalsPerSecond and signalsAtOnce are what a source takes of messages. Others are
	// answered 429.
	signalsPerSecond = 200
	signalsAtOnce    = 100
	// maxSignalBytes is more than any message may have, so that the source refuses it.
	maxSignalBytes = 256<<10 + 1
)

// A signalLimit bounds what the messages of a source cost. Anybody can send to it, and must
// not keep out the issuer, which may not send again: a message that the source refuses does
// not count for the rate, and of the bodies that are arriving, the oldest makes room for a
// new one. What is signed arrives at once.
type signalLimit struct {
	source  string
	handler http.Handler
	rate    *rate.Limiter
	places  chan struct{} // holds one element for each message that is handled
	log     *slog.Logger
	logged  *rate.Limiter

	mu       sync.Mutex
	arriving []*arrival // at most signalsAtOnce, the oldest first
}

// An arrival is a message whose body is being read.
type arrival struct {
	control *http.ResponseController
	cut     bool // to make room
}

func newSignalLimit(source string, handler http.Handler, log *slog.Logger) *signalLimit {
	return &signalLimit{
		source: source, handler: handler, rate: rate.NewLimiter(signalsPerSecond, 2*signalsPerSecond), places: make(chan struct{}, signalsAtOnce),
		log: log, logged: rate.NewLimiter(rate.Every(time.Second), 1),
	}
}

// ServeHTTP implements http.Handler.
func (l *signalLimit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.rate.Tokens() < 1 {
		l.tooMany(w, r)
		return
	}
	body, cut := l.read(w, r)
	if cut {
		l.tooMany(w, r)
		return
	}
	select {
	case l.places <- struct{}{}:
		defer func() { <-l.places }()
	default:
		l.tooMany(w, r)
		return
	}
	r.Body = io.NopCloser(body)
	answer := &statusWriter{ResponseWriter: w}
	l.handler.ServeHTTP(answer, r)
	if answer.status/100 != 4 {
		l.rate.Allow()
	}
}

// read returns the body, with the error with which it has ended too early; or that it was
// cut off to make room for another.
func (l *signalLimit) read(w http.ResponseWriter, r *http.Request) (body io.Reader, cut bool) {
	a := &arrival{control: http.NewResponseController(w)}
	l.mu.Lock()
	if len(l.arriving) == signalsAtOnce {
		oldest := l.arriving[0]
		oldest.cut = true
		_ = oldest.control.SetReadDeadline(time.Unix(1, 0)) // net/http's connections have one
		l.arriving = slices.Delete(l.arriving, 0, 1)
	}
	l.arriving = append(l.arriving, a)
	l.mu.Unlock()

	text, err := io.ReadAll(io.LimitReader(r.Body, maxSignalBytes))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.arriving = slices.DeleteFunc(l.arriving, func(other *arrival) bool { return other == a })
	if err != nil {
		return io.MultiReader(bytes.NewReader(text), failedReader{err}), a.cut
	}
	return bytes.NewReader(text), false
}

// tooMany asks the sender to send again.
func (l *signalLimit) tooMany(w http.ResponseWriter, r *http.Request) {
	if l.logged.Allow() {
		l.log.WarnContext(r.Context(), "too many messages of an issuer at once, or of a stranger; it is asked to send again", "source", l.source)
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
