package server

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func TestBoundedGzipStopsAtTheLimit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		size int
		read int64
		want error
	}{
		"the largest message is read whole": {maxMessageBytes, maxMessageBytes, nil},
		"one byte more shows":               {maxMessageBytes + 1, maxMessageBytes + 1, nil},
		"nothing more is decompressed":      {16 * maxMessageBytes, maxMessageBytes + 1, errTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reader := new(boundedGzip)
			for range 2 { // a reader is used again, for another message
				if err := reader.Reset(bytes.NewReader(gzipped(t, test.size))); err != nil {
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
