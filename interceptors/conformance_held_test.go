package interceptors_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/token"
)

// holdingTransport holds the body of a request back where the context says so.
type holdingTransport struct{ *http.Transport }

type holdKey struct{}

func (t holdingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if hold, _ := req.Context().Value(holdKey{}).(func()); hold != nil && req.Body != nil {
		req = req.Clone(req.Context())
		req.Body = &heldBody{ReadCloser: req.Body, hold: hold}
		req.ContentLength = -1 // or HTTP/1.1 waits with the header
	}
	return t.Transport.RoundTrip(req)
}

type heldBody struct {
	io.ReadCloser

	once sync.Once
	hold func()
}

func (b *heldBody) Read(p []byte) (int, error) {
	b.once.Do(b.hold)
	return b.ReadCloser.Read(p)
}

// A heldKit is one issuer with a guard, and the ways in which a token becomes invalid
// during a call.
type heldKit struct {
	issuer  *authtest.Issuer
	key     *authtest.Key
	revoked *revocation.List
	guard   *auth.Guard
	session string // its token
	ahead   atomic.Int64
}

func newHeldKit(t *testing.T) *heldKit {
	t.Helper()
	k := &heldKit{key: authtest.NewKey("ES256"), revoked: revocation.New(revocation.Config{})}
	k.issuer = authtest.Start(t, authtest.WithNow(k.now))
	k.issuer.Publish(k.key)
	k.session = k.mint(k.key)
	keys, err := jwks.NewRemote(jwks.RemoteConfig{URL: k.issuer.JWKSURL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	verifier, err := token.New(token.Config{Now: k.now, Issuers: []token.Issuer{
		{URL: k.issuer.URL(), Keys: keys, Profile: token.OIDC(), Audiences: []string{audience}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	k.guard = &auth.Guard{
		Authenticator: verifier, Policy: compile(t), Revocations: k.revoked, Now: k.now,
	}
	return k
}

func (k *heldKit) now() time.Time { return time.Now().Add(time.Duration(k.ahead.Load())) }

func (k *heldKit) mint(key *authtest.Key) string {
	return k.issuer.OIDC(ada, authtest.With("aud", audience), authtest.With("sid", "sess_1"), authtest.SignedBy(key))
}

// losses are the ways in which a good token becomes invalid, each with the reason of
// the refusal.
var losses = map[string]struct {
	lose func(*testing.T, *heldKit)
	want auth.Reason
}{
	"its token expired": {want: auth.TokenExpired, lose: func(_ *testing.T, k *heldKit) { k.ahead.Store(int64(time.Hour)) }},
	"its session was revoked": {want: auth.TokenRevoked, lose: func(t *testing.T, k *heldKit) {
		if err := k.revoked.Add(revocation.Revocation{Kind: revocation.TargetSession, Issuer: k.issuer.URL(), ID: "sess_1"}); err != nil {
			t.Error(err)
		}
	}},
	"the key of its token was removed": {want: auth.KeyUnknown, lose: func(t *testing.T, k *heldKit) {
		k.issuer.RemoveKey(k.key.ID())
		next := authtest.NewKey("ES256")
		k.issuer.Publish(next)
		// A token of the new key has the set fetched.
		call := auth.Call{Procedure: procedure(authenticated, unary), Header: bearer(k.mint(next))}
		if _, err := observed(k.guard, nil).Admit(t.Context(), call); err != nil {
			t.Error(err)
		}
	}},
}

func compile(t *testing.T) *policy.Policy {
	t.Helper()
	compiled, err := policy.New(policy.Files(newSchema(t)), condition.Enable())
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// awaitAdmission returns when the guard has admitted a call.
func (w *witness) awaitAdmission(ctx context.Context) {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		w.mu.Lock()
		admitted := len(w.seen) > 0
		w.mu.Unlock()
		if admitted {
			return
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// TestAHeldCallIsRefused sends the header of a call, and its message only when the
// token no longer counts.
func TestAHeldCallIsRefused(t *testing.T) {
	t.Parallel()
	for _, transport := range transports() {
		if transport.method == get {
			continue // its message is in the URL
		}
		for name, loss := range losses {
			t.Run(transport.name+", "+name, func(t *testing.T) {
				t.Parallel()
				k := newHeldKit(t)
				b := startTransport(t, transport, k.guard)
				got := b.call(t.Context(), attempt{service: authenticated, header: bearer(k.session), body: hello, hold: func() {
					if !transport.decodesSoon {
						b.witness.awaitAdmission(t.Context())
					}
					loss.lose(t, k)
				}})
				b.assertRefusal(t, got, loss.want)
				if ran := b.service.ran.Load(); ran != 0 && !b.decodesLate {
					t.Errorf("the handler ran %d times", ran)
				}
				if got.reply != "" {
					t.Errorf("the handler answered %q", got.reply)
				}
				seen := b.witness.take()
				if last := seen[len(seen)-1]; last.Refusal == nil || last.Refusal.Reason != loss.want {
					t.Errorf("the observer saw %v; want a refusal for %v at the end", seen, loss.want)
				}
			})
		}
	}
}

// TestAHeldCallWithoutATokenIsNotCheckedAgain delays the request of a public method.
func TestAHeldCallWithoutATokenIsNotCheckedAgain(t *testing.T) {
	t.Parallel()
	for _, transport := range transports() {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			k := newHeldKit(t)
			b := startTransport(t, transport, k.guard)
			got := b.call(t.Context(), attempt{service: public, body: hello, hold: func() {
				losses["its session was revoked"].lose(t, k)
			}})
			if got.code != "" || got.reply != nobody+" hello" {
				t.Errorf("got %+v; want the reply to %s", got, nobody)
			}
		})
	}
}
