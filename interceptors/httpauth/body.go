package httpauth

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// requestBody is the body of a request under a lease. It has its own lock, as a
// handler may read and write at once.
type requestBody struct {
	io.ReadCloser // nil where there is no body

	http2   bool
	lease   *auth.Stream
	mu      sync.Mutex
	reading atomic.Bool // whether the transport is waited for
}

// Read asks again when something has come: the caller may have kept it back until
// the lease was over.
func (b *requestBody) Read(p []byte) (n int, err error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	defer b.leave()
	n, err = b.ReadCloser.Read(p)
	if refusal := b.lease.Check(); refusal != nil {
		return 0, refusal
	}
	return n, err
}

// Close over HTTP/2 frees a Read that waits for the client, and so does not wait for
// that Read. HTTP/1.1 reads what is left of the body.
func (b *requestBody) Close() error {
	if b.http2 {
		return b.ReadCloser.Close()
	}
	if err := b.enter(); err != nil {
		return err
	}
	defer b.leave()
	return b.ReadCloser.Close()
}

// enter takes the body. The goroutine that ends the lease sees that it is taken, or enter sees
// that the lease has ended.
func (b *requestBody) enter() error {
	b.mu.Lock()
	b.reading.Store(true)
	err := b.lease.Err()
	if err != nil {
		b.leave()
	}
	return err
}

func (b *requestBody) leave() {
	b.reading.Store(false)
	b.mu.Unlock()
}
