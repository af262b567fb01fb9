package tokens

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/unverified"
)

// jwt is a token that nobody signed.
func jwt(claims string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none"}`)) + "." + part([]byte(claims)) + ".c2ln"
}

func TestDescribePutsTimesIntoWords(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := map[string]struct{ claims, want string }{
		"about to expire":          {`{"exp":1767323046}`, "expires     2026-01-02T03:04:06Z (in 1 second)"},
		"expired this very moment": {`{"exp":1767323045}`, "(expired 0 seconds ago)"},
		"expired a while ago":      {`{"exp":1767322845}`, "(expired 3 minutes ago)"},
		"expires in a day":         {`{"exp":1767409445}`, "(in 1 day)"},
		"expires in hours":         {`{"exp":1767333845}`, "(in 3 hours)"},
		"issued with a fraction":   {`{"iat":1767323044.5}`, "issued      2026-01-02T03:04:04Z (0 seconds ago)"},
		"issued in the future":     {`{"iat":1767323105}`, "(1 minute from now)"},
		"valid from a moment ago":  {`{"nbf":1767323035}`, "valid from  2026-01-02T03:03:55Z (10 seconds ago)"},
		"a time that is a text":    {`{"exp":"tomorrow"}`, "expires     not a time (exp)"},
		"a time beyond all dates":  {`{"exp":1e300}`, "expires     not a time (exp)"},
		"no time":                  {`{}`, "expires     not set (no exp)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := unverified.Parse(jwt(test.claims))
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(token, now); !strings.Contains(got, test.want) {
				t.Errorf("%s\nwant %q in it", got, test.want)
			}
		})
	}
}

// inspect is ostiary token inspect.
func inspect(raw string) (string, error) {
	token, err := unverified.Parse(raw)
	if err != nil {
		return "", err
	}
	return describe(token, time.Unix(1e9, 0)), nil
}

func TestInspectEscapesTerminalSequences(t *testing.T) {
	t.Parallel()
	got, err := inspect(jwt("{\"sub\":\"a\u009b31mb\u202ec\u007fd\U000e0001\"}"))
	if err != nil {
		t.Fatal(err)
	}
	if want := `"sub": "a\u009b31mb\u202ec\u007fd\udb40\udc01"`; !strings.Contains(got, want) {
		t.Errorf("%s\nwant %s in it", got, want)
	}
}

func FuzzInspect(f *testing.F) {
	for _, seed := range []string{jwt(`{"sub":"user_ada","exp":1}`), "Bearer " + jwt(`{}`), "e30.e30.", "a.b.c", "....", "", jwt(`{"exp":-1e308}`), jwt("{\"a\":\"\x1b[2J\"}"), jwt("{\"a\":\"\u009b\"}")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		shown, err := inspect(raw)
		if err != nil {
			shown = err.Error()
		} else if !strings.HasPrefix(shown, "NOT VERIFIED") {
			t.Errorf("%q does not say that nothing was verified", shown)
		}
		for _, r := range shown {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Errorf("%q shows %U", raw, r)
			}
		}
	})
}
