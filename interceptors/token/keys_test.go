package token_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

// members are those of a key or of a header, for tests to change.
type members map[string]any

// published returns the public key as an issuer writes it, with other members.
func published(t *testing.T, key *authtest.Key, others members) members {
	t.Helper()
	imported, err := jwk.Import(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(imported)
	if err != nil {
		t.Fatal(err)
	}
	var written members
	if err := json.Unmarshal(encoded, &written); err != nil {
		t.Fatal(err)
	}
	for name, value := range others {
		written[name] = value
	}
	return written
}

// TestTheKeyOfATokenIsFound combines what issuers write into key sets with what they
// write into headers.
func TestTheKeyOfATokenIsFound(t *testing.T) {
	t.Parallel()
	rsa, ec, ed := authtest.NewKey("RS256"), authtest.NewKey("ES256"), authtest.NewKey("EdDSA")
	other, forger := authtest.NewKey("ES256"), authtest.NewKey("ES256")
	const thumbprint = "zRtQaZY9mHj5Lxz753-JEs3Vsu0"
	many := []members{}
	signers := []*authtest.Key{}
	for range 5 {
		key := authtest.NewKey("ES256")
		signers = append(signers, key)
		many = append(many, published(t, key, nil))
	}
	for _, row := range []struct {
		name   string
		before string // in front of the key set
		keys   []members
		header members
		signer *authtest.Key
		want   auth.Reason
		says   string // the cause
	}{
		{"Ed25519 in key and token (RFC 9864)", "", []members{published(t, ed, members{"kid": "k1", "alg": "Ed25519", "use": "sig"})},
			members{"alg": "Ed25519", "kid": "k1"}, ed, pass, ""},
		{"Ed25519 in the key, EdDSA in the token", "", []members{published(t, ed, members{"kid": "k1", "alg": "Ed25519"})},
			members{"alg": "EdDSA", "kid": "k1"}, ed, pass, ""},
		{"EdDSA in the key, Ed25519 in the token", "", []members{published(t, ed, members{"kid": "k1", "alg": "EdDSA"})},
			members{"alg": "Ed25519", "kid": "k1"}, ed, pass, ""},
		{"ed25519 in small letters", "", []members{published(t, ed, members{"kid": "k1"})},
			members{"alg": "ed25519", "kid": "k1"}, ed, auth.AlgorithmNotAllowed, ""},
		{"Ed25519 for an EC key", "", []members{published(t, ec, members{"kid": "k1"})},
			members{"alg": "Ed25519", "kid": "k1"}, ed, auth.AlgorithmNotAllowed, ""},
		{"a byte order mark before the set", "\ufeff", []members{published(t, rsa, members{"kid": "k1"})},
			members{"alg": "RS256", "kid": "k1"}, rsa, pass, ""},
		{"empty use, alg and key_ops", "", []members{published(t, rsa, members{"kid": "k1", "use": "", "alg": "", "key_ops": []string{}})},
			members{"alg": "RS256", "kid": "k1"}, rsa, pass, ""},
		{"no kid anywhere, RSA beside EC", "", []members{published(t, rsa, members{"use": "sig", "alg": "RS256"}), published(t, ec, members{"use": "sig"})},
			members{"alg": "RS256"}, rsa, pass, ""},
		{"no kid anywhere, EC beside RSA", "", []members{published(t, rsa, nil), published(t, ec, nil)},
			members{"alg": "ES256"}, ec, pass, ""},
		{"no kid in the token, RSA beside EC", "", []members{published(t, rsa, members{"kid": "k1"}), published(t, ec, members{"kid": "k2"})},
			members{"alg": "ES256"}, ec, pass, ""},
		{"no kid in the token, two EC with their own", "", []members{published(t, ec, members{"kid": "k1"}), published(t, other, members{"kid": "k2"})},
			members{"alg": "ES256"}, ec, auth.KeyUnknown, "without a kid"},
		{"no kid anywhere, the first of five", "", many, members{"alg": "ES256"}, signers[0], pass, ""},
		{"no kid anywhere, the fourth of five", "", many, members{"alg": "ES256"}, signers[3], pass, ""},
		{"no kid anywhere, the fifth of five", "", many, members{"alg": "ES256"}, signers[4], auth.SignatureInvalid, ""},
		{"no kid anywhere, another's signature", "", many, members{"alg": "ES256"}, forger, auth.SignatureInvalid, ""},
		{"no kid anywhere, none for the algorithm", "", many, members{"alg": "RS256"}, rsa, auth.AlgorithmNotAllowed, ""},
		{"a kid in the token alone", "", []members{published(t, ec, nil)}, members{"alg": "ES256", "kid": "k1"}, ec, pass, ""},
		{"an x5t and no kid", "", []members{published(t, other, members{"kid": "k2", "x5t": "other"}), published(t, ec, members{"kid": thumbprint, "x5t": thumbprint})},
			members{"alg": "ES256", "x5t": thumbprint}, ec, pass, ""},
		{"an x5t#S256 and no kid", "", []members{published(t, other, members{"kid": "k2", "x5t#S256": "other"}), published(t, ec, members{"kid": "k1", "x5t#S256": thumbprint})},
			members{"alg": "ES256", "x5t#S256": thumbprint}, ec, pass, ""},
		{"an x5t of another key", "", []members{published(t, other, members{"kid": "k2", "x5t": thumbprint}), published(t, ec, members{"kid": "k1", "x5t": "other"})},
			members{"alg": "ES256", "x5t": thumbprint}, ec, auth.SignatureInvalid, ""},
		{"an x5t that no key has", "", []members{published(t, other, members{"kid": "k2", "x5t": "other"}), published(t, ec, members{"kid": "k1", "x5t": "another"})},
			members{"alg": "ES256", "x5t": thumbprint}, ec, auth.KeyUnknown, "x5t " + `"` + thumbprint},
		{"an x5t in a set without any", "", []members{published(t, other, members{"kid": "k2"}), published(t, ec, members{"kid": "k1"})},
			members{"alg": "ES256", "x5t": thumbprint}, ec, auth.KeyUnknown, "x5t " + `"` + thumbprint},
		{"an x5t#S256 that no key has", "", []members{published(t, ec, members{"kid": "k1", "x5t#S256": "other"})},
			members{"alg": "ES256", "x5t#S256": thumbprint}, ec, auth.KeyUnknown, "x5t#S256 " + `"` + thumbprint},
		{"an x5t that is no string, beside a kid", "", []members{published(t, ec, members{"kid": "k1"})},
			members{"alg": "ES256", "kid": "k1", "x5t": nil, "x5t#S256": 7}, ec, pass, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			document, err := json.Marshal(map[string]any{"keys": row.keys})
			if err != nil {
				t.Fatal(err)
			}
			keys, skipped, err := jwks.Parse(append([]byte(row.before), document...))
			if err != nil || len(skipped) > 0 {
				t.Fatal(err, skipped)
			}
			set, err := jwks.NewStatic(keys...)
			if err != nil {
				t.Fatal(err)
			}
			header, err := json.Marshal(row.header)
			if err != nil {
				t.Fatal(err)
			}
			claims, err := json.Marshal(members{"iss": issuerURL, "sub": "user_ada", "iat": now.Unix(), "exp": now.Unix() + 60})
			if err != nil {
				t.Fatal(err)
			}
			v := newVerifier(t, newIssuer(), func(i *token.Issuer) { i.Keys, i.Profile = set, token.OIDC() })
			raw := row.signer.Sign(header, claims)
			expect(t, v, raw, row.want)
			if _, err := v.Verify(t.Context(), raw); row.says != "" && !strings.Contains(errors.Unwrap(err).Error(), row.says) {
				t.Errorf("the cause %q does not name %q", errors.Unwrap(err), row.says)
			}
		})
	}
}

// TestEd25519IsEdDSAInSettings, whichever of the names is on the list.
func TestEd25519IsEdDSAInSettings(t *testing.T) {
	t.Parallel()
	key := authtest.NewKey("EdDSA")
	issuer := newIssuer()
	issuer.Publish(key)
	for _, name := range []string{"EdDSA", "Ed25519"} {
		algorithms := []string{"ES256", name}
		v := newVerifier(t, issuer, func(i *token.Issuer) { i.Algorithms = algorithms })
		for _, alg := range []string{"EdDSA", "Ed25519"} {
			expect(t, v, issuer.Session("user_ada", authtest.SignedBy(key), authtest.Header("alg", alg)), pass)
		}
		if algorithms[1] != name {
			t.Errorf("the caller's list now says %q", algorithms[1])
		}
	}
	without := newVerifier(t, issuer, func(i *token.Issuer) { i.Algorithms = []string{"ES256"} })
	expect(t, without, issuer.Session("user_ada", authtest.SignedBy(key), authtest.Header("alg", "Ed25519")), auth.AlgorithmNotAllowed)
}

// TestARotationInAnOutageSignsNobodyOut: clients drop their tokens at a 401, and
// try again at a 503.
func TestARotationInAnOutageSignsNobodyOut(t *testing.T) {
	t.Parallel()
	for name, outage := range map[string]authtest.Outage{
		"refused":    authtest.Refuse,
		"status 500": authtest.Status(http.StatusInternalServerError),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer := authtest.Start(t)
			keys, err := jwks.NewRemote(jwks.RemoteConfig{URL: issuer.JWKSURL(), Cooldown: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = keys.Close() })
			v, err := token.New(token.Config{Issuers: []token.Issuer{{
				URL: issuer.URL(), Profile: token.Clerk(), Keys: keys, AllowAnyAudience: true,
			}}})
			if err != nil {
				t.Fatal(err)
			}
			old := issuer.Session("user_ada")
			expect(t, v, old, pass)
			issuer.Fail(outage)
			issuer.RotateKey()
			expect(t, v, issuer.Session("user_ada"), auth.KeysUnavailable)
			expect(t, v, old, pass)
			stray := issuer.Session("user_ada", authtest.SignedBy(authtest.NewKey("RS256")))
			expect(t, v, stray, auth.KeysUnavailable)
			issuer.Restore()
			expect(t, v, issuer.Session("user_ada"), pass)
			expect(t, v, stray, auth.KeyUnknown)
		})
	}
}
