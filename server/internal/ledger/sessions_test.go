package ledger

import (
	"context"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/store"
)

func TestAFailedWriteIsRetried(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	see(t, l, "sess_1")
	first := see(t, l, "sess_2")
	renewed := *first
	renewed.IssuedAt = first.IssuedAt.Add(time.Second)
	db.meddle = func(context.Context) error { // meanwhile, a call with a newer token
		l.See(&renewed, somePeer, someBrowser)
		return errDiskFull
	}
	for range 3 {
		l.Flush(t.Context())
	}
	if got := sessionsIn(t, l); got != "" {
		t.Fatalf("%s were written to a disk that is full", got)
	}
	db.meddle = func(context.Context) error { return nil }
	l.Flush(t.Context())
	if got := sessionsIn(t, l); got != "sess_2 sess_1" {
		t.Errorf("%q were written; want both", got)
	}
	newest, err := l.store.Sessions(t.Context(), store.List(store.View{{ID: "sess_2"}}), 2)
	if err != nil || len(newest) != 1 || !newest[0].Token.IssuedAt.Equal(renewed.IssuedAt) {
		t.Errorf("%+v, error %v; want its newer token", newest, err)
	}
	db.meddle = func(context.Context) error {
		t.Error("they are written once more")
		return nil
	}
	l.Flush(t.Context())
}

func TestSessionsThatArePutBackReplaceNoNewerOnes(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newActivity(3)
	note := func(ids ...string) {
		for _, id := range ids {
			s.record(&auth.Identity{Issuer: someIssuer, SessionID: id}, now, somePeer, someBrowser)
		}
	}
	note("a", "b", "c")
	taken, _ := s.take(now)
	note("d", "e") // in the places of a and b
	s.putBack(taken)
	unsaved, dropped := s.take(now)
	if got := ids(unsaved); got != "d e c" || dropped != 2 {
		t.Errorf("%s, %d dropped; want d e c, 2 dropped", got, dropped)
	}
}

// A flush writes the sessions of many callers.
func TestACancelledCallDoesNotCancelTheWrite(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	see(t, l, "sess_1")
	ctx, leave := context.WithCancel(t.Context())
	db.meddle = func(ctx context.Context) error {
		leave()
		return ctx.Err()
	}
	l.Flush(ctx)
	if got := sessionsIn(t, l); got != "sess_1" {
		t.Errorf("%q were written; want sess_1", got)
	}
}

func TestACancelledCallDoesNotWaitForAStoreThatHangs(t *testing.T) {
	t.Parallel()
	l, db := idleLedger(t)
	see(t, l, "sess_1")
	hangs, goOn := make(chan struct{}), make(chan struct{})
	db.meddle = func(context.Context) error {
		close(hangs)
		<-goOn
		return nil
	}
	saved := make(chan struct{})
	go func() {
		defer close(saved)
		l.Flush(t.Context())
	}()
	<-hangs
	ctx, leave := context.WithCancel(t.Context())
	leave()
	l.Flush(ctx) // or else waits for good
	close(goOn)
	<-saved
}
