package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store/postgres"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
)

const secret = "hunter2"

func TestNoFaultOfAURLRepeatsIt(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"a port that is none":                     "postgres://ada:hunter2@db.example.com:port/app",
		"a password that is not escaped":          "postgres://ada:hunter2/x@db.example.com/app",
		"a password that begins like a port":      "postgres://127.0.0.1:12/hunter2@db.example.com/app",
		"a password with a percent sign":          "postgres://ada:hunter2%zz@db.example.com/app",
		"a password in the query":                 "postgres://db.example.com/app?password=hunter2&sslmode=none",
		"a password of a key":                     "postgres://db.example.com/app?sslpassword=hunter2&sslmode=none",
		"a mode of TLS that there is not":         "postgres://ada:hunter2@db.example.com/app?sslmode=hunter2",
		"a certificate that is not there":         "postgres://ada:hunter2@db.example.com/app?sslmode=verify-full&sslrootcert=/hunter2/ca.pem",
		"attributes that there are not":           "postgres://ada:hunter2@db.example.com/app?target_session_attrs=best",
		"a timeout that is none":                  "postgres://ada:hunter2@db.example.com/app?connect_timeout=long",
		"a port out of range":                     "postgres://ada:hunter2@db.example.com:99999/app",
		"a password with a space":                 "postgres://ada:hunter2 @db.example.com/app",
		"a host in brackets that are not closed":  "postgres://ada:hunter2@[::1/app",
		"a password in the query and in the path": "postgres://ada:x@db.example.com/app?password=hunter2&pool_max_conns=x",
	} {
		err := postgres.Check(url)
		if err == nil {
			t.Errorf("%s: no fault", name)
			continue
		}
		if message := err.Error(); strings.Contains(message, secret) || strings.Contains(message, "%!") {
			t.Errorf("%s: %s", name, message)
		}
	}
}

func TestNoFailureToConnectRepeatsThePassword(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	server.Execute(t, "postgres", "CREATE ROLE ada LOGIN PASSWORD 'another' IN ROLE locked")
	server.Execute(t, "postgres", "CREATE ROLE ben LOGIN")
	hosts := "host=" + server.Socket()
	for name, test := range map[string]struct{ url, want string }{
		"a wrong password":             {"postgres://ada:hunter2@/postgres?" + hosts, "the database refuses the login"},
		"a wrong password, in a query": {"postgres:///postgres?user=ada&password=hunter2&" + hosts, "the database refuses the login"},
		"no such user":                 {"postgres://cleo:hunter2@/postgres?" + hosts, "the database refuses the login"},
		"no such database":             {"postgres://postgres:hunter2@/missing?" + hosts, "there is no such database: create it with createdb"},
		"a user who may create nothing": {
			"postgres://ben:hunter2@/postgres?" + hosts, "the user may not do that: run CREATE SCHEMA ostiary AUTHORIZATION",
		},
		"a host that does not answer": {"postgres://ada:hunter2@127.0.0.1:1/postgres", "cannot reach the database: check the host in database_url, or PGHOST"},
		"a host that there is not":    {"postgres://ada:hunter2@db.invalid/postgres", "cannot reach the database"},
		"a socket that there is not":  {"postgres://ada:hunter2@/postgres?host=/nowhere", "cannot reach the database"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := new(bytes.Buffer)
			s, err := postgres.Open(t.Context(), test.url, postgres.Options{Patience: time.Nanosecond, Log: slog.New(slog.NewTextHandler(log, nil))})
			if err == nil {
				t.Fatal(s.Close())
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v\ndoes not say %q", err, test.want)
			}
			if remote := strings.Contains(test.url, "db.invalid"); remote != strings.Contains(log.String(), "sslmode=verify-full") {
				t.Errorf("on another machine: %t; the log has %s", remote, log)
			}
			if strings.Contains(err.Error()+log.String(), secret) {
				t.Errorf("%v\n%s\nrepeats the password", err, log)
			}
		})
	}
}

// A server and its database may be started at the same time.
func TestOpenWaitsForADatabaseThatStarts(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := server.NewDatabase(t)
	server.Stop(t)
	started := make(chan struct{})
	log := slog.New(slog.NewTextHandler(writerFunc(func(line []byte) (int, error) {
		if bytes.Contains(line, []byte("cannot reach the database yet")) {
			select {
			case <-started:
			default:
				server.Start(t)
				close(started)
			}
		}
		return len(line), nil
	}), nil))
	s, err := postgres.Open(t.Context(), url, postgres.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-started:
	default:
		t.Error("it was not tried again")
	}
}

func TestOpenWaitsNoLongerThanItsCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	log := slog.New(slog.NewTextHandler(writerFunc(func(line []byte) (int, error) {
		cancel(errors.New("the caller has left"))
		return len(line), nil
	}), nil))
	s, err := postgres.Open(ctx, "postgres:///postgres?host=/nowhere", postgres.Options{Patience: time.Hour, Log: log})
	if err == nil {
		t.Fatal(s.Close())
	}
	if ctx.Err() == nil {
		t.Error("it did not wait at all")
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(line []byte) (int, error) { return f(line) }
