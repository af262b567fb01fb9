package policydiff_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// An image takes ten times its size in memory at most. One of elements that are
// nearly empty would take a hundred times as much. Nothing else runs meanwhile.
func TestAnImageTakesNoMoreMemoryThanItsSizeAllows(t *testing.T) { //nolint:paralleltest // it measures memory
	const size = 10 << 20
	element := func(number protowire.Number, content []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), content)
	}
	name := func(text string) []byte { return element(1, []byte(text)) }
	// in returns as many elements as fit into an image, in elements of these numbers.
	in := func(number protowire.Number, content []byte, path ...protowire.Number) []byte {
		one := element(number, content)
		image := bytes.Repeat(one, size/len(one))
		for _, outer := range path {
			image = element(outer, append(name("A"), image...))
		}
		return image
	}
	places := func(of byte) []byte {
		one := element(1, element(1, []byte{of, 0}))
		return bytes.Repeat(one, size/len(one))
	}
	deep := []byte{}
	for range 200 {
		deep = element(3, append(name("A"), deep...))
	}
	for what, image := range map[string][]byte{
		"files":                            in(1, nil),
		"messages":                         in(4, nil, 1),
		"messages with names":              in(4, name("Message"), 1),
		"fields":                           in(2, name("field"), 4, 1),
		"enums":                            in(5, nil, 1),
		"values of an enum":                in(2, name("VALUE"), 5, 1),
		"services":                         in(6, name("Service"), 1),
		"methods":                          in(2, name("Method"), 6, 1),
		"imports":                          in(3, nil, 1),
		"places of services":               element(1, element(9, places(6))),
		"options":                          in(1, nil, 3, 51770, 4, 2, 6, 1),
		"options of messages":              in(7, nil, 4, 1),
		"messages in one with a long name": element(1, element(4, append(name(strings.Repeat("x", size/2)), bytes.Repeat(element(3, name("y")), size/20)...))),
		"messages that nest":               element(1, element(4, deep)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := policydiff.ReadImage(image)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "of memory") && !strings.Contains(err.Error(), "more than 100 deep") {
			t.Errorf("%s: error %.200v", what, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 10*size {
			t.Errorf("%s took %d MiB", what, took>>20)
		}
	}
	// Where the places of what is no service are most of the image, they are left out.
	if _, err := policydiff.ReadImage(element(1, append(name("a.proto"), element(9, places(4))...))); err != nil {
		t.Errorf("places of fields: %v", err)
	}
}
