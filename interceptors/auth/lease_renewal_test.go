package auth_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
)

// readsMessages is a rule whose condition reads the messages.
type readsMessages struct{}

func (readsMessages) Check(*auth.Identity) error { return nil }

func (readsMessages) CheckMessage(*auth.Identity, any) error { return nil }

// revokedOnAsking revokes a token just after it was checked, and has called its
// watchers when the check returns.
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
					id := issued(0)
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
					id := issued(0)
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

// rulesByName are the rules of procedures.
type rulesByName map[string]auth.Rule

func (r rulesByName) Rule(procedure string) auth.Rule { return r[procedure] }

// TestATokenRenewsStreamsEvenIfItsCallIsRefused brings a newer token of the
// session with a call that its own rule refuses. The token is valid all the same.
func TestATokenRenewsStreamsEvenIfItsCallIsRefused(t *testing.T) {
	t.Parallel()
	const closed = "/acme.v1.Library/Close"
	for _, tt := range []struct {
		name      string
		procedure string
		roles     []string
		refused   auth.Reason // the call
		want      auth.Reason // the stream
		after     time.Duration
	}{
		{"a role was lost, and the stream needs it", watch, nil, auth.RoleRequired, auth.RoleRequired, 0},
		{"the call needs a role that the stream does not", closed, []string{"reader"}, auth.RoleRequired, auth.TokenExpired, 95 * time.Second},
		{"the call is of a method that has no rule", "/acme.v1.Library/Unknown", []string{"reader"}, auth.AuthFailure, auth.TokenExpired, 95 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, streamRule{role: "reader"})
				w.guard.Policy = rulesByName{watch: streamRule{role: "reader"}, closed: streamRule{role: "nobody"}}
				opened := time.Now()
				ended := w.serve(issued(0), idle)
				w.caller = issued(30 * time.Second)
				w.caller.Roles = tt.roles
				_, err := w.guard.Admit(t.Context(), auth.Call{Procedure: tt.procedure, Messages: true})
				if reason, _ := auth.ReasonOf(err); reason != tt.refused {
					t.Errorf("the call: %v; want %v", err, tt.refused)
				}
				err = <-ended
				if reason, _ := auth.ReasonOf(err); err == nil || reason != tt.want {
					t.Errorf("the stream: %v; want %v", err, tt.want)
				}
				if after := time.Since(opened); after != tt.after {
					t.Errorf("the stream ended after %v; want %v", after, tt.after)
				}
			})
		})
	}
}

func TestKeepAliveKeepsAStreamAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		advice := func(error) (authclient.Advice, time.Duration) { return authclient.GiveUp, 0 }
		w := newWorld(t, streamRule{})
		opened := time.Now()
		ended := w.serve(issued(0), idle)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_ = authclient.Retry{Advice: advice}.KeepAlive(ctx, func(context.Context) (time.Time, error) {
			id := issued(0)
			w.ping(id)
			return id.ExpiresAt, nil
		})
		if err := <-ended; err == nil {
			t.Error("the stream ended without an error")
		}
		if lived := time.Since(opened); lived < time.Hour {
			t.Errorf("the stream lived for %v; want it to outlive %v", lived, time.Hour)
		}
	})
}
