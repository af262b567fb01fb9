package auth_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Two tokens of one user may come from two devices, one of which was lost.
func TestATokenRenewsTheStreamsOfItsSessionOrMachine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		kind    auth.TokenKind
		session string
		client  string
		renews  bool
	}{
		{"a session token that names its session", auth.KindSession, "sess_1", "", true},
		{"a session token that names no session", auth.KindSession, "", "", false},
		{"a session token that names a client alone", auth.KindSession, "", "client_1", false},
		{"a token from a template", auth.KindTemplate, "", "", false},
		{"a token from a template that names a session", auth.KindTemplate, "sess_1", "", true},
		{"a machine's token", auth.KindMachine, "", "", true},
		{"an OAuth token that names its client", auth.KindOAuth, "", "client_1", false},
		{"an OAuth token that names its session", auth.KindOAuth, "sess_1", "client_1", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, streamRule{})
				present := func() *auth.Identity {
					id := token(0)
					id.Kind, id.SessionID, id.ClientID = tt.kind, tt.session, tt.client
					return id
				}
				opened := time.Now()
				ended := w.serve(present(), idle)
				pass(30 * time.Second)
				w.ping(present())
				want := 65 * time.Second
				if tt.renews {
					want += 30 * time.Second
				}
				if err := <-ended; err == nil || time.Since(opened) != want {
					t.Errorf("the stream ended after %v; want %v", time.Since(opened), want)
				}
			})
		})
	}
}

func TestAStreamEndsWhenAnyTokenThatItDependsOnIsRevoked(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		revoke string
		ends   bool
	}{
		"the token that opened it":       {"first", true},
		"one that it has lived by since": {"second", false},
		"the token that it lives by":     {"third", true},
		"a token of somebody else":       {"other", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, streamRule{})
				present := func(name string) *auth.Identity {
					pass(time.Second)
					id := token(0)
					id.TokenID = name
					return id
				}
				ended := w.serve(present("first"), idle)
				w.ping(present("second"))
				w.ping(present("third"))
				w.revocations.revoke(tt.revoke)
				synctest.Wait()
				switch reason, _ := refusalOf(ended); {
				case tt.ends && reason != auth.TokenRevoked:
					t.Errorf("the stream ended with %v; want %v", reason, auth.TokenRevoked)
				case !tt.ends && reason != goesOn:
					t.Errorf("the stream ended with %v; want it to go on", reason)
				}
			})
		})
	}
}

const goesOn = auth.Reason(255)

// refusalOf returns why a stream has ended, or goesOn.
func refusalOf(ended <-chan error) (auth.Reason, bool) {
	select {
	case err := <-ended:
		return auth.ReasonOf(err)
	default:
		return goesOn, true
	}
}
