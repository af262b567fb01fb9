package unverified

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

// Identity returns whose token it would be if it were genuine, as the profile
// reads it. firstParty are the issuer's token.Issuer.FirstPartyClients.
//
// The library has no way around verification, and gets none for this: the token is
// signed anew, with a key that exists for this one call, and then verified at a
// time at which it was valid.
func (t *Token) Identity(ctx context.Context, profile token.Profile, firstParty ...string) (*auth.Identity, error) {
	signed, key, err := t.signAnew()
	if err != nil {
		return nil, err
	}
	validSince := t.validSince()
	verifier, err := token.New(token.Config{
		Issuers: []token.Issuer{{
			URL:               t.issuer(profile),
			Keys:              key,
			Profile:           profile,
			AllowAnyAudience:  true,
			FirstPartyClients: firstParty,
			Algorithms:        []string{"EdDSA"},
			Kinds:             []auth.TokenKind{auth.KindSession, auth.KindTemplate, auth.KindOAuth, auth.KindMachine, auth.KindID},
			MaxTokenBytes:     math.MaxInt,
			MaxLifetime:       math.MaxInt64,

			AllowUnboundConfirmation: true,
		}},
		Now: func() time.Time { return validSince },
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the token: %w", err)
	}
	id, err := verifier.Verify(ctx, signed)
	if err != nil {
		refusal := auth.AsError(err)
		return nil, fmt.Errorf("cannot read the token: %w: %w", refusal, refusal.Unwrap())
	}
	return id, nil
}

// issuer returns iss, or with profile spiffe the trust domain of sub (SPIFFE ID,
// section 2).
func (t *Token) issuer(profile token.Profile) string {
	if profile.Name != token.SPIFFE().Name {
		return t.Issuer()
	}
	subject, _ := t.claims.members["sub"].(string)
	domain, _, _ := strings.Cut(strings.TrimPrefix(subject, "spiffe://"), "/")
	return "spiffe://" + domain
}

// validSince returns when the token became valid: when it was issued, or at nbf if
// that is later.
func (t *Token) validSince() time.Time {
	since := time.Unix(0, 0) // where it has neither, or no times, which the verifier refuses
	for _, claim := range []string{"iat", "nbf"} {
		if at, ok := t.Time(claim); ok && at.After(since) {
			since = at
		}
	}
	return since
}

func (t *Token) signAnew() (string, jwks.Set, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", nil, err
	}
	key, err := jwks.NewKey("unverified", public, "EdDSA")
	if err != nil {
		return "", nil, err
	}
	set, err := jwks.NewStatic(key)
	if err != nil {
		return "", nil, err
	}
	header := maps.Clone(t.header.members)
	header["alg"], header["kid"] = "EdDSA", key.ID()
	encodedHeader, err := json.Marshal(header)
	if err != nil {
		return "", nil, err
	}
	input := base64.RawURLEncoding.EncodeToString(encodedHeader) + "." + base64.RawURLEncoding.EncodeToString(t.claims.text)
	return input + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(private, []byte(input))), set, nil
}
