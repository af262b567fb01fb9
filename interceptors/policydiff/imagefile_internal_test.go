package policydiff

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestNoMoreIsReadThanTheLimit(t *testing.T) {
	t.Parallel()
	if data, err := readAtMost(strings.NewReader("four"), 4); err != nil || string(data) != "four" {
		t.Errorf("all that there can be: %q, %v", data, err)
	}
	if data, err := readAtMost(strings.NewReader("fives"), 4); !errors.Is(err, errTooMuch) {
		t.Errorf("one more: %q, %v", data, err)
	}
	if data, err := readAtMost(endless{}, 1<<10); !errors.Is(err, errTooMuch) {
		t.Errorf("no end: %d bytes, %v", len(data), err)
	}
	if data, err := readAtMost(io.MultiReader(strings.NewReader("a"), failing{}), 4); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a failure: %q, %v", data, err)
	}
}

// endless is what a device has that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestOtherFormsOfSchemasAreNamed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ data, want string }{
		"JSON":                      {`{"file":[{"name":"größe.proto"}]}`, "text"},
		"the text form":             {"file {\r\n\tname: \"a.proto\"\r\n}\r\n", "text"},
		"gzip":                      {"\x1f\x8b\x08\x00", "compressed"},
		"Zstandard":                 {"\x28\xb5\x2f\xfd\x00", "compressed"},
		"the binary form":           {"\n\x0b\n\x07a.proto\x12\x00", ""},
		"neither text nor an image": {"\xff\xfe", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := otherForm([]byte(test.data)); got != test.want {
				t.Errorf("%q; want %q", got, test.want)
			}
		})
	}
}
