package auth_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

const (
	watch = "/acme.v1.Library/Watch" // asks for the role
	ping  = "/acme.v1.Library/Ping"  // asks for nothing
)

// A streamRule lets everybody pass who has a role, on its terms.
type streamRule struct {
	role  string
	terms auth.StreamTerms
}

func (r streamRule) Rule(procedure string) auth.Rule {
	if procedure == ping {
		return streamRule{}
	}
	return r
}

func (r streamRule) Stream() auth.StreamTerms { return r.terms }

func (r streamRule) Check(id *auth.Identity) error {
	switch {
	case id == nil || r.role == "" || id.HasRole(r.role):
		return nil
	case r.role == "panic":
		panic("boom")
	default:
		return auth.NewError(auth.RoleRequired, nil)
	}
}

// revocations are a set of sessions and tokens.
type revocations struct {
	mu      sync.Mutex
	revoked map[string]bool
	changed func()
}

func (r *revocations) Revoked(id *auth.Identity) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case id.SessionID == "panic" && r.changed != nil:
		panic("boom")
	case r.revoked[id.SessionID] || r.revoked[id.TokenID]:
		return auth.NewError(auth.TokenRevoked, nil)
	default:
		return nil
	}
}

func (r *revocations) Watch(changed func()) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed = changed
	return func() {}
}

func (r *revocations) revoke(name string) {
	r.mu.Lock()
	r.revoked = map[string]bool{name: true}
	changed := r.changed
	r.mu.Unlock()
	if changed != nil {
		changed()
	}
}

// A world is a guard that accepts every identity that a call presents.
type world struct {
	t           *testing.T
	guard       *auth.Guard
	revocations *revocations

	caller *auth.Identity

	mu        sync.Mutex
	decisions []auth.Decision
}

func newWorld(t *testing.T, rule streamRule) *world {
	t.Helper()
	w := &world{t: t, revocations: new(revocations)}
	w.guard = &auth.Guard{
		Authenticator: authenticator(func(auth.Call) (*auth.Identity, error) {
			if w.caller == nil {
				return nil, auth.NewError(auth.TokenMissing, nil)
			}
			return w.caller, nil
		}),
		Policy:      rule,
		Revocations: w.revocations,
		Observer: auth.ObserverFunc(func(_ context.Context, d auth.Decision) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.decisions = append(w.decisions, d)
		}),
	}
	return w
}

func (w *world) call(id *auth.Identity, procedure string, shape auth.StreamType) context.Context {
	w.t.Helper()
	w.caller = id
	ctx, err := w.guard.Admit(w.t.Context(), auth.Call{Procedure: procedure, Stream: shape, Messages: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return ctx
}

func (w *world) ping(id *auth.Identity) { w.call(id, ping, auth.Unary) }

// serve opens a stream. The channel gives what Serve returns.
func (w *world) serve(id *auth.Identity, handle func(context.Context) error) <-chan error {
	w.t.Helper()
	ctx := w.call(id, watch, auth.BidiStream)
	return w.serveIn(ctx, handle)
}

// closable opens a stream whose client can go away.
func (w *world) closable(id *auth.Identity) (<-chan error, context.CancelFunc) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.call(id, watch, auth.BidiStream))
	return w.serveIn(ctx, idle), cancel
}

func (w *world) serveIn(ctx context.Context, handle func(context.Context) error) <-chan error {
	w.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- w.guard.Serve(ctx, bare(handle), nil) }()
	synctest.Wait()
	return ended
}

// bare is a handler that needs nothing of its stream.
func bare(handle func(context.Context) error) func(context.Context, *auth.Stream) error {
	return func(ctx context.Context, _ *auth.Stream) error { return handle(ctx) }
}

func (w *world) refusals() []auth.Decision {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.decisions), func(d auth.Decision) bool { return d.Refusal == nil })
}

// pass lets time pass in a synctest bubble, without waiting.
func pass(d time.Duration) { <-time.After(d) }

func idle(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// issued returns a token of ada's session that was issued some time from now, and lives
// for a minute.
func issued(in time.Duration) *auth.Identity {
	now := time.Now().Add(in)
	return &auth.Identity{
		Issuer: "https://issuer.test", Subject: "ada", Kind: auth.KindSession, SessionID: "sess_1", ClientID: "client_1",
		Organization: auth.Organization{ID: "org_1", Slug: "acme"}, AuthorizedParty: "https://app.test", Actor: &auth.Actor{Subject: "bob"},
		Roles: []string{"reader"}, IssuedAt: now, ExpiresAt: now.Add(time.Minute), Leeway: 5 * time.Second,
	}
}

func TestAStreamLivesOnItsTerms(t *testing.T) {
	t.Parallel()
	const lives = auth.Reason(255)
	renewed := func(w *world) {
		pass(30 * time.Second)
		w.ping(issued(0))
	}
	demoted := func(w *world) {
		pass(30 * time.Second)
		id := issued(0)
		id.Roles = nil
		w.ping(id)
	}
	revoked := func(w *world) {
		pass(30 * time.Second)
		w.revocations.revoke("sess_1")
	}
	nothing := func(*world) {}
	for _, tt := range []struct {
		name  string
		terms auth.StreamTerms
		event func(*world)
		want  auth.Reason
		after time.Duration
	}{
		{"renewable: ends when the token is accepted no longer", auth.StreamTerms{}, nothing, auth.TokenExpired, 65 * time.Second},
		{"renewable: goes on with the next token", auth.StreamTerms{}, renewed, auth.TokenExpired, 95 * time.Second},
		{"renewable: ends when a newer token may not", auth.StreamTerms{}, demoted, auth.RoleRequired, 30 * time.Second},
		{"renewable: ends when it is revoked", auth.StreamTerms{}, revoked, auth.TokenRevoked, 30 * time.Second},
		{"until expiry: ends when the token is accepted no longer", auth.StreamTerms{Lease: auth.LeaseUntilExpiry}, nothing, auth.TokenExpired, 65 * time.Second},
		{"until expiry: is not renewed", auth.StreamTerms{Lease: auth.LeaseUntilExpiry}, renewed, auth.TokenExpired, 65 * time.Second},
		{"until expiry: is not decided anew", auth.StreamTerms{Lease: auth.LeaseUntilExpiry}, demoted, auth.TokenExpired, 65 * time.Second},
		{"until expiry: ends when it is revoked", auth.StreamTerms{Lease: auth.LeaseUntilExpiry}, revoked, auth.TokenRevoked, 30 * time.Second},
		{"at open: outlives its token", auth.StreamTerms{Lease: auth.LeaseAtOpen}, nothing, lives, time.Hour},
		{"at open: is not decided anew", auth.StreamTerms{Lease: auth.LeaseAtOpen}, demoted, lives, time.Hour},
		{"at open: ends when it is revoked", auth.StreamTerms{Lease: auth.LeaseAtOpen}, revoked, auth.TokenRevoked, 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, streamRule{role: "reader", terms: tt.terms})
				opened := time.Now()
				var cause error
				ended := w.serve(issued(0), func(ctx context.Context) error {
					<-ctx.Done()
					cause = context.Cause(ctx)
					return nil // which the client must not take for the end
				})
				tt.event(w)
				if tt.want == lives {
					pass(tt.after)
					if synctest.Wait(); len(ended) != 0 {
						t.Errorf("ended with %v", <-ended)
					}
					return
				}
				err := <-ended
				if reason, ok := auth.ReasonOf(err); !ok || reason != tt.want || time.Since(opened) != tt.after {
					t.Errorf("ended with %v after %v; want %v after %v", err, time.Since(opened), tt.want, tt.after)
				}
				if err := w.guard.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				if !errors.Is(cause, err) {
					t.Errorf("the handler's context ended because of %v; want %v", cause, err)
				}
				if refused := w.refusals(); len(refused) != 1 || refused[0].Refusal.Reason != tt.want || refused[0].Procedure != watch {
					t.Errorf("the observer saw %v; want %v once", refused, tt.want)
				}
			})
		})
	}
}

// TestTwoTabsWithTwoOrganizationsDoNotAffectEachOther has a session present tokens
// of two organizations in turn. In one of them it may not watch.
func TestTwoTabsWithTwoOrganizationsDoNotAffectEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{role: "reader"})
		other := func() *auth.Identity {
			id := issued(0)
			id.Organization = auth.Organization{ID: "org_2", Slug: "other"}
			return id
		}
		opened := time.Now()
		first, second := w.serve(issued(0), idle), w.serve(other(), idle)
		for range 4 {
			pass(30 * time.Second)
			w.ping(issued(0))
			w.ping(other())
		}
		pass(30 * time.Second)
		w.ping(issued(0))
		demoted := other()
		demoted.Roles = nil
		w.ping(demoted)
		if reason, _ := auth.ReasonOf(<-second); reason != auth.RoleRequired || time.Since(opened) != 150*time.Second {
			t.Errorf("the second ended with %v after %v; want %v after 150s", reason, time.Since(opened), auth.RoleRequired)
		}
		if reason, _ := auth.ReasonOf(<-first); reason != auth.TokenExpired || time.Since(opened) != 215*time.Second {
			t.Errorf("the first ended with %v after %v; want %v after 215s", reason, time.Since(opened), auth.TokenExpired)
		}
	})
}

func TestAStreamIsRenewedByItsOwnSessionAlone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		by    func(*auth.Identity)
		renew bool
	}{
		{"a newer token", func(*auth.Identity) {}, true},
		{"a token of the same second that lives longer", func(id *auth.Identity) { id.IssuedAt = id.IssuedAt.Add(-30 * time.Second) }, true},
		{"an older token that lives longer", func(id *auth.Identity) { id.IssuedAt = id.IssuedAt.Add(-31 * time.Second) }, false},
		{"another issuer", func(id *auth.Identity) { id.Issuer = "https://else.test" }, false},
		{"another subject", func(id *auth.Identity) { id.Subject = "eve" }, false},
		{"another session", func(id *auth.Identity) { id.SessionID = "sess_2" }, false},
		{"another client", func(id *auth.Identity) { id.ClientID = "client_2" }, false},
		{"another kind of token", func(id *auth.Identity) { id.Kind = auth.KindTemplate }, false},
		{"another organization", func(id *auth.Identity) { id.Organization.ID = "org_2" }, false},
		{"an organization without id, of which the name is the id of this one", func(id *auth.Identity) { id.Organization = auth.Organization{Slug: "org_1"} }, false},
		{"no organization", func(id *auth.Identity) { id.Organization = auth.Organization{} }, false},
		{"another name of the same organization", func(id *auth.Identity) { id.Organization.Slug = "renamed" }, true},
		{"another authorized party", func(id *auth.Identity) { id.AuthorizedParty = "https://else.test" }, false},
		{"no actor", func(id *auth.Identity) { id.Actor = nil }, false},
		{"another actor", func(id *auth.Identity) { id.Actor = &auth.Actor{Subject: "eve"} }, false},
		{"an actor in another session", func(id *auth.Identity) { id.Actor = &auth.Actor{Subject: "bob", SessionID: "sess_3"} }, false},
		{"an actor of another issuer", func(id *auth.Identity) { id.Actor = &auth.Actor{Subject: "bob", Issuer: "https://else.test"} }, false},
		{"the same actor again", func(id *auth.Identity) { id.Actor = &auth.Actor{Subject: "bob"} }, true},
		{"another token id, audience and permissions", func(id *auth.Identity) {
			id.TokenID, id.Audience, id.Permissions = "t_2", []string{"b"}, []string{"org:a:read"}
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, streamRule{role: "reader"})
				opened := time.Now()
				ended := w.serve(issued(0), idle)
				pass(30 * time.Second)
				id := issued(0)
				tt.by(id)
				w.ping(id)
				want := 65 * time.Second
				if tt.renew {
					want += 30 * time.Second
				}
				if err := <-ended; err == nil || time.Since(opened) != want {
					t.Errorf("the stream ended after %v; want %v", time.Since(opened), want)
				}
			})
		})
	}
}

// TestATokenThatEndsSoonerDoesNotShortenAStream has two clients of one session
// whose tokens live for different times.
func TestATokenThatEndsSoonerDoesNotShortenAStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		opened := time.Now()
		ended := w.serve(issued(0), idle)
		pass(time.Second)
		w.ping(issued(0))
		pass(time.Second)
		short := issued(0)
		short.ExpiresAt, short.Leeway = time.Now(), 0
		w.ping(short)
		if err := <-ended; err == nil || time.Since(opened) != 66*time.Second {
			t.Errorf("the stream ended after %v; want 66s", time.Since(opened))
		}
	})
}

func TestEveryStreamOfASessionIsRenewedWhateverTheAgeOfItsToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		newest := issued(20 * time.Second)
		var all []<-chan error
		all = append(all, w.serve(issued(0), idle))
		w.ping(newest)
		all = append(all, w.serve(issued(10*time.Second), idle), w.serve(issued(0), idle))
		w.ping(newest) // renews those that were opened after it
		opened := time.Now()
		for _, ended := range slices.Backward(all) {
			if err := <-ended; err == nil || time.Since(opened) != 85*time.Second {
				t.Errorf("the stream ended after %v; want 85s", time.Since(opened))
			}
		}
	})
}

func TestAStreamEndsWithItsLongestLifetime(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		caller *auth.Identity
		terms  auth.StreamTerms
		want   time.Duration
	}{
		"by default a day, also where nobody is signed in":     {nil, auth.StreamTerms{}, auth.DefaultMaxLifetime},
		"a token that lives longer":                            {&auth.Identity{ExpiresAt: time.Now().AddDate(100, 0, 0)}, auth.StreamTerms{MaxLifetime: time.Hour}, time.Hour},
		"a credential that does not expire":                    {&auth.Identity{}, auth.StreamTerms{MaxLifetime: time.Hour}, time.Hour},
		"what was decided when it was opened":                  {issued(0), auth.StreamTerms{Lease: auth.LeaseAtOpen, MaxLifetime: time.Hour}, time.Hour},
		"a lifetime so short that there is nothing to vary it": {issued(0), auth.StreamTerms{MaxLifetime: 10 * time.Nanosecond}, 10 * time.Nanosecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, streamRule{terms: tt.terms})
				opened := time.Now()
				err := <-w.serve(tt.caller, idle)
				lived := time.Since(opened)
				if reason, _ := auth.ReasonOf(err); reason != auth.TokenExpired {
					t.Errorf("ended with %v; want %v", err, auth.TokenExpired)
				}
				if lived > tt.want || lived < tt.want-tt.want/20 {
					t.Errorf("the stream lived for %v; want %v or up to a twentieth less", lived, tt.want)
				}
			})
		})
	}
}

func TestAStreamEndsByTheGuardsClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		opened := time.Now()
		w.guard.Now = func() time.Time { return opened.Add(time.Since(opened) / 2) }
		if err := <-w.serve(issued(0), idle); err == nil || time.Since(opened) != 130*time.Second {
			t.Errorf("the stream ended after %v; want 130s by a clock that goes half as fast", time.Since(opened))
		}
	})
}

// As after the machine was suspended: timers have slept with it, tokens have not.
func TestAStreamNoticesThatTheClockWasSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, streamRule{})
		var ahead atomic.Int64
		w.guard.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		opened, id := time.Now(), issued(0)
		id.ExpiresAt = opened.Add(2 * time.Hour)
		ended := w.serve(id, idle)
		pass(30 * time.Second)
		ahead.Store(int64(3 * time.Hour))
		if err := <-ended; err == nil || time.Since(opened) > 90*time.Second {
			t.Errorf("the stream ended after %v; want within a minute of the clock's being set", time.Since(opened))
		}
	})
}
