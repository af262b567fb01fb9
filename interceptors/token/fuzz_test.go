package token_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/token"
)

// slowCheck verifies a token in the plainest way the standard library allows,
// and shares no code with the verifier.
func slowCheck(raw string, public *rsa.PublicKey) error {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return fmt.Errorf("%d parts", len(parts))
	}
	var decoded [3][]byte
	for i, part := range parts {
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			return err
		}
		if base64.RawURLEncoding.EncodeToString(b) != part {
			return fmt.Errorf("part %d is not in canonical form", i)
		}
		decoded[i] = b
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], decoded[2]); err != nil {
		return err
	}
	var header struct {
		Alg  string
		Crit json.RawMessage
	}
	if err := json.Unmarshal(decoded[0], &header); err != nil {
		return err
	}
	if header.Alg != "RS256" || header.Crit != nil {
		return fmt.Errorf("header %+v", header)
	}
	var claims struct {
		Iss, Sub string
		Exp      float64
		Nbf, Iat float64
	}
	if err := json.Unmarshal(decoded[1], &claims); err != nil {
		return err
	}
	at := float64(now.Unix())
	if claims.Iss != issuerURL || claims.Sub == "" || claims.Exp+5 <= at || claims.Nbf > at+5 || claims.Iat > at+5 {
		return fmt.Errorf("claims %+v", claims)
	}
	return nil
}

// FuzzVerify: whatever the verifier accepts, the slow check accepts too.
func FuzzVerify(f *testing.F) {
	issuer := newIssuer()
	v := newVerifier(f, issuer, nil)
	public, ok := issuer.Key().Public().(*rsa.PublicKey)
	if !ok {
		f.Fatalf("the key is %T", issuer.Key().Public())
	}
	good := issuer.Session("user_ada", authtest.InOrganization("org_acme", "acme", "admin", "invoices:read"))
	parts := strings.Split(good, ".")
	for _, seed := range []string{
		good, good + ".", good + "A", parts[0] + "." + parts[1] + ".", "..", "", good[:len(good)-1], good + "=", " " + good,
		parts[0] + "\n." + parts[1] + "." + parts[2], parts[2] + "." + parts[1] + "." + parts[0],
		issuer.SessionV1("user_ada"), issuer.Template("user_ada"), issuer.Machine("mch_1"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		checkExplained(t, v, raw)
		id, err := v.Verify(t.Context(), raw)
		if err != nil {
			if _, ok := auth.ReasonOf(err); !ok || id != nil {
				t.Fatalf("refused with %v and %v", id, err)
			}
			return
		}
		if err := slowCheck(raw, public); err != nil {
			t.Fatalf("accepted %q, which the slow check refuses: %v", raw, err)
		}
	})
}

// FuzzClaims signs any payload, so that the claims themselves are
// reached, and compares what is accepted with the slow check.
func FuzzClaims(f *testing.F) {
	issuer := newIssuer()
	v := newVerifier(f, issuer, nil)
	public, ok := issuer.Key().Public().(*rsa.PublicKey)
	if !ok {
		f.Fatalf("the key is %T", issuer.Key().Public())
	}
	header := fmt.Appendf(nil, `{"alg":"RS256","kid":%q,"typ":"JWT"}`, issuer.Key().ID())
	base := fmt.Sprintf(`{"iss":%q,"sub":"user_ada","exp":%d`, issuerURL, now.Unix()+60)
	for _, seed := range []string{
		base + `}`, base + `,"aud":"api"}`, base + `,"aud":[1]}`, base + `,"exp":1}`, base + `,"nbf":1e99}`, base + `,"v":2,"o":{}}`,
		base + `,"v":2,"fea":"o:a","o":{"per":"read","fpm":"1","rol":"admin","id":"org_1"}}`, base + `,"fva":[1,2]}`, base + `,"act":{"sub":"x"}}`,
		`{}`, `[]`, `{"iss":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) == 0 || len(payload) > 4<<10 {
			return
		}
		raw := issuer.Sign(header, payload)
		checkExplained(t, v, raw)
		id, err := v.Verify(t.Context(), raw)
		if err != nil {
			if _, ok := auth.ReasonOf(err); !ok || id != nil {
				t.Fatalf("refused with %v and %v", id, err)
			}
			return
		}
		if err := slowCheck(raw, public); err != nil {
			t.Fatalf("accepted %q, which the slow check refuses: %v", payload, err)
		}
		if id.Issuer == "" || id.Subject == "" || id.Kind == 0 || id.ExpiresAt.IsZero() || !bytes.Equal([]byte(id.RawClaims), payload) {
			t.Fatalf("%q became %+v", payload, id)
		}
	})
}

// FuzzProfiles has each profile read any payload that an issuer signs: an accepted
// token has a subject, a kind, and only texts that can be logged.
func FuzzProfiles(f *testing.F) {
	files, err := filepath.Glob("testdata/issuers/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	profiles := token.Profiles()
	verifiers := make([]*token.Verifier, len(profiles))
	issuers := make([]*authtest.Issuer, len(profiles))
	seed := map[string]uint8{}
	for n, profile := range profiles {
		issuers[n], _ = urlOf(profile)
		verifiers[n] = newVerifier(f, issuers[n], func(i *token.Issuer) { i.Profile, i.Kinds = profile, everyKind })
		seed[profile.Name] = uint8(n)
	}
	for _, name := range files {
		var file issuerFile
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if err := json.Unmarshal(text, &file); err != nil {
			f.Fatal(err)
		}
		for _, tt := range file.Cases {
			tt.Claims["exp"] = now.Unix() + 300
			if tt.Claims["iss"] = issuers[seed[file.Profile]].URL(); file.Profile == "spiffe" {
				delete(tt.Claims, "iss")
			}
			f.Add(seed[file.Profile], []byte(asJSON(tt.Claims)))
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, payload []byte) {
		if len(payload) == 0 || len(payload) > 4<<10 {
			return
		}
		n %= uint8(len(profiles))
		header := fmt.Appendf(nil, `{"alg":"RS256","kid":%q}`, issuers[n].Key().ID())
		raw := issuers[n].Sign(header, payload)
		checkExplained(t, verifiers[n], raw)
		id, err := verifiers[n].Verify(t.Context(), raw)
		if err != nil {
			if _, ok := auth.ReasonOf(err); !ok || id != nil {
				t.Fatalf("refused with %v and %v", id, err)
			}
			return
		}
		if id.Issuer != issuers[n].URL() || id.Subject == "" || id.Kind == 0 || id.ExpiresAt.IsZero() {
			t.Fatalf("%s: %q became %+v", profiles[n].Name, payload, id)
		}
		if id.Kind == auth.KindMachine && id.SessionID != "" {
			t.Fatalf("%s: a machine of %q has a session", profiles[n].Name, payload)
		}
		texts := slices.Concat([]string{
			id.Subject, id.TokenID, id.SessionID, id.ClientID, id.AuthorizedParty, id.ACR,
			id.Organization.ID, id.Organization.Slug, id.Organization.Role,
		}, id.Audience, id.Roles, id.Permissions, id.Scopes, id.AMR)
		if id.Actor != nil {
			texts = append(texts, id.Actor.Issuer, id.Actor.Subject, id.Actor.SessionID, id.Actor.Type)
		}
		for _, text := range texts {
			if strings.ContainsFunc(text, unicode.IsControl) {
				t.Fatalf("%s: %q became %q", profiles[n].Name, payload, text)
			}
		}
	})
}
