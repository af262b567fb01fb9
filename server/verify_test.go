package server

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

func TestVerifyJudgesAsTheServerDoes(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	snapshot := filepath.Join(t.TempDir(), "keys.json")
	config := Config{Issuers: []Issuer{{URL: issuer.URL(), Audiences: []string{"invoices"}, KeysSnapshot: snapshot}}}
	forInvoices := authtest.With("aud", "invoices")
	for _, tt := range []struct {
		name  string
		token string
		want  auth.Reason
	}{
		{"a token of another audience", issuer.Session("user_ada", authtest.With("aud", "files")), auth.AudienceMismatch},
		{"a token that has expired", issuer.Session("user_ada", forInvoices, authtest.IssuedAt(time.Now().Add(-time.Hour))), auth.TokenExpired},
		{"a token of another key", issuer.Session("user_ada", forInvoices, authtest.SignedBy(authtest.NewKey("RS256"))), auth.KeyUnknown},
		{"no token", "", auth.TokenMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := VerifyToken(t.Context(), config, tt.token)
			if reason, ok := auth.ReasonOf(err); !ok || reason != tt.want {
				t.Errorf("%v; want %v", err, tt.want)
			}
		})
	}
	id, err := VerifyToken(t.Context(), config, issuer.Session("user_ada", forInvoices))
	if err != nil || id.Subject != "user_ada" {
		t.Errorf("%v, %v", id, err)
	}
	if config.Issuers[0].KeysSnapshot != snapshot {
		t.Errorf("the caller's Config was changed: %+v", config.Issuers[0])
	}
	if _, err := os.Stat(snapshot); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the snapshot of a server was written: %v", err)
	}
}

func TestVerifyRefusesAConfigAtFault(t *testing.T) {
	t.Parallel()
	var fault *ConfigError
	if _, err := VerifyToken(t.Context(), Config{}, "token"); !errors.As(err, &fault) {
		t.Errorf("%v; want a ConfigError", err)
	}
}
