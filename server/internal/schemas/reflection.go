package schemas

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/interceptors/policydiff"
	"github.com/ostiary/ostiary/internal/logtext"
)

// What a server may send of its schema. Files without comments, as servers have them, are small:
// the whole API of a big company has some megabytes.
const (
	maxBytes    = 16 << 20
	maxFiles    = 2000
	maxServices = 1000
	// maxMethods bounds the rules, each of which is compiled.
	maxMethods = 5000
	// maxMessage is how long an answer may be, of the server's and of GetBackendSchema: what servers and
	// clients of gRPC send and receive at most by default.
	maxMessage = 4 << 20
	// ReadTimeout is how long all of it may take.
	ReadTimeout = 10 * time.Second
)

// The names of the method in the versions of reflection. Their messages are the same.
const (
	reflectionV1      = "/" + reflectionServiceV1 + "/ServerReflectionInfo"
	reflectionV1Alpha = "/" + reflectionServiceV1Alpha + "/ServerReflectionInfo"

	reflectionServiceV1      = "grpc.reflection.v1.ServerReflection"
	reflectionServiceV1Alpha = "grpc.reflection.v1alpha.ServerReflection"
)

// ReadReflection asks the server at a URL for its schema, without a token. It waits no longer
// than ReadTimeout. Where the server sends what it sent for the schema before, that is returned. Clients in libraries decode files before anybody can see how large they
// become, so the messages of reflection are sent here.
func ReadReflection(ctx context.Context, url string, before *Schema, now func() time.Time) (schema *Schema, err error) {
	ctx, cancel := context.WithTimeout(ctx, ReadTimeout)
	defer cancel()
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, Protocols: new(http.Protocols), MaxResponseHeaderBytes: 32 << 10, TLSHandshakeTimeout: ReadTimeout,
	}
	transport.Protocols.SetHTTP2(true)
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("the server redirects, which a gRPC server does not")
	}}
	defer func() { // protobuf's code has not seen every hostile schema yet
		if fault := recover(); fault != nil {
			schema, err = nil, fmt.Errorf("the schema cannot be read: %v", fault)
		}
	}()
	found, err := ask(ctx, client, url+reflectionV1)
	if connect.CodeOf(err) == connect.CodeUnimplemented {
		found, err = ask(ctx, client, url+reflectionV1Alpha)
	}
	switch {
	case connect.CodeOf(err) == connect.CodeUnimplemented:
		return nil, fmt.Errorf("the server has no reflection: switch it on there, or name an image: %w", err)
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("the server has not sent its schema within %v", ReadTimeout)
	case err != nil:
		return nil, err
	}
	sent := found.digest()
	if before != nil && before.sent == sent {
		return before, nil
	}
	files, err := policydiff.ReadImage(found.image())
	if err != nil {
		return nil, fmt.Errorf("the schema that the server sends cannot be used: %w", err)
	}
	if schema, err = newSchema(files, found.services, now); err == nil {
		schema.sent = sent
	}
	return schema, err
}

// A finding is what a server has sent.
type finding struct {
	services []string          // sorted
	files    map[string][]byte // encoded, by their paths
	imports  []string          // of the files, each once
	imported map[string]bool
	bytes    int
	received int // bytes of files, those that were there already too
}

// digest identifies what was sent.
func (f *finding) digest() [sha256.Size]byte {
	digest := sha256.New()
	fmt.Fprintf(digest, "%q\n", f.services)
	_, _ = digest.Write(f.image()) // never fails
	return [sha256.Size]byte(digest.Sum(nil))
}

// image returns the files as an encoded google.protobuf.FileDescriptorSet.
func (f *finding) image() []byte {
	image := make([]byte, 0, f.bytes+8*len(f.files))
	for _, path := range slices.Sorted(maps.Keys(f.files)) {
		image = protowire.AppendBytes(protowire.AppendTag(image, 1, protowire.BytesType), f.files[path])
	}
	return image
}

// ask calls the method at a URL.
func ask(ctx context.Context, client *http.Client, url string) (*finding, error) {
	stream := connect.NewClient[reflectionv1.ServerReflectionRequest, reflectionv1.ServerReflectionResponse](
		client, url, connect.WithGRPC(), connect.WithReadMaxBytes(maxMessage), connect.WithCodec(countingCodec{}),
		connect.WithAcceptCompression("gzip", nil, nil), // what is behind it can be a thousand times as long
	).CallBidiStream(ctx)
	defer func() {
		_ = stream.CloseRequest()
		_ = stream.CloseResponse()
	}()
	found := &finding{files: make(map[string][]byte), imported: make(map[string]bool)}
	answer := func(request *reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
		_ = stream.Send(request) // Receive returns why it has failed
		response, err := stream.Receive()
		if err != nil {
			return nil, err
		}
		if refusal := response.GetErrorResponse(); refusal != nil {
			return nil, fmt.Errorf("the server refuses with code %d: %s", refusal.GetErrorCode(), logtext.Bounded(refusal.GetErrorMessage()))
		}
		return response, nil
	}
	listed, err := answer(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}})
	if err != nil {
		return nil, err
	}
	for _, service := range listed.GetListServicesResponse().GetService() {
		if name := service.GetName(); !strings.HasPrefix(name, "grpc.reflection.") {
			found.services = append(found.services, name)
		}
	}
	slices.Sort(found.services)
	found.services = slices.Compact(found.services)
	switch {
	case len(found.services) == 0:
		return nil, errors.New("the server lists no services")
	case len(found.services) > maxServices:
		return nil, fmt.Errorf("the server lists %d services; at most %d are read", len(found.services), maxServices)
	}
	for _, name := range found.services {
		if !protoreflect.FullName(name).IsValid() {
			return nil, fmt.Errorf("the server lists a service %s, which is no name", logtext.Quoted(name))
		}
		response, err := answer(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name}})
		if err != nil {
			return nil, fmt.Errorf("the file of the service %s: %w", name, err)
		}
		if err := found.add(response); err != nil {
			return nil, err
		}
	}
	// Some servers send a file with all that it imports, and some without. The list grows meanwhile.
	for i := 0; i < len(found.imports); i++ {
		path := found.imports[i]
		if found.files[path] != nil {
			continue
		}
		response, err := answer(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileByFilename{FileByFilename: path}})
		if err != nil {
			return nil, fmt.Errorf("the file %s, which others import, is missing: %w", logtext.Quoted(path), err)
		}
		if err := found.add(response); err != nil {
			return nil, err
		}
		if found.files[path] == nil {
			return nil, fmt.Errorf("the file %s, which others import, is missing: the server sends others in its place", logtext.Quoted(path))
		}
	}
	return found, nil
}

// add takes the files of an answer.
func (f *finding) add(response *reflectionv1.ServerReflectionResponse) error {
	for _, file := range response.GetFileDescriptorResponse().GetFileDescriptorProto() {
		if f.received += len(file); f.received > 2*maxBytes {
			return errors.New("the server sends the same files again and again")
		}
		path, imports, err := outline(file)
		if err != nil {
			return fmt.Errorf("the server sends a file that is none: %w", err)
		}
		if f.files[path] != nil {
			continue
		}
		f.files[path] = file
		for _, imported := range imports {
			if !f.imported[imported] {
				f.imported[imported] = true
				f.imports = append(f.imports, imported)
			}
		}
		f.bytes += len(file)
		if f.bytes > maxBytes || len(f.files) > maxFiles || len(f.imports) > maxFiles {
			return fmt.Errorf("the schema of the server is too large: at most %d files and %d MiB are read; name an image instead, of the modules with the services", maxFiles, maxBytes>>20)
		}
	}
	return nil
}

// countingCodec is that of Protobuf, but that it reads no answer with more elements than are used: empty
// ones take thirty times their size in memory.
type countingCodec struct{}

// Name implements connect.Codec.
func (countingCodec) Name() string { return "proto" }

// Marshal implements connect.Codec.
func (countingCodec) Marshal(message any) ([]byte, error) {
	return proto.Marshal(message.(proto.Message)) //nolint:forcetypeassert // connect gives it no other
}

// Unmarshal implements connect.Codec.
func (countingCodec) Unmarshal(data []byte, message any) error {
	elements := 0
	if err := eachField(data, func(number protowire.Number, lists []byte) error {
		if number != filesResponseField && number != servicesResponseField {
			return nil
		}
		return eachField(lists, func(protowire.Number, []byte) error {
			if elements++; elements > maxFiles {
				return fmt.Errorf("an answer has more than %d elements", maxFiles)
			}
			return nil
		})
	}); err != nil {
		return err
	}
	return proto.Unmarshal(data, message.(proto.Message)) //nolint:forcetypeassert // connect gives it no other
}

// Fields of ServerReflectionResponse.
const (
	filesResponseField    = 4
	servicesResponseField = 6
)

// eachField calls a function with each field that has bytes, and with these.
func eachField(message []byte, call func(number protowire.Number, value []byte) error) error {
	for len(message) > 0 {
		number, wireType, size := protowire.ConsumeField(message)
		if size < 0 {
			return protowire.ParseError(size)
		}
		if wireType == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(message)
			value, _ := protowire.ConsumeBytes(message[tag:size])
			if err := call(number, value); err != nil {
				return err
			}
		}
		message = message[size:]
	}
	return nil
}

// Fields of google.protobuf.FileDescriptorProto.
const (
	nameField       = 1
	dependencyField = 3
)

// outline returns the path of an encoded file, and of those that it imports.
func outline(file []byte) (path string, imports []string, err error) {
	err = eachField(file, func(number protowire.Number, value []byte) error {
		if number == nameField {
			path = string(value)
		}
		if number == dependencyField {
			imports = append(imports, string(value))
		}
		if len(imports) > maxFiles {
			return fmt.Errorf("it imports more than %d files", maxFiles)
		}
		return nil
	})
	if err != nil {
		return "", nil, err
	}
	if path == "" {
		return "", nil, errors.New("it has no name")
	}
	return path, imports, nil
}
