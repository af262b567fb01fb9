package ledger

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/outbox"
	"github.com/ostiary/ostiary/server/internal/store"
)

var someSignal = store.Signal{Source: "clerk", Issuer: someIssuer, Type: "session.revoked", MessageID: "msg_1"}

var itsSession = revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer, ID: "sess_1"}

// kept returns what is revoked in the store.
func kept(t *testing.T, l *Ledger) []store.Revocation {
	t.Helper()
	all, err := l.store.Revocations(t.Context(), store.RevocationListing{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAMessageOfAnIssuerRevokesOnce(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	subject := revocation.Revocation{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ada", Before: time.Now()}
	for range 2 {
		if err := l.Signal(t.Context(), someSignal, itsSession, subject); err != nil {
			t.Fatal(err)
		}
	}
	all := kept(t, l)
	if len(all) != 2 || all[0].Target.Value != "sess_1" || all[1].Target.Value != "user_ada" {
		t.Fatalf("%+v; want the session and the subject", all)
	}
	for _, r := range all {
		if want := (store.Origin{Kind: store.OriginSignal, Signal: someSignal}); r.Origin != want {
			t.Errorf("its origin is %+v; want %+v", r.Origin, want)
		}
	}
	if !l.Revoked(store.Session{Issuer: someIssuer, ID: "sess_1"}) {
		t.Error("the session goes on")
	}

	// What is in force is not kept again for other messages, not even for their answers.
	other := someSignal
	other.MessageID = "msg_2"
	if err := l.Signal(t.Context(), other, itsSession, subject); err != nil || len(kept(t, l)) != 2 {
		t.Errorf("%v, %d revocations; want those before", err, len(kept(t, l)))
	}
	later := subject
	later.Before = later.Before.Add(time.Second)
	if err := l.Signal(t.Context(), other, itsSession, later); err != nil || len(kept(t, l)) != 3 {
		t.Errorf("%v, %d revocations; want what revokes more", err, len(kept(t, l)))
	}
}

// A message is known by its source, its issuer, its ID, and what it revokes.
func TestMessagesOfOtherSourcesAndIssuersAreOthers(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	for i, edit := range []func(*store.Signal){
		func(*store.Signal) {},
		func(*store.Signal) {}, // another session
		func(s *store.Signal) { s.MessageID = "msg_2" },
		func(s *store.Signal) { s.Source = "backchannel-logout" },
		func(s *store.Signal) { s.Issuer = "https://two.example.com" },
	} {
		signal, session := someSignal, itsSession
		edit(&signal)
		session.ID = fmt.Sprint("sess_", i)
		if err := l.Signal(t.Context(), signal, session); err != nil {
			t.Fatal(err)
		}
		if n := len(kept(t, l)); n != i+1 {
			t.Errorf("after %+v there are %d revocations; want %d", signal, n, i+1)
		}
	}
}

// Of two servers that get a message at once, one acts; for both it is in force then.
func TestServersThatShareADatabaseActOnAMessageOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, other := open(t, dir, someConfig()), open(t, dir, someConfig())
	defer closeLedger(t, one)
	defer closeLedger(t, other)
	var wg sync.WaitGroup
	for i := range 8 {
		l := []*Ledger{one, other}[i%2]
		wg.Go(func() {
			if err := l.Signal(t.Context(), someSignal, itsSession); err != nil {
				t.Error(err)
			}
			if !l.Revoked(store.Session{Issuer: someIssuer, ID: "sess_1"}) {
				t.Error("it is acknowledged, and the session goes on")
			}
		})
	}
	wg.Wait()
	if all := kept(t, one); len(all) != 1 {
		t.Errorf("%d revocations; want one", len(all))
	}
}

func TestAMessageIsNotAcknowledgedWhereTheStoreFails(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Answer", "Strongest", "SaveRevocations"} {
		l, db := idleLedger(t)
		db.fails = method
		if err := l.Signal(t.Context(), someSignal, itsSession); connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("%s fails: %v", method, err)
		}
		db.fails = ""
		if err := l.Signal(t.Context(), someSignal, itsSession); err != nil || len(kept(t, l)) != 1 {
			t.Errorf("when it is sent again: %v, %d revocations", err, len(kept(t, l)))
		}
	}
	l, _ := idleLedger(t)
	if err := l.Signal(t.Context(), someSignal, revocation.Revocation{Kind: revocation.TargetSession, Issuer: someIssuer}); !errors.Is(err, revocation.ErrInvalid) {
		t.Errorf("a session without an ID: %v", err)
	}
}

// An unaskedEnder is never asked, since its ledger does nothing by itself.
type unaskedEnder struct{ outbox.Ender }

func TestWhatAnIssuerHasEndedIsNotSentBackToIt(t *testing.T) {
	t.Parallel()
	l, _ := idleLedger(t)
	l.config.Enders = map[string]outbox.Ender{someIssuer: unaskedEnder{}}
	if err := l.Signal(t.Context(), someSignal, itsSession); err != nil {
		t.Fatal(err)
	}
	if n, err := l.store.PendingSignOuts(t.Context(), someIssuer); n != 0 || err != nil {
		t.Errorf("%d sign-outs are pending, %v", n, err)
	}
	states, err := l.SignOutStates(t.Context(), store.SignOut{Issuer: someIssuer, SessionID: "sess_1", Subject: "user_ada"})
	if err != nil || states[0].String() != "ISSUER_SIGN_OUT_DONE" {
		t.Errorf("the state is %v, %v", states, err)
	}
}

// What is in force already, and ends before the tokens do which a message is about, does
// not stand for it.
func TestAMessageIsKeptWhereWhatIsInForceEndsTooSoon(t *testing.T) {
	t.Parallel()
	subject := revocation.Revocation{Kind: revocation.TargetSubject, Issuer: someIssuer, ID: "user_ada"}
	for name, test := range map[string]struct {
		first func(*revocation.Revocation, time.Time)
		after time.Duration // until the message comes
	}{
		"a user who was gone for good, and is back": {func(r *revocation.Revocation, _ time.Time) { r.AllTokens = true }, retention - 13*time.Hour},
		"an import that says when it ends": {func(r *revocation.Revocation, now time.Time) {
			r.Before, r.Expires = now.Add(time.Minute), now.Add(13*time.Hour)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := openStore(t, t.TempDir())
			defer func() { _ = db.Close() }()
			now := time.Now().Truncate(time.Second)
			config := someConfig()
			config.Now = func() time.Time { return now }
			l := newLedger(db, config)
			first := subject
			test.first(&first, now)
			request, err := l.Prepare(Request{Revocation: first})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.Revoke(t.Context(), store.Origin{}, nil, request); err != nil {
				t.Fatal(err)
			}
			now = now.Add(test.after)
			token := &auth.Identity{Issuer: someIssuer, Subject: "user_ada", IssuedAt: now.Add(-time.Second), ExpiresAt: now.Add(24 * time.Hour)}
			banned := subject
			banned.Before = now
			if err := l.Signal(t.Context(), someSignal, banned); err != nil {
				t.Fatal(err)
			}
			now = token.ExpiresAt.Add(-time.Second)
			if l.RevokedList().Revoked(token) == nil {
				t.Error("a token of before the message is accepted again")
			}
		})
	}
}
