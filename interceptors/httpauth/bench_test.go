package httpauth_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
)

// BenchmarkPlainAnswer measures what guarding a short answer costs: the handler
// alone, and the whole way over a connection of HTTP/1.1.
func BenchmarkPlainAnswer(b *testing.B) {
	session := &auth.Identity{
		Issuer: "https://issuer.test", Subject: "ada", SessionID: "sess_1", Kind: auth.KindSession,
		IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
	}
	guard := &auth.Guard{Authenticator: knows{session}, Policy: onlyExport{}}
	text := []byte("the invoices of ada")
	handler := httpauth.Protect(guard, procedure, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(text)
	}))
	b.Run("handler", func(b *testing.B) {
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		request := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody)
		b.ReportAllocs()
		for b.Loop() {
			handler.ServeHTTP(&discard{header: make(http.Header)}, request)
		}
	})
	b.Run("connection", func(b *testing.B) {
		server := httptest.NewServer(handler)
		defer server.Close()
		b.ReportAllocs()
		for b.Loop() {
			res, err := server.Client().Get(server.URL)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	})
}

// knows is an Authenticator to whom every caller is the same.
type knows struct{ identity *auth.Identity }

func (k knows) Authenticate(context.Context, auth.Call) (*auth.Identity, error) {
	return k.identity, nil
}

// discard is a response that nobody reads.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
