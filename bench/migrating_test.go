package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/authn"
	jwtmiddleware "github.com/auth0/go-jwt-middleware/v3"
	"github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/clerk/clerk-sdk-go/v2"
	clerkhttp "github.com/clerk/clerk-sdk-go/v2/http"
)

// The functions below are what docs/migrating.md shows as the way before.

func withAuthn(mux http.Handler, verify func(ctx context.Context, token string) (subject string, err error)) http.Handler {
	middleware := authn.NewMiddleware(func(ctx context.Context, r *http.Request) (any, error) {
		token, ok := authn.BearerToken(r)
		if !ok {
			return nil, authn.Errorf("send a bearer token")
		}
		subject, err := verify(ctx, token)
		if err != nil {
			return nil, authn.Errorf("invalid token")
		}
		return subject, nil
	})
	return middleware.Wrap(mux)
}

func ofAuthn(ctx context.Context) string {
	subject, _ := authn.GetInfo(ctx).(string)
	return subject
}

func withClerk(mux http.Handler) http.Handler {
	party := clerkhttp.AuthorizedPartyMatches("https://app.example.com")
	return clerkhttp.RequireHeaderAuthorization(party)(mux)
}

func ofClerk(ctx context.Context) string {
	claims, ok := clerk.SessionClaimsFromContext(ctx)
	if !ok || !claims.HasPermission("org:invoices:delete") {
		return ""
	}
	return claims.Subject
}

func withAuth0(mux http.Handler, keys func(context.Context) (any, error)) (http.Handler, error) {
	tokens, err := validator.New(
		validator.WithKeyFunc(keys),
		validator.WithAlgorithm(validator.RS256),
		validator.WithIssuer("https://example.eu.auth0.com/"),
		validator.WithAudience("https://api.example.com"),
	)
	if err != nil {
		return nil, err
	}
	middleware, err := jwtmiddleware.New(jwtmiddleware.WithValidator(tokens))
	if err != nil {
		return nil, err
	}
	return middleware.CheckJWT(mux), nil
}

func ofAuth0(ctx context.Context) string {
	claims, err := jwtmiddleware.GetClaims[*validator.ValidatedClaims](ctx)
	if err != nil {
		return ""
	}
	return claims.RegisteredClaims.Subject
}

func TestTheWaysBeforeRefuseAStranger(t *testing.T) {
	t.Parallel()
	reads := func(subject func(context.Context) string) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			t.Errorf("a stranger was served as %q", subject(r.Context()))
		})
	}
	auth0, err := withAuth0(reads(ofAuth0), func(context.Context) (any, error) { return nil, nil }) //nolint:nilnil // a stranger needs no key
	if err != nil {
		t.Fatal(err)
	}
	for name, handler := range map[string]http.Handler{
		"authn":             withAuthn(reads(ofAuthn), func(context.Context, string) (string, error) { return "", nil }),
		"clerk-sdk-go":      withClerk(reads(ofClerk)),
		"go-jwt-middleware": auth0,
	} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/acme.invoice.v1.InvoiceService/ListInvoices", nil))
		if answer.Code != http.StatusUnauthorized && answer.Code != http.StatusForbidden && answer.Code != http.StatusBadRequest {
			t.Errorf("%s answers a stranger with %d", name, answer.Code)
		}
	}
}
