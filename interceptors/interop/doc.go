// Package interop has the tests that other people's middleware works with the guard, and
// that a sign-out at other people's issuers ends streams. It is a module of its own, so
// that nobody else depends on them. Its tests are recipes as well.
//
// The middleware is the Prometheus metrics and the log of go-grpc-middleware, otelconnect,
// otelhttp and otelgrpc, connectrpc.com/validate, and vanguard or grpc-gateway in front.
//
// The issuers are node oidc-provider, which make test installs, and dex, where the
// variable DEX names the program. To measure how soon a stream ends:
//
//	DEX=/path/to/dex go test -run SignOut -v -signouts 100
package interop
