package server

import (
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/authtest"
)

// TestAWatchGoesOnWithTheNextTokenOfItsSession renews the streams of every
// transport by one call of another, and has the next token lose nothing but time.
func TestAWatchGoesOnWithTheNextTokenOfItsSession(t *testing.T) {
	t.Parallel()
	r := start(t)
	issued := time.Now().Truncate(time.Second)
	mint := func(after time.Duration, session string) string {
		return r.issuer.Session("user_ada", authtest.With("sid", session), authtest.IssuedAt(issued.Add(after)), authtest.ExpiresIn(time.Minute))
	}
	streams := r.watch(t, mint(-2*time.Second, "sess_1"))
	for _, token := range []string{mint(-time.Second, "sess_2"), mint(-time.Second, "sess_1"), mint(-2*time.Second, "sess_1")} {
		if _, err := r.native(t.Context(), t, token); err != nil {
			t.Fatal(err)
		}
	}
	for name, stream := range streams {
		next, err := stream.next()
		if err != nil {
			t.Errorf("%s ended with %v; want another message", name, err)
			continue
		}
		if got, want := next.GetIdentity().GetIssuedAt().AsTime(), issued.Add(-time.Second); !got.Equal(want) {
			t.Errorf("%s: the identity is now of %v; want %v", name, got, want)
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for name, stream := range streams {
		if _, err := stream.next(); err == nil {
			t.Errorf("%s had another message; want it renewed once", name)
		} else if reason, refused := reasonOf(err); refused {
			t.Errorf("%s was refused with %v; want it to live on until the server stopped", name, reason)
		}
	}
}
