package authclient_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/ostiary/ostiary/interceptors/authclient"
)

func newClientCredentials(t *testing.T, endpoint authclient.TokenEndpoint, target authclient.TokenTarget) authclient.TokenSource {
	t.Helper()
	source, err := authclient.ClientCredentials(endpoint, target)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func assertToken(t *testing.T, source authclient.TokenSource, want string) {
	t.Helper()
	if got, err := source.Token(t.Context()); got != want || err != nil {
		t.Errorf("Token = %q, %v; want %q", got, err, want)
	}
}

func TestClientCredentialsSendWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	target := authclient.TokenTarget{
		Audience: "https://api.example.com", Resources: []string{"https://a.example.com", "https://b.example.com"}, Scopes: []string{"read", "write"},
	}
	want := url.Values{
		"grant_type": {"client_credentials"}, "scope": {"read write"}, "audience": {"https://api.example.com"},
		"resource": {"https://a.example.com", "https://b.example.com"}, "organization": {"org_acme"},
	}
	for name, tt := range map[string]struct {
		style oauth2.AuthStyle
		user  string
		form  url.Values
	}{
		"with the client in the header": {0, "billing:" + secret, nil},
		"with the client in the body":   {oauth2.AuthStyleInParams, ":", url.Values{"client_id": {"billing"}, "client_secret": {secret}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newTokenServer(t)
			endpoint := server.endpoint()
			endpoint.AuthStyle = tt.style
			endpoint.Parameters = url.Values{"organization": {"org_acme"}}
			assertToken(t, newClientCredentials(t, endpoint, target), "token-1")
			form := server.lastForm()
			for key, values := range tt.form {
				if !slices.Equal(form[key], values) {
					t.Errorf("parameter %s is %q; want %q", key, form[key], values)
				}
				form.Del(key)
			}
			if !reflect.DeepEqual(form, want) || server.users[0] != tt.user {
				t.Errorf("sent %v as %s; want %v as %s", form, server.users[0], want, tt.user)
			}
		})
	}
}

func TestClientCredentialsAreFetchedAheadOfTheirExpiry(t *testing.T) {
	t.Parallel()
	server := newTokenServer(t)
	source := newClientCredentials(t, server.endpoint(), authclient.TokenTarget{})
	assertToken(t, source, "token-1")
	server.pass(58 * time.Minute)
	assertToken(t, source, "token-1")
	server.pass(90 * time.Second) // half a minute is left
	assertToken(t, source, "token-2")
	assertToken(t, source, "token-2")

	server.answers(unavailable)
	server.pass(59*time.Minute + 30*time.Second)
	before := server.requests()
	assertToken(t, source, "token-2") // which still counts
	assertToken(t, source, "token-2")
	if got := server.requests() - before; got != 1 {
		t.Errorf("%d requests; want 1 and then a pause", got)
	}
	server.pass(time.Minute)
	if token, err := source.Token(t.Context()); err == nil {
		t.Errorf("gave %q, which has expired", token)
	}
	server.answers(nil)
	server.pass(time.Minute)
	assertToken(t, source, fmt.Sprint("token-", server.requests()+1))
}

func TestATokenWithoutAStatedLifetimeIsKeptForAMinute(t *testing.T) {
	t.Parallel()
	server := newTokenServer(t)
	server.answers(func(w http.ResponseWriter, _ *http.Request) { issue(w, map[string]any{"access_token": "unstated"}) })
	source := newClientCredentials(t, server.endpoint(), authclient.TokenTarget{})
	assertToken(t, source, "unstated")
	server.pass(39 * time.Second)
	assertToken(t, source, "unstated")
	if got := server.requests(); got != 1 {
		t.Errorf("%d requests; want 1", got)
	}
	server.pass(2 * time.Second)
	assertToken(t, source, "unstated")
	if got := server.requests(); got != 2 {
		t.Errorf("%d requests; want 2", got)
	}
}

func TestAFailingEndpointIsLeftAloneForAWhile(t *testing.T) {
	t.Parallel()
	server := newTokenServer(t)
	server.answers(unavailable)
	source := newClientCredentials(t, server.endpoint(), authclient.TokenTarget{})
	fail := func(requests int) {
		t.Helper()
		for range 3 {
			if token, err := source.Token(t.Context()); err == nil || token != "" {
				t.Errorf("gave %q, %v", token, err)
			}
		}
		if got := server.requests(); got != requests {
			t.Errorf("%d requests; want %d", got, requests)
		}
	}
	fail(1)
	server.pass(time.Second)
	fail(2)
	server.pass(900 * time.Millisecond) // the second pause is of one second at least
	fail(2)
	server.pass(1100 * time.Millisecond)
	fail(3)
	server.pass(30 * time.Second)
	server.answers(nil)
	assertToken(t, source, "token-4")
}

func TestManyCallsShareOneRequest(t *testing.T) {
	t.Parallel()
	server := newTokenServer(t)
	source := newClientCredentials(t, server.endpoint(), authclient.TokenTarget{})
	for _, ctx := range []context.Context{t.Context(), authclient.WantFreshToken(t.Context())} {
		server.pass(time.Minute)
		before := server.requests()
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				if token, err := source.Token(ctx); err != nil {
					t.Errorf("%q, %v", token, err)
				}
			})
		}
		calls.Wait()
		if got := server.requests() - before; got != 1 {
			t.Errorf("%d requests; want 1", got)
		}
	}
	assertToken(t, source, "token-2")
}

// A call waits neither for a token that it can do without, nor longer than it wants to.
func TestACallDoesNotWaitForTheRequestOfAnother(t *testing.T) {
	t.Parallel()
	server := newTokenServer(t)
	source := newClientCredentials(t, server.endpoint(), authclient.TokenTarget{})
	assertToken(t, source, "token-1")
	server.pass(59*time.Minute + 30*time.Second)
	asked, answer := make(chan struct{}), make(chan struct{})
	server.answers(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		issue(w, map[string]any{"access_token": "late", "expires_in": 3600})
	})
	first := make(chan string)
	go func() {
		token, _ := source.Token(t.Context())
		first <- token
	}()
	<-asked
	assertToken(t, source, "token-1")
	server.pass(time.Minute) // and now it has expired
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if token, err := source.Token(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("gave %q, %v; want that the call was cancelled", token, err)
	}
	close(answer)
	if got := <-first; got != "late" {
		t.Errorf("the first call got %q", got)
	}
	assertToken(t, source, "late")
}

func TestACallThatGivesUpIsNoFailureOfTheEndpoint(t *testing.T) {
	t.Parallel()
	server := newTokenServer(t)
	source := newClientCredentials(t, server.endpoint(), authclient.TokenTarget{})
	ctx, cancel := context.WithCancel(t.Context())
	server.answers(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if token, err := source.Token(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("gave %q, %v; want that the call was cancelled", token, err)
	}
	server.answers(nil)
	assertToken(t, source, "token-2")
}

func TestAFreshTokenIsFetchedWhenItIsWanted(t *testing.T) {
	t.Parallel()
	server := newTokenServer(t)
	source := newClientCredentials(t, server.endpoint(), authclient.TokenTarget{})
	assertToken(t, source, "token-1")
	fresh := authclient.WantFreshToken(t.Context())
	if got, err := source.Token(fresh); got != "token-1" || err != nil {
		t.Errorf("%q, %v; want token-1, which is just fetched", got, err)
	}
	server.pass(5 * time.Second)
	if got, err := source.Token(fresh); got != "token-2" || err != nil {
		t.Errorf("%q, %v; want token-2", got, err)
	}
	server.pass(5 * time.Second)
	server.answers(unavailable)
	if got, err := source.Token(fresh); err == nil {
		t.Errorf("%q; want an error, since there is no fresh token", got)
	}
	assertToken(t, source, "token-2")
}

func TestErrorsOfATokenEndpointDoNotRepeatItsAnswer(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	const leaked = "leaked-token"
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"a refusal that is known": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_client", "error_description": leaked + secret, "access_token": leaked})
		}, "it was refused with status 401: invalid_client"},
		"a refusal by a token": {func(w http.ResponseWriter, _ *http.Request) { issue(w, map[string]any{"error": leaked}) }, "it was refused with status 200: another error"},
		"a page":               {unavailable, "it was refused with status 503: another error"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"?"+leaked, http.StatusTemporaryRedirect)
		}, "it was refused with status 307: another error"},
		"text that is no JSON": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprint(w, leaked)
		}, "the answer is not that of a token endpoint (RFC 6749, section 5.1)"},
		"no token": {func(w http.ResponseWriter, _ *http.Request) { issue(w, map[string]any{"id_token": leaked}) }, "oauth2: server response missing access_token"},
		"a token of another type": {func(w http.ResponseWriter, _ *http.Request) {
			issue(w, map[string]any{"access_token": leaked, "token_type": "N_A"})
		}, "it is no bearer token (RFC 6750), which is the only type that can be sent"},
		"a token with a line break": {func(w http.ResponseWriter, _ *http.Request) {
			issue(w, map[string]any{"access_token": leaked + "\r\nX-Admin: true"})
		}, "it has characters that no bearer token has (RFC 6750, section 2.1)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newTokenServer(t)
			server.answers(tt.answer)
			token, err := newClientCredentials(t, server.endpoint(), authclient.TokenTarget{}).Token(t.Context())
			want := "fetch a token from " + server.URL + "/oauth/token: " + tt.want
			if err == nil || err.Error() != want || token != "" {
				t.Errorf("%q, %v; want %s", token, err, want)
			}
		})
	}
}

func TestAnEndpointThatCannotBeReached(t *testing.T) {
	t.Parallel()
	server := newTokenServer(t)
	server.Close()
	_, err := newClientCredentials(t, server.endpoint(), authclient.TokenTarget{}).Token(t.Context())
	if _, ok := errors.AsType[*net.OpError](err); !ok || !strings.HasPrefix(err.Error(), "fetch a token from "+server.URL) {
		t.Errorf("%v; want that nobody answers", err)
	}
}

func TestAnEndpointIsPrintedWithoutItsSecret(t *testing.T) {
	t.Parallel()
	endpoint := authclient.TokenEndpoint{URL: "https://login.example.com/token", ClientID: "billing", ClientSecret: secret}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "endpoint", endpoint)
	texts := []string{log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		texts = append(texts, fmt.Sprintf(verb, endpoint))
	}
	for _, text := range texts {
		if strings.Contains(text, secret) || !strings.Contains(text, endpoint.URL) {
			t.Errorf("printed as %s", text)
		}
	}
}

func TestSettingsOfATokenEndpointThatCannotWork(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*authclient.TokenEndpoint)
		want   string
	}{
		"no URL":             {func(e *authclient.TokenEndpoint) { e.URL = "" }, "cannot be used"},
		"a path":             {func(e *authclient.TokenEndpoint) { e.URL = "/oauth/token" }, "cannot be used"},
		"a URL with a user":  {func(e *authclient.TokenEndpoint) { e.URL = "https://me:" + secret + "@login.example.com" }, "cannot be used"},
		"no URL at all":      {func(e *authclient.TokenEndpoint) { e.URL = "https://%" + secret }, "cannot be used"},
		"plaintext":          {func(e *authclient.TokenEndpoint) { e.URL = "http://login.example.com/token" }, "plaintext: use https"},
		"another scheme":     {func(e *authclient.TokenEndpoint) { e.URL = "ftp://localhost/token" }, "plaintext: use https"},
		"no client":          {func(e *authclient.TokenEndpoint) { e.ClientID = "" }, "needs a ClientID and a ClientSecret"},
		"no secret":          {func(e *authclient.TokenEndpoint) { e.ClientSecret = "" }, "needs a ClientID and a ClientSecret"},
		"another grant type": {func(e *authclient.TokenEndpoint) { e.Parameters = url.Values{"grant_type": {"password"}} }, `"grant_type"`},
		"a second audience":  {func(e *authclient.TokenEndpoint) { e.Parameters = url.Values{"audience": {"b"}} }, `"audience"`},
		"a subject token":    {func(e *authclient.TokenEndpoint) { e.Parameters = url.Values{"subject_token": {"b"}} }, `"subject_token"`},
	} {
		endpoint := authclient.TokenEndpoint{URL: "https://login.example.com/token", ClientID: "billing", ClientSecret: secret}
		tt.change(&endpoint)
		for kind, newSource := range map[string]func(authclient.TokenEndpoint, authclient.TokenTarget) (authclient.TokenSource, error){
			"ClientCredentials": authclient.ClientCredentials, "ExchangeCaller": authclient.ExchangeCaller,
		} {
			source, err := newSource(endpoint, authclient.TokenTarget{Audience: "a"})
			if err == nil || source != nil || !strings.HasPrefix(err.Error(), "authclient."+kind+": ") || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("%s of %s: %v; want %s", kind, name, err, tt.want)
			}
		}
	}
}
