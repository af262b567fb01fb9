package ledger

import (
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/token"
)

// A session and a client may get further tokens; of everything else no token can
// live longer than the longest.
func TestHowLongARevocationIsKept(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	now := time.Now().Truncate(time.Microsecond)
	l.config.Now = func() time.Time { return now }
	l.revoked = revocation.New(revocation.Config{Retention: l.config.MaxLifetime, Now: l.config.Now})
	const skew = 5 * time.Second
	lifetime, given := now.Add(l.config.MaxLifetime), now.Add(time.Hour)
	for name, test := range map[string]struct {
		asked           revocation.Revocation
		before, expires time.Time
	}{
		"a session":                        {revocation.Revocation{Kind: revocation.TargetSession, ID: "x"}, time.Time{}, now.Add(retention)},
		"a session of a subject":           {revocation.Revocation{Kind: revocation.TargetSession, ID: "x", Subject: "user_ada"}, time.Time{}, now.Add(retention)},
		"a client":                         {revocation.Revocation{Kind: revocation.TargetClient, ID: "x"}, time.Time{}, now.Add(retention)},
		"a token":                          {revocation.Revocation{Kind: revocation.TargetToken, ID: "x"}, time.Time{}, lifetime},
		"old tokens of a session":          {revocation.Revocation{Kind: revocation.TargetSession, ID: "x", Before: now}, now, lifetime},
		"old tokens of a client":           {revocation.Revocation{Kind: revocation.TargetClient, ID: "x", Before: now}, now, lifetime},
		"a subject":                        {revocation.Revocation{Kind: revocation.TargetSubject, ID: "x"}, now.Add(skew + time.Microsecond), lifetime.Add(skew + time.Microsecond)},
		"a subject, up to a while ago":     {revocation.Revocation{Kind: revocation.TargetSubject, ID: "x", Before: now.Add(-time.Hour)}, now.Add(-time.Hour), lifetime},
		"an issuer":                        {revocation.Revocation{Kind: revocation.TargetIssuer}, now.Add(skew + time.Microsecond), lifetime.Add(skew + time.Microsecond)},
		"a session, until a given instant": {revocation.Revocation{Kind: revocation.TargetSession, ID: "x", Expires: given}, time.Time{}, given},
	} {
		test.asked.Issuer = someIssuer
		got, err := l.Prepare(Request{Revocation: test.asked, Cause: "why"})
		if err != nil || !got.Before.Equal(test.before) || !got.Expires.Equal(test.expires) || got.Cause != "why" {
			t.Errorf("%s: before %v, until %v, error %v; want %v and %v", name, got.Before, got.Expires, err, test.before, test.expires)
		}
	}
	// A retention that is shorter than a token lives makes no session come back.
	l.config.Retention = time.Minute
	got, err := l.Prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "x"}})
	if err != nil || !got.Expires.Equal(lifetime) {
		t.Errorf("until %v, error %v; want %v", got.Expires, err, lifetime)
	}
}

func TestTheTextsOfARevocationAreBounded(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	long := func(n int) string { return strings.Repeat("x", n) }
	for name, test := range map[string]struct {
		id, subject, cause string
		want               string // the beginning of the fault; "" for none
	}{
		"as long as any may be":               {long(token.DefaultMaxTokenBytes), long(token.DefaultMaxTokenBytes), long(500), ""},
		"an id that no token can hold":        {long(token.DefaultMaxTokenBytes + 1), "", "", "id: "},
		"a subject that no token can hold":    {"x", long(token.DefaultMaxTokenBytes + 1), "", "subject: "},
		"a cause that is an essay":            {"x", "", long(501), "cause: over 500 bytes"},
		"an id with a control character":      {"a\x7f", "", "", "id: "},
		"a subject with a control character":  {"x", "a\x00b", "", "subject: "},
		"a cause with a control character":    {"x", "", "a\tb", "cause: with control characters"},
		"a cause in the letters of the world": {"x", "", "verloren; 失くした 🚪", ""},
	} {
		_, err := l.Prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: test.id, Subject: test.subject}, Cause: test.cause})
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("%s: %v; want %q", name, err, test.want)
		}
	}
	if _, err := l.Prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer + "/", ID: "x"}}); err == nil || !strings.HasPrefix(err.Error(), "issuer: not one") {
		t.Errorf("an issuer that is not trusted: %v", err)
	}
}
