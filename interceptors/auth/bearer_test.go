package auth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestBearerToken(t *testing.T) {
	t.Parallel()
	const token = "aaa.bbb.ccc"
	accepted := []struct {
		name   string
		header http.Header
	}{
		{"the usual form", http.Header{"Authorization": {"Bearer " + token}}},
		{"the scheme in lower case", http.Header{"Authorization": {"bearer " + token}}},
		{"the scheme in upper case", http.Header{"Authorization": {"BEARER " + token}}},
	}
	for _, tt := range accepted {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := auth.BearerToken(tt.header)
			if err != nil || got != token {
				t.Errorf("BearerToken = %q, %v; want %q", got, err, token)
			}
		})
	}

	refused := []struct {
		name   string
		header http.Header
		want   auth.Reason
	}{
		{"no header at all", nil, auth.TokenMissing},
		{"other headers only", http.Header{"Accept": {"*/*"}}, auth.TokenMissing},
		{"an empty value", http.Header{"Authorization": {""}}, auth.TokenMissing},
		{"another scheme", http.Header{"Authorization": {"Basic dXNlcjpwYXNz"}}, auth.TokenMissing},
		{"a token in a cookie", http.Header{"Cookie": {"__session=" + token}}, auth.TokenMissing},
		{"a token in authorization-bin", http.Header{"Authorization-Bin": {"Bearer " + token}}, auth.TokenMissing},
		{"a token in proxy-authorization", http.Header{"Proxy-Authorization": {"Bearer " + token}}, auth.TokenMissing},
		{"an identity claimed by header", http.Header{"X-User-Id": {"user_ada"}}, auth.TokenMissing},
		{"two headers", http.Header{"Authorization": {"Bearer " + token, "Bearer " + token}}, auth.CredentialsAmbiguous},
		{"two headers, one of them empty", http.Header{"Authorization": {"", "Bearer " + token}}, auth.CredentialsAmbiguous},
		{"a list of credentials", http.Header{"Authorization": {"Bearer " + token + ", Bearer " + token}}, auth.CredentialsAmbiguous},
		{"a list of tokens", http.Header{"Authorization": {"Bearer " + token + "," + token}}, auth.CredentialsAmbiguous},
		{"a list that begins with another scheme", http.Header{"Authorization": {"Basic x, Bearer " + token}}, auth.CredentialsAmbiguous},
		{"the scheme alone", http.Header{"Authorization": {"Bearer"}}, auth.TokenMalformed},
		{"the scheme and a space", http.Header{"Authorization": {"Bearer "}}, auth.TokenMalformed},
		{"two spaces", http.Header{"Authorization": {"Bearer  " + token}}, auth.TokenMalformed},
		{"a space at the end", http.Header{"Authorization": {"Bearer " + token + " "}}, auth.TokenMalformed},
		{"a space at the start", http.Header{"Authorization": {" Bearer " + token}}, auth.TokenMalformed},
		{"a tab for the space", http.Header{"Authorization": {"Bearer\t" + token}}, auth.TokenMalformed},
		{"a token without scheme", http.Header{"Authorization": {token}}, auth.TokenMalformed},
	}
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := auth.BearerToken(tt.header)
			reason, ok := auth.ReasonOf(err)
			if got != "" || !ok || reason != tt.want {
				t.Errorf("BearerToken = %q, %v; want reason %v", got, err, tt.want)
			}
		})
	}
}

func FuzzBearerToken(f *testing.F) {
	for _, seed := range []string{
		"", "Bearer", "Bearer ", "Bearer a.b.c", "bearer a", "Bearer  a", "Basic a", "Bearer a,b", "Bearer a b", "\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		token, err := auth.BearerToken(http.Header{"Authorization": {value}})
		if err != nil {
			if _, ok := auth.ReasonOf(err); !ok || token != "" {
				t.Fatalf("refused with %q and %v", token, err)
			}
			return
		}
		// What is accepted is the scheme, one space and the token, nothing else.
		if len(value) < 8 || !strings.EqualFold(value[:7], "Bearer ") || value[7:] != token ||
			strings.ContainsAny(token, " ,") {
			t.Fatalf("%q accepted as %q", value, token)
		}
	})
}
