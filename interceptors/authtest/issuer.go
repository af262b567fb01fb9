// Package authtest is a test kit: a guard for your services in one line, and an issuer
// whose tokens it accepts. Use it to test services against real tokens, without an
// account and without a network:
//
//	guard, issuer := authtest.Guard(t)
//	mux.Handle(invoicev1connect.NewInvoiceServiceHandler(service, connectauth.WithGuard(guard)))
//	token := issuer.Session("user_ada", authtest.InOrganization("org_acme", "acme", "admin", "invoices:read"))
//
// The tokens are shaped like Clerk's; [GuardFor], [Issuer.UserOf] and [Issuer.MachineOf]
// do the same for every other provider. To test what becomes of a server whose issuer
// rotates its keys or fails, [Start] serves an issuer on a port.
//
// Small edits change the claims of a token, applied in order:
//
//	issuer.Session("user_ada", authtest.IssuedAt(yesterday))
//	issuer.Session("user_ada", authtest.Without("exp"), authtest.Header("kid", 7))
//	issuer.Session("user_ada", authtest.SignedBy(authtest.NewKey("RS256"))) // forged
//
// And what the issuer does changes with [Issuer.RotateKey], [Issuer.RemoveKey],
// [Issuer.Fail] and [Issuer.Restore].
//
// Tokens are signed with github.com/lestrrat-go/jwx, which verifies none of
// them in this project: a fault in our verifier cannot hide behind the same
// fault here.
//
// Being a test kit, it panics where it is used wrongly, such as on a claim that
// has no JSON form. It signs whatever it is asked to sign: a program that lets
// others ask must guard it well.
package authtest

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// An Issuer signs tokens and is the http.Handler that publishes the keys to
// verify them with. It is safe for concurrent use.
type Issuer struct {
	url string
	now func() time.Time

	mu           sync.Mutex
	keys         []*Key         // those published, the newest last
	requests     map[string]int // by path
	cacheControl string
	outage       Outage             // nil when all is well
	outageOver   context.Context    // done when the outage ends
	endOutage    context.CancelFunc // ends it
}

// An Option changes how an Issuer is made.
type Option func(*Issuer)

// WithNow gives the issuer its clock. The default is time.Now.
func WithNow(now func() time.Time) Option { return func(iss *Issuer) { iss.now = now } }

// New returns an issuer whose tokens have url as their iss, exactly as written.
// It is for you to serve: mount it where url leads to, or nowhere when the keys
// are handed over by [Issuer.PublicPEM]. Most tests want [Start].
func New(url string, opts ...Option) *Issuer {
	iss := &Issuer{url: url, now: time.Now, requests: make(map[string]int)}
	for _, opt := range opts {
		opt(iss)
	}
	return iss
}

// TB is the part of testing.TB that Start and Guard need. It keeps package testing out
// of programs, such as a development server, that use an Issuer by itself.
type TB interface {
	Helper()
	Cleanup(cleanup func())
	Fatalf(format string, args ...any)
	Output() io.Writer
}

// Start returns an issuer that is served on a free port of 127.0.0.1 until the
// test ends. When Start's cleanup has run, nothing is left running.
func Start(t TB, opts ...Option) *Issuer {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("authtest: start an issuer: %v", err)
	}
	iss := New("http://"+listener.Addr().String(), opts...)
	server := &http.Server{Handler: iss, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // always http.ErrServerClosed, from the cleanup
	}()
	t.Cleanup(func() {
		iss.Restore() // lets go of requests that hang
		_ = server.Close()
		<-done
	})
	return iss
}

// URL returns the iss of the issuer's tokens.
func (iss *Issuer) URL() string { return iss.url }

// JWKSURL returns where the issuer publishes its keys.
func (iss *Issuer) JWKSURL() string { return iss.at(JWKSPath) }

// at returns the URL of a path. Some issuers end in a slash, which is part of
// their name but not doubled in their addresses.
func (iss *Issuer) at(path string) string { return strings.TrimSuffix(iss.url, "/") + path }
