package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/token"

	"github.com/ostiary/ostiary/server/internal/ledger"
)

func (tr endpoint) revocations(t *testing.T, token string) revocationv1connect.RevocationServiceClient {
	t.Helper()
	options := append(slices.Clone(tr.options), connect.WithInterceptors(bearer(token)))
	return revocationv1connect.NewRevocationServiceClient(httpClient(t, true), tr.url, options...)
}

func (r *running) revocations(t *testing.T, token string) revocationv1connect.RevocationServiceClient {
	t.Helper()
	return r.transports()["Connect"].revocations(t, token)
}

// send imports messages and returns the summary.
func send(t *testing.T, client revocationv1connect.RevocationServiceClient, messages ...[]*revocationv1.NewRevocation) (*revocationv1.ImportRevocationsResponse, error) {
	t.Helper()
	stream, err := client.ImportRevocations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range messages {
		if err := stream.Send(&revocationv1.ImportRevocationsRequest{Revocations: message}); err != nil {
			break // CloseAndReceive says why
		}
	}
	return stream.CloseAndReceive()
}

// ofSession revokes a session.
func ofSession(id string) *revocationv1.NewRevocation {
	return &revocationv1.NewRevocation{Target: &revocationv1.Target{Kind: revocationv1.Kind_KIND_SESSION, Id: id}}
}

func TestRevocationsAreForOperatorsAlone(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator, func(c *Config) { c.OperatorPermission = "org:tokens:revoke" })
	cast := r.cast()
	call := func(tr endpoint, token string) map[string]error {
		client := tr.revocations(t, token)
		_, list := client.ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{})
		_, revoke := client.RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocation: ofSession("sess_1")})
		_, imports := send(t, client, []*revocationv1.NewRevocation{ofSession("sess_2")})
		return map[string]error{"ListRevocations": list, "RevokeTokens": revoke, "ImportRevocations": imports}
	}
	for protocol, tr := range r.transports() {
		for _, caller := range []string{"ada-1", "cleo"} {
			for method, err := range call(tr, cast[caller]) {
				if reason, ok := connectauth.ReasonOf(err); !ok || reason != auth.PermissionRequired {
					t.Errorf("%s of %s over %s: %v; want %v", method, caller, protocol, err, auth.PermissionRequired)
				}
			}
		}
		for method, err := range call(tr, "") {
			if reason, ok := connectauth.ReasonOf(err); !ok || reason != auth.TokenMissing {
				t.Errorf("%s without a token over %s: %v; want %v", method, protocol, err, auth.TokenMissing)
			}
		}
		permitted := r.issuer.Session("user_pam", authtest.InOrganization("org_acme", "acme", "member", "tokens:revoke"))
		for who, token := range map[string]string{"a subject that is named": cast["otto"], "the bearer of the permission": permitted} {
			for method, err := range call(tr, token) {
				if err != nil {
					t.Errorf("%s of %s over %s: %v", method, who, protocol, err)
				}
			}
		}
	}
}

func TestWhatARevocationReaches(t *testing.T) {
	t.Parallel()
	kind := func(k revocationv1.Kind, id string) *revocationv1.Target {
		return &revocationv1.Target{Kind: k, Id: id}
	}
	for name, test := range map[string]struct {
		target  *revocationv1.Target
		refused []string
	}{
		"a session":           {kind(revocationv1.Kind_KIND_SESSION, "sess_1"), []string{"old", "new"}},
		"a subject":           {kind(revocationv1.Kind_KIND_SUBJECT, "user_ada"), []string{"old", "other"}},
		"one token":           {kind(revocationv1.Kind_KIND_TOKEN, "token_1"), []string{"old"}},
		"a machine":           {kind(revocationv1.Kind_KIND_CLIENT, "mch_robo"), []string{"machine"}},
		"all that was issued": {kind(revocationv1.Kind_KIND_ISSUER, ""), []string{"old", "other", "machine"}},
		"a session, up to a while ago": {
			&revocationv1.Target{Kind: revocationv1.Kind_KIND_SESSION, Id: "sess_1", IssuedBefore: timestamppb.New(time.Now().Add(-time.Hour))}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := newClock()
			r := start(t, withOperator, now.set, func(c *Config) { c.Issuers[0].Kinds = []auth.TokenKind{auth.KindSession, auth.KindMachine} })
			ago, soon := authtest.IssuedAt(now.now().Add(-2*time.Second)), authtest.IssuedAt(now.now().Add(10*time.Second))
			tokens := map[string]string{
				"old":     r.issuer.Session("user_ada", ago, authtest.With("sid", "sess_1"), authtest.With("jti", "token_1")),
				"new":     r.issuer.Session("user_ada", soon, authtest.With("sid", "sess_1")),
				"other":   r.issuer.Session("user_ada", ago, authtest.With("sid", "sess_2")),
				"machine": r.issuer.Machine("mch_robo", ago),
			}
			_, err := r.revocations(t, r.issuer.Session("user_otto")).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{
				Revocation: &revocationv1.NewRevocation{Target: test.target},
			})
			if err != nil {
				t.Fatal(err)
			}
			now.move(10 * time.Second)
			for name, token := range tokens {
				if slices.Contains(test.refused, name) {
					r.wantReason(t, name, token, auth.TokenRevoked)
				} else {
					r.wantAdmitted(t, name, token)
				}
			}
		})
	}
}

func TestInvalidRevocationsAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	otto := r.issuer.Session("user_otto")
	session := revocationv1.Kind_KIND_SESSION
	tests := map[string]struct {
		revocation *revocationv1.NewRevocation
		want       string
	}{
		"none at all":     {nil, "it has no kind"},
		"no target":       {&revocationv1.NewRevocation{}, "it has no kind"},
		"an unknown kind": {&revocationv1.NewRevocation{Target: &revocationv1.Target{Kind: 99, Id: "x"}}, "it has no kind"},
		"no id":           {ofSession(""), "it names no session"},
		"an issuer with an id": {
			&revocationv1.NewRevocation{Target: &revocationv1.Target{Kind: revocationv1.Kind_KIND_ISSUER, Id: "x"}}, "an issuer has no id",
		},
		"an issuer that is not trusted": {
			&revocationv1.NewRevocation{Target: &revocationv1.Target{Kind: session, Id: "x", Issuer: r.issuer.URL() + "/"}}, "issuer: not one",
		},
		"an instant to come": {
			&revocationv1.NewRevocation{Target: &revocationv1.Target{Kind: session, Id: "x", IssuedBefore: timestamppb.New(time.Now().Add(time.Hour))}},
			"issued_before: lies in the future",
		},
		"an instant that is none": {
			&revocationv1.NewRevocation{Target: &revocationv1.Target{Kind: session, Id: "x", IssuedBefore: &timestamppb.Timestamp{Nanos: -1}}},
			"issued_before: lies in the future, or is no time",
		},
		"the instant that stands for none in storage": {
			&revocationv1.NewRevocation{Target: &revocationv1.Target{Kind: session, Id: "x", IssuedBefore: &timestamppb.Timestamp{}}},
			"issued_before: lies in the future, or is no time",
		},
		"a cause of two lines": {&revocationv1.NewRevocation{Target: ofSession("x").GetTarget(), Cause: "lost\nphone"}, "cause: with control characters"},
		"an endless id":        {ofSession(strings.Repeat("x", token.DefaultMaxTokenBytes+1)), "id: too long"},
		"an endless cause":     {&revocationv1.NewRevocation{Target: ofSession("x").GetTarget(), Cause: strings.Repeat("x", 500+1)}, "cause: over 500 bytes"},
	}
	var rows []*revocationv1.NewRevocation
	var faults []string
	for name, test := range tests {
		for protocol, tr := range r.transports() {
			_, err := tr.revocations(t, otto).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocation: test.revocation})
			if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s over %s: %v; want %s", name, protocol, err, test.want)
			}
		}
		rows, faults = append(rows, test.revocation, ofSession("good_"+name)), append(faults, test.want)
	}
	// In bulk each is named, and the good ones between them are used. One message
	// holds a row that is nil, which is sent as an empty one.
	for protocol, tr := range r.transports() {
		summary, err := send(t, tr.revocations(t, otto), rows[:7], nil, rows[7:])
		if err != nil || summary.GetImported() != int64(len(tests)) || summary.GetRejected() != int64(len(tests)) || len(summary.GetBadRows()) != len(tests) {
			t.Fatalf("%s: %v, error %v", protocol, summary, err)
		}
		for i, bad := range summary.GetBadRows() {
			if bad.GetRow() != int64(2*i+1) || !strings.Contains(bad.GetFault(), faults[i]) {
				t.Errorf("%s: row %d is %v; want %s", protocol, 2*i+1, bad, faults[i])
			}
		}
	}
}

func TestRevocationsInBulk(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	otto := r.issuer.Session("user_otto")
	const good, bad = 2*ledger.BatchSize + 17, maxBadRows + 3
	var rows []*revocationv1.NewRevocation
	for i := range good {
		rows = append(rows, ofSession(fmt.Sprint("sess_", i)))
	}
	for range bad {
		rows = append(rows, ofSession(""))
	}
	summary, err := send(t, r.transports()["native gRPC"].revocations(t, otto), rows[:1], rows[1:ledger.BatchSize], rows[ledger.BatchSize:])
	if err != nil || summary.GetImported() != good || summary.GetRejected() != bad || len(summary.GetBadRows()) != maxBadRows {
		t.Fatalf("imported %d, rejected %d, of which %d are named, error %v", summary.GetImported(), summary.GetRejected(), len(summary.GetBadRows()), err)
	}
	r.wantReason(t, "the first", r.issuer.Session("user_1", authtest.With("sid", "sess_0")), auth.TokenRevoked)
	r.wantReason(t, "the last", r.issuer.Session("user_1", authtest.With("sid", fmt.Sprint("sess_", good-1))), auth.TokenRevoked)

	// They are listed in pages, sorted, with who revoked.
	var listed []*revocationv1.Revocation
	req := &revocationv1.ListRevocationsRequest{PageSize: 1000}
	for {
		res, err := r.revocations(t, otto).ListRevocations(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, res.GetRevocations()...)
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			break
		}
	}
	if len(listed) != good {
		t.Fatalf("%d are listed; want %d", len(listed), good)
	}
	for i, revocation := range listed {
		if revocation.GetTarget().GetId() != fmt.Sprint("sess_", i) || revocation.GetRevokedBy().GetSubject() != "user_otto" {
			t.Fatalf("number %d is %v", i, revocation)
		}
	}
}

func TestTheActorOfARevocationIsStored(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada", authtest.With("act", map[string]any{"sub": "user_support", "iss": r.issuer.URL()}))
	res, err := r.sessions(t, token).RevokeSession(t.Context(), &sessionv1.RevokeSessionRequest{})
	if err != nil || res.GetRevocation().GetRevokedBy().GetActor() != "user_support" {
		t.Errorf("%v, error %v; want user_support as the actor", res, err)
	}
}
