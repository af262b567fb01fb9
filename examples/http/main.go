// Http serves a download with net/http. It has no schema, so its rule is given in Go.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// export is the name of the rule, in logs too.
const export = "/acme.invoice.v1.Files/Export"

func main() {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "localhost:8000")
	if err != nil {
		log.Fatal(err)
	}
	// The zero Config accepts the tokens of "ostiary dev". docs/providers.md has those of others.
	log.Fatal(serve(listener, ostiary.Config{}))
}

func serve(listener net.Listener, config ostiary.Config) error {
	mux := http.NewServeMux()
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second}
	download := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "the invoices of", auth.MustFromContext(r.Context()).Subject)
	})

	config.Rules = append(config.Rules, policy.Override(export, policy.Authenticated()))
	guard, err := ostiary.New(config)
	if err != nil {
		return err
	}
	defer guard.Close()
	mux.Handle("GET /export", httpauth.Protect(guard, export, download))
	server.Handler = httpauth.RequireGuard(guard, mux) // refuses what was mounted without a guard

	return server.Serve(listener)
}
