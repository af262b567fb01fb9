package policydiff_test

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// Where things lie in a file, for its source information.
const (
	inServices, inMethods = 6, 2
	optionNumber          = 1517
)

// newImage returns an image of the schema in which the service is on line 10,
// its options on 11, its only method on 13 and the method's options on 15.
func newImage(t testing.TB, file *descriptorpb.FileDescriptorProto) []byte {
	t.Helper()
	at := func(line int32, path ...int32) *descriptorpb.SourceCodeInfo_Location {
		return &descriptorpb.SourceCodeInfo_Location{Path: path, Span: []int32{line - 1, 2, 80}}
	}
	file.SourceCodeInfo = &descriptorpb.SourceCodeInfo{Location: []*descriptorpb.SourceCodeInfo_Location{
		at(10, inServices, 0),
		at(11, inServices, 0, 3, optionNumber, 2),
		at(13, inServices, 0, inMethods, 0),
		at(15, inServices, 0, inMethods, 0, 4, optionNumber, 3),
	}}
	file.Dependency = []string{"google/protobuf/timestamp.proto"}
	imported := protodesc.ToFileDescriptorProto(timestamppb.File_google_protobuf_timestamp_proto)
	imported.ProtoReflect().SetUnknown(bufExtension(true))
	file.ProtoReflect().SetUnknown(bufExtension(false))
	data, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{imported, file}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// bufExtension is what buf adds to a file of an image.
func bufExtension(isImport bool) []byte {
	message := protowire.AppendTag(nil, 1, protowire.VarintType)
	message = protowire.AppendVarint(message, protowire.EncodeBool(isImport))
	return protowire.AppendBytes(protowire.AppendTag(nil, 8042, protowire.BytesType), message)
}

func TestReadImage(t *testing.T) {
	t.Parallel()
	files, err := policydiff.ReadImage(newImage(t, schematest.Describe(nil, schematest.Rules{"M": schematest.Authenticated()})))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 || files[0].Path() != schematest.SchemaFile {
		t.Fatalf("files %v; want the one that is no import", files)
	}
	schematest.AssertReason(t, schematest.NewPolicy(t, files[0]).Rule(schematest.Procedure("M")).Check(nil), 1)
}

// Of a field that is there twice, the last counts, as in every protobuf message.
func TestReadImageUsesTheLastIsImportField(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		words []bool
		own   int
	}{
		{"no word", nil, 1},
		{"an import", []bool{true}, 0},
		{"an import, and then none", []bool{true, false}, 1},
		{"none, and then an import", []bool{false, true}, 0},
	} {
		file := schematest.Describe(nil, schematest.Rules{"M": schematest.Authenticated()})
		var extension []byte
		for _, word := range tt.words {
			extension = append(extension, bufExtension(word)...)
		}
		file.ProtoReflect().SetUnknown(extension)
		data, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
		if err != nil {
			t.Fatal(err)
		}
		if files, err := policydiff.ReadImage(data); err != nil || len(files) != tt.own {
			t.Errorf("%s: %d files, %v; want %d", tt.name, len(files), err, tt.own)
		}
	}
}

func TestAnImageHasLineNumbers(t *testing.T) {
	t.Parallel()
	broken := schematest.Condition("request.ownr == ''")
	for _, tt := range []struct {
		name string
		file *descriptorpb.FileDescriptorProto
		want policy.Origin
	}{
		{"the method's own rule", schematest.Describe(nil, schematest.Rules{"M": broken}), policy.Origin{Source: policy.SourceMethod, File: schematest.SchemaFile, Line: 15}},
		{"the service's rule", schematest.Describe(broken, schematest.Rules{"M": nil}), policy.Origin{Source: policy.SourceService, File: schematest.SchemaFile, Line: 11}},
		{"no rule", schematest.Describe(nil, schematest.Rules{"M": nil}), policy.Origin{File: schematest.SchemaFile, Line: 13}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files, err := policydiff.ReadImage(newImage(t, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			_, err = policy.New(policy.Files(files...))
			if fault, ok := errors.AsType[*policy.RuleError](err); !ok || fault.Origin != tt.want {
				t.Errorf("%v; want a fault at %+v", err, tt.want)
			}
		})
	}
}

func TestReadImageRefusesInvalidImages(t *testing.T) {
	t.Parallel()
	alone, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name: proto.String("a.proto"), Dependency: []string{"b.proto"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		data string
		want string
	}{
		{"nothing", "", "the image is empty"},
		{"the source of a schema", `syntax = "proto3";`, "not a schema image"},
		{"a file that breaks off", "\x0a\x02\x22\x05", "not a schema image"},
		{"a message that breaks off", "\x0a\x04\x22\x02\x0a\x05", "not a schema image"},
		{"a file without what it imports", string(alone), "the image is not whole"},
	} {
		if _, err := policydiff.ReadImage([]byte(tt.data)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
	}
}

// TestReadImageAcceptsMessagesUpToItsDepth nests messages to the limit, of which the
// image and the file are two levels.
func TestReadImageAcceptsMessagesUpToItsDepth(t *testing.T) {
	t.Parallel()
	const refused = "its messages nest more than 100 deep"
	for messages, want := range map[int]bool{99: true, 100: false} {
		message := &descriptorpb.DescriptorProto{Name: proto.String("A")}
		for range messages - 1 {
			message = &descriptorpb.DescriptorProto{Name: proto.String("A"), NestedType: []*descriptorpb.DescriptorProto{message}}
		}
		image, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
			Name: proto.String("a.proto"), MessageType: []*descriptorpb.DescriptorProto{message},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = policydiff.ReadImage(image); want && err != nil || !want && (err == nil || !strings.Contains(err.Error(), refused)) {
			t.Errorf("%d messages, each in another: %v; taken %t", messages, err, want)
		}
	}
}

func FuzzReadImage(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte(`syntax = "proto3";`))
	f.Add(newImage(f, schematest.Describe(schematest.Authenticated(), schematest.Rules{"M": nil})))
	f.Add(newImage(f, schematest.Describe(nil, schematest.Rules{"M": schematest.Condition("request.owner == identity.subject")})))
	f.Add(newImage(f, schematest.Describe(nil, schematest.Rules{"M": nil})))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := policydiff.ReadImage(data)
		if err != nil {
			return
		}
		_, _ = policy.New(policy.Files(files...)) // must not panic
		for _, change := range policydiff.Diff(files, files) {
			if change.Verdict != policydiff.Undecidable { // as are options that cannot be read
				t.Errorf("a schema differs from itself: %+v", change)
			}
		}
	})
}

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
		"options":                          in(1, nil, 3, optionNumber, 4, 2, 6, 1),
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
