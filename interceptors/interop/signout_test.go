package interop_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/signals"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/internal/testprogram"
)

// More are for measuring: go test -run SignOut -v -signouts 100.
var signOuts = flag.Int("signouts", 5, "how often a user signs out in each of the tests with real issuers")

// A guarded service, and what receives the logout tokens of its issuer.
type guarded struct {
	url     string            // of the service
	logout  string            // where logout tokens go
	answers chan logoutAnswer // to logout tokens

	mu       sync.Mutex
	receiver http.Handler
}

type logoutAnswer struct {
	came   time.Time // the request
	status int
	body   string
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{answers: make(chan logoutAnswer, 1)}
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came := time.Now()
		g.mu.Lock()
		receiver := g.receiver
		g.mu.Unlock()
		answer := httptest.NewRecorder()
		receiver.ServeHTTP(answer, r)
		g.answers <- logoutAnswer{came, answer.Code, answer.Body.String()}
		w.WriteHeader(answer.Code)
	}))
	t.Cleanup(door.Close)
	g.logout = door.URL + "/signals/backchannel-logout"
	return g
}

// trust serves for the users of an issuer.
func (g *guarded) trust(t *testing.T, issuer token.Issuer, logout signals.LogoutIssuer) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	keys, err := jwks.NewRemote(jwks.RemoteConfig{Issuer: issuer.URL, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	issuer.Keys, logout.URL = keys, issuer.URL
	verifier, err := token.New(token.Config{Issuers: []token.Issuer{issuer}, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	list := revocation.New(revocation.Config{})
	guard := &auth.Guard{Authenticator: verifier, Policy: guardtest.Everyone{}, Revocations: list, Logger: logger}
	t.Cleanup(func() { _ = guard.Close() })
	receiver, err := signals.NewBackChannelLogout(signals.LogoutConfig{
		Verifier: verifier, Issuers: []signals.LogoutIssuer{logout}, Sink: signals.ToList(list), Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	g.receiver = receiver
	g.mu.Unlock()
	_, handler := identityv1connect.NewIdentityServiceHandler(heldService{}, connectauth.WithGuard(guard))
	g.url, _ = serve(t, handler)
}

// heldService keeps its streams open.
type heldService struct {
	identityv1connect.UnimplementedIdentityServiceHandler
}

func (heldService) WatchIdentity(ctx context.Context, _ *identityv1.WatchIdentityRequest, stream *connect.ServerStream[identityv1.WatchIdentityResponse]) error {
	if err := stream.Send(&identityv1.WatchIdentityResponse{}); err != nil {
		return err
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// watch opens a stream, and sends when and why it ends.
func (g *guarded) watch(t *testing.T, accessToken string) <-chan ended {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ctx, info := connect.NewClientContext(t.Context())
	info.RequestHeader().Set("Authorization", "Bearer "+accessToken)
	stream, err := identityv1connect.NewIdentityServiceClient(client, g.url).WatchIdentity(ctx, &identityv1.WatchIdentityRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if !stream.Receive() {
		t.Fatal(stream.Err())
	}
	end := make(chan ended, 1)
	go func() {
		for stream.Receive() {
		}
		end <- ended{time.Now(), stream.Err()}
		_ = stream.Close()
	}()
	return end
}

type ended struct {
	at  time.Time
	err error
}

// A realIssuer signs users in and out.
type realIssuer struct {
	// signIn returns an access token of a user, and what signs the user out.
	signIn func(t *testing.T, user string) (accessToken string, signOut func())
}

// endStreams signs users in and out, and expects a stream of each to end. It logs how
// long after the issuer's request.
func (g *guarded) endStreams(t *testing.T, issuer realIssuer) {
	t.Helper()
	var took []time.Duration
	for i := range *signOuts {
		accessToken, signOut := issuer.signIn(t, fmt.Sprintf("user-%d", i))
		stream := g.watch(t, accessToken)
		signOut()
		var answer logoutAnswer
		select {
		case answer = <-g.answers:
		case <-time.After(30 * time.Second):
			t.Fatal("no logout token comes")
		}
		if answer.status != http.StatusOK {
			t.Fatalf("answered %d, %s; want 200", answer.status, answer.body)
		}
		select {
		case end := <-stream:
			if reason, _ := connectauth.ReasonOf(end.err); reason != auth.TokenRevoked {
				t.Fatalf("the stream ended with %v; want %v", end.err, auth.TokenRevoked)
			}
			took = append(took, end.at.Sub(answer.came))
		case <-time.After(30 * time.Second):
			t.Fatal("the stream does not end")
		}
	}
	slices.Sort(took)
	t.Logf("%d sign-outs; from the request of the issuer to the end of a stream: p50 %v, p99 %v, longest %v",
		len(took), took[len(took)/2], took[(len(took)*99+99)/100-1], took[len(took)-1])
}

func authorize(scope, user string) string {
	return "?" + url.Values{
		"client_id": {"web"}, "response_type": {"code"}, "scope": {scope}, "redirect_uri": {callback}, "login_hint": {user},
		"state": {"a state that is long enough"},
	}.Encode()
}

// TestSignOutAtOIDCProvider signs out at the OpenID provider for Node.
func TestSignOutAtOIDCProvider(t *testing.T) {
	t.Parallel()
	const dir = "testdata"
	_, lacksNode := exec.LookPath("node")
	_, lacksModules := os.Stat(dir + "/node_modules/oidc-provider")
	if lacksNode != nil || lacksModules != nil {
		testprogram.Missing(t, "no OpenID provider was tested: install Node, and run make test, or npm ci in interceptors/interop/"+dir)
	}
	for name, sessions := range map[string]bool{"whose tokens name the session": true, "whose tokens do not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGuarded(t)
			cmd := exec.CommandContext(t.Context(), "node", "provider.js")
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "LOGOUT_URI="+g.logout)
			if sessions {
				cmd.Env = append(cmd.Env, "SESSIONS_IN_TOKENS=1")
			}
			url := start(t, cmd)
			g.trust(t, token.Issuer{URL: url, Audiences: []string{"https://api.example.com"}},
				signals.LogoutIssuer{ClientIDs: []string{"web"}, SessionsInTokens: sessions})
			g.endStreams(t, realIssuer{signIn: func(t *testing.T, user string) (string, func()) {
				t.Helper()
				b := newBrowser(t)
				_, page := b.get(url + "/auth" + authorize("openid read", user))
				access, id := b.tokens(url+"/token", page)
				return access, func() {
					form, _ := b.get(url + "/session/end?id_token_hint=" + id)
					b.post(url+"/session/end/confirm", map[string][]string{"xsrf": {field(t, form, "xsrf")}, "logout": {"yes"}})
				}
			}})
		})
	}
}

// TestSignOutAtDex signs out at a dex, which the variable DEX names. Release 2.45 is too
// old for it.
func TestSignOutAtDex(t *testing.T) {
	t.Parallel()
	program := os.Getenv("DEX")
	if program == "" {
		t.Skip("set DEX to the path of dex")
	}
	g := newGuarded(t)
	address := freeAddress(t)
	url := "http://" + address + "/dex"
	settings := filepath.Join(t.TempDir(), "dex.json")
	write(t, settings, map[string]any{
		"issuer": url, "storage": map[string]any{"type": "memory"}, "web": map[string]any{"http": address},
		"sessions": map[string]any{"absoluteLifetime": "24h", "validIfNotUsedFor": "1h"},
		"oauth2":   map[string]any{"skipApprovalScreen": true},
		"staticClients": []any{map[string]any{
			"id": "web", "secret": "not a secret", "name": "Web", "redirectURIs": []string{callback}, "backchannelLogoutURI": g.logout,
		}},
		"connectors": []any{map[string]any{"type": "mockCallback", "id": "mock", "name": "Mock"}},
	})
	cmd := exec.CommandContext(t.Context(), program, "serve", settings)
	cmd.Env = append(os.Environ(), "DEX_SESSIONS_ENABLED=true")
	startAt(t, cmd, url+"/healthz")
	g.trust(t, token.Issuer{URL: url, Profile: token.Dex(), Audiences: []string{"web"}}, signals.LogoutIssuer{ClientIDs: []string{"web"}, SessionsInTokens: true})
	g.endStreams(t, realIssuer{signIn: func(t *testing.T, user string) (string, func()) {
		t.Helper()
		b := newBrowser(t)
		_, page := b.get(url + "/auth" + authorize("openid", user))
		access, id := b.tokens(url+"/token", page)
		return access, func() { b.get(url + "/logout?id_token_hint=" + id) }
	}})
}
