package server

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"connectrpc.com/connect"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

type sessionWatch = *connect.ServerStreamForClient[sessionv1.WatchSessionsResponse]

// watchSessions returns when the watch has begun.
func (tr endpoint) watchSessions(t *testing.T, token string) sessionWatch {
	t.Helper()
	stream, err := tr.sessions(t, token).WatchSessions(t.Context(), &sessionv1.WatchSessionsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	if !stream.Receive() || stream.Msg().GetEvent() != sessionv1.Event_EVENT_WATCHING || stream.Msg().GetSession() != nil {
		t.Fatalf("first message %v, error %v", stream.Msg(), stream.Err())
	}
	return stream
}

func wantEvents(t *testing.T, who string, stream sessionWatch, want ...string) {
	t.Helper()
	for _, want := range want {
		if !stream.Receive() {
			t.Fatalf("%s: the watch ended with %v; want %s", who, stream.Err(), want)
		}
		if got := stream.Msg().GetEvent().String() + " " + stream.Msg().GetSession().GetSessionId(); got != want {
			t.Errorf("%s: %s; want %s", who, got, want)
		}
	}
}

func TestAWatchSendsWhatTheCallerMaySee(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, map[string]string{"ada-1": cast["ada-1"], "otto": cast["otto"], "dora": cast["dora"]})
	r.ledger.Flush(t.Context())
	operators, admins, strangers := map[string]sessionWatch{}, map[string]sessionWatch{}, map[string]sessionWatch{}
	for protocol, tr := range r.transports() {
		operators[protocol] = tr.watchSessions(t, cast["otto"])
		admins[protocol] = tr.watchSessions(t, cast["ada-1"])
		strangers[protocol] = tr.watchSessions(t, cast["dora"])
	}

	happen := func(session, token string) {
		t.Helper()
		r.seen(t, map[string]string{session: token})
		r.ledger.Flush(t.Context())
	}
	happen("cleo", cast["cleo"])
	happen("ben", cast["ben"])
	happen("ben", cast["ben"]) // nothing new
	happen("ben", r.issuer.Session("user_ben", authtest.With("sid", "ben"), authtest.IssuedAt(time.Now().Add(2*time.Second)),
		authtest.InOrganization("org_acme", "acme", "member")))
	if _, err := r.sessions(t, cast["otto"]).RevokeSession(t.Context(), &sessionv1.RevokeSessionRequest{SessionId: "ben"}); err != nil {
		t.Fatal(err)
	}
	for protocol := range r.transports() {
		wantEvents(t, "the operator over "+protocol, operators[protocol], "EVENT_SEEN cleo", "EVENT_SEEN ben", "EVENT_RENEWED ben", "EVENT_REVOKED ben")
		wantEvents(t, "the administrator over "+protocol, admins[protocol], "EVENT_SEEN ben", "EVENT_RENEWED ben", "EVENT_REVOKED ben")
		if !operators[protocol].Msg().GetSession().GetRevoked() {
			t.Errorf("%s: the revoked session is not shown as such", protocol)
		}
	}
	// The stranger saw nothing of that: her first event is of herself.
	if _, err := r.sessions(t, cast["otto"]).RevokeSubject(t.Context(), &sessionv1.RevokeSubjectRequest{Subject: "user_dora"}); err != nil {
		t.Fatal(err)
	}
	for protocol := range r.transports() {
		wantEvents(t, "the operator over "+protocol, operators[protocol], "EVENT_REVOKED dora")
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	for protocol := range r.transports() {
		for operators[protocol].Receive() {
			t.Errorf("%s: one event too many: %v", protocol, operators[protocol].Msg())
		}
		if err := operators[protocol].Err(); connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("%s: the watch ended with %v when the server stopped; want unavailable", protocol, err)
		}
		for strangers[protocol].Receive() {
			if got := strangers[protocol].Msg().GetSession().GetSubject(); got != "user_dora" {
				t.Errorf("%s: a stranger was told of %s", protocol, got)
			}
		}
	}
}

// The stream of a slow reader ends, so that the reader knows of the missed events.
func TestAWatchThatFallsBehindEnds(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	otto := &auth.Identity{Issuer: r.issuer.URL(), Subject: "user_otto", Kind: auth.KindSession}
	ctx := auth.NewContext(t.Context(), otto)
	sent, release := make(chan struct{}, 1000), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- r.session.watch(ctx, &sessionv1.WatchSessionsRequest{}, func(res *sessionv1.WatchSessionsResponse) error {
			sent <- struct{}{}
			if res.GetEvent() != sessionv1.Event_EVENT_WATCHING {
				<-release
			}
			return nil
		})
	}()
	<-sent // it watches
	const tooMany = 300
	for i := range tooMany {
		id := &auth.Identity{Issuer: r.issuer.URL(), Subject: "user_ada", SessionID: fmt.Sprint("sess_", i)}
		r.ledger.See(id, "", func() string { return "" })
	}
	r.ledger.Flush(t.Context())
	close(release)
	if err := <-ended; connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Errorf("ended with %v; want resource exhausted", err)
	}
	if len(sent) >= tooMany {
		t.Errorf("%d were sent", len(sent))
	}
}

func TestAWatchEndsWithTheErrorOfItsStream(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	broken := errors.New("broken")
	ctx := auth.NewContext(t.Context(), &auth.Identity{Issuer: r.issuer.URL(), Subject: "user_otto", Kind: auth.KindSession})
	for _, after := range []int{0, 1} {
		n := 0
		err := r.session.watch(ctx, &sessionv1.WatchSessionsRequest{}, func(*sessionv1.WatchSessionsResponse) error {
			if n++; n > after {
				return broken
			}
			r.ledger.See(&auth.Identity{Issuer: r.issuer.URL(), Subject: "user_ada", SessionID: fmt.Sprint("sess_", after)}, "", func() string { return "" })
			r.ledger.Flush(ctx)
			return nil
		})
		if !errors.Is(err, broken) {
			t.Errorf("ended with %v; want %v", err, broken)
		}
	}
	if err := r.identity.watch(ctx, func(*identityv1.WatchIdentityResponse) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("ended with %v; want %v", err, broken)
	}
	gone, leave := context.WithCancel(ctx)
	leave()
	for name, err := range map[string]error{
		"WatchSessions": r.session.watch(gone, &sessionv1.WatchSessionsRequest{}, func(*sessionv1.WatchSessionsResponse) error { return nil }),
		"WatchIdentity": r.identity.watch(gone, func(*identityv1.WatchIdentityResponse) error { return nil }),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s of a caller who is gone: %v; want canceled", name, err)
		}
	}
}
