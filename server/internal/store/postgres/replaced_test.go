package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/postgres"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
)

func TestAnotherDatabaseInItsPlaceIsNoticed(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	one, another := server.NewDatabase(t), server.NewDatabase(t)
	s := open(t, one)
	if !s.Created() || open(t, one).Created() {
		t.Errorf("it was created: %t; want it, and only the first time", s.Created())
	}
	read := revoke(t, s, "sess_1")
	other, err := postgres.Open(t.Context(), another, postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	revoke(t, other, "sess_1")
	there := revoke(t, other, "sess_2")
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}

	epoch := s.Epoch()
	server.Replace(t, one, another)
	s.Reconnect(t)
	if _, err := s.Revocations(t.Context(), store.RevocationListing{After: read}, 10); !errors.Is(err, store.ErrNotGiven) {
		t.Errorf("after what the one had given: %v; want ErrNotGiven", err)
	}
	if s.Epoch() == epoch {
		t.Error("the epoch has not changed")
	}
	page, err := s.Revocations(t.Context(), store.RevocationListing{}, 10)
	if err != nil || len(page) != 2 || page[1].ID != there.ID {
		t.Errorf("%+v, %v; want those of the other", page, err)
	}
}

// As after a restore into a database that was not empty.
func TestADatabaseThatIsTwoIsRefused(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	const database = "postgres"
	url := server.URL(database)
	s := open(t, url)
	read := revoke(t, s, "sess_1")
	server.Execute(t, database, `INSERT INTO ostiary.state SELECT * FROM ostiary.state ON CONFLICT DO NOTHING`)
	if _, err := s.Changes(t.Context(), read, 10); err != nil {
		t.Errorf("after another row was refused: %v", err)
	}
	server.Execute(t, database, `DROP INDEX ostiary.state_has_one_row; INSERT INTO ostiary.state SELECT sha256('x'), 7`)
	_, changes := s.Changes(t.Context(), read, 10)
	_, saving := tryRevoke(t, s, "sess_2")
	_, opening := postgres.Open(t.Context(), url, postgres.Options{})
	server.Execute(t, database, `DELETE FROM ostiary.goose_db_version WHERE version_id >= 7`)
	_, updating := postgres.Open(t.Context(), url, postgres.Options{})
	for what, err := range map[string]error{"reading": changes, "revoking": saving, "opening": opening, "updating": updating} {
		if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "ostiary.state has more than one row") {
			t.Errorf("%s: %v; want what is wrong, and the remedy", what, err)
		}
	}
	server.Execute(t, database, `DELETE FROM ostiary.state`)
	if _, err := s.Changes(t.Context(), read, 10); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("without a row: %v; want %v", err, store.ErrDamaged)
	}
}

func TestTablesThatAreGoneAreMissed(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := server.NewDatabase(t)
	s := open(t, url)
	read := revoke(t, s, "sess_1")
	server.Replace(t, url, server.NewDatabase(t))
	s.Reconnect(t)
	if _, err := s.Revocations(t.Context(), store.RevocationListing{After: read}, 10); !errors.Is(err, store.ErrGone) {
		t.Errorf("Revocations: %v; want ErrGone", err)
	}
	if _, err := tryRevoke(t, s, "sess_2"); !errors.Is(err, store.ErrGone) {
		t.Errorf("SaveRevocations: %v; want ErrGone", err)
	}
}
