package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server"
)

func ExampleNew() {
	issuer := authtest.New("https://clerk.example.com")
	dir, err := os.MkdirTemp("", "ostiary")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	srv, err := server.New(ctx, server.Config{
		HTTPAddr:   "127.0.0.1:0",
		GRPCAddr:   "127.0.0.1:0",
		AdminAddr:  server.AdminNone,
		DataDir:    dir,
		DrainDelay: -1, // nothing is in front of it
		Issuers: []server.Issuer{{
			URL:       issuer.URL(),
			JWTKey:    string(issuer.PublicPEM()), // without it the keys are fetched
			Audiences: []string{"invoices"},
		}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	stop() // as SIGTERM would
	fmt.Println("stopped:", srv.Run(ctx))
	// Output: stopped: <nil>
}

func ExampleConfig_Faults() {
	config := server.Config{
		Issuers: []server.Issuer{{URL: "http://clerk.example.com", Audiences: []string{"invoices"}}},
		CORS:    server.CORS{AllowedOrigins: []string{"https://app.example.com/"}},
	}
	for _, fault := range config.Faults() {
		fmt.Println(fault)
	}
	// Output:
	// cors_allowed_origins: "https://app.example.com/" is not an origin: leave out everything after the host and the port, a trailing slash too
	// issuers[0].url: "http://clerk.example.com" is plain http, which is allowed on loopback alone; use https, or set `insecure_http` within a private network
}
