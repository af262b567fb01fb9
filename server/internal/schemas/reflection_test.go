package schemas

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
)

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// serve starts a native gRPC server, and returns its URL and what stops it.
func serve(t *testing.T, register func(*grpc.Server)) (url string, stop func()) {
	t.Helper()
	return serveAt(t, listen(t, "127.0.0.1:0"), register)
}

func serveAt(t *testing.T, listener net.Listener, register func(*grpc.Server)) (url string, stop func()) {
	t.Helper()
	server := grpc.NewServer()
	register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	stop = sync.OnceFunc(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return "http://" + listener.Addr().String(), stop
}

// whole registers two services, with and without rules, and reflection.
func whole(server *grpc.Server) {
	accessv1.RegisterAccessServiceServer(server, accessv1.UnimplementedAccessServiceServer{})
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
}

func TestASchemaIsReadByReflection(t *testing.T) {
	t.Parallel()
	both, _ := serve(t, whole)
	old, _ := serve(t, func(server *grpc.Server) {
		accessv1.RegisterAccessServiceServer(server, accessv1.UnimplementedAccessServiceServer{})
		grpc_health_v1.RegisterHealthServer(server, health.NewServer())
		reflectionv1alpha.RegisterServerReflectionServer(server, reflection.NewServer(reflection.ServerOptions{Services: server}))
	})
	for name, url := range map[string]string{"v1": both, "v1alpha alone": old} {
		schema, err := ReadReflection(t.Context(), url, nil, time.Now)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := []string{"grpc.health.v1.Health", "ostiary.access.v1.AccessService"}; !slices.Equal(schema.Services, want) {
			t.Errorf("%s: the services are %q; want %q", name, schema.Services, want)
		}
		var methods []string
		for _, entry := range schema.Methods {
			methods = append(methods, entry.Procedure+" "+entry.Access())
		}
		const of = "/ostiary.access.v1.AccessService/"
		if want := []string{of + "ExplainAccess a valid token", of + "GetBackendSchema a valid token", of + "ListBackends a valid token", of + "ListMethodRules a valid token"}; !slices.Equal(methods, want) || schema.RulesErr != nil {
			t.Errorf("%s: the rules are %q, %v; want %q", name, methods, schema.RulesErr, want)
		}
		set := new(descriptorpb.FileDescriptorSet)
		if err := proto.Unmarshal(schema.Files, set); err != nil {
			t.Fatal(err)
		}
		if _, err := protodesc.NewFiles(set); err != nil {
			t.Errorf("%s: the files are not whole: %v", name, err)
		}
	}
}

// A liar sends what it is told to as the files of every service and import.
type liar struct {
	reflectionv1.UnimplementedServerReflectionServer

	services []string
	files    func(request *reflectionv1.ServerReflectionRequest) [][]byte
}

func (l liar) ServerReflectionInfo(stream grpc.BidiStreamingServer[reflectionv1.ServerReflectionRequest, reflectionv1.ServerReflectionResponse]) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return err // the client has gone
		}
		response := &reflectionv1.ServerReflectionResponse{}
		if _, list := request.GetMessageRequest().(*reflectionv1.ServerReflectionRequest_ListServices); list {
			services := &reflectionv1.ListServiceResponse{}
			for _, name := range l.services {
				services.Service = append(services.Service, &reflectionv1.ServiceResponse{Name: name})
			}
			response.MessageResponse = &reflectionv1.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: services}
		} else if files := l.files(request); files != nil {
			response.MessageResponse = &reflectionv1.ServerReflectionResponse_FileDescriptorResponse{FileDescriptorResponse: &reflectionv1.FileDescriptorResponse{FileDescriptorProto: files}}
		} else {
			response.MessageResponse = &reflectionv1.ServerReflectionResponse_ErrorResponse{ErrorResponse: &reflectionv1.ErrorResponse{ErrorCode: 5, ErrorMessage: "not\x1b[2J here"}}
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

// file returns an encoded file with a service.
func file(t *testing.T, path string, change func(*descriptorpb.FileDescriptorProto)) []byte {
	t.Helper()
	written := &descriptorpb.FileDescriptorProto{
		Name: proto.String(path), Package: proto.String("acme"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("M")}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("S"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: proto.String("Get"), InputType: proto.String(".acme.M"), OutputType: proto.String(".acme.M")},
		}}},
	}
	if change != nil {
		change(written)
	}
	encoded, err := proto.Marshal(written)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// TestASchemaThatCannotBeUsedIsAnError, whatever a server sends, and never more than that.
func TestASchemaThatCannotBeUsedIsAnError(t *testing.T) {
	t.Parallel()
	good := file(t, "a.proto", nil)
	imports := func(paths ...string) func(*descriptorpb.FileDescriptorProto) {
		return func(f *descriptorpb.FileDescriptorProto) { f.Dependency = paths }
	}
	always := func(files ...[]byte) func(*reflectionv1.ServerReflectionRequest) [][]byte {
		return func(*reflectionv1.ServerReflectionRequest) [][]byte { return files }
	}
	onlyServices := func(encoded []byte) func(*reflectionv1.ServerReflectionRequest) [][]byte {
		return func(request *reflectionv1.ServerReflectionRequest) [][]byte {
			if request.GetFileContainingSymbol() == "" {
				return nil
			}
			return [][]byte{encoded}
		}
	}
	bomb := append(slices.Clone(good), bytes.Repeat([]byte{0x22, 0x00}, 1<<20)...) // a million messages
	numbered := 0
	for name, test := range map[string]struct {
		liar liar
		want string
	}{
		"no services":           {liar{services: []string{"grpc.reflection.v1.ServerReflection"}}, "the server lists no services"},
		"too many services":     {liar{services: strings.Fields(strings.Repeat("a b ", 1) + manyNames(maxServices+1))}, "the server lists 1003 services; at most 1000 are read"},
		"a service of no name":  {liar{services: []string{"a\n<script>"}}, `the server lists a service "a\n<script>", which is no name`},
		"a refusal":             {liar{services: []string{"acme.S"}, files: always()}, `the file of the service acme.S: the server refuses with code 5: not\x1b[2J here`},
		"no file of a service":  {liar{services: []string{"acme.S", "acme.T"}, files: always(good)}, "no file of the schema declares the service acme.T, which the server lists"},
		"a file that is none":   {liar{services: []string{"acme.S"}, files: always([]byte("no file"))}, "the server sends a file that is none"},
		"a file without a name": {liar{services: []string{"acme.S"}, files: always(file(t, "", nil))}, "the server sends a file that is none: it has no name"},
		"an import that is missing": {
			liar{services: []string{"acme.S"}, files: onlyServices(file(t, "a.proto", imports("b.proto")))}, `the file "b.proto", which others import, is missing: the server refuses with code 5`,
		},
		"another file in place of an import": {
			liar{services: []string{"acme.S"}, files: always(file(t, "a.proto", imports("b.proto")))}, `the file "b.proto", which others import, is missing: the server sends others in its place`,
		},
		"imports in a circle": {
			liar{services: []string{"acme.S"}, files: always(file(t, "a.proto", imports("b.proto")), file(t, "b.proto", imports("a.proto")))}, "the schema that the server sends cannot be used",
		},
		"a type that is missing": {
			liar{services: []string{"acme.S"}, files: always(file(t, "a.proto", func(f *descriptorpb.FileDescriptorProto) { f.MessageType = nil }))}, "the schema that the server sends cannot be used",
		},
		"a name that is none": {
			liar{services: []string{"acme.S"}, files: always(file(t, "a.proto", func(f *descriptorpb.FileDescriptorProto) {
				f.MessageType = append(f.MessageType, &descriptorpb.DescriptorProto{Name: proto.String("<img src=x>")})
			}))}, "the schema that the server sends cannot be used",
		},
		"a file that becomes large": {liar{services: []string{"acme.S"}, files: always(bomb)}, "declare more than fits into 64 MiB of memory"},
		"a file that is large":      {liar{services: []string{"acme.S"}, files: always(bytes.Repeat([]byte{0x22, 0x00}, 9<<20))}, "resource_exhausted"},
		"many elements in an answer": {
			liar{services: []string{"acme.S"}, files: always(slices.Repeat([][]byte{nil}, maxFiles+1)...)}, "an answer has more than 2000 elements",
		},
		"the same file again and again": {
			liar{services: strings.Fields("acme.S" + manyNames(maxServices-1)), files: always(slices.Repeat([][]byte{padded(t, good, 900)}, maxFiles)...)}, "the same files again and again",
		},
		"public imports that meet again and again": {
			liar{services: []string{"acme.S"}, files: always(meeting(t, 30)...)}, "the public imports of the image lead to more than",
		},
		"many methods": {
			liar{services: []string{"acme.S"}, files: always(file(t, "a.proto", func(f *descriptorpb.FileDescriptorProto) {
				for i := range maxMethods {
					f.Service[0].Method = append(f.Service[0].Method, &descriptorpb.MethodDescriptorProto{Name: proto.String(fmt.Sprint("M", i)), InputType: proto.String(".acme.M"), OutputType: proto.String(".acme.M")})
				}
			}))}, "the schema has 5001 methods; at most 5000 are shown",
		},
		"much text": {
			liar{services: []string{"acme.S"}, files: onlyServicesOf(t)}, "at most 4 MiB are shown",
		},
		"files without end": {liar{services: []string{"acme.S"}, files: func(*reflectionv1.ServerReflectionRequest) [][]byte {
			numbered++ // the stream has one goroutine
			own := "a" + strings.Repeat("x", numbered) + ".proto"
			return [][]byte{file(t, own, imports("a"+strings.Repeat("x", numbered+1)+".proto"))}
		}}, "the schema of the server is too large: at most 2000 files and 16 MiB are read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := serve(t, func(server *grpc.Server) { reflectionv1.RegisterServerReflectionServer(server, test.liar) })
			if _, err := ReadReflection(t.Context(), url, nil, time.Now); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v; want %s", err, test.want)
			}
		})
	}
}

// padded returns a file with an unknown field of so many bytes.
func padded(t *testing.T, encoded []byte, bytes int) []byte {
	t.Helper()
	return protowire.AppendBytes(protowire.AppendTag(slices.Clone(encoded), 60000, protowire.BytesType), make([]byte, bytes))
}

// meeting returns files of which two import both of the two before publicly, and so on.
func meeting(t *testing.T, depth int) [][]byte {
	t.Helper()
	var files [][]byte
	for n := range depth {
		for _, side := range []string{"a", "b"} {
			files = append(files, file(t, fmt.Sprintf("%s%d.proto", side, n), func(f *descriptorpb.FileDescriptorProto) {
				f.Package = proto.String(fmt.Sprintf("%s%d", side, n))
				f.MessageType[0].Name = proto.String("N")
				f.Service = nil
				if n == depth-1 && side == "a" {
					f.Package, f.MessageType[0].Name = proto.String("acme"), proto.String("M")
					f.Service = []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("S")}}
				}
				if n > 0 {
					f.Dependency, f.PublicDependency = []string{fmt.Sprintf("a%d.proto", n-1), fmt.Sprintf("b%d.proto", n-1)}, []int32{0, 1}
				}
			}))
		}
	}
	return files
}

// onlyServicesOf sends a service in a file that imports two with much text, each by itself.
func onlyServicesOf(t *testing.T) func(*reflectionv1.ServerReflectionRequest) [][]byte {
	t.Helper()
	long := func(path string) []byte {
		return file(t, path, func(f *descriptorpb.FileDescriptorProto) {
			f.Package, f.Service = proto.String(path[:1]), nil
			f.Options = &descriptorpb.FileOptions{GoPackage: proto.String(strings.Repeat("x", 2<<20))}
		})
	}
	first := file(t, "a.proto", func(f *descriptorpb.FileDescriptorProto) { f.Dependency = []string{"b.proto", "c.proto"} })
	return func(request *reflectionv1.ServerReflectionRequest) [][]byte {
		if path := request.GetFileByFilename(); path != "" {
			return [][]byte{long(path)}
		}
		return [][]byte{first}
	}
}

func TestASchemaThatIsTheSameIsNotReadAgain(t *testing.T) {
	t.Parallel()
	sent := liar{services: []string{"acme.S"}, files: func(*reflectionv1.ServerReflectionRequest) [][]byte { return [][]byte{file(t, "a.proto", nil)} }}
	url, _ := serve(t, func(server *grpc.Server) { reflectionv1.RegisterServerReflectionServer(server, sent) })
	first, err := ReadReflection(t.Context(), url, nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ReadReflection(t.Context(), url, first, time.Now); err != nil || again != first {
		t.Errorf("%p, %v; want %p", again, err, first)
	}
	another, _ := serve(t, whole)
	if other, err := ReadReflection(t.Context(), another, first, time.Now); err != nil || other == first {
		t.Errorf("another schema is taken for the same: %v", err)
	}
}

func manyNames(n int) string {
	var names strings.Builder
	for i := range n {
		names.WriteString(" s" + strings.Repeat("x", i%40) + string(rune('a'+i/40)))
	}
	return names.String()
}

func TestAServerThatIsNoneIsAnError(t *testing.T) {
	t.Parallel()
	silent := listen(t, "127.0.0.1:0")
	defer func() { _ = silent.Close() }()
	none := listen(t, "127.0.0.1:0")
	_ = none.Close()
	plain := listen(t, "127.0.0.1:0")
	redirecting := &http.Server{ReadHeaderTimeout: time.Minute, Protocols: new(http.Protocols), Handler: http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound)}
	redirecting.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = redirecting.Serve(plain) }()
	defer func() { _ = redirecting.Close() }()
	without, _ := serve(t, func(*grpc.Server) {})
	for name, test := range map[string]struct {
		url, want string
	}{
		"one that never answers":     {"http://" + silent.Addr().String(), "the server has not sent its schema within"},
		"nobody":                     {"http://" + none.Addr().String(), "connection refused"},
		"one that redirects":         {"http://" + plain.Addr().String(), "the server redirects, which a gRPC server does not"},
		"one without reflection":     {without, "the server has no reflection: switch it on there, or name an image"},
		"one that speaks TLS not at": {strings.Replace(without, "http:", "https:", 1), "unavailable"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if _, err := ReadReflection(ctx, test.url, nil, time.Now); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %s", name, err, test.want)
		}
		cancel()
	}
}

func FuzzOutline(f *testing.F) {
	f.Add([]byte("\n\aa.proto\x1a\ab.proto"))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		path, imports, err := outline(encoded)
		var decoded descriptorpb.FileDescriptorProto
		if err != nil || proto.Unmarshal(encoded, &decoded) != nil {
			return
		}
		if path != decoded.GetName() || !slices.Equal(imports, decoded.GetDependency()) {
			t.Errorf("%q, %q; protobuf has %q, %q", path, imports, decoded.GetName(), decoded.GetDependency())
		}
	})
}
