// Package interop has the tests that other people's middleware works with the guard:
// the Prometheus metrics and the log of go-grpc-middleware, otelconnect, otelhttp and
// otelgrpc, connectrpc.com/validate, and vanguard or grpc-gateway in front. It is a module of its own, so
// that nobody else depends on them. Its tests are recipes as well.
package interop
