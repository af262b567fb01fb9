package authclient_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
)

func TestStaticTokenIsNotPrinted(t *testing.T) {
	t.Parallel()
	const token = authclient.StaticToken("eyJ.secret.sig")
	if got, err := token.Token(t.Context()); err != nil || got != "eyJ.secret.sig" {
		t.Errorf("Token = %q, %v", got, err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, token); strings.Contains(got, "secret") || !strings.Contains(got, "StaticToken(…)") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

// An oauth2Source answers with what it holds.
type oauth2Source struct {
	token *oauth2.Token
	err   error
}

func (s oauth2Source) Token() (*oauth2.Token, error) { return s.token, s.err }

func TestOAuth2Token(t *testing.T) {
	t.Parallel()
	down := errors.New("the token endpoint is down")
	for _, tt := range []struct {
		name   string
		source oauth2Source
		want   string
		err    error
	}{
		{"gives the access token", oauth2Source{token: &oauth2.Token{AccessToken: "access", RefreshToken: "refresh"}}, "access", nil},
		{"a source that fails is an error", oauth2Source{err: down}, "", down},
		{"a source that fails and has a token all the same is an error", oauth2Source{token: &oauth2.Token{AccessToken: "stale"}, err: down}, "", down},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := authclient.OAuth2Token(tt.source).Token(t.Context())
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("Token = %q, %v; want %q, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestOAuth2TokenDoesNotRepeatTheAnswerOfTheEndpoint(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ err, want string }{
		"a known error": {"invalid_grant", "it was refused: invalid_grant"},
		"another":       {"leaked", "it was refused: another error"},
	} {
		refused := &oauth2.RetrieveError{Body: []byte("leaked"), ErrorCode: tt.err, ErrorDescription: "leaked"}
		_, err := authclient.OAuth2Token(oauth2Source{err: fmt.Errorf("leaked: %w", refused)}).Token(t.Context())
		if want := "fetch an OAuth 2.0 access token: " + tt.want; err == nil || err.Error() != want {
			t.Errorf("%s: %v; want %s", name, err, want)
		}
	}
}

// admitting is a guard's Authenticator and Policy that let everybody in.
type admitting struct{}

func (admitting) Authenticate(context.Context, auth.Call) (*auth.Identity, error) {
	return &auth.Identity{Subject: "user_ada"}, nil
}
func (a admitting) Rule(string) auth.Rule    { return a }
func (admitting) Check(*auth.Identity) error { return nil }

func TestRelayCaller(t *testing.T) {
	t.Parallel()
	guard := &auth.Guard{Authenticator: admitting{}, Policy: admitting{}}
	for _, tt := range []struct {
		name   string
		header http.Header
		want   string
	}{
		{"the caller's token", http.Header{"Authorization": {"Bearer a.b.c"}}, "a.b.c"},
		{"no token in the Authorization header", http.Header{"Cookie": {"__session=a.b.c"}}, ""},
		{"two tokens", http.Header{"Authorization": {"Bearer a.b.c", "Bearer d.e.f"}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, err := guard.Admit(t.Context(), auth.Call{Header: tt.header})
			if err != nil {
				t.Fatal(err)
			}
			token, err := authclient.RelayCaller().Token(ctx)
			if token != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("Token = %q, %v; want %q", token, err, tt.want)
			}
		})
	}
	if token, err := authclient.RelayCaller().Token(t.Context()); err == nil || token != "" {
		t.Errorf("relayed %q outside a guarded call", token)
	}
	if token, err := authclient.RelayCaller().Token(auth.NewContext(t.Context(), &auth.Identity{})); err == nil || token != "" {
		t.Errorf("relayed %q of a context that was made without a call", token)
	}
}
