package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/store"
)

type sessionWatch = *connect.ServerStreamForClient[sessionv1.WatchSessionsResponse]

// watchSessions returns when the watch has begun.
func (tr endpoint) watchSessions(t *testing.T, token string) sessionWatch {
	t.Helper()
	return tr.watchFrom(t, token, &sessionv1.WatchSessionsRequest{})
}

func (tr endpoint) watchFrom(t *testing.T, token string, req *sessionv1.WatchSessionsRequest) sessionWatch {
	t.Helper()
	stream, err := tr.sessions(t, token).WatchSessions(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	if req.GetResumeToken() == "" && (!stream.Receive() || len(stream.Msg().GetEvents()) > 0 || stream.Msg().GetResumeToken() == "") {
		t.Fatalf("first message %v, error %v", stream.Msg(), stream.Err())
	}
	return stream
}

func wantEvents(t *testing.T, who string, stream sessionWatch, want ...string) {
	t.Helper()
	var got []string
	for len(got) < len(want) {
		if !stream.Receive() {
			t.Fatalf("%s: the watch ended with %v after %q; want %q", who, stream.Err(), got, want)
		}
		for _, event := range stream.Msg().GetEvents() {
			got = append(got, eventText(event))
			if event.GetEventTime() == nil || stream.Msg().GetResumeToken() == "" {
				t.Errorf("%s: %v lacks a time or a position", who, stream.Msg())
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q; want %q", who, got, want)
	}
}

// eventText is TYPE session.
func eventText(event *sessionv1.SessionEvent) string {
	return strings.TrimPrefix(event.GetType().String(), "SESSION_EVENT_TYPE_") + " " + event.GetSession().GetSession().GetSessionId()
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
	if _, err := r.sessions(t, cast["otto"]).RevokeSession(t.Context(), r.revokeReq("ben")); err != nil {
		t.Fatal(err)
	}
	for protocol := range r.transports() {
		wantEvents(t, "the operator over "+protocol, operators[protocol], "SEEN cleo", "SEEN ben", "RENEWED ben", "REVOKED ben")
		wantEvents(t, "the administrator over "+protocol, admins[protocol], "SEEN ben", "RENEWED ben", "REVOKED ben")
		events := operators[protocol].Msg().GetEvents()
		if last := events[len(events)-1].GetSession(); last.GetState() != revoked || last.GetRevocation().GetTarget().GetSession().GetSessionId() != "ben" {
			t.Errorf("%s: the revoked session is shown as %v", protocol, last)
		}
	}
	// The stranger saw nothing of that: her first event is of herself.
	if _, err := r.sessions(t, cast["otto"]).RevokeSubject(t.Context(), r.subjectReq("user_dora")); err != nil {
		t.Fatal(err)
	}
	for protocol := range r.transports() {
		wantEvents(t, "the operator over "+protocol, operators[protocol], "REVOKED dora")
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	for protocol := range r.transports() {
		for operators[protocol].Receive() {
			t.Errorf("%s: one event too many: %v", protocol, operators[protocol].Msg())
		}
		wantError(t, protocol+": the watch, when the server stopped", operators[protocol].Err(), errorv1.Reason_REASON_SERVER_STOPPING)
		for strangers[protocol].Receive() {
			for _, event := range strangers[protocol].Msg().GetEvents() {
				if got := event.GetSession().GetSession().GetSubject(); got != "user_dora" {
					t.Errorf("%s: a stranger was told of %s", protocol, got)
				}
			}
		}
	}
}

// The stream of a slow reader ends, so that the reader knows of the missed events.
func TestAWatchThatFallsBehindEnds(t *testing.T) {
	t.Parallel()
	const kept = 200
	r := startTuned(t, tuning{heartbeat: heartbeatInterval, maxEvents: kept}, withOperator)
	otto := &auth.Identity{Issuer: r.issuer.URL(), Subject: "user_otto", Kind: auth.KindSession}
	ctx := auth.NewContext(t.Context(), otto)
	sent, release := make(chan string, 1000), make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- r.session.watch(ctx, &sessionv1.WatchSessionsRequest{}, func(res *sessionv1.WatchSessionsResponse) error {
			sent <- res.GetResumeToken()
			if len(res.GetEvents()) > 0 {
				<-release
			}
			return nil
		})
	}()
	<-sent // it watches
	see := func(from, to int) {
		for i := from; i < to; i++ {
			id := &auth.Identity{Issuer: r.issuer.URL(), Subject: "user_ada", SessionID: fmt.Sprint("sess_", i)}
			r.ledger.See(id, "", func() string { return "" })
		}
		r.ledger.Flush(t.Context())
	}
	see(0, 1)
	resume := <-sent
	see(1, kept+10)                                                    // while that is being sent
	eventually(t, "more events have come than are kept", func() bool { // another flush may have had some of them
		_, err := r.session.watchFrom(resume)
		return err != nil
	})
	close(release)
	if err := <-ended; connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Errorf("ended with %v; want resource exhausted", err)
	} else if reason, _ := rpcerror.ReasonOf(err); reason != errorv1.Reason_REASON_READER_TOO_SLOW || detailOf[*errdetails.RetryInfo](err) == nil {
		t.Errorf("ended with %v; want %v", reason, errorv1.Reason_REASON_READER_TOO_SLOW)
	}
	if len(sent) > 0 {
		t.Errorf("%d more were sent", len(sent))
	}
	err := r.session.watch(ctx, &sessionv1.WatchSessionsRequest{ResumeToken: resume}, func(*sessionv1.WatchSessionsResponse) error { return nil })
	if reason, _ := rpcerror.ReasonOf(err); reason != errorv1.Reason_REASON_POSITION_EXPIRED {
		t.Errorf("from where it was: %v; want %v", err, errorv1.Reason_REASON_POSITION_EXPIRED)
	}
}

func TestASignOutEndsNobodysWatch(t *testing.T) {
	t.Parallel()
	const kept = ledger.BatchSize + 200
	r := startTuned(t, tuning{heartbeat: heartbeatInterval, maxEvents: kept}, withOperator)
	cast := r.cast()
	r.seen(t, map[string]string{"ben": cast["ben"], "cleo": cast["cleo"]})
	r.ledger.Flush(t.Context())
	watch := r.transports()["Connect"].watchSessions(t, cast["cleo"])
	now := time.Now().UnixMicro()
	r.database(t, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO sessions SELECT '%s', 'ben-' || i, 'user_ben', '', '', '', '', %d - i, %[3]d, '', '', '', '', '', '', %[3]d, %[4]d FROM n`,
		kept+100, r.issuer.URL(), now, now+time.Hour.Microseconds()))
	if _, err := r.sessions(t, cast["ben"]).RevokeSubject(t.Context(), subjectCurrent()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one event stands for those that are not kept", func() bool {
		events := r.ledger.Events()
		last, _, err := events.After(max(events.Last(), 1) - 1)
		return err == nil && len(last) > 0 && last[0].Lost != nil
	})
	r.seen(t, map[string]string{"cleo-2": r.issuer.Session("user_cleo", authtest.With("sid", "cleo-2"))})
	r.ledger.Flush(t.Context())
	wantEvents(t, "cleo", watch, "SEEN cleo-2")
}

// More than are kept are lost to those who may see them, and who list them again.
func TestOnlyThoseConcernedLoseEvents(t *testing.T) {
	t.Parallel()
	page := []*ledger.Event{{Lost: &store.Filter{Issuer: "https://one.example.com"}}}
	for name, test := range map[string]struct {
		view store.View
		want bool
	}{
		"an operator":                        {store.Everything(), true},
		"a subject of the issuer":            {store.View{{Issuer: "https://one.example.com", Subject: "user_ada"}}, true},
		"a subject of another issuer":        {store.View{{Issuer: "https://two.example.com", Subject: "user_ada"}}, false},
		"a viewer of nothing":                {nil, false},
		"an operator, with another's filter": {narrow(store.Everything(), store.Filter{Issuer: "https://two.example.com"}), false},
	} {
		if got := lost(test.view, page); got != test.want {
			t.Errorf("%s: %t; want %t", name, got, test.want)
		}
	}
	if lost(store.Everything(), []*ledger.Event{{Type: sessionv1.SessionEventType_SESSION_EVENT_TYPE_SEEN}}) {
		t.Error("an event that is there is lost")
	}
}

func TestASilentWatchHasHeartbeats(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	if r.session.heartbeat > 30*time.Second || r.session.heartbeat < 10*time.Second {
		t.Errorf("a heartbeat each %s", r.session.heartbeat)
	}
	quick := *r.session
	quick.heartbeat = time.Millisecond
	ctx := auth.NewContext(t.Context(), &auth.Identity{Issuer: r.issuer.URL(), Subject: "user_ada", Kind: auth.KindSession})
	enough := errors.New("enough")
	tokens := make(map[string]int)
	err := quick.watch(ctx, &sessionv1.WatchSessionsRequest{}, func(res *sessionv1.WatchSessionsResponse) error {
		if len(res.GetEvents()) > 0 {
			t.Errorf("unexpected %v", res)
		}
		if tokens[res.GetResumeToken()]++; tokens[res.GetResumeToken()] == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || len(tokens) != 1 || tokens[""] > 0 {
		t.Errorf("%v, positions %v; want three heartbeats at one position", err, tokens)
	}
	// What others do moves the position, so that it does not expire.
	r.ledger.See(&auth.Identity{Issuer: r.issuer.URL(), Subject: "user_ben", SessionID: "ben"}, "", func() string { return "" })
	r.ledger.Flush(ctx)
	err = quick.watch(ctx, &sessionv1.WatchSessionsRequest{}, func(res *sessionv1.WatchSessionsResponse) error {
		if tokens[res.GetResumeToken()] > 0 {
			t.Errorf("the same position as before")
		}
		return enough
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
}

// A caller who lists, and then watches from the resume_token, misses nothing, and
// neither does one who watches again.
func TestAWatchGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, map[string]string{"otto": cast["otto"]})
	listed, err := r.sessions(t, cast["otto"]).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{})
	if err != nil || names(listed.GetSessions()) != "otto" {
		t.Fatalf("%v, error %v", listed, err)
	}
	happen := func(session string) {
		t.Helper()
		r.seen(t, map[string]string{session: cast[session]})
		r.ledger.Flush(t.Context())
	}
	happen("ben")
	happen("cleo")
	for protocol, tr := range r.transports() {
		stream := tr.watchFrom(t, cast["otto"], &sessionv1.WatchSessionsRequest{ResumeToken: listed.GetResumeToken()})
		// The list itself has shown otto, after the position.
		wantEvents(t, "after the list over "+protocol, stream, "SEEN otto", "SEEN ben", "SEEN cleo")
		again := tr.watchFrom(t, cast["otto"], &sessionv1.WatchSessionsRequest{ResumeToken: stream.Msg().GetResumeToken()})
		if !again.Receive() || len(again.Msg().GetEvents()) > 0 || again.Msg().GetResumeToken() != stream.Msg().GetResumeToken() {
			t.Errorf("%s: from where it was: %v, error %v; want nothing", protocol, again.Msg(), again.Err())
		}
		filtered := tr.watchFrom(t, cast["otto"], &sessionv1.WatchSessionsRequest{
			ResumeToken: listed.GetResumeToken(), Filter: &sessionv1.WatchSessionsFilter{Subject: proto.String("user_cleo")},
		})
		wantEvents(t, "with a filter over "+protocol, filtered, "SEEN cleo")
	}
	restarted := r.again(t)
	err = watchEnds(&sessionv1.WatchSessionsRequest{ResumeToken: listed.GetResumeToken()})(t.Context(), restarted.sessions(t, restarted.issuer.Session("user_otto")))
	wantError(t, "after a restart", err, errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
}

// A session comes into an organization, is renewed there, goes out of it, expires, and
// is removed at last.
func TestAWatchWithAFilterSaysWhatComesAndGoes(t *testing.T) {
	t.Parallel()
	now := newClock()
	r := start(t, withOperator, now.set)
	long := func() string { return r.issuer.Session("user_otto", authtest.ExpiresIn(20*time.Hour)) }
	ofAcme := &sessionv1.WatchSessionsFilter{OrganizationId: proto.String("org_acme")}
	ofNone := &sessionv1.WatchSessionsFilter{OrganizationId: proto.String(""), Subject: proto.String("user_ben")}
	tr := r.transports()["gRPC"]
	acme := tr.watchFrom(t, long(), &sessionv1.WatchSessionsRequest{Filter: ofAcme})
	none := tr.watchFrom(t, long(), &sessionv1.WatchSessionsRequest{Filter: ofNone})
	call := func(edits ...authtest.Edit) {
		t.Helper()
		edits = append(edits, authtest.With("sid", "ben"), authtest.IssuedAt(now.now()), authtest.ExpiresIn(time.Minute))
		r.wantAdmitted(t, "ben", r.issuer.Session("user_ben", edits...))
		r.ledger.Flush(t.Context())
		now.move(time.Second)
	}
	in := authtest.InOrganization("org_acme", "acme", "member")
	call()
	wantEvents(t, "none", none, "SEEN ben")
	call(in)
	wantEvents(t, "acme", acme, "SEEN ben")
	wantEvents(t, "none", none, "LEFT ben")
	left := none.Msg().GetEvents()[0].GetSession()
	if want := (&sessionv1.Session{Session: sessionRef(r.issuer.URL(), "ben", "user_ben")}); !proto.Equal(left, want) {
		t.Errorf("what left is shown as %v; want %v", left, want)
	}
	call(in)
	wantEvents(t, "acme", acme, "RENEWED ben")
	if got := acme.Msg().GetEvents()[0].GetSession(); got.GetState() != active || got.GetOrganizationId() != "org_acme" {
		t.Errorf("the session is %v; want it active", got)
	}
	now.move(2 * time.Minute)
	wantEvents(t, "acme", acme, "EXPIRED ben")
	if got := acme.Msg().GetEvents()[0].GetSession(); got.GetState() != expired {
		t.Errorf("the session is %v; want it expired", got)
	}
	call()
	wantEvents(t, "acme", acme, "LEFT ben")
	wantEvents(t, "none", none, "SEEN ben")
	call(in)
	wantEvents(t, "none", none, "LEFT ben")
	wantEvents(t, "acme", acme, "SEEN ben")
}

// A caller who goes on from an old position is shown each session as it was: what became of
// it after it has left is nothing to see.
func TestAWatchDoesNotShowWhatBecameOfASessionThatHasLeft(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	ada, otto := r.sessions(t, cast["ada-1"]), r.sessions(t, cast["otto"])
	listed, err := ada.ListSessions(t.Context(), &sessionv1.ListSessionsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	everything := r.transports()["gRPC"].watchSessions(t, cast["otto"])
	issued := authtest.IssuedAt(time.Now()) // both at once
	for _, organization := range []string{"org_acme", "org_other"} {
		r.seen(t, map[string]string{"ben": r.issuer.Session("user_ben", authtest.With("sid", "ben"), issued, authtest.InOrganization(organization, "slug", "member"))})
		r.ledger.Flush(t.Context())
	}
	if _, err := otto.RevokeSession(t.Context(), r.revokeReq("ben")); err != nil {
		t.Fatal(err)
	}
	wantEvents(t, "the operator", everything, "SEEN otto", "SEEN ben", "CHANGED ben", "REVOKED ben")
	watched, err := ada.WatchSessions(t.Context(), &sessionv1.WatchSessionsRequest{ResumeToken: listed.GetResumeToken()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = watched.Close() })
	wantEvents(t, "the administrator", watched, "SEEN ada-1", "SEEN ben", "LEFT ben")
	for _, event := range watched.Msg().GetEvents() {
		if got := event.GetSession(); got.GetRevocation() != nil || got.GetState() == revoked {
			t.Errorf("%s: %v; want nothing of its end", eventText(event), got)
		}
	}
	resumed := r.transports()["gRPC"].watchFrom(t, cast["otto"], &sessionv1.WatchSessionsRequest{ResumeToken: listed.GetResumeToken(), Filter: &sessionv1.WatchSessionsFilter{Subject: proto.String("user_ben")}})
	wantEvents(t, "the operator", resumed, "SEEN ben", "CHANGED ben", "REVOKED ben")
	events := resumed.Msg().GetEvents()
	if first, last := events[0].GetSession(), events[len(events)-1].GetSession(); len(events) != 3 || first.GetState() != active || last.GetState() != revoked || last.GetRevocation() == nil {
		t.Errorf("the operator is shown %v", events)
	}
}

// What an event is to those who see the session before it, after it, or both.
func TestWhatAnEventIsToThoseWhoSeeIt(t *testing.T) {
	t.Parallel()
	r := start(t)
	id := &auth.Identity{Issuer: r.issuer.URL(), Subject: "user_ada"}
	in := store.Session{Issuer: r.issuer.URL(), ID: "in", Subject: "user_ben", Organization: "org_acme", FirstSeen: time.Now()}
	out := in
	out.ID, out.Organization = "out", ""
	acme := "org_acme"
	view := store.View{{Organization: &acme}}
	const renewed, removed = sessionv1.SessionEventType_SESSION_EVENT_TYPE_RENEWED, sessionv1.SessionEventType_SESSION_EVENT_TYPE_REMOVED
	for name, test := range map[string]struct {
		event ledger.Event
		want  string
	}{
		"before and after":      {ledger.Event{Type: renewed, Before: in, After: in}, "RENEWED in"},
		"neither":               {ledger.Event{Type: renewed, Before: out, After: out}, ""},
		"it comes":              {ledger.Event{Type: renewed, Before: out, After: in}, "SEEN in"},
		"it goes":               {ledger.Event{Type: renewed, Before: in, After: out}, "LEFT in"},
		"it is new":             {ledger.Event{Type: renewed, After: in}, "SEEN in"},
		"it is new elsewhere":   {ledger.Event{Type: renewed, After: out}, ""},
		"it is removed":         {ledger.Event{Type: removed, Before: in}, "REMOVED in"},
		"another is removed":    {ledger.Event{Type: removed, Before: out}, ""},
		"it is new and removed": {ledger.Event{Type: removed}, ""},
	} {
		events, err := r.session.eventsIn(t.Context(), id, view, []*ledger.Event{{Type: renewed, Before: out, After: out}, &test.event})
		got := ""
		for _, event := range events {
			got += eventText(event)
			shown := event.GetSession().GetFirstSeenTime() != nil
			if gone := strings.HasPrefix(got, "LEFT") || strings.HasPrefix(got, "REMOVED"); shown == gone {
				t.Errorf("%s: shows %v", name, event.GetSession())
			}
		}
		if err != nil || got != test.want {
			t.Errorf("%s: %q, error %v; want %q", name, got, err, test.want)
		}
	}
}

// The store keeps no more of a time, so that a list and a watch show the same.
func TestAWatchCutsTimesToMicroseconds(t *testing.T) {
	t.Parallel()
	r := start(t)
	at := time.Now().Truncate(time.Second).Add(123_456_789 * time.Nanosecond)
	session := store.Session{
		Issuer: r.issuer.URL(), ID: "ben", Subject: "user_ben", FirstSeen: at, LastSeen: at, Token: store.Token{IssuedAt: at, ExpiresAt: at.Add(time.Hour)},
	}
	events, err := r.session.eventsIn(t.Context(), &auth.Identity{}, store.Everything(), []*ledger.Event{{After: session, Time: at}})
	if err != nil || len(events) != 1 {
		t.Fatalf("%v, error %v", events, err)
	}
	got := events[0].GetSession()
	for name, at := range map[string]*timestamppb.Timestamp{
		"the event": events[0].GetEventTime(), "first seen": got.GetFirstSeenTime(), "last seen": got.GetLastSeenTime(),
		"issued": got.GetTokenIssueTime(), "expires": got.GetTokenExpireTime(),
	} {
		if at.GetNanos() != 123_456_000 {
			t.Errorf("%s: %v; want it cut to microseconds", name, at)
		}
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
