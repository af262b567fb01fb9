// The code generators that buf.gen.yaml runs, in a graph of their own: users of
// the library do not inherit it, and nothing in it can raise protobuf above the
// version that go.mod has, which the generated code must not outrun.
//
// Move one: go get -modfile=go.tool.mod -tool <package>@<exact version>
// Do not tidy this file: it would take in the packages of the whole repository.
module github.com/ostiary/ostiary

go 1.26.0

tool (
	connectrpc.com/connect/cmd/protoc-gen-connect-go
	google.golang.org/grpc/cmd/protoc-gen-go-grpc
	google.golang.org/protobuf/cmd/protoc-gen-go
)

require (
	connectrpc.com/connect v1.21.1 // indirect
	google.golang.org/grpc/cmd/protoc-gen-go-grpc v1.6.2 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
