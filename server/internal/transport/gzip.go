package transport

import (
	"compress/gzip"
	"errors"
	"io"

	"connectrpc.com/connect"
)

// withBoundedGzip replaces connect's gzip by one that stops at the largest
// message. connect refuses a larger one too, but first decompresses all of it to
// say how large it is: a second of work for four megabytes that somebody sends.
func withBoundedGzip() connect.HandlerOption {
	return connect.WithCompression("gzip",
		func() connect.Decompressor { return new(boundedGzip) },
		func() connect.Compressor { return gzip.NewWriter(io.Discard) },
	)
}

// boundedGzip reads one byte more than the largest message, by which connect
// knows that it is too large, and then fails.
type boundedGzip struct {
	gzip.Reader

	left int
}

var errTooLarge = errors.New("the message is larger than is read")

func (b *boundedGzip) Reset(r io.Reader) error {
	b.left = MaxMessageBytes + 1
	return b.Reader.Reset(r)
}

func (b *boundedGzip) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errTooLarge
	}
	n, err := b.Reader.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
