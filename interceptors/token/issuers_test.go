package token_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/token"
)

// issuerSettings are the settings of an issuer in testdata/issuers.
type issuerSettings struct {
	Profile                  string
	URL                      string
	Audiences                []string
	AuthorizedParties        []string
	FirstPartyClients        []string
	AllowAnyAudience         bool
	AllowUnboundConfirmation bool
	NameMember               string
}

// issuerFile is a file of testdata/issuers: tokens as one issuer writes them, with
// the identity or the reason that is expected of each.
type issuerFile struct {
	issuerSettings
	DefaultKinds []string
	Cases        []issuerCase
}

// An issuerCase is a token. Claims lack iat and exp, which are now and five
// minutes from now, and iss, unless they are given.
type issuerCase struct {
	Name     string
	Issuer   json.RawMessage // settings that differ
	Header   map[string]any
	Claims   map[string]any
	Kind     string
	Identity json.RawMessage // what is expected where there is no Reason
	Unread   []string        // the claims that grant nothing
	Reason   string
	Cause    string // a part of the cause, where it is more than the Reason
}

var everyKind = []auth.TokenKind{auth.KindSession, auth.KindTemplate, auth.KindOAuth, auth.KindMachine, auth.KindID}

// Every token of every issuer becomes the expected identity, or is refused with the
// expected reason. By default it is accepted where its kind is.
func TestIssuers(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/issuers/*.json")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		var file issuerFile
		decodeStrictly(t, readFile(t, name), &file)
		for _, tt := range file.Cases {
			t.Run(file.Profile+"/"+tt.Name, func(t *testing.T) {
				t.Parallel()
				settings := file.issuerSettings
				if tt.Issuer != nil {
					decodeStrictly(t, tt.Issuer, &settings)
				}
				issuer := issuerAt(settings.URL, clock)
				raw, payload := tt.token(t, issuer)

				var log bytes.Buffer
				v := settings.verifier(t, issuer, everyKind, &log)
				want := pass
				switch {
				case tt.Reason != "":
					want = reasonNamed(t, tt.Reason)
				case tt.Kind == "unknown":
					want = auth.TokenKindUnsupported
				}
				if id := expect(t, v, raw, want); id != nil {
					tt.check(t, settings.URL, issuer.Key().ID(), payload, id)
					checkProvided(t, v.Issuers()[0].Capabilities(), id)
				}
				var unread []string
				for line := range strings.Lines(log.String()) {
					_, claim, _ := strings.Cut(strings.TrimSpace(line), "claim=")
					unread = append(unread, claim)
				}
				if !slices.Equal(unread, tt.Unread) {
					t.Errorf("the log says that %q cannot be read, want %q", unread, tt.Unread)
				}
				if _, err := v.Verify(t.Context(), raw); tt.Cause != "" && !strings.Contains(errors.Unwrap(err).Error(), tt.Cause) {
					t.Errorf("the cause does not say %q: %v", tt.Cause, errors.Unwrap(err))
				}
				tt.checkDefault(t, file, settings, issuer, raw, want)
			})
		}
	}
}

// token signs the case's token.
func (tt *issuerCase) token(t *testing.T, issuer *authtest.Issuer) (raw, payload string) {
	t.Helper()
	claims := map[string]any{"iss": issuer.URL(), "iat": now.Unix(), "exp": now.Unix() + 300}
	for name, value := range tt.Claims {
		claims[name] = value
		if name == "iss" && value == nil {
			delete(claims, name)
		}
	}
	header := map[string]any{"alg": "RS256", "kid": issuer.Key().ID(), "typ": "JWT"}
	for name, value := range tt.Header {
		header[name] = value
	}
	payload = asJSON(claims)
	return issuer.Sign([]byte(asJSON(header)), []byte(payload)), payload
}

// check compares the identity with the expected one.
func (tt *issuerCase) check(t *testing.T, url, keyID, payload string, id *auth.Identity) {
	t.Helper()
	want := auth.Identity{Issuer: url, KeyID: keyID, IssuedAt: now, ExpiresAt: now.Add(5 * time.Minute), Leeway: token.DefaultSkew, RawClaims: payload}
	decodeStrictly(t, tt.Identity, &want)
	kind, err := auth.ParseTokenKind(tt.Kind)
	if err != nil {
		t.Fatal(err)
	}
	want.Kind = kind
	got := *id
	got.Key, got.TokenHash = nil, ""
	for _, at := range [][2]*time.Time{{&got.IssuedAt, &want.IssuedAt}, {&got.ExpiresAt, &want.ExpiresAt}, {&got.AuthTime, &want.AuthTime}} {
		if !at[0].Equal(*at[1]) {
			t.Errorf("a time is %v, want %v", at[0], at[1])
		}
		*at[0] = *at[1]
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %s\nwant %s", asJSON(got), asJSON(want))
	}
}

// checkDefault verifies the token with the kinds that the issuer accepts by default.
func (tt *issuerCase) checkDefault(t *testing.T, file issuerFile, settings issuerSettings, issuer *authtest.Issuer, raw string, want auth.Reason) {
	t.Helper()
	v := settings.verifier(t, issuer, nil, nil)
	var kinds []string
	for _, kind := range v.Issuers()[0].Kinds {
		kinds = append(kinds, kind.String())
	}
	if !slices.Equal(kinds, file.DefaultKinds) {
		t.Errorf("by default %q are accepted, want %q", kinds, file.DefaultKinds)
	}
	if tt.Kind != "" && !slices.Contains(file.DefaultKinds, tt.Kind) {
		want = auth.TokenKindUnsupported
	}
	expect(t, v, raw, want)
	if want == auth.TokenKindUnsupported {
		_, err := v.Verify(t.Context(), raw)
		if cause := errors.Unwrap(err).Error(); !strings.Contains(cause, strings.Join(file.DefaultKinds, ", ")) {
			t.Errorf("the cause does not name the accepted kinds: %s", cause)
		}
	}
}

func (s *issuerSettings) verifier(t *testing.T, issuer *authtest.Issuer, kinds []auth.TokenKind, log *bytes.Buffer) *token.Verifier {
	t.Helper()
	profile, err := token.ProfileNamed(s.Profile)
	if err != nil {
		t.Fatal(err)
	}
	profile.NameMember = s.NameMember
	config := token.Config{Now: clock, Issuers: []token.Issuer{{
		URL: s.URL, Profile: profile, Keys: keysOf(t, issuer), Kinds: kinds,
		Audiences: s.Audiences, AuthorizedParties: s.AuthorizedParties, FirstPartyClients: s.FirstPartyClients,
		AllowAnyAudience: s.AllowAnyAudience, AllowUnboundConfirmation: s.AllowUnboundConfirmation,
	}}}
	if log != nil {
		config.Logger = slog.New(slog.NewTextHandler(log, nil))
	}
	v, err := token.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// decodeStrictly refuses unknown members, which would test nothing.
func decodeStrictly(t *testing.T, text []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v in %.80s", err, text)
	}
}

func reasonNamed(t *testing.T, name string) auth.Reason {
	t.Helper()
	reason, known := auth.ParseReason(name)
	if !known {
		t.Fatalf("unknown reason %q", name)
	}
	return reason
}
