package token_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/token"
)

// checkExplained fails where Explain has another verdict than Verify, of whatever token a
// test has.
func checkExplained(t *testing.T, v *token.Verifier, raw string) {
	t.Helper()
	explanation, explained := v.Explain(t.Context(), raw)
	id, err := v.Verify(t.Context(), raw)
	refusal := explanation.Refusal()
	switch {
	case err == nil && refusal == nil:
		if explained == nil || explained.TokenHash != id.TokenHash || !reflect.DeepEqual(explained.VerifiedToken(), id.VerifiedToken()) || explained.RawClaims != id.RawClaims {
			t.Fatalf("Explain has the identity %v, and Verify %v", explained, id)
		}
	case err == nil || refusal == nil:
		t.Fatalf("Explain has %v, and Verify %v", refusal, err)
	default:
		want := auth.AsError(err)
		if refusal.Reason != want.Reason || !reflect.DeepEqual(refusal.Verified, want.Verified) || refusal.Cause.Error() != want.Cause.Error() {
			t.Fatalf("Explain has %v (%v), and Verify %v (%v)", refusal, refusal.Cause, want, want.Cause)
		}
	}
	for _, check := range explanation {
		for _, part := range strings.Split(raw, ".") {
			if len(part) > 8 && strings.Contains(check.Configured+check.Received, part) {
				t.Fatalf("the check of %s shows a part of the token: %+v", check.Name, check)
			}
		}
		if accepted := refusal == nil; check.Name == "" || accepted && (check.Skipped || check.Received == "") || check.Skipped != (check.Received == "") {
			t.Fatalf("%+v", check)
		}
	}
}

func summary(explanation token.Explanation) (failed, skipped []string) {
	for _, check := range explanation {
		switch {
		case check.Skipped:
			skipped = append(skipped, check.Name)
		case check.Refusal != nil:
			failed = append(failed, check.Name)
		}
	}
	return failed, skipped
}

func TestExplainGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) { i.AuthorizedParties = []string{app} })
	old := authtest.IssuedAt(now.Add(-3 * time.Hour))
	stranger := authtest.NewKey("RS256").WithID(issuer.Key().ID())
	ofClaims := []string{"kind", "binding", "claims", "expiry", "start", "lifetime", "audience", "authorized party", "session"}
	for name, test := range map[string]struct {
		raw             string
		failed, skipped []string
	}{
		"accepted":                   {issuer.Session("user_ada", authtest.With("azp", app)), nil, nil},
		"expired":                    {issuer.Session("user_ada", authtest.With("azp", app), old), []string{"expiry"}, nil},
		"expired, for another party": {issuer.Session("user_ada", authtest.With("azp", app+"/"), old), []string{"expiry", "authorized party"}, nil},
		"forged, and expired":        {issuer.Session("user_ada", authtest.With("azp", app), old, authtest.SignedBy(stranger)), []string{"signature", "expiry"}, nil},
		"with an unknown key":        {issuer.Session("user_ada", authtest.With("azp", app), authtest.SignedBy(authtest.NewKey("RS256"))), []string{"key"}, []string{"signature"}},
		"without exp":                {issuer.Session("user_ada", authtest.Without("exp")), []string{"claims"}, ofClaims[3:]},
		"of another issuer":          {issuer.Session("user_ada", authtest.With("iss", "https://stranger.example.com")), []string{"issuer"}, slices.Concat([]string{"size for the issuer", "algorithm", "key", "signature"}, ofClaims)},
		"no token":                   {"nonsense", []string{"form"}, slices.Concat([]string{"issuer", "size for the issuer", "algorithm", "key", "signature"}, ofClaims)},
		"with an algorithm of its own": {
			issuer.Session("user_ada", authtest.With("azp", app), authtest.Header("alg", "HS256")),
			[]string{"algorithm"}, []string{"key", "signature"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkExplained(t, v, test.raw)
			explanation, _ := v.Explain(t.Context(), test.raw)
			if failed, skipped := summary(explanation); !slices.Equal(failed, test.failed) || !slices.Equal(skipped, test.skipped) {
				t.Errorf("failed are %q, skipped %q; want %q and %q", failed, skipped, test.failed, test.skipped)
			}
		})
	}
}

// What follows a failed signature is nobody's word, and is not said to be verified.
func TestExplainSaysWhatIsVerified(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, nil)
	old := authtest.IssuedAt(now.Add(-3 * time.Hour))
	forged := issuer.Session("user_ada", old, authtest.SignedBy(authtest.NewKey("RS256").WithID(issuer.Key().ID())))
	for raw, verified := range map[string]bool{issuer.Session("user_ada", old): true, forged: false} {
		explanation, _ := v.Explain(t.Context(), raw)
		if explanation.Verified() != verified {
			t.Errorf("it is verified: %v; want %v", explanation.Verified(), verified)
		}
		for _, check := range explanation {
			if check.Name == "expiry" && (check.Refusal == nil || (check.Refusal.Verified != nil) != verified) {
				t.Errorf("%v is verified: %v; want %v", check.Refusal, check.Refusal.Verified, verified)
			}
		}
	}
}

// Somebody asks about a token when it has expired, or has never counted, by whatever it says of its
// beginning.
func TestExplainHasTheIdentityOfATokenThatCountedOnce(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, nil)
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, test := range map[string]struct {
		edits   []authtest.Edit
		subject string
	}{
		"accepted":                            {nil, "user_ada"},
		"expired":                             {[]authtest.Edit{authtest.IssuedAt(now.Add(-3 * time.Hour))}, "user_ada"},
		"accepted, without iat and nbf":       {[]authtest.Edit{authtest.Without("iat"), authtest.Without("nbf")}, "user_ada"},
		"expired, without iat and nbf":        {[]authtest.Edit{authtest.Without("iat"), authtest.Without("nbf"), authtest.With("exp", at(-time.Hour))}, "user_ada"},
		"accepted, with a claim like iat":     {[]authtest.Edit{authtest.With("IAT", 5)}, "user_ada"},
		"not valid yet":                       {[]authtest.Edit{authtest.With("nbf", at(time.Minute)), authtest.With("exp", at(time.Hour))}, ""},
		"issued in the future":                {[]authtest.Edit{authtest.IssuedAt(now.Add(time.Hour))}, ""},
		"with too long a life":                {[]authtest.Edit{authtest.With("exp", at(25*time.Hour))}, ""},
		"expired, bound to a key":             {[]authtest.Edit{authtest.IssuedAt(now.Add(-3 * time.Hour)), authtest.With("cnf", map[string]any{"jkt": "a"})}, ""},
		"forged":                              {[]authtest.Edit{authtest.SignedBy(authtest.NewKey("RS256").WithID(issuer.Key().ID()))}, ""},
		"expired, and forged":                 {[]authtest.Edit{authtest.IssuedAt(now.Add(-3 * time.Hour)), authtest.SignedBy(authtest.NewKey("RS256").WithID(issuer.Key().ID()))}, ""},
		"expired, signed with an unknown key": {[]authtest.Edit{authtest.IssuedAt(now.Add(-3 * time.Hour)), authtest.SignedBy(authtest.NewKey("RS256"))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := issuer.Session("user_ada", test.edits...)
			checkExplained(t, v, raw)
			explanation, id := v.Explain(t.Context(), raw)
			var subject string
			if id != nil {
				subject = id.Subject
			}
			if subject != test.subject {
				t.Errorf("the identity is %q, want %q: %+v", subject, test.subject, explanation)
			}
		})
	}
}

func TestExplainShowsWhatWasCompared(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, func(i *token.Issuer) {
		i.Audiences, i.AuthorizedParties = []string{"invoices", "orders"}, []string{app}
	})
	raw := issuer.Session("user_ada", authtest.With("azp", app+"/"), authtest.With("aud", "invoice"), authtest.IssuedAt(now.Add(-3*time.Hour)), authtest.ExpiresIn(time.Minute))
	got := map[string]string{}
	explanation, _ := v.Explain(t.Context(), raw)
	for _, check := range explanation {
		got[check.Name] = check.Configured + " / " + check.Received
	}
	for name, want := range map[string]string{
		"issuer":           `"https://clerk.example.com" / "https://clerk.example.com"`,
		"expiry":           `exp later than 5s ago / exp 2026-03-01T09:01:00Z (2h59m0s ago)`,
		"audience":         `one of "invoices", "orders" / "invoice"`,
		"authorized party": `"https://app.example.com" / "https://app.example.com/"`,
		"kind":             `session, template / session`,
		"algorithm":        `"RS256" / "RS256"`,
	} {
		if got[name] != want {
			t.Errorf("%s: %s; want %s", name, got[name], want)
		}
	}
}

// Nobody is asked for keys but the issuers that are configured.
func TestExplainAsksNoStranger(t *testing.T) {
	t.Parallel()
	issuer := newIssuer()
	v := newVerifier(t, issuer, nil)
	raw := issuer.Session("user_ada", authtest.With("iss", "https://stranger.example.com"), authtest.Header("jku", "https://stranger.example.com/jwks.json"))
	explanation, _ := v.Explain(t.Context(), raw)
	if refusal := explanation.Refusal(); !errors.Is(refusal, &auth.Error{Reason: auth.IssuerUntrusted}) {
		t.Errorf("refused with %v", refusal)
	}
}

func TestExplainAgreesWithVerifyAboutEveryProvider(t *testing.T) {
	t.Parallel()
	withoutUsers := []string{"github-actions", "kubernetes", "spiffe"}
	stranger := authtest.NewKey("RS256")
	for _, profile := range token.Profiles() {
		t.Run(profile.Name, func(t *testing.T) {
			t.Parallel()
			issuer, subject := urlOf(profile)
			v := newVerifier(t, issuer, func(i *token.Issuer) {
				i.Profile, i.Audiences, i.AuthorizedParties, i.AllowMissingAuthorizedParty = profile, []string{"invoices"}, []string{"web"}, true
			})
			for name, edits := range map[string][]authtest.Edit{
				"as it comes":       nil,
				"for this service":  {authtest.With("aud", "invoices")},
				"expired":           {authtest.With("aud", "invoices"), authtest.IssuedAt(now.Add(-time.Hour))},
				"of the future":     {authtest.IssuedAt(now.Add(time.Hour))},
				"forged":            {authtest.SignedBy(stranger.WithID(issuer.Key().ID()))},
				"with another key":  {authtest.SignedBy(stranger)},
				"bound":             {authtest.With("cnf", map[string]any{"jkt": "x"})},
				"of no subject":     {authtest.Without("sub")},
				"of a stranger":     {authtest.With("iss", "https://stranger.example.com")},
				"with a bad claim":  {authtest.With("jti", 1)},
				"for a long time":   {authtest.ExpiresIn(1000 * time.Hour)},
				"to refresh":        {authtest.With("typ", "Refresh")},
				"of another client": {authtest.With("azp", "other"), authtest.With("aud", "invoices")},
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					checkExplained(t, v, issuer.MachineOf(profile.Name, subject, edits...))
					if !slices.Contains(withoutUsers, profile.Name) {
						checkExplained(t, v, issuer.UserOf(profile.Name, "user_ada", edits...))
					}
				})
			}
		})
	}
}
