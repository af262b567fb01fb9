package gatewayauth_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/gatewayauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

// TestRelayRefusals dials a guarded server, which decides everything: streams and
// conditions on the request too.
func TestRelayRefusals(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, nil)
	mux := dialling(t, grpcauth.NewServer(guard), new(shelf), gatewayauth.RelayRefusals())
	url := serve(t, httpauth.RequireGuard(guard, httpauth.Unguarded(mux)))
	for name, test := range map[string]struct {
		request, token, body string
		want                 auth.Reason
		status               int
		challenge            string
	}{
		"no token":                     {"GET /v1/books/a", "", "", auth.TokenMissing, 401, challenge},
		"a token that is not accepted": {"GET /v1/books/a", "bad", "", auth.SignatureInvalid, 401, challengeInvalid},
		"a scope that is missing":      {"DELETE /v1/books/a", guardtest.GoodToken, "", auth.ScopeRequired, 403, challengeScope},
		"a request that is not theirs": {"POST /v1/books", guardtest.GoodToken, `{"owner":"eve"}`, auth.ConditionNotMet, 403, ""},
		// The header of a stream's answer is made before the trailer is known.
		"a stream without a token": {"GET /v1/books:watch", "", "", auth.TokenMissing, 401, "Bearer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assertRefused(t, ask(t, url, test.request, test.token, test.body), test.want, test.status, test.challenge)
		})
	}
	assertBook(t, ask(t, url, "GET /v1/books/a", guardtest.GoodToken, ""))
	assertBook(t, ask(t, url, "POST /v1/books", guardtest.GoodToken, `{"owner":"ada"}`))
	assertBook(t, ask(t, url, "GET /v1/books:watch", guardtest.GoodToken, ""))
}

// TestTheChallengeIsMadeOfTheDetails has a server whose trailer was lost on the way.
func TestTheChallengeIsMadeOfTheDetails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		code      codes.Code
		info      *errdetails.ErrorInfo
		challenge string
	}{
		"what the caller needs": {codes.Unauthenticated, &errdetails.ErrorInfo{
			Reason: "REVERIFICATION_REQUIRED", Domain: auth.ErrorDomain,
			Metadata: map[string]string{"max_age": "600", "acr_values": "phr phrh"},
		}, `Bearer error="insufficient_user_authentication", error_description="REVERIFICATION_REQUIRED", acr_values="phr phrh", max_age="600"`},
		"a reason of a newer server": {codes.Unauthenticated, &errdetails.ErrorInfo{Reason: "TOKEN_ODD", Domain: auth.ErrorDomain}, `Bearer error="invalid_token"`},
		"a refusal that has none":    {codes.PermissionDenied, &errdetails.ErrorInfo{Reason: "ROLE_REQUIRED", Domain: auth.ErrorDomain}, ""},
		"an error of others":         {codes.Unauthenticated, &errdetails.ErrorInfo{Reason: "TOKEN_MISSING", Domain: "else.test"}, "as sent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent, err := status.New(test.code, "as sent").WithDetails(test.info)
			if err != nil {
				t.Fatal(err)
			}
			service := &shelf{get: func(context.Context) error { return sent.Err() }}
			url := serve(t, dialling(t, grpc.NewServer(), service, gatewayauth.RelayRefusals()))
			got := ask(t, url, "GET /v1/books/a", "", "")
			if values := strings.Join(got.header.Values("WWW-Authenticate"), "|"); values != test.challenge {
				t.Errorf("the challenge is %q, want %q", values, test.challenge)
			}
			if !strings.Contains(got.body, test.info.GetReason()) {
				t.Errorf("the body is %s", got.body)
			}
		})
	}
}
