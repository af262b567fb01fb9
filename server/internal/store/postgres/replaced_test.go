package postgres_test

import (
	"errors"
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
	if _, err := s.Revocations(t.Context(), read, 10); !errors.Is(err, store.ErrNotGiven) {
		t.Errorf("after what the one had given: %v; want ErrNotGiven", err)
	}
	if s.Epoch() == epoch {
		t.Error("the epoch has not changed")
	}
	page, err := s.Revocations(t.Context(), store.Revocation{}, 10)
	if err != nil || len(page) != 2 || page[1].ID != there.ID {
		t.Errorf("%+v, %v; want those of the other", page, err)
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
	if _, err := s.Revocations(t.Context(), read, 10); !errors.Is(err, store.ErrGone) {
		t.Errorf("Revocations: %v; want ErrGone", err)
	}
	if _, err := tryRevoke(t, s, "sess_2"); !errors.Is(err, store.ErrGone) {
		t.Errorf("SaveRevocations: %v; want ErrGone", err)
	}
}
