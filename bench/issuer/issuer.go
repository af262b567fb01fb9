// Package issuer makes the tokens that are verified here: session tokens of
// Clerk's version 2, of somewhat more than 900 bytes with RS256, the same for everybody.
//
//	iss := issuer.New("RS256")
//	verify, err := verifiers.Ours(ctx, iss.Trust())
//	err = verify(ctx, iss.Token(0))
package issuer

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

// What every verifier is told to insist on. Clerk's SDK knows an issuer by how
// its URL begins.
const (
	URL      = "https://clerk.example.com"
	Audience = "acme"
	Party    = "https://example.com"
)

// An Issuer signs with one key. It is safe for concurrent use.
type Issuer struct {
	issuer *authtest.Issuer
	key    *authtest.Key
	born   time.Time
	trust  Trust
}

// New returns an issuer with a fresh key for RS256, ES256 or EdDSA.
func New(algorithm string) *Issuer {
	i := &Issuer{issuer: authtest.New(URL), key: authtest.NewKey(algorithm), born: time.Now()}
	i.issuer.Publish(i.key)
	published := httptest.NewRecorder()
	i.issuer.ServeHTTP(published, httptest.NewRequest(http.MethodGet, i.issuer.JWKSURL(), http.NoBody)) //nolint:noctx // answered from memory
	i.trust = Trust{Algorithm: algorithm, JWKS: published.Body.Bytes(), PEM: i.key.PublicPEM()}
	return i
}

// Token returns the n-th token. Each n has a user and a session of its own; with
// an algorithm that signs deterministically, the same n has the same token.
// Tokens live for half a day, longer than any run.
func (i *Issuer) Token(n int) string {
	return i.issuer.Session(Subject(n),
		authtest.SignedBy(i.key),
		authtest.IssuedAt(i.born),
		authtest.ExpiresIn(12*time.Hour),
		authtest.With("sid", fmt.Sprintf("sess_2%026d", n)),
		authtest.With("jti", fmt.Sprintf("%020x", n)),
		authtest.With("azp", Party),
		authtest.With("aud", Audience),
		authtest.InOrganization("org_2aBcDeFgHiJkLmNoPqRsTuVwXyZ", "acme", "admin", "invoices:read"),
	)
}

// Subject returns the user of the n-th token.
func Subject(n int) string { return fmt.Sprintf("user_2%026d", n) }

// Trust is all that a verifier is given of an issuer.
type Trust struct {
	Algorithm string
	JWKS      []byte // the key set (RFC 7517)
	PEM       []byte // the public key
}

// Trust returns what to verify the issuer's tokens by.
func (i *Issuer) Trust() Trust { return i.trust }

// JWKSURL is where key sets that fetch are told to fetch.
const JWKSURL = URL + "/.well-known/jwks.json"

// Client returns an HTTP client that answers every request with the key set,
// from memory: libraries that insist on fetching do so without a network.
func (t Trust) Client() *http.Client { return &http.Client{Transport: memory(t.JWKS)} }

type memory []byte

func (m memory) RoundTrip(request *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(bytes.NewReader(m)),
		Request:    request,
	}, nil
}
