// Package interop has the tests that other people's middleware works with the guard, and
// that a sign-out at other people's issuers ends streams, and that keys give the verdicts
// of Wycheproof's test vectors. It is a module of its own, so that nobody else depends on
// them. Its tests are recipes as well.
//
// The middleware is the Prometheus metrics and the log of go-grpc-middleware, otelconnect,
// otelhttp and otelgrpc, connectrpc.com/validate, and vanguard or grpc-gateway in front.
//
// The issuers are node oidc-provider, which make test installs, and dex and Ory Hydra,
// where the variables DEX and HYDRA name the programs. To measure how soon a stream ends:
//
//	DEX=/path/to/dex HYDRA=/path/to/hydra go test -run SignOut -v -signouts 100
//
// Hydra is built in an empty module, with what its own go.mod replaces:
//
//	go get github.com/ory/hydra/v2@v2.3.0
//	go mod edit -replace=github.com/gobuffalo/pop/v6=github.com/ory/pop/v6@v6.2.1-0.20241121111754-e5dfc0f3344b
//	go build -mod=mod -tags sqlite github.com/ory/hydra/v2
package interop
