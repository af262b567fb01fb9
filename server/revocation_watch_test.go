package server

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"connectrpc.com/connect"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/store/postgres/pgtest"
	"github.com/ostiary/ostiary/server/settings"
)

type revocationWatch = *connect.ServerStreamForClient[revocationv1.WatchRevocationsResponse]

// watchRevocations returns when the watch has begun, if it begins now.
func (tr endpoint) watchRevocations(t *testing.T, token string, req *revocationv1.WatchRevocationsRequest) revocationWatch {
	t.Helper()
	stream, err := tr.revocations(t, token).WatchRevocations(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	if req.GetResumeToken() == "" && (!stream.Receive() || len(stream.Msg().GetRevocations()) > 0 || stream.Msg().GetResumeToken() == "") {
		t.Fatalf("first message %v, error %v", stream.Msg(), stream.Err())
	}
	return stream
}

// wantRevocations receives as many revocations as are wanted, by the values of their targets.
func wantRevocations(t *testing.T, who string, stream revocationWatch, want ...string) {
	t.Helper()
	var got []string
	for len(got) < len(want) {
		if !stream.Receive() {
			t.Fatalf("%s: the watch ended with %v after %q; want %q", who, stream.Err(), got, want)
		}
		for _, r := range stream.Msg().GetRevocations() {
			got = append(got, r.GetTarget().GetSession().GetSessionId()+r.GetTarget().GetSubject().GetSubject())
			if r.GetOrigin() == nil || r.GetCreateTime() == nil {
				t.Errorf("%s: %v does not say who made it, or when", who, r)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q; want %q", who, got, want)
	}
}

// ofSubject asks for the revocation of a subject.
func (r *running) ofSubject(subject string) *revocationv1.NewRevocation {
	return &revocationv1.NewRevocation{Target: targetMessage(store.Target{Kind: "subject", Issuer: r.issuer.URL(), Value: subject})}
}

func (r *running) revokeAs(t *testing.T, by string, asked ...*revocationv1.NewRevocation) {
	t.Helper()
	if _, err := r.revocations(t, r.issuer.Session(by)).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: asked}); err != nil {
		t.Fatal(err)
	}
}

func TestAWatchSendsRevocationsThatMatch(t *testing.T) {
	t.Parallel()
	for name, edit := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator, func(c *settings.Config) {
				edit(t, c)
				c.OperatorSubjects = append(c.OperatorSubjects, "user_pam")
			})
			otto := r.issuer.Session("user_otto")
			r.revokeAs(t, "user_otto", r.ofSession("before"))
			eventually(t, "it has been read", func() bool { return r.ledger.Latest().Sequence > 0 })
			filters := map[string]struct {
				filter *revocationv1.ListRevocationsFilter
				want   []string
			}{
				"all":          {nil, []string{"one", "user_ada", "two"}},
				"of a kind":    {&revocationv1.ListRevocationsFilter{Kinds: []revocationv1.TargetKind{revocationv1.TargetKind_TARGET_KIND_SUBJECT}}, []string{"user_ada"}},
				"by a subject": {&revocationv1.ListRevocationsFilter{BySubject: new("user_pam")}, []string{"two"}},
				"of an issuer": {&revocationv1.ListRevocationsFilter{Issuer: new(r.issuer.URL())}, []string{"one", "user_ada", "two"}},
			}
			watches := make(map[string]revocationWatch)
			for protocol, tr := range r.transports() {
				for what, test := range filters {
					watches[protocol+what] = tr.watchRevocations(t, otto, &revocationv1.WatchRevocationsRequest{Filter: test.filter})
				}
			}
			r.revokeAs(t, "user_otto", r.ofSession("one"))
			r.revokeAs(t, "user_otto", r.ofSubject("user_ada"))
			r.revokeAs(t, "user_pam", r.ofSession("two"))
			for protocol := range r.transports() {
				for what, test := range filters {
					wantRevocations(t, what+" over "+protocol, watches[protocol+what], test.want...)
				}
			}
			resume := watches["Connectby a subject"].Msg().GetResumeToken()
			r.revokeAs(t, "user_pam", r.ofSession("three"))
			again := r.transports()["Connect"].watchRevocations(t, otto, &revocationv1.WatchRevocationsRequest{Filter: filters["by a subject"].filter, ResumeToken: resume})
			wantRevocations(t, "from where it was", again, "three")
			if err := r.stop(); err != nil {
				t.Error(err)
			}
			for again.Receive() {
			}
			wantError(t, "the watch, when the server stopped", again.Err(), errorv1.Reason_REASON_SERVER_STOPPING)
		})
	}
}

// What a page shows first and what follows it are all, whichever order it has.
func TestAListIsFollowedByAWatch(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	otto := r.issuer.Session("user_otto")
	client := r.revocations(t, otto)
	resumeOf := func(order revocationv1.RevocationOrder) string {
		t.Helper()
		page, err := client.ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{Order: order})
		if err != nil {
			t.Fatal(err)
		}
		return page.GetResumeToken()
	}
	ofNone := resumeOf(newestFirst)
	r.revokeAs(t, "user_otto", r.ofSession("one"))
	eventually(t, "the server has read what it has revoked", func() bool { return r.ledger.Latest().Sequence > 0 })
	oldest, newest := resumeOf(0), resumeOf(newestFirst)
	r.revokeAs(t, "user_otto", r.ofSession("two"))
	for protocol, tr := range r.transports() {
		for resume, want := range map[string][]string{ofNone: {"one", "two"}, oldest: {"two"}, newest: {"two"}} {
			wantRevocations(t, protocol, tr.watchRevocations(t, otto, &revocationv1.WatchRevocationsRequest{ResumeToken: resume}), want...)
		}
	}
	page, err := client.ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{PageToken: newest})
	if err != nil || len(page.GetRevocations()) != 1 {
		t.Errorf("%v, %v; want what was revoked after the newest first", page, err)
	}
}

// A watch that reads slowly holds nothing, and misses nothing.
func TestAWatchThatFallsBehindGetsAll(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	watch := r.transports()["gRPC"].watchRevocations(t, r.issuer.Session("user_otto"), &revocationv1.WatchRevocationsRequest{})
	var want []string
	for batch := range 5 {
		var asked []*revocationv1.NewRevocation
		for i := range 1000 {
			want = append(want, fmt.Sprintf("sess_%d_%d", batch, i))
			asked = append(asked, r.ofSession(want[len(want)-1]))
		}
		r.revokeAs(t, "user_otto", asked...)
	}
	wantRevocations(t, "the slow reader", watch, want...)
}

func TestAWatchSeesWhatIsRevokedAtAnotherServer(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	one := start(t, withOperator, func(c *settings.Config) { c.DatabaseURL = database })
	two := start(t, withOperator, func(c *settings.Config) { c.DatabaseURL, c.Issuers[0].URL = database, one.config.Issuers[0].URL })
	otto := one.issuer.Session("user_otto")
	watch := two.transports()["Connect"].watchRevocations(t, otto, &revocationv1.WatchRevocationsRequest{})
	one.revokeAs(t, "user_otto", one.ofSession("one"), one.ofSubject("user_ada"))
	wantRevocations(t, "at the other server", watch, "one", "user_ada")
	one.revokeAs(t, "user_otto", one.ofSession("two"))
	moved := one.transports()["Connect"].watchRevocations(t, otto, &revocationv1.WatchRevocationsRequest{ResumeToken: watch.Msg().GetResumeToken()})
	wantRevocations(t, "resumed at the first server", moved, "two")
}

// The watch of an operator ends when a newer token of the session no longer makes one.
func TestAWatchEndsWithThePermission(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator, func(c *settings.Config) { c.OperatorPermission = "org:tokens:revoke" })
	pam := r.issuer.Session("user_pam", authtest.With("sid", "pam"), authtest.InOrganization("org_acme", "acme", "member", "tokens:revoke"))
	watch := r.transports()["Connect"].watchRevocations(t, pam, &revocationv1.WatchRevocationsRequest{})
	r.revokeAs(t, "user_otto", r.ofSession("one"))
	wantRevocations(t, "pam", watch, "one")
	r.seen(t, map[string]string{"pam": r.issuer.Session("user_pam", authtest.With("sid", "pam"), authtest.IssuedAt(time.Now().Add(2*time.Second)),
		authtest.InOrganization("org_acme", "acme", "member"))})
	r.revokeAs(t, "user_otto", r.ofSession("two"))
	if watch.Receive() || connect.CodeOf(watch.Err()) != connect.CodePermissionDenied {
		t.Errorf("%v, %v; want it refused", watch.Msg(), watch.Err())
	}
}

func TestAWatchOfRevocationsHasHeartbeats(t *testing.T) {
	t.Parallel()
	r := startTuned(t, tuning{heartbeat: 50 * time.Millisecond}, withOperator)
	watch := r.transports()["Connect"].watchRevocations(t, r.issuer.Session("user_otto"), &revocationv1.WatchRevocationsRequest{})
	for range 3 {
		if !watch.Receive() || len(watch.Msg().GetRevocations()) > 0 || watch.Msg().GetResumeToken() == "" {
			t.Fatalf("%v, %v; want a heartbeat", watch.Msg(), watch.Err())
		}
	}
}

func TestAWatchOfRevocationsThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	r.revokeAs(t, "user_otto", r.ofSession("one"))
	elsewhere := start(t, withOperator)
	otto := r.issuer.Session("user_otto")
	resume := r.transports()["Connect"].watchRevocations(t, otto, &revocationv1.WatchRevocationsRequest{}).Msg().GetResumeToken()
	foreign := elsewhere.transports()["Connect"].watchRevocations(t, elsewhere.issuer.Session("user_otto"), &revocationv1.WatchRevocationsRequest{}).Msg().GetResumeToken()
	for protocol, tr := range r.transports() {
		for what, test := range map[string]struct {
			req  *revocationv1.WatchRevocationsRequest
			want errorv1.Reason
		}{
			"an issuer that is empty":  {&revocationv1.WatchRevocationsRequest{Filter: &revocationv1.ListRevocationsFilter{Issuer: new("")}}, errorv1.Reason_REASON_INVALID_REQUEST},
			"a field that is unknown":  {newer(&revocationv1.WatchRevocationsRequest{}), errorv1.Reason_REASON_INVALID_REQUEST},
			"no position":              {&revocationv1.WatchRevocationsRequest{ResumeToken: "!"}, errorv1.Reason_REASON_POSITION_INVALID},
			"one of another filter":    {&revocationv1.WatchRevocationsRequest{ResumeToken: resume, Filter: &revocationv1.ListRevocationsFilter{Query: "x"}}, errorv1.Reason_REASON_POSITION_INVALID},
			"one of another database":  {&revocationv1.WatchRevocationsRequest{ResumeToken: foreign}, errorv1.Reason_REASON_POSITION_EPOCH_CHANGED},
			"a kind that is not known": {&revocationv1.WatchRevocationsRequest{Filter: &revocationv1.ListRevocationsFilter{Kinds: []revocationv1.TargetKind{9}}}, errorv1.Reason_REASON_INVALID_REQUEST},
		} {
			stream, err := tr.revocations(t, otto).WatchRevocations(t.Context(), test.req)
			if err == nil {
				stream.Receive()
				err = stream.Err()
				_ = stream.Close()
			}
			wantError(t, what+" over "+protocol, err, test.want)
		}
	}
}
