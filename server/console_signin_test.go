package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
)

// discovery serves a discovery document, in which SELF stands for the issuer.
func discovery(t *testing.T, document func() string) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/openid-configuration" {
			http.NotFound(w, r)
			return
		}
		asked.Add(1)
		fmt.Fprint(w, strings.ReplaceAll(document(), "SELF", server.URL))
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

const provider = `{"issuer":"SELF","jwks_uri":"SELF/keys","authorization_endpoint":"SELF/auth?x=1","token_endpoint":"SELF/token","end_session_endpoint":"SELF/end",
	"revocation_endpoint":"SELF/revoke","authorization_response_iss_parameter_supported":true,"id_token_signing_alg_values_supported":["ES256"]}`

// withSignIn serves the console, on which users sign in at such issuers.
func withSignIn(urls ...string) func(*settings.Config) {
	return func(c *settings.Config) {
		c.Console.Enabled = true
		for _, url := range urls {
			c.Issuers = append(c.Issuers, settings.Issuer{URL: url, Profile: "oidc", JWKSURL: url + "/keys", AllowAnyAudience: true, Console: settings.ConsoleClient{ClientID: "console"}})
		}
	}
}

func callbackOf(url string) string { return (&settings.Issuer{URL: url}).ConsoleCallback() }

type toldSignIns struct {
	SignIns []struct {
		Issuer, ClientID, Callback, Audience, Resource, Problem string
		Scopes                                                  []string
		Hint                                                    bool
		Metadata                                                map[string]any
	}
}

func (r *running) signIns(t *testing.T) toldSignIns {
	t.Helper()
	_, _, body := r.page(t, "/console/config.json")
	var told toldSignIns
	if err := json.Unmarshal([]byte(body), &told); err != nil {
		t.Fatal(err)
	}
	return told
}

func (r *running) directive(t *testing.T, path, name string, header ...string) string {
	t.Helper()
	_, answer, _ := r.page(t, path, header...)
	for directive := range strings.SplitSeq(answer.Get("Content-Security-Policy"), "; ") {
		if found, values, _ := strings.Cut(directive, " "); found == name {
			return values
		}
	}
	return ""
}

func TestThePolicyAllowsTheEndpointsOfAnIssuerThatUsersSignInAt(t *testing.T) {
	t.Parallel()
	url, asked := discovery(t, func() string { return provider })
	r := start(t, withSignIn(url), func(c *settings.Config) {
		c.Issuers[1].Console = settings.ConsoleClient{ClientID: "console", Scopes: []string{"offline_access"}, Audience: "invoices", Resource: "https://api.example.com"}
	})
	for name, want := range map[string]string{
		"connect-src":     "'self' " + url + "/token " + url + "/revoke",
		"frame-src":       "'self' " + url + "/auth",
		"frame-ancestors": "'none'",
		"script-src":      "'self'",
		"form-action":     "'none'",
	} {
		for _, path := range []string{"/", "/sessions", callbackOf(url)} {
			if got := r.directive(t, path, name); got != want {
				t.Errorf("%s of %s is %q; want %q", name, path, got, want)
			}
		}
	}
	told := r.signIns(t)
	if len(told.SignIns) != 1 {
		t.Fatalf("%+v; want the one issuer with a client", told)
	}
	got := told.SignIns[0]
	if got.Issuer != url || got.ClientID != "console" || got.Audience != "invoices" || got.Resource != "https://api.example.com" ||
		strings.Join(got.Scopes, " ") != "openid offline_access" || !got.Hint || got.Metadata["authorization_endpoint"] != url+"/auth?x=1" ||
		got.Metadata["end_session_endpoint"] != url+"/end" || got.Metadata["authorization_response_iss_parameter_supported"] != true || got.Metadata["jwks_uri"] != nil {
		t.Errorf("the page is told %+v", got)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times; want once, however often the page is loaded", n)
	}
}

func TestAnEndpointCannotAddToThePolicy(t *testing.T) {
	t.Parallel()
	url, _ := discovery(t, func() string {
		return `{"issuer":"SELF","authorization_endpoint":"SELF/auth;script-src *","token_endpoint":"SELF/token,default-src *; script-src 'unsafe-inline'"}`
	})
	r := start(t, withSignIn(url))
	if got, want := r.directive(t, "/", "connect-src"), "'self' "+url+"/token%2Cdefault-src%20%2A%3B%20script-src%20%27unsafe-inline%27"; got != want {
		t.Errorf("connect-src %s\nwant        %s", got, want)
	}
	if got := r.directive(t, "/", "script-src"); got != "'self'" {
		t.Errorf("script-src %s", got)
	}
}

func TestThePolicyHoldsNoQueryOfAnEndpoint(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"?", "?tenant=acme"} {
		url, _ := discovery(t, func() string { return strings.Replace(provider, "SELF/token", "SELF/token"+query, 1) })
		if got, want := start(t, withSignIn(url)).directive(t, "/", "connect-src"), "'self' "+url+"/token "+url+"/revoke"; got != want {
			t.Errorf("connect-src %s; want %s", got, want)
		}
	}
}

func TestEndpointsThatABrowserMustNotUseOfferNoSignIn(t *testing.T) {
	t.Parallel()
	for name, endpoint := range map[string]string{
		"in the clear elsewhere":        "http://sso.example.com/token",
		"a script":                      "javascript:alert(1)",
		"a file":                        "file:///etc/passwd",
		"with a user":                   "https://user@sso.example.com/token",
		"with a fragment":               "https://sso.example.com/token#x",
		"missing":                       "",
		"a host that ends the policy":   "https://sso.example.com;script-src/token",
		"every host":                    "https://*/token",
		"a host with a wildcard before": "https://*.example.com/token",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := discovery(t, func() string {
				return fmt.Sprintf(`{"issuer":"SELF","authorization_endpoint":"SELF/auth","token_endpoint":%q}`, endpoint)
			})
			r := start(t, withSignIn(url))
			if told := r.signIns(t).SignIns[0]; told.Metadata != nil || told.Problem == "" {
				t.Errorf("the page is told %+v; want a problem", told)
			}
			if got := r.directive(t, "/", "connect-src"); got != "'self'" {
				t.Errorf("connect-src %s", got)
			}
			if log := r.log.String(); !strings.Contains(log, "cannot learn how to sign in") {
				t.Errorf("the log does not say why:\n%s", log)
			}
		})
	}
}

func TestAnIssuerThatIsAwayAtTheStartIsAskedAgain(t *testing.T) {
	t.Parallel()
	var serves atomic.Bool
	var later atomic.Int64
	url, asked := discovery(t, func() string {
		if serves.Load() {
			return provider
		}
		return "not yet"
	})
	r := start(t, withSignIn(url), func(c *settings.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	})
	before := r.signIns(t).SignIns[0]
	if before.Metadata != nil || !strings.Contains(before.Problem, "log") {
		t.Errorf("the page is told %+v; want a problem", before)
	}
	n := asked.Load()
	serves.Store(true)
	_ = r.signIns(t)
	if again := r.signIns(t).SignIns[0]; again.Metadata != nil {
		t.Error("the issuer is asked with every load of the page")
	}
	later.Store(int64(6 * time.Second))
	_, before304, _ := r.page(t, "/")
	if after := r.signIns(t).SignIns[0]; after.Metadata == nil || asked.Load() != n+1 {
		t.Errorf("the page is told %+v; want what the issuer says now", after)
	}
	if got := r.directive(t, "/", "connect-src", "If-None-Match", before304.Get("Etag")); !strings.Contains(got, url+"/token") {
		t.Errorf("connect-src %s; want the endpoints that are known now", got)
	}
	// What it has said once counts while it is away again.
	serves.Store(false)
	later.Store(int64(2 * time.Hour))
	if last := r.signIns(t).SignIns[0]; last.Metadata == nil {
		t.Errorf("the page is told %+v; want what the issuer has said before", last)
	}
}

// Whether an issuer names itself, or can be asked at all, is nothing to the others.
func TestEachIssuerHasACallbackOfItsOwn(t *testing.T) {
	t.Parallel()
	silent := strings.Replace(provider, `"authorization_response_iss_parameter_supported":true,`, "", 1)
	away, _ := discovery(t, func() string { return "not yet" })
	named, _ := discovery(t, func() string { return provider })
	one, _ := discovery(t, func() string { return silent })
	two, _ := discovery(t, func() string { return silent })
	r := start(t, withSignIn(away, named, one, two))
	for _, told := range r.signIns(t).SignIns {
		if offered := told.Metadata != nil; offered != (told.Issuer != away) {
			t.Errorf("%s: offered %v, %s", told.Issuer, offered, told.Problem)
		}
		if want := "/console/callback/" + strings.NewReplacer("http://", "", ":", "-").Replace(told.Issuer); told.Callback != want {
			t.Errorf("%s comes back to %s; want %s", told.Issuer, told.Callback, want)
		}
		if status, _, body := r.page(t, told.Callback); status != http.StatusOK || !strings.Contains(body, "<title>ostiary</title>") {
			t.Errorf("%s answers %d", told.Callback, status)
		}
	}
	if status, _, _ := r.page(t, "/console/callback"); status != http.StatusNotFound {
		t.Errorf("a callback of no issuer answers %d", status)
	}
}

func TestAnIssuerCannotBeTakenForAnother(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{
		"Issuer":                              `"Issuer":"https://honest.example.com"`,
		"ISSUER":                              `"ISSUER":"https://honest.example.com"`,
		"a long s":                            `"iſſuer":"https://honest.example.com"`,
		"an endpoint in another case":         `"TOKEN_ENDPOINT":"SELF/other"`,
		"an endpoint with the sign of kelvin": `"to\u212aen_endpoint":"SELF/other"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := discovery(t, func() string { return strings.TrimSuffix(provider, "}") + "," + more + "}" })
			r := start(t, withSignIn(url))
			if told := r.signIns(t).SignIns[0]; told.Metadata != nil || told.Problem == "" {
				t.Errorf("the page is told %+v; want a problem", told)
			}
			if log := r.log.String(); !strings.Contains(log, "twice, in letters of different case") {
				t.Errorf("the log does not say why:\n%s", log)
			}
		})
	}
}

func TestAMemberInAnotherCaseIsNotRead(t *testing.T) {
	t.Parallel()
	url, _ := discovery(t, func() string { return strings.Replace(provider, "revocation_endpoint", "Revocation_Endpoint", 1) })
	if told := start(t, withSignIn(url)).signIns(t).SignIns[0]; told.Metadata["issuer"] != url || told.Metadata["revocation_endpoint"] != nil {
		t.Errorf("the page is told %+v; want no endpoint to revoke tokens", told)
	}
}

func TestAFrameOfTheCallbackIsEmptyAndForThePageAlone(t *testing.T) {
	t.Parallel()
	url, _ := discovery(t, func() string { return provider })
	r := start(t, withSignIn(url))
	status, header, body := r.page(t, callbackOf(url)+"?code=s3cr3t&state=x", "Sec-Fetch-Dest", "iframe")
	if status != http.StatusOK || strings.Contains(body, "script") || header.Get("Content-Security-Policy") != "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'" {
		t.Errorf("%d %v %s; want an empty page that this page alone can frame", status, header, body)
	}
	if vary := strings.Join(header.Values("Vary"), ","); !strings.Contains(vary, "Sec-Fetch-Dest") {
		t.Errorf("Vary %s", vary)
	}
	_, header, body = r.page(t, callbackOf(url)+"?code=s3cr3t&state=x", "Sec-Fetch-Dest", "document")
	if !strings.Contains(body, "<title>ostiary</title>") || header.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Errorf("%v %s; want the page, which nobody frames", header, body)
	}
	if log := r.log.String(); strings.Contains(log, "s3cr3t") {
		t.Errorf("the log has the code:\n%s", log)
	}
	if status, _, _ := start(t, func(c *settings.Config) { c.Console.Enabled = true }).page(t, callbackOf(url)); status != http.StatusNotFound {
		t.Errorf("without an issuer to sign in at the callback answers %d; want 404", status)
	}
}

func TestUsersActInPersonThroughTheConsole(t *testing.T) {
	t.Parallel()
	for enabled, kinds := range map[bool]map[string]auth.TokenKind{
		true:  {"console": auth.KindSession, "other": auth.KindOAuth},
		false: {"console": auth.KindOAuth, "other": auth.KindOAuth},
	} {
		r := start(t, func(c *settings.Config) {
			c.Console.Enabled, c.Issuers[0].Profile, c.Issuers[0].Console.ClientID = enabled, "oidc", "console"
		})
		for client, want := range kinds {
			raw := r.issuer.Session("user_ada", authtest.With("client_id", client), authtest.Without("azp"))
			id, err := r.verifier.Verify(t.Context(), raw)
			if err != nil {
				t.Fatal(err)
			}
			if id.Kind != want {
				t.Errorf("with console %v, a token through the client %s is of kind %v; want %v", enabled, client, id.Kind, want)
			}
		}
	}
}
