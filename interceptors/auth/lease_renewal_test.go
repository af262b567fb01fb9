package auth_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// readsMessages is a rule whose condition reads the messages.
type readsMessages struct{}

func (readsMessages) Check(*auth.Identity) error             { return nil }
func (readsMessages) CheckMessage(*auth.Identity, any) error { return nil }

// revokedOnAsking revokes a token just after it was asked about, and has told
// everybody by the time the answer is there.
type revokedOnAsking struct {
	token   string
	revoked bool
	changed func()
}

func (r *revokedOnAsking) Revoked(id *auth.Identity) error {
	if id.TokenID != r.token {
		return nil
	}
	if r.revoked {
		return auth.NewError(auth.TokenRevoked, nil)
	}
	r.revoked = true
	r.changed()
	return nil
}

func (r *revokedOnAsking) Watch(changed func()) func() {
	r.changed = changed
	return func() {}
}

func TestARenewalIsCheckedLikeAnOpening(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		rule        auth.Rule
		revocations auth.Revocations
		renewed     func(*auth.Identity) // from the identity that opened the stream
		want        auth.Reason
	}{
		{
			"a newer token of the same caller renews a stream whose rule reads messages",
			readsMessages{}, nil, func(*auth.Identity) {}, goesOn,
		},
		{
			"another role ends a stream whose rule reads messages",
			readsMessages{}, nil, func(id *auth.Identity) { id.Roles = []string{"admin"} }, auth.ConditionNotMet,
		},
		{
			"other permissions end a stream whose rule reads messages",
			readsMessages{}, nil, func(id *auth.Identity) { id.Permissions = []string{"org:a:read"} }, auth.ConditionNotMet,
		},
		{
			"another role does not end a stream whose rule does not ask for it",
			streamRule{}, nil, func(id *auth.Identity) { id.Roles = []string{"admin"} }, goesOn,
		},
		{
			"a token that is revoked while it renews",
			streamRule{}, &revokedOnAsking{token: "second"}, func(*auth.Identity) {}, auth.TokenRevoked,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				caller := &auth.Identity{
					Issuer: "https://issuer", Subject: "user_ada", Kind: auth.KindSession, SessionID: "sess_1", TokenID: "first",
					Organization: auth.Organization{ID: "org_acme"}, IssuedAt: now, ExpiresAt: now.Add(time.Hour),
				}
				guard := &auth.Guard{
					Authenticator: authenticator(func(auth.Call) (*auth.Identity, error) { return caller, nil }),
					Policy:        rules{tt.rule},
					Revocations:   tt.revocations,
				}
				ctx, cancel := context.WithCancel(t.Context())
				opened, err := guard.Admit(ctx, auth.Call{Procedure: watch, Stream: auth.ServerStream, Messages: true})
				if err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() {
					ended <- guard.Serve(opened, func(ctx context.Context, _ *auth.Stream) error {
						<-ctx.Done()
						return context.Cause(ctx)
					}, func() {})
				}()
				synctest.Wait()

				second := *caller
				second.TokenID, second.IssuedAt, second.ExpiresAt = "second", now.Add(time.Second), now.Add(2*time.Hour)
				tt.renewed(&second)
				caller = &second
				if _, err := guard.Admit(ctx, auth.Call{Procedure: ping, Messages: true}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				select {
				case err := <-ended:
					if reason, _ := auth.ReasonOf(err); reason != tt.want {
						t.Errorf("the stream ended with %v, want %v", err, tt.want)
					}
				default:
					if tt.want != goesOn {
						t.Errorf("the stream goes on, want %v", tt.want)
					}
				}
				cancel()
				synctest.Wait()
			})
		})
	}
}
