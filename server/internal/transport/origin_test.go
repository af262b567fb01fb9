package transport

import (
	"net/url"
	"strings"
	"testing"
)

func TestOriginMatches(t *testing.T) {
	t.Parallel()
	const exact, wildcard = "https://app.example.com", "https://*.example.com"
	tests := map[string]struct {
		pattern, origin string
		want            bool
	}{
		"the very origin": {exact, "https://app.example.com", true},
		"another scheme":  {exact, "http://app.example.com", false},
		"another port":    {exact, "https://app.example.com:8443", false},
		"the scheme's own port, which browsers omit": {exact, "https://app.example.com:443", false},
		"a trailing slash":                           {exact, "https://app.example.com/", false},
		"upper case, which browsers never send":      {exact, "https://APP.example.com", false},
		"a prefix":                                   {exact, "https://app.example.co", false},
		"a suffix":                                   {exact, "https://app.example.com.evil.net", false},
		"another host that ends alike":               {exact, "https://evilapp.example.com", false},
		"a user in front":                            {exact, "https://app.example.com@evil.net", false},
		"no origin":                                  {exact, "", false},
		"null":                                       {exact, "null", false},
		"null, though it is configured":              {"null", "null", false},
		"one label under the wildcard":               {wildcard, "https://app.example.com", true},
		"the parent of the wildcard":                 {wildcard, "https://example.com", false},
		"two labels under the wildcard":              {wildcard, "https://a.b.example.com", false},
		"an empty label under the wildcard":          {wildcard, "https://.example.com", false},
		"another parent under the wildcard":          {wildcard, "https://app.example.org", false},
		"a parent that ends alike":                   {wildcard, "https://app.badexample.com", false},
		"a suffix after the wildcard's parent":       {wildcard, "https://app.example.com.evil.net", false},
		"another scheme under the wildcard":          {wildcard, "http://app.example.com", false},
		"a port under a wildcard without":            {wildcard, "https://app.example.com:8443", false},
		"a slash in the label":                       {wildcard, "https://evil/.example.com", false},
		"a colon in the label":                       {wildcard, "https://evil:1.example.com", false},
		"an @ in the label":                          {wildcard, "https://evil@x.example.com", false},
		"a space in the label":                       {wildcard, "https://e vil.example.com", false},
		"a brace in the label":                       {wildcard, "https://a{b.example.com", false},
		"a backtick in the label":                    {wildcard, "https://a`b.example.com", false},
		"a digit in the label":                       {wildcard, "https://a1_-9.example.com", true},
		"a star in the label":                        {wildcard, "https://*.example.com/", false},
		"the port of the wildcard":                   {"https://*.example.com:8443", "https://app.example.com:8443", true},
		"another port than the wildcard's":           {"https://*.example.com:8443", "https://app.example.com:9443", false},
		"any origin, where that is configured":       {"*", "https://anything.example", true},
		"null, where any origin is configured":       {"*", "null", false},
		"no origin, where any is configured":         {"*", "", false},
		"an address":                                 {"http://127.0.0.1:3000", "http://127.0.0.1:3000", true},
		"an IPv6 address":                            {"http://[::1]:3000", "http://[::1]:3000", true},
		"an app of its own scheme":                   {"capacitor://localhost", "capacitor://localhost", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := originMatches(test.pattern, test.origin); got != test.want {
				t.Errorf("originMatches(%q, %q) = %v", test.pattern, test.origin, got)
			}
		})
	}
}

func TestCheckOriginPattern(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ pattern, want string }{
		"a host":                            {"https://app.example.com", ""},
		"a host and a port":                 {"http://localhost:3000", ""},
		"a host of one label":               {"http://intranet", ""},
		"an address":                        {"http://127.0.0.1:3000", ""},
		"an IPv6 address":                   {"http://[::1]", ""},
		"an IPv6 address and a port":        {"http://[::1]:3000", ""},
		"an app of its own scheme":          {"capacitor://localhost", ""},
		"a wildcard":                        {"https://*.example.com", ""},
		"a wildcard and a port":             {"https://*.example.com:8443", ""},
		"a wildcard on this machine":        {"http://*.localhost:3000", ""},
		"null":                              {"null", "never allowed"},
		"no scheme":                         {"app.example.com", "write scheme://host"},
		"an empty scheme":                   {"://app.example.com", "write scheme://host"},
		"a wildcard for the scheme":         {"*://app.example.com", "write scheme://host"},
		"a scheme that begins with a digit": {"3d://app.example.com", "write scheme://host"},
		"a scheme with a digit in it":       {"h2+x-1.0://app", ""},
		"upper case":                        {"https://App.example.com", "lower case"},
		"a path":                            {"https://app.example.com/app", "trailing slash"},
		"a trailing slash":                  {"https://app.example.com/", "trailing slash"},
		"a query":                           {"https://app.example.com?x", "trailing slash"},
		"a user":                            {"https://me@app.example.com", "trailing slash"},
		"an empty port":                     {"https://app.example.com:", "the port is not a number"},
		"a port of letters":                 {"https://app.example.com:http", "the port is not a number"},
		"a port of 0":                       {"https://app.example.com:0", "the port is not a number"},
		"a port too large":                  {"https://app.example.com:65536", "the port is not a number"},
		"the own port of https":             {"https://app.example.com:443", "drop :443"},
		"the own port of http":              {"http://app.example.com:80", "drop :80"},
		"no host":                           {"https://", "not a name"},
		"an empty label":                    {"https://app..example.com", "not a name"},
		"a bracket that is not closed":      {"http://[app", "not a name"},
		"a bracket that is not opened":      {"http://app]", "not a name"},
		"a letter that no name has":         {"https://a{b.example.com", "not a name"},
		"a letter that browsers encode":     {"https://bücher.example.com", "not a name"},
		"a wildcard for a top-level domain": {"https://*.com", "top-level domain"},
		"a wildcard for every host":         {"https://*", "whole first label"},
		"a wildcard within a label":         {"https://app-*.example.com", "whole first label"},
		"a wildcard in the middle":          {"https://app.*.example.com", "whole first label"},
		"two wildcards":                     {"https://*.*.example.com", "whole first label"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := CheckOrigin(test.pattern)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("%q: %v; want no fault", test.pattern, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%q: %v; want a fault that says %q", test.pattern, err, test.want)
			}
		})
	}
}

// FuzzOriginMatches holds that whatever a well-formed pattern matches is an
// origin of the pattern's scheme, port and domain, as net/url reads it.
func FuzzOriginMatches(f *testing.F) {
	for _, pattern := range []string{"https://app.example.com", "https://*.example.com", "https://*.example.com:8443", "http://[::1]:3000", "*", "null"} {
		for _, origin := range []string{"https://app.example.com", "https://a.b.example.com", "https://x@y.example.com", "https://x/.example.com", "http://[::1]:3000", "null", ""} {
			f.Add(pattern, origin)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, origin string) {
		if CheckOrigin(pattern) != nil || !originMatches(pattern, origin) {
			return
		}
		if origin == "null" || origin == "" {
			t.Fatalf("%q matches %q", pattern, origin)
		}
		wildcard, err := url.Parse(strings.Replace(pattern, "*.", "", 1))
		if err != nil {
			return // an odd IPv6 address, which matches itself alone
		}
		u, err := url.Parse(origin)
		if err != nil {
			t.Fatalf("%q matches %q, which is no URL: %v", pattern, origin, err)
		}
		if u.Scheme != wildcard.Scheme || u.Port() != wildcard.Port() || u.User != nil || u.Path != "" {
			t.Fatalf("%q matches %q", pattern, origin)
		}
		label, isUnder := strings.CutSuffix(u.Hostname(), wildcard.Hostname())
		if !isUnder || strings.Count(label, ".") > 1 || label != "" && !strings.HasSuffix(label, ".") {
			t.Fatalf("%q matches %q", pattern, origin)
		}
	})
}
