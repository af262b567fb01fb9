package transport

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"testing"
)

// gzipped is what n zero bytes compress to, about a thousandth.
func gzipped(n int) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(make([]byte, n)) // into a buffer, which cannot fail
	_ = w.Close()
	return b.Bytes()
}

func TestBoundedGzipStopsAtTheLimit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		size int
		read int64
		want error
	}{
		"the largest message is read whole": {MaxMessageBytes, MaxMessageBytes, nil},
		"one byte more shows":               {MaxMessageBytes + 1, MaxMessageBytes + 1, nil},
		"nothing more is decompressed":      {16 * MaxMessageBytes, MaxMessageBytes + 1, errTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reader := new(boundedGzip)
			for range 2 { // a reader is used again, for another message
				if err := reader.Reset(bytes.NewReader(gzipped(test.size))); err != nil {
					t.Fatal(err)
				}
				n, err := io.Copy(io.Discard, reader)
				if n != test.read || !errors.Is(err, test.want) {
					t.Errorf("%d bytes, %v; want %d, %v", n, err, test.read, test.want)
				}
			}
		})
	}
}
