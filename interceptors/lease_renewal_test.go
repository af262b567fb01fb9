package interceptors_test

import (
	"context"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
)

// strangers are tokens that are no successors of the token that opened a stream.
var strangers = map[string]func(*auth.Identity){
	"another issuer":           func(id *auth.Identity) { id.Issuer = "https://else.test" },
	"another subject":          func(id *auth.Identity) { id.Subject = "user_eve" },
	"another session":          func(id *auth.Identity) { id.SessionID = "sess_2" },
	"another client":           func(id *auth.Identity) { id.ClientID = "client_2" },
	"another kind":             func(id *auth.Identity) { id.Kind = auth.KindTemplate },
	"another organization":     func(id *auth.Identity) { id.Organization.ID = "org_2" },
	"nobody as the actor":      func(id *auth.Identity) { id.Actor = nil },
	"another authorized party": func(id *auth.Identity) { id.AuthorizedParty = "https://else.test" },
}

// TestAStreamIsRenewedOnlyByTokensLikeItsOwn presents newer tokens of others while a
// stream is open: they neither renew the stream nor end it.
func TestAStreamIsRenewedOnlyByTokensLikeItsOwn(t *testing.T) {
	t.Parallel()
	for _, transport := range leaseTransports() {
		for _, method := range transport.methods {
			t.Run(transport.name+", "+method, func(t *testing.T) {
				t.Parallel()
				h := newLeaseServer(t, "idle")
				h.present(5*lifetime, "reader")
				client := transport.start(t, h, method)
				ended := make(chan error, 1)
				go func() { ended <- client.run(t.Context()) }()
				h.untilEntered(ended)
				mine := *h.token
				for name, differ := range strangers {
					other := mine
					other.IssuedAt, other.ExpiresAt = mine.IssuedAt.Add(time.Second), mine.ExpiresAt.Add(time.Hour)
					other.Roles = nil // so that it would end the stream
					differ(&other)
					h.mu.Lock()
					h.token = &other
					h.mu.Unlock()
					h.call(t)
					select {
					case cause := <-h.cause:
						t.Fatalf("%s ended the stream with %v", name, cause)
					default:
					}
				}

				err := <-ended
				if reason, ok := client.reasonOf(err); !ok || reason != auth.TokenExpired {
					t.Errorf("the client's stream ended with %v; want %v", err, auth.TokenExpired)
				}
				h.assertEnded(t, auth.TokenExpired)
			})
		}
	}
}

// TestRetryFollowsTheReason opens a stream again when its token expires, and not when
// the session is revoked.
func TestRetryFollowsTheReason(t *testing.T) {
	t.Parallel()
	for _, transport := range leaseTransports() {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			h := newLeaseServer(t, "idle")
			h.cause = make(chan error, 2)
			h.handle = func(ctx context.Context, _ handlerStream) error {
				if time.Until(auth.MustFromContext(ctx).ExpiresAt) > lifetime {
					close(h.entered)
				}
				<-ctx.Done()
				return nil
			}
			h.present(lifetime, "reader")
			client := transport.start(t, h, serverStream)
			var fresh []bool
			ended := make(chan error, 1)
			go func() {
				ended <- authclient.Retry{Advice: client.advice, MinDelay: time.Millisecond}.Stream(t.Context(), func(ctx context.Context) error {
					fresh = append(fresh, authclient.FreshTokenWanted(ctx))
					if len(fresh) == 2 {
						h.present(time.Hour, "reader")
					}
					return client.run(ctx)
				})
			}()
			h.untilEntered(ended)
			h.revoke(t)
			err := <-ended
			if reason, _ := client.reasonOf(err); reason != auth.TokenRevoked {
				t.Errorf("it ended with %v; want %v", err, auth.TokenRevoked)
			}
			if len(fresh) != 2 || fresh[0] || !fresh[1] {
				t.Errorf("the attempts asked for a fresh token: %v; want no, then yes", fresh)
			}
			if err := h.guard.Drain(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnUnreachableServerIsRetriedLater(t *testing.T) {
	t.Parallel()
	for _, transport := range leaseTransports() {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			var client leaseClient
			t.Run("which is stopped", func(t *testing.T) {
				client = transport.start(t, newLeaseServer(t, "idle"), serverStream)
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := client.run(ctx)
			if advice, _ := client.advice(err); advice != authclient.RetryLater {
				t.Errorf("%v: advice %v; want %v", err, advice, authclient.RetryLater)
			}
		})
	}
}
