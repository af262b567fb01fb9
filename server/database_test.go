package server

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

func TestWhatIsRevokedIsInTheDatabaseOfTheURL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, unused := filepath.Join(dir, "mine.db"), filepath.Join(dir, "unused")
	ofTheURL := func(c *Config) { c.DatabaseURL, c.DataDir = "sqlite:"+file, unused }
	r := start(t, ofTheURL)
	token := r.issuer.Session("user_ada")
	if _, err := r.sessions(t, token).RevokeSession(t.Context(), &sessionv1.RevokeSessionRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	sameIssuer := func(c *Config) { c.Issuers = r.config.Issuers }
	start(t, ofTheURL, sameIssuer).wantReason(t, "with the same URL", token, auth.TokenRevoked)
	start(t, sameIssuer).wantAdmitted(t, "with a database of its own", token)
	if _, err := os.Stat(unused); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data directory: %v; want none beside a database URL", err)
	}
}

func TestADatabaseThatCannotBeOpenedStopsTheServer(t *testing.T) {
	t.Parallel()
	config := Config{
		HTTPAddr: "127.0.0.1:0", GRPCAddr: "127.0.0.1:0", DataDir: t.TempDir(), DatabaseURL: "sqlite:" + t.TempDir(), // a directory
		Issuers: []Issuer{{URL: "http://localhost:1"}},
	}
	if srv, err := New(t.Context(), config); err == nil {
		t.Errorf("New: %v; want an error", errors.Join(srv.Close()))
	}
}
