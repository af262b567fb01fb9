package policydiff

import (
	"cmp"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// ReadImage reads a schema that was built into a file: an image of buf's
// (buf build -o image.binpb), or a FileDescriptorSet of protoc's
// (--include_imports --include_source_info). It returns the files themselves,
// without those that they only import, if the image distinguishes the two.
//
// An image that would take far more memory than schemas of its size do is refused.
func ReadImage(data []byte) ([]protoreflect.FileDescriptor, error) {
	image, err := withoutLocations(data)
	if err == nil {
		err = checkMemory(image, len(data))
	}
	set := new(descriptorpb.FileDescriptorSet)
	if err == nil {
		err = proto.Unmarshal(image, set)
	}
	if err != nil {
		return nil, fmt.Errorf("not a schema image; create one with buf build -o image.binpb: %w", err)
	}
	if len(set.GetFile()) == 0 {
		return nil, fmt.Errorf("the image is empty: make one with buf build -o image.binpb")
	}
	if err := checkPublicImports(set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, fmt.Errorf("the image is not whole: include what it imports: %w", err)
	}
	var own []protoreflect.FileDescriptor
	for _, f := range set.GetFile() {
		if isImport(f) {
			continue
		}
		file, err := files.FindFileByPath(f.GetName())
		if err != nil {
			return nil, fmt.Errorf("the image is not whole: %w", err)
		}
		own = append(own, file)
	}
	return own, nil
}

// maxPublicImports is how many files may be reached by public imports, from all files together and
// by every way.
const maxPublicImports = 1 << 20

// checkPublicImports refuses an image whose public imports branch and meet again and again:
// protobuf follows each way anew, and so for ever.
func checkPublicImports(set *descriptorpb.FileDescriptorSet) error {
	files := make(map[string]*descriptorpb.FileDescriptorProto, len(set.GetFile()))
	for _, file := range set.GetFile() {
		files[file.GetName()] = file
	}
	ways := make(map[string]int, len(files)) // from a file on; of one in a circle too few, which protobuf refuses
	var follow func(name string) int
	follow = func(name string) int {
		if known, ok := ways[name]; ok {
			return known
		}
		ways[name] = 0
		sum := 0
		dependencies := files[name].GetDependency()
		for _, i := range files[name].GetPublicDependency() {
			if int(i) >= 0 && int(i) < len(dependencies) {
				sum = min(sum+1+follow(dependencies[i]), maxPublicImports)
			}
		}
		ways[name] = sum
		return sum
	}
	total := 0
	for _, file := range set.GetFile() {
		for _, imported := range file.GetDependency() {
			if total += follow(imported); total >= maxPublicImports {
				return fmt.Errorf("the public imports of the image lead to more than %d files, by all ways together: import the files themselves", maxPublicImports)
			}
		}
	}
	return nil
}

// buf marks the imports of an image in a field that it adds to
// FileDescriptorProto (buf.alpha.image.v1.ImageFile).
const (
	bufExtensionField = 8042
	isImportField     = 1
)

func isImport(file *descriptorpb.FileDescriptorProto) bool {
	extension, ok := lastField(file.ProtoReflect().GetUnknown(), bufExtensionField, protowire.BytesType)
	if !ok {
		return false
	}
	message, _ := protowire.ConsumeBytes(extension)
	value, ok := lastField(message, isImportField, protowire.VarintType)
	if !ok {
		return false
	}
	flag, _ := protowire.ConsumeVarint(value)
	return protowire.DecodeBool(flag)
}

// lastField returns what follows the last tag of a field in an encoded message.
func lastField(message []byte, number protowire.Number, wireType protowire.Type) (value []byte, found bool) {
	for len(message) > 0 {
		n, t, size := protowire.ConsumeField(message)
		if size < 0 {
			return nil, false
		}
		if n == number && t == wireType {
			_, _, tag := protowire.ConsumeTag(message)
			value, found = message[tag:size], true
		}
		message = message[size:]
	}
	return value, found
}

// An image whose elements have a few bytes each takes more than a hundred times its size
// in memory. So its memory is estimated before it is read, and an image that would take
// much more than ordinary schemas is refused.

// maxMemory is how many bytes of memory an image of this size may take, beside two
// copies of it: with them, ten times its size. A small image may take more.
func maxMemory(size int) int { return max(64<<20, 8*size) }

// maxDepth is how deep messages nest in an image. Compilers allow less.
const maxDepth = 100

// memoryOf is how many bytes an element takes beside its names, as a message and as a
// descriptor together.
var memoryOf = map[protoreflect.Name]int{
	"FileDescriptorProto": 1300, "DescriptorProto": 950, "FieldDescriptorProto": 600,
	"EnumDescriptorProto": 600, "EnumValueDescriptorProto": 250,
	"ServiceDescriptorProto": 250, "MethodDescriptorProto": 270, "Location": 400,
}

const (
	memoryOfElement = 250 // what any other element takes
	memoryOfValue   = 48  // what a value takes, beside its bytes
	memoryOfText    = 3   // what a byte of a value takes: in names, full names and indexes
	memoryOfOption  = 10  // what a byte of an option takes
)

// checkMemory refuses an image that takes more than maxMemory of size bytes.
func checkMemory(image []byte, size int) error {
	meter := memoryMeter{left: maxMemory(size)}
	if err := meter.message(image, (&descriptorpb.FileDescriptorSet{}).ProtoReflect().Descriptor(), 0, 0); err != nil {
		return err
	}
	if meter.left < 0 {
		return fmt.Errorf("its %d bytes declare more than fits into %d MiB of memory: build it only from the modules with the services", size, maxMemory(size)>>20)
	}
	return nil
}

type memoryMeter struct{ left int }

// message measures an encoded message until no memory is left. The full name of each
// element in it begins with that of the message.
func (m *memoryMeter) message(encoded []byte, d protoreflect.MessageDescriptor, fullName, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("its messages nest more than %d deep", maxDepth)
	}
	for len(encoded) > 0 && m.left >= 0 {
		number, wireType, size := protowire.ConsumeField(encoded)
		if size < 0 {
			return protowire.ParseError(size)
		}
		_, _, tag := protowire.ConsumeTag(encoded)
		value := encoded[tag:size]
		encoded = encoded[size:]
		field := d.Fields().ByNumber(number)
		switch {
		case field == nil:
			m.left -= memoryOfOption * len(value)
		case field.Message() == nil || wireType != protowire.BytesType:
			m.left -= memoryOfValue + memoryOfText*len(value)
		default:
			content, _ := protowire.ConsumeBytes(value)
			m.left -= cmp.Or(memoryOf[field.Message().Name()], memoryOfElement) + fullName
			name, _ := lastField(content, nameField(field.Message()), protowire.BytesType)
			if err := m.message(content, field.Message(), fullName+len(name), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// nameField is the field with which the full names in an element begin.
func nameField(element protoreflect.MessageDescriptor) protowire.Number {
	if element.Name() == "FileDescriptorProto" {
		return packageField
	}
	return 1
}

// Field numbers of descriptor.proto.
const (
	filesField    = 1 // FileDescriptorSet.file
	packageField  = 2 // FileDescriptorProto.package
	infoField     = 9 // FileDescriptorProto.source_code_info
	locationField = 1 // SourceCodeInfo.location
	pathField     = 1 // SourceCodeInfo.Location.path
	servicesField = 6 // FileDescriptorProto.service, which begins the path of a service
)

// withoutLocations returns an image without the source locations of anything but
// services: they are most of the image, and are not read.
func withoutLocations(image []byte) ([]byte, error) {
	return rewrite(image, filesField, func(file []byte) ([]byte, error) {
		return rewrite(file, infoField, func(info []byte) ([]byte, error) {
			return rewrite(info, locationField, func(location []byte) ([]byte, error) {
				path, _ := lastField(location, pathField, protowire.BytesType)
				if packed, n := protowire.ConsumeBytes(path); n > 0 && len(packed) > 0 && packed[0] != servicesField {
					return nil, errDropped
				}
				return location, nil
			})
		})
	})
}

// errDropped means that an element is left out.
var errDropped = errors.New("dropped")

// rewrite replaces each element of one field of an encoded message.
func rewrite(message []byte, number protowire.Number, replace func([]byte) ([]byte, error)) ([]byte, error) {
	rewritten := make([]byte, 0, len(message))
	for len(message) > 0 {
		n, wireType, size := protowire.ConsumeField(message)
		if size < 0 {
			return nil, protowire.ParseError(size)
		}
		field := message[:size]
		message = message[size:]
		if n != number || wireType != protowire.BytesType {
			rewritten = append(rewritten, field...)
			continue
		}
		_, _, tag := protowire.ConsumeTag(field)
		element, _ := protowire.ConsumeBytes(field[tag:])
		element, err := replace(element)
		if errors.Is(err, errDropped) {
			continue
		}
		if err != nil {
			return nil, err
		}
		rewritten = protowire.AppendBytes(protowire.AppendTag(rewritten, number, wireType), element)
	}
	return rewritten, nil
}
