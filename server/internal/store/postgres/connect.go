package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ostiary/ostiary/internal/loopback"
	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// connectTimeout is how long the attempt to reach one host takes at most, unless the
	// URL says otherwise. The next host has its turn then.
	connectTimeout = 3 * time.Second
	// idleCheck is how often idle connections are looked after.
	idleCheck = 15 * time.Second
)

// Schemes are what the URL of a database begins with.
var Schemes = []string{"postgres://", "postgresql://"}

// Check returns what is wrong with a URL, as far as that can be said without connecting. It
// does not repeat the URL, nor any password.
func Check(url string) error {
	_, err := parse(url)
	return err
}

// Name returns where a URL and the variables of libpq lead, as a URL with nothing secret in it.
func Name(databaseURL string) string {
	config, err := parse(databaseURL)
	if err != nil {
		return Schemes[0] // Check says what is wrong
	}
	conn := config.ConnConfig
	hosts := []string{hostPort(conn.Host, conn.Port)}
	for _, next := range conn.Fallbacks { // the other hosts, and the same with and without TLS
		if host := hostPort(next.Host, next.Port); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	name := url.URL{Scheme: "postgres", Host: strings.Join(hosts, ","), Path: "/" + conn.Database}
	if conn.User != "" {
		name.User = url.User(conn.User)
	}
	return name.String()
}

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// parse reads a URL and the variables of libpq. It does not return the error of pgx, which
// repeats the URL.
func parse(databaseURL string) (*pgxpool.Config, error) {
	parsed, err := url.Parse(databaseURL)
	if err != nil {
		return nil, errors.New("is not a URL; write postgres://user@host/database, with special characters of a password as %XX, or the password in PGPASSWORD or PGPASSFILE")
	}
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("cannot be used: %s; see the URLs and variables of libpq", faultOf(err, parsed))
	}
	if strings.ContainsAny(config.ConnConfig.Database, "/@") { // perhaps a part of the password, which errors would repeat
		return nil, errors.New("has / or @ in the name of the database; write special characters of a password as %XX, or the password in PGPASSWORD or PGPASSFILE")
	}
	// The others prepare statements by name, or find out their types in a step of its own,
	// and a pooler may give each step to another connection.
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	config.HealthCheckPeriod = idleCheck
	return config, nil
}

// plaintext reports whether TLS to another machine was left to the default, which does
// without.
func plaintext(config *pgx.ConnConfig, url string) bool {
	local := strings.HasPrefix(config.Host, "/") || loopback.Host(config.Host)
	return !local && !strings.Contains(url, "sslmode=") && os.Getenv("PGSSLMODE") == ""
}

// faultOf returns what pgx says of the cause, without any password.
func faultOf(err error, parsed *url.URL) string {
	cause := "something in it is unknown"
	var failure *pgconn.ParseConfigError
	if errors.As(err, &failure) && failure.Unwrap() != nil {
		cause = failure.Unwrap().Error()
	}
	password, _ := parsed.User.Password()
	for _, secret := range []string{password, parsed.Query().Get("password"), parsed.Query().Get("sslpassword")} {
		if secret != "" {
			cause = strings.ReplaceAll(cause, secret, "xxxxx")
		}
	}
	return cause
}

// retry runs do again for as long as the database cannot be reached.
func retry(ctx context.Context, options Options, do func(context.Context) error) error {
	until := time.Now().Add(options.Patience)
	for delay := time.Second / 4; ; delay = min(2*delay, 2*time.Second) {
		attempt, cancel := context.WithDeadline(ctx, until.Add(connectTimeout))
		err := do(attempt)
		cancel()
		if err == nil || ctx.Err() != nil || !unreachable(err) || time.Now().After(until) {
			return err
		}
		options.Log.WarnContext(ctx, "cannot reach the database yet; it is tried again", "patience", time.Until(until).Round(time.Second), "error", err)
		if pause(ctx, delay) != nil {
			return err
		}
	}
}

// pause waits for half of the delay to all of it, so that many do not come at once.
func pause(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay/2 + rand.N(delay/2+1)) //nolint:gosec // spreads load, and protects nothing
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The classes and codes of errors (PostgreSQL's manual, appendix A).
const (
	cannotConnectNow  = "57P03"
	adminShutdown     = "57P01"
	crashShutdown     = "57P02"
	readOnly          = "25006"
	invalidPassword   = "28P01"
	invalidLogin      = "28000"
	unknownDatabase   = "3D000"
	notPrivileged     = "42501"
	diskFull          = "53100"
	tooManyClients    = "53300"
	undefinedTable    = "42P01"
	uniqueViolation   = "23505"
	manyRows          = "21000"
	unknownSchema     = "3F000"
	dataCorrupted     = "XX001"
	indexCorrupted    = "XX002"
	unsupportedInPool = "08P01"
)

// unreachable reports whether a server does not answer, or not yet.
func unreachable(err error) bool {
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok {
		return failure.Code == cannotConnectNow || failure.Code == adminShutdown || failure.Code == crashShutdown
	}
	if errors.Is(err, pgconn.ErrReadOnlyConnection) { // no primary yet
		return true
	}
	_, failed := errors.AsType[net.Error](err)
	_, noConnection := errors.AsType[*pgconn.ConnectError](err)
	return failed || noConnection
}

// errReadOnly means that the server takes no writes, as a standby does.
var errReadOnly = errors.New("the database is read-only: it is a standby, or was made so; name every server in database_url, and add target_session_attrs=read-write to find the one that takes writes")

// errManyStates means that the database cannot be told from others.
var errManyStates = fmt.Errorf("the table ostiary.state has more than one row, as after a restore into a database that was not empty: restore it again with pg_restore --schema=ostiary --clean --if-exists, or delete all rows but the one with the highest last_sequence (%w)", store.ErrDamaged)

// explain adds the remedy to an error of the database.
func explain(err error) error {
	if errors.Is(err, pgconn.ErrReadOnlyConnection) {
		return fmt.Errorf("no server in database_url takes writes: promote one, or add its host (%w)", err)
	}
	failure, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
			return fmt.Errorf("cannot reach the database: check the host in database_url, or PGHOST, and that PostgreSQL runs there (%w)", err)
		}
		return err
	}
	if failure.Code == manyRows || failure.Code == uniqueViolation && failure.ConstraintName == "state_has_one_row" {
		return fmt.Errorf("%w (%w)", errManyStates, err)
	}
	switch failure.Code {
	case readOnly:
		return fmt.Errorf("%w (%w)", errReadOnly, err)
	case dataCorrupted, indexCorrupted:
		return fmt.Errorf("%w (%w)", store.ErrDamaged, err)
	case invalidPassword, invalidLogin:
		return fmt.Errorf("the database refuses the login: check user and password in database_url, or PGUSER and PGPASSWORD, and pg_hba.conf (%w)", err)
	case unknownDatabase:
		return fmt.Errorf("there is no such database: create it with createdb, or correct database_url (%w)", err)
	case notPrivileged:
		return fmt.Errorf("the user may not do that: run CREATE SCHEMA ostiary AUTHORIZATION and its name, or GRANT CREATE ON DATABASE (%w)", err)
	case undefinedTable, unknownSchema:
		return fmt.Errorf("%w: restore its schema \"ostiary\" from a backup, or restart the server, which then begins with an empty one (%w)", store.ErrGone, err)
	case diskFull:
		return fmt.Errorf("the database has no space left on its disk: add some, or remove something else (%w)", err)
	case tooManyClients:
		return fmt.Errorf("the database has no connection left: lower database_max_connections, or raise max_connections of PostgreSQL (%w)", err)
	case unsupportedInPool:
		return fmt.Errorf("the pooler before the database refuses a parameter: remove it from database_url, or allow it with ignore_startup_parameters (%w)", err)
	default:
		return err
	}
}
