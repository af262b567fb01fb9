package authtest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/token"
)

func assertReason(t *testing.T, err error, want auth.Reason) {
	t.Helper()
	if reason, ok := auth.ReasonOf(err); !ok || reason != want {
		t.Errorf("%v; want reason %v", err, want)
	}
}

func TestGuardDecidesLikeAServersGuard(t *testing.T) {
	t.Parallel()
	guard, issuer := authtest.Guard(t, policy.Override(procedure, policy.Authenticated()))
	session := issuer.Session("user_ada")
	if id, err := admit(t, guard, session); err != nil || id.Subject != "user_ada" || id.Issuer != "https://clerk.example.com" {
		t.Errorf("%+v, %v; want user_ada", id, err)
	}
	_, err := admit(t, guard, issuer.Session("user_ada", authtest.SignedBy(authtest.NewKey("RS256"))))
	assertReason(t, err, auth.KeyUnknown)
	_, err = admit(t, guard, issuer.Session("user_ada", authtest.SignedBy(authtest.NewKey("RS256").WithID(issuer.Key().ID()))))
	assertReason(t, err, auth.SignatureInvalid)
	_, err = admit(t, guard, issuer.Machine("mch_job"))
	assertReason(t, err, auth.TokenKindUnsupported)
	_, err = guard.Admit(t.Context(), auth.Call{Procedure: "/acme.v1.Library/Unruled"})
	assertReason(t, err, auth.TokenMissing)
	if issuer.Fetches() != 0 {
		t.Error("the keys were fetched")
	}
}

func TestGuardSeesKeysChange(t *testing.T) {
	t.Parallel()
	guard, issuer := authtest.Guard(t, policy.Override(procedure, policy.Authenticated()))
	before := issuer.Session("user_ada")
	old := issuer.Key()
	issuer.RotateKey()
	for name, raw := range map[string]string{"the old key": before, "the new key": issuer.Session("user_ada")} {
		if _, err := admit(t, guard, raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	issuer.RemoveKey(old.ID())
	_, err := admit(t, guard, before)
	assertReason(t, err, auth.KeyUnknown)
}

func TestGuardRevokes(t *testing.T) {
	t.Parallel()
	guard, issuer := authtest.Guard(t, policy.Override(procedure, policy.Authenticated()))
	session := issuer.Session("user_ada", authtest.With("sid", "sess_1"))
	if _, err := admit(t, guard, session); err != nil {
		t.Fatal(err)
	}
	list, ok := guard.Revocations.(*revocation.List)
	if !ok {
		t.Fatalf("Revocations is a %T", guard.Revocations)
	}
	if err := list.Add(revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer.URL(), ID: "sess_1"}); err != nil {
		t.Fatal(err)
	}
	_, err := admit(t, guard, session)
	assertReason(t, err, auth.TokenRevoked)
}

func TestGuardForHasTheSettingsOfItsIssuer(t *testing.T) {
	t.Parallel()
	guard, issuer := authtest.GuardFor(t, token.Issuer{
		URL: "https://sso.example.com/realms/orders", Profile: token.Keycloak(), Audiences: []string{"orders"}, FirstPartyClients: []string{"client_web"},
	}, policy.Override(procedure, policy.Authenticated()))
	id, err := admit(t, guard, issuer.UserOf("keycloak", "ada", authtest.With("aud", "orders")))
	if err != nil || id.Kind != auth.KindSession || id.Issuer != "https://sso.example.com/realms/orders" {
		t.Errorf("%+v, %v; want a session", id, err)
	}
	_, err = admit(t, guard, issuer.UserOf("keycloak", "ada"))
	assertReason(t, err, auth.AudienceMismatch)
	_, err = admit(t, guard, issuer.MachineOf("keycloak", "job", authtest.With("aud", "orders")))
	assertReason(t, err, auth.TokenKindUnsupported)
}

// A fakeTB is a test that a helper can fail.
type fakeTB struct {
	output   bytes.Buffer
	cleanups []func()
	failure  string
}

func (f *fakeTB) Helper()           {}
func (f *fakeTB) Cleanup(c func())  { f.cleanups = append(f.cleanups, c) }
func (f *fakeTB) Output() io.Writer { return &f.output }
func (f *fakeTB) Fatalf(format string, args ...any) {
	f.failure = fmt.Errorf(format, args...).Error()
	runtime.Goexit()
}

// run calls the helper as a test does, and returns how it failed.
func (f *fakeTB) run(helper func(authtest.TB)) string {
	done := make(chan struct{})
	go func() {
		defer close(done)
		helper(f)
	}()
	<-done
	return f.failure
}

func TestGuardFailsTheTestOnWrongUse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		make func(authtest.TB)
		want string
	}{
		"a rule that requires nothing": {
			func(t authtest.TB) { authtest.Guard(t, policy.Override(procedure, nil)) }, "authtest: compile the rules: " + procedure,
		},
		"an issuer that no token names": {
			func(t authtest.TB) { authtest.GuardFor(t, token.Issuer{URL: "https://*.example.com"}) }, "authtest: trust the issuer: ",
		},
	} {
		if got := new(fakeTB).run(tt.make); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q; want %q", name, got, tt.want)
		}
	}
}

func TestGuardWritesRefusalsToTheTestsOutput(t *testing.T) {
	t.Parallel()
	fake := new(fakeTB)
	var guard *auth.Guard
	if failure := fake.run(func(t authtest.TB) { guard, _ = authtest.Guard(t) }); failure != "" {
		t.Fatal(failure)
	}
	if _, err := guard.Admit(t.Context(), auth.Call{Procedure: procedure}); err == nil {
		t.Fatal("a method without a rule was admitted")
	}
	if got := fake.output.String(); !strings.Contains(got, "TOKEN_MISSING") || !strings.Contains(got, procedure) {
		t.Errorf("the output is %q", got)
	}
	closed := errors.New("closed")
	guard.Authenticator = closer{guard.Authenticator, closed}
	if failure := fake.run(func(authtest.TB) { fake.cleanups[0]() }); failure != "authtest: close the guard: closed" {
		t.Errorf("the cleanup failed with %q", failure)
	}
}

// A closer is an Authenticator that fails to close.
type closer struct {
	auth.Authenticator

	err error
}

func (c closer) Close() error { return c.err }
