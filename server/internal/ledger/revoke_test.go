package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// A session and a client may get further tokens; of everything else no token can
// live longer than the longest.
func TestHowLongARevocationIsKept(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	now := time.Now().Truncate(time.Microsecond)
	l.config.Now = func() time.Time { return now }
	l.revoked = revocation.New(revocation.Config{Retention: l.config.MaxLifetime, Now: l.config.Now})
	const skew = 5 * time.Second
	lifetime, given := now.Add(l.config.MaxLifetime), now.Add(time.Hour)
	for name, test := range map[string]struct {
		asked           revocation.Revocation
		before, expires time.Time
	}{
		"a session":                        {revocation.Revocation{Kind: revocation.TargetSession, ID: "x"}, time.Time{}, now.Add(retention)},
		"a session of a subject":           {revocation.Revocation{Kind: revocation.TargetSession, ID: "x", Subject: "user_ada"}, time.Time{}, now.Add(retention)},
		"a machine":                        {revocation.Revocation{Kind: revocation.TargetMachine, ID: "x"}, time.Time{}, now.Add(retention)},
		"a client":                         {revocation.Revocation{Kind: revocation.TargetClient, ID: "x"}, time.Time{}, now.Add(retention)},
		"a token":                          {revocation.Revocation{Kind: revocation.TargetToken, ID: "x"}, time.Time{}, lifetime},
		"old tokens of a session":          {revocation.Revocation{Kind: revocation.TargetSession, ID: "x", Before: now}, now, lifetime},
		"old tokens of a client":           {revocation.Revocation{Kind: revocation.TargetClient, ID: "x", Before: now}, now, lifetime},
		"a subject":                        {revocation.Revocation{Kind: revocation.TargetSubject, ID: "x"}, now.Add(skew + time.Microsecond), lifetime.Add(skew + time.Microsecond)},
		"a subject, up to a while ago":     {revocation.Revocation{Kind: revocation.TargetSubject, ID: "x", Before: now.Add(-time.Hour)}, now.Add(-time.Hour), lifetime},
		"an organization":                  {revocation.Revocation{Kind: revocation.TargetOrganization, ID: "x"}, now.Add(skew + time.Microsecond), lifetime.Add(skew + time.Microsecond)},
		"an organization, for good":        {revocation.Revocation{Kind: revocation.TargetOrganization, ID: "x", AllTokens: true}, time.Time{}, now.Add(retention)},
		"a member":                         {revocation.Revocation{Kind: revocation.TargetMember, ID: "x", Subject: "user_ada"}, now.Add(skew + time.Microsecond), lifetime.Add(skew + time.Microsecond)},
		"a member, up to a while ago":      {revocation.Revocation{Kind: revocation.TargetMember, ID: "x", Subject: "user_ada", Before: now.Add(-time.Hour)}, now.Add(-time.Hour), lifetime},
		"an issuer":                        {revocation.Revocation{Kind: revocation.TargetIssuer}, now.Add(skew + time.Microsecond), lifetime.Add(skew + time.Microsecond)},
		"a session, until a given instant": {revocation.Revocation{Kind: revocation.TargetSession, ID: "x", Expires: given}, time.Time{}, given},
	} {
		test.asked.Issuer = someIssuer
		got, err := l.Prepare(Request{Revocation: test.asked, Cause: "why"})
		if err != nil || !got.Before.Equal(test.before) || !got.Expires.Equal(test.expires) || got.Cause != "why" {
			t.Errorf("%s: before %v, until %v, error %v; want %v and %v", name, got.Before, got.Expires, err, test.before, test.expires)
		}
	}
	// A retention that is shorter than a token lives makes no session come back.
	l.config.Retention = time.Minute
	got, err := l.Prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "x"}})
	if err != nil || !got.Expires.Equal(lifetime) {
		t.Errorf("until %v, error %v; want %v", got.Expires, err, lifetime)
	}
}

func TestWhatIsRevokedIsReadInFull(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, BatchSize, BatchSize + 1} {
		l, _ := idleLedger(t)
		rows := make([]store.Revocation, n)
		for i := range rows {
			rows[i] = store.Revocation{Target: store.Target{Kind: "session", Issuer: someIssuer, Value: fmt.Sprint("sess_", i)}, ExpiresAt: time.Now().Add(time.Hour)}
		}
		if _, err := l.store.SaveRevocations(t.Context(), rows, nil); err != nil {
			t.Fatal(err)
		}
		if err := l.ReadRevocations(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			if !l.Revoked(store.Session{Issuer: someIssuer, ID: fmt.Sprint("sess_", i)}) {
				t.Fatalf("%d of %d is not revoked", i, n)
			}
		}
	}
}

// A row that means nothing hides none of its neighbours.
func TestAnInvalidRowIsSkipped(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	expires := time.Now().Add(time.Hour)
	_, err := l.store.SaveRevocations(t.Context(), []store.Revocation{
		{Target: store.Target{Kind: "session", Issuer: someIssuer, Value: "before"}, ExpiresAt: expires},
		{Target: store.Target{Kind: "nonsense", Issuer: someIssuer, Value: "x"}, ExpiresAt: expires},
		{Target: store.Target{Kind: "session", Issuer: someIssuer}, ExpiresAt: expires},
		{Target: store.Target{Kind: "session", Issuer: someIssuer, Value: "after"}, ExpiresAt: expires},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.ReadRevocations(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"before", "after"} {
		if !l.Revoked(store.Session{Issuer: someIssuer, ID: id}) {
			t.Errorf("%s is not revoked", id)
		}
	}
}

// Without what was revoked nothing is served.
func TestALedgerThatCannotReadWhatIsRevokedDoesNotOpen(t *testing.T) {
	t.Parallel()
	db := &meddledStore{Store: openStore(t, t.TempDir()), fails: "Changes"}
	if l, err := Open(t.Context(), db, someConfig()); l != nil || !errors.Is(err, errDiskFull) {
		t.Errorf("%v, error %v; want %v", l, err, errDiskFull)
	}
	if _, err := db.Store.Revocations(t.Context(), store.RevocationListing{}, 1); err == nil {
		t.Error("the store is still open")
	}
}

func TestOnlyStoredRevocationsAreAcknowledged(t *testing.T) {
	t.Parallel()
	endSubject := func(ctx context.Context, l *Ledger) error {
		_, _, err := l.EndSubject(ctx, byOtto, someIssuer, "user_ada", "", nil, nil)
		return err
	}
	endSession := func(ctx context.Context, l *Ledger) error {
		_, err := end(ctx, l, store.Session{Issuer: someIssuer, ID: "sess_0", Subject: "user_ada"})
		return err
	}
	list := func(ctx context.Context, l *Ledger) error {
		_, err := l.Sessions(ctx, Listing{Listing: store.List(store.Everything())}, 1)
		return err
	}
	revocations := func(ctx context.Context, l *Ledger) error {
		_, err := l.Revocations(ctx, store.RevocationListing{}, Place{}, 1)
		return err
	}
	for name, test := range map[string]struct {
		call    func(context.Context, *Ledger) error
		fails   string
		after   int // calls that succeed before
		revoked bool
	}{
		"a subject whose sessions cannot be read":   {endSubject, "SessionNames", 0, true},
		"a subject that is not kept":                {endSubject, "SaveRevocations", 0, false},
		"a subject whose session is not kept ended": {endSubject, "SaveRevocations", 1, true},
		"a session that is not kept":                {endSession, "SaveRevocations", 0, false},
		"sessions that cannot be read":              {list, "Sessions", 0, false},
		"revocations that cannot be read":           {revocations, "Revocations", 0, false},
	} {
		for _, gone := range []bool{false, true} {
			l, db := idleLedger(t)
			log := logged(l)
			sessionsOf(t, l, "user_ada", 1)
			db.fails, db.succeed = test.fails, test.after
			ctx, leave := context.WithCancel(t.Context())
			if gone { // the caller, while the store fails
				db.failing = leave
			}
			err := test.call(ctx, l)
			leave()
			if !gone && (connect.CodeOf(err) != connect.CodeUnavailable || strings.Contains(err.Error(), "disk") || !strings.Contains(log.String(), errDiskFull.Error())) {
				t.Errorf("%s: %v; want unavailable, and why in the log alone", name, err)
			}
			if gone && !test.revoked && !errors.Is(err, context.Canceled) {
				t.Errorf("%s, to a caller who is gone: %v; want canceled", name, err)
			}
			if revoked := l.Revoked(store.Session{Issuer: someIssuer, ID: "sess_0", Subject: "user_ada", Token: store.Token{IssuedAt: time.Now()}}); revoked != test.revoked {
				t.Errorf("%s: it is revoked: %v; want %v", name, revoked, test.revoked)
			}
		}
	}
}

func TestTheEndOfARevocationMustBeKnown(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	session := store.Session{Issuer: someIssuer, ID: "sess_0", Subject: "user_ada"}
	if revoked, err := end(t.Context(), l, session); err != nil || len(revoked) != 1 {
		t.Fatalf("%v, %v", revoked, err)
	}
	db.fails = "Strongest"
	if revoked, err := end(t.Context(), l, session); connect.CodeOf(err) != connect.CodeUnavailable || revoked != nil {
		t.Errorf("%v, error %v; want unavailable", revoked, err)
	}
}

// The list of what is revoked rounds up; a restart must not undo that.
func TestTheStoreRevokesNoLessThanTheList(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	before := time.Unix(1_700_000_000, 1)
	o, err := l.Prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1", Before: before}})
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Unix(1_700_000_000, 1000); !o.Before.Equal(want) {
		t.Errorf("revoked before %v; want %v", o.Before, want)
	}
	o, err = l.Prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"}})
	if err != nil || !o.Before.IsZero() {
		t.Errorf("a session for good became one before %v, error %v", o.Before, err)
	}
}
