package policydiff

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxImage is the largest image that is read, in bytes; far larger than those of
// big companies are.
const maxImage = 256 << 20

// ReadImageFrom is [ReadImage] of what a reader has, up to 256 MiB. The image must declare a
// service: one without was built of the wrong folder, and has no rules to speak of. The errors
// call the image by the name, such as that of its file, and say what to do.
func ReadImageFrom(r io.Reader, name string) ([]protoreflect.FileDescriptor, error) {
	data, err := readAtMost(r, maxImage)
	if errors.Is(err, errTooMuch) {
		return nil, fmt.Errorf("%s: this is larger than %d MiB, so not a schema image; create one with buf build -o image.binpb", name, maxImage>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("read the image: %w", err)
	}
	files, err := ReadImage(data)
	if form := otherForm(data); err != nil && form != "" {
		return nil, fmt.Errorf("%s: this is %s, not a binary schema image; create one with buf build -o image.binpb, or convert it with buf build FILE -o image.binpb", name, form)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	declares := func(file protoreflect.FileDescriptor) bool { return file.Services().Len() > 0 }
	if !slices.ContainsFunc(files, declares) {
		return nil, fmt.Errorf("%s: the image declares no services, so it has no rules; build it from the module with the services", name)
	}
	return files, nil
}

// errTooMuch is that there is more to read than there can be.
var errTooMuch = errors.New("too much to read")

func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, errTooMuch
	}
	return data, err
}

// otherForm names the form of a schema that is not binary: buf and protoc also write
// compressed files, JSON, YAML and other text.
func otherForm(data []byte) string {
	isControl := func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }
	switch {
	case bytes.HasPrefix(data, []byte("\x1f\x8b")), bytes.HasPrefix(data, []byte("\x28\xb5\x2f\xfd")): // gzip, Zstandard
		return "compressed"
	case utf8.Valid(data) && !bytes.ContainsFunc(data, isControl):
		return "text"
	default:
		return ""
	}
}
