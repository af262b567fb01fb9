package server

import (
	"context"
	"errors"
	"fmt"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/settings"
)

// A Database is what servers with a Config keep, opened by somebody who has access to it:
// to revoke when no operator's token can be verified because the issuer is away, and to ask
// what is revoked. Servers may use it meanwhile. Make one with [OpenDatabase]; its
// methods may be called from any goroutine.
type Database struct {
	ledger   *ledger.Ledger
	sessions *sessionService
}

// OpenDatabase opens the database that DataDir or DatabaseURL names and a server has made.
// The Logger receives why it fails later. The error is a *[settings.Error] where the Config is
// at fault; a relay has no database.
func OpenDatabase(ctx context.Context, c settings.Config) (*Database, error) {
	if faults := c.Faults(); len(faults) > 0 {
		return nil, &settings.Error{Faults: faults}
	}
	c = c.WithDefaults()
	if c.Follow.IsSet() {
		return nil, errors.New("follow: a server that follows another has no database; revoke at the one that it follows")
	}
	enders, err := newEnders(c)
	if err != nil {
		return nil, err
	}
	db, err := ledger.OpenExistingStore(ctx, storeConfig(c))
	if err != nil {
		return nil, err
	}
	opened, err := ledger.OpenIdle(ctx, db, ledgerConfig(c, enders))
	if err != nil {
		return nil, err
	}
	return &Database{ledger: opened, sessions: &sessionService{ledger: opened, operators: operatorsOf(c)}}, nil
}

// Close closes the database. It must be called once.
func (d *Database) Close() error { return d.ledger.Close() }

// Revoked returns the refusal that servers give a token whose signature holds, or nil.
func (d *Database) Revoked(id *auth.Identity) error { return d.ledger.RevokedList().Revoked(id) }

// A Revoker is somebody who revokes in the database itself.
type Revoker struct {
	// User is the operating system's user, which is recorded with the revocation.
	User string
	// Cause is recorded, too. Optional; at most 500 characters on one line.
	Cause string
}

func (r Revoker) origin() store.Origin {
	return store.Origin{Kind: store.OriginBreakGlass, Caller: store.Caller{Subject: r.User}}
}

// EndSession does what SessionService.RevokeSession does for an operator: it is on disk when
// it returns, and servers with the database learn it within a second. A session without an
// owner is that of the only subject which has one by this ID; any_subject means all. The
// error names what is wrong with the request.
func (d *Database) EndSession(ctx context.Context, asked *revocationv1.SessionRef, by Revoker) (*sessionv1.RevokeSessionResponse, error) {
	r := reader{ledger: d.ledger}
	if asked.GetOwner() == nil {
		named, err := d.ownerOf(ctx, asked)
		if err != nil {
			return nil, err
		}
		asked = named
	}
	named := r.session("session", asked)
	r.trusted("session", named.Issuer)
	r.cause("cause", by.Cause)
	if err := r.faults.Err(); err != nil {
		return nil, err
	}
	return d.sessions.end(ctx, nobody, by.origin(), by.Cause, nil, []store.Session{named})
}

// ownerOf returns the name of a session with the subject that has one by this ID.
func (d *Database) ownerOf(ctx context.Context, asked *revocationv1.SessionRef) (*revocationv1.SessionRef, error) {
	seen, err := d.sessions.allSessions(ctx, store.View{{Issuer: asked.GetIssuer(), ID: asked.GetSessionId()}})
	switch {
	case err != nil:
		return nil, err
	case len(seen) == 0:
		return nil, fmt.Errorf("there is no session %q of %s in the database; name whose it is to end it all the same", asked.GetSessionId(), asked.GetIssuer())
	case len(seen) > 1:
		return nil, fmt.Errorf("%d subjects have a session %q of %s; name whose it is", len(seen), asked.GetSessionId(), asked.GetIssuer())
	default:
		return sessionRef(seen[0].Issuer, seen[0].ID, seen[0].Subject), nil
	}
}

// EndSubject does what SessionService.RevokeSubject does for an operator, as EndSession does.
func (d *Database) EndSubject(ctx context.Context, asked *revocationv1.SubjectRef, by Revoker) (*sessionv1.RevokeSubjectResponse, error) {
	r := reader{ledger: d.ledger}
	named := r.subject("subject", asked)
	r.trusted("subject", named.issuer)
	r.cause("cause", by.Cause)
	if err := r.faults.Err(); err != nil {
		return nil, err
	}
	everything, ended, err := d.ledger.EndSubject(ctx, by.origin(), named.issuer, named.id, by.Cause, nil, nil)
	if err != nil {
		return nil, err
	}
	return &sessionv1.RevokeSubjectResponse{
		Revocations:         []*revocationv1.Revocation{revocationMessage(everything, d.sessions.operators, nobody)},
		RevokedSessionCount: int64(ended),
		IssuerSignOut:       d.sessions.signOutOf(named.issuer, ended),
	}, nil
}

// nobody is who a revocation is shown to: it says nothing of who made it, as who made it knows.
var nobody = &auth.Identity{}
