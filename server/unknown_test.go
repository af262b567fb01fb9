package server

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
)

// newer returns the message with a field of a newer schema.
func newer[M proto.Message](message M) M {
	message.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
	return message
}

// A field that the server does not know may say that less is to be revoked.
func TestRequestsToRevokeWithUnknownFieldsAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	otto := cast["otto"]
	revoke := func(change func(*revocationv1.NewRevocation)) *revocationv1.RevokeTokensRequest {
		last := r.ofSession("ben")
		change(last)
		return &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{r.ofSession("ben"), last}}
	}
	inTarget := func(n *revocationv1.NewRevocation) { newer(n.GetTarget().GetSession()) }
	inExtent := func(n *revocationv1.NewRevocation) {
		n.Extent = &revocationv1.NewRevocation_AllTokens{AllTokens: newer(&revocationv1.AllTokens{})}
	}
	session, subject, current := r.revokeReq("ben"), r.subjectReq("user_ben"), revokeCurrent()
	newer(session.GetSession().GetAnySubject())
	newer(subject.GetSubject())
	newer(current.GetCurrentSession())
	for protocol, tr := range r.transports() {
		tokens, sessions := tr.revocations(t, otto), tr.sessions(t, otto)
		for _, test := range []struct {
			place string
			req   *revocationv1.RevokeTokensRequest
		}{
			{"", newer(revoke(func(*revocationv1.NewRevocation) {}))},
			{"revocations[1]", revoke(func(n *revocationv1.NewRevocation) { newer(n) })},
			{"revocations[1].target", revoke(func(n *revocationv1.NewRevocation) { newer(n.GetTarget()) })},
			{"revocations[1].target.session", revoke(inTarget)},
			{"revocations[1].all_tokens", revoke(inExtent)},
		} {
			_, err := tokens.RevokeTokens(t.Context(), test.req)
			wantFaults(t, protocol+": RevokeTokens", err, test.place)
		}
		for place, req := range map[string]*sessionv1.RevokeSessionRequest{
			"": newer(r.revokeReq("ben")), "session.any_subject": session, "current_session": current,
		} {
			_, err := sessions.RevokeSession(t.Context(), req)
			wantFaults(t, protocol+": RevokeSession", err, place)
		}
		for place, req := range map[string]*sessionv1.RevokeSubjectRequest{"": newer(r.subjectReq("user_ben")), "subject": subject} {
			_, err := sessions.RevokeSubject(t.Context(), req)
			wantFaults(t, protocol+": RevokeSubject", err, place)
		}
		// In bulk the others are imported, unless it is the request itself.
		stream, err := tokens.ImportRevocations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.Send(newer(&revocationv1.ImportRevocationsRequest{Revocations: []*revocationv1.NewRevocation{r.ofSession("ben")}}))
		_, err = stream.CloseAndReceive()
		wantFaults(t, protocol+": ImportRevocations", err, "")
		bad := r.ofSession("ben")
		inTarget(bad)
		summary, err := send(t, tokens, []*revocationv1.NewRevocation{bad})
		if err != nil || summary.GetRejectedCount() != 1 || summary.GetRejectedRevocations()[0].GetViolations()[0].GetField() != "target.session" {
			t.Errorf("%s: %v, error %v; want the row rejected", protocol, summary, err)
		}
	}
	r.wantNothingEnded(t, cast)
}

// A field that the server does not know may say that less is to be shown.
func TestRequestsToReadWithUnknownFieldsAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	otto := r.cast()["otto"]
	for protocol, tr := range r.transports() {
		sessions, access, ctx := tr.sessions(t, otto), tr.access(t, otto), t.Context()
		for method, call := range map[string]func() error{
			"ListSessions": func() error {
				_, err := sessions.ListSessions(ctx, newer(&sessionv1.ListSessionsRequest{}))
				return err
			},
			"GetSession": func() error {
				_, err := sessions.GetSession(ctx, newer(&sessionv1.GetSessionRequest{Session: r.revokeReq("ben").GetSession()}))
				return err
			},
			"WatchSessions": func() error {
				stream, err := sessions.WatchSessions(ctx, newer(&sessionv1.WatchSessionsRequest{}))
				if err != nil {
					return err
				}
				defer func() { _ = stream.Close() }()
				stream.Receive()
				return stream.Err()
			},
			"ListRevocations": func() error {
				_, err := tr.revocations(t, otto).ListRevocations(ctx, newer(&revocationv1.ListRevocationsRequest{}))
				return err
			},
			"ListMethodRules": func() error {
				_, err := access.ListMethodRules(ctx, newer(&accessv1.ListMethodRulesRequest{}))
				return err
			},
			"ListBackends": func() error {
				_, err := access.ListBackends(ctx, newer(&accessv1.ListBackendsRequest{}))
				return err
			},
			"ExplainAccess": func() error {
				_, err := access.ExplainAccess(ctx, newer(&accessv1.ExplainAccessRequest{}))
				return err
			},
		} {
			wantFaults(t, protocol+": "+method, call(), "")
		}
	}
}
