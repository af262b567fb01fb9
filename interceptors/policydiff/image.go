package policydiff

import (
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
