package interop_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/vanguard"
	"connectrpc.com/vanguard/vanguardgrpc"
	"google.golang.org/genproto/googleapis/api/annotations"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

// TestVanguardInFront asks by REST for what a connect-go or a grpc-go handler serves. The
// guard of the handler decides, about the registered method, and RequireGuard outside
// sees that it has.
func TestVanguardInFront(t *testing.T) {
	t.Parallel()
	rules := vanguard.WithRules(&annotations.HttpRule{
		Selector: strings.ReplaceAll(strings.TrimPrefix(whoAmI, "/"), "/", "."),
		Pattern:  &annotations.HttpRule_Get{Get: "/v1/me"},
	})
	for name, newTranscoder := range map[string]func(*auth.Guard) (*vanguard.Transcoder, error){
		"connect-go": func(guard *auth.Guard) (*vanguard.Transcoder, error) {
			handler := newConnectHandler(connectauth.WithGuard(guard))
			return vanguard.NewTranscoder([]*vanguard.Service{vanguard.NewService("ostiary.identity.v1.IdentityService", handler)}, rules)
		},
		"grpc-go": func(guard *auth.Guard) (*vanguard.Transcoder, error) {
			server := grpcauth.NewServer(guard)
			identityv1.RegisterIdentityServiceServer(server, new(service))
			return vanguardgrpc.NewTranscoder(server.Server, rules)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := make(chan auth.Decision, 1)
			guard := guardtest.NewGuard(func(_ context.Context, d auth.Decision) { seen <- d })
			transcoder, err := newTranscoder(guard)
			if err != nil {
				t.Fatal(err)
			}
			url, client := serve(t, httpauth.RequireGuard(guard, transcoder))
			for _, test := range []struct {
				token, body string
				status      int
			}{
				{"", "TOKEN_MISSING", http.StatusUnauthorized},
				{guardtest.GoodToken, "ada", http.StatusOK},
			} {
				status, challenge, body := get(t, client, url+"/v1/me", test.token)
				if status != test.status || !strings.Contains(body, test.body) {
					t.Errorf("%d %s", status, body)
				}
				// grpc-go's is in the trailer, which vanguard leaves out for REST.
				if test.token == "" && name == "connect-go" && challenge != "Bearer" {
					t.Errorf("the challenge is %q", challenge)
				}
				if d := <-seen; d.Procedure != whoAmI {
					t.Errorf("decided about %s", d.Procedure)
				}
			}
		})
	}
}

func get(t *testing.T, client *http.Client, url, token string) (status int, challenge, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("WWW-Authenticate"), string(text)
}
