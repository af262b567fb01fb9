package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server"
	"github.com/ostiary/ostiary/server/settings"
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
	srv, err := server.New(ctx, settings.Config{
		HTTPAddr:   "127.0.0.1:0",
		GRPCAddr:   "127.0.0.1:0",
		AdminAddr:  settings.AdminNone,
		DataDir:    dir,
		DrainDelay: -1, // nothing is in front of it
		Issuers: []settings.Issuer{{
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
