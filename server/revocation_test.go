package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/settings"
)

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

func TestRevocationsAreForOperatorsAlone(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator, func(c *settings.Config) { c.OperatorPermission = "org:tokens:revoke" })
	cast := r.cast()
	call := func(tr endpoint, token string) map[string]error {
		client := tr.revocations(t, token)
		_, list := client.ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{})
		_, revoke := client.RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{r.ofSession("sess_1")}})
		_, imports := send(t, client, []*revocationv1.NewRevocation{r.ofSession("sess_2")})
		_, preview := client.PreviewRevocation(t.Context(), &revocationv1.PreviewRevocationRequest{Revocation: r.ofSession("sess_1")})
		watch := func() error {
			stream, err := client.WatchRevocations(t.Context(), &revocationv1.WatchRevocationsRequest{})
			if err != nil {
				return err
			}
			defer stream.Close() //nolint:errcheck // the test is over
			stream.Receive()
			return stream.Err()
		}()
		return map[string]error{"WatchRevocations": watch, "PreviewRevocation": preview, "ListRevocations": list, "RevokeTokens": revoke, "ImportRevocations": imports}
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
	for name, test := range map[string]struct {
		target  store.Target
		all     bool
		before  time.Duration // from now; 0 for none
		refused []string
	}{
		"a session":                    {store.Target{Kind: "session", Value: "sess_1"}, false, 0, []string{"old", "new"}},
		"a session of its subject":     {store.Target{Kind: "session", Value: "sess_1", Subject: "user_ada"}, false, 0, []string{"old", "new"}},
		"a session of another subject": {store.Target{Kind: "session", Value: "sess_1", Subject: "user_ben"}, false, 0, nil},
		"a session, up to a while ago": {store.Target{Kind: "session", Value: "sess_1"}, false, -time.Hour, nil},
		"a session, up to a moment ago": {
			store.Target{Kind: "session", Value: "sess_1"}, false, -time.Second, []string{"old"},
		},
		"a subject":          {store.Target{Kind: "subject", Value: "user_ada"}, false, 0, []string{"old", "other"}},
		"a subject for good": {store.Target{Kind: "subject", Value: "user_ada"}, true, 0, []string{"old", "other", "new"}},
		"one token":          {store.Target{Kind: "token", Value: "token_1"}, false, 0, []string{"old"}},
		"a machine":          {store.Target{Kind: "machine", Value: "mch_robo"}, true, 0, []string{"machine", "new machine"}},
		"a machine, up to a moment ago": {
			store.Target{Kind: "machine", Value: "mch_robo"}, false, -time.Second, []string{"machine"},
		},
		"a machine as if a client":         {store.Target{Kind: "client", Value: "mch_robo"}, true, 0, nil},
		"a client":                         {store.Target{Kind: "client", Value: "client_1"}, true, 0, []string{"client"}},
		"a client as if a machine":         {store.Target{Kind: "machine", Value: "client_1"}, true, 0, nil},
		"an organization":                  {store.Target{Kind: "organization", Value: "org_acme"}, false, 0, []string{"member", "colleague"}},
		"an organization for good":         {store.Target{Kind: "organization", Value: "org_acme"}, true, 0, []string{"member", "new member", "colleague"}},
		"another organization":             {store.Target{Kind: "organization", Value: "org_none"}, true, 0, nil},
		"a member":                         {store.Target{Kind: "member", Value: "org_acme", Subject: "user_dora"}, false, 0, []string{"member"}},
		"a member for good":                {store.Target{Kind: "member", Value: "org_acme", Subject: "user_dora"}, true, 0, []string{"member", "new member"}},
		"a member of another organization": {store.Target{Kind: "member", Value: "org_none", Subject: "user_dora"}, true, 0, nil},
		"all that was issued":              {store.Target{Kind: "issuer"}, false, 0, []string{"old", "other", "machine", "client", "member", "colleague", "elsewhere"}},
		"all that is and will be":          {store.Target{Kind: "issuer"}, true, 0, []string{"old", "other", "machine", "client", "new", "new machine", "member", "new member", "colleague", "elsewhere"}},
		"a user as if it were client":      {store.Target{Kind: "client", Value: "user_ada"}, true, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := newClock()
			r := start(t, withOperator, now.set, func(c *settings.Config) {
				c.Issuers[0].Kinds = []auth.TokenKind{auth.KindSession, auth.KindMachine, auth.KindOAuth}
			})
			ago, soon := authtest.IssuedAt(now.now().Add(-2*time.Second)), authtest.IssuedAt(now.now().Add(10*time.Second))
			acme := authtest.InOrganization("org_acme", "acme", "member")
			tokens := map[string]string{
				"old":         r.issuer.Session("user_ada", ago, authtest.With("sid", "sess_1"), authtest.With("jti", "token_1")),
				"new":         r.issuer.Session("user_ada", soon, authtest.With("sid", "sess_1")),
				"other":       r.issuer.Session("user_ada", ago, authtest.With("sid", "sess_2")),
				"machine":     r.issuer.Machine("mch_robo", ago),
				"new machine": r.issuer.Machine("mch_robo", soon),
				"client":      r.issuer.OAuth("user_cleo", ago, authtest.With("client_id", "client_1")),
				"member":      r.issuer.Session("user_dora", ago, acme),
				"new member":  r.issuer.Session("user_dora", soon, acme),
				"colleague":   r.issuer.Session("user_erik", ago, acme),
				"elsewhere":   r.issuer.Session("user_dora", ago, authtest.InOrganization("org_other", "other", "admin")),
			}
			test.target.Issuer = r.issuer.URL()
			revocation := &revocationv1.NewRevocation{Target: targetMessage(test.target)}
			if test.all {
				revocation.Extent = &revocationv1.NewRevocation_AllTokens{AllTokens: &revocationv1.AllTokens{}}
			}
			if test.before != 0 {
				revocation.Extent = issuedBefore(now.now().Add(test.before))
			}
			_, err := r.revocations(t, r.issuer.Session("user_otto")).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{
				Revocations: []*revocationv1.NewRevocation{revocation},
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

// What is refused is shown as revoked, and nothing else.
func TestTheSessionsOfAnOrganizationAreShownAsRevoked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		target store.Target
		want   string
	}{
		"an organization": {store.Target{Kind: "organization", Value: "org_acme"}, "ada-1 ben"},
		"a member":        {store.Target{Kind: "member", Value: "org_acme", Subject: "user_ben"}, "ben"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator)
			cast := r.cast()
			r.seen(t, cast)
			test.target.Issuer = r.issuer.URL()
			target := targetMessage(test.target)
			_, err := r.revocations(t, cast["otto"]).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{
				Revocations: []*revocationv1.NewRevocation{{Target: target}},
			})
			if err != nil {
				t.Fatal(err)
			}
			res, err := r.sessions(t, cast["otto"]).ListSessions(t.Context(), &sessionv1.ListSessionsRequest{})
			if err != nil || len(res.GetSessions()) != len(cast) {
				t.Fatalf("%v, error %v; want all sessions", res, err)
			}
			var ended []*sessionv1.Session
			for _, s := range res.GetSessions() {
				id := s.GetSession().GetSessionId()
				if s.GetState() != revoked {
					r.wantAdmitted(t, id, cast[id])
					continue
				}
				ended = append(ended, s)
				r.wantReason(t, id, cast[id], auth.TokenRevoked)
				if !proto.Equal(s.GetRevocation().GetTarget(), target) {
					t.Errorf("%s was revoked by %v; want %v", id, s.GetRevocation(), target)
				}
			}
			if got := names(ended); got != test.want {
				t.Errorf("%s are revoked; want %s", got, test.want)
			}
		})
	}
}

func issuedBefore(at time.Time) *revocationv1.NewRevocation_IssuedBeforeTime {
	return &revocationv1.NewRevocation_IssuedBeforeTime{IssuedBeforeTime: timestamppb.New(at)}
}

func TestInvalidRevocationsAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	otto := r.issuer.Session("user_otto")
	target := func(t store.Target) *revocationv1.NewRevocation {
		return &revocationv1.NewRevocation{Target: targetMessage(t)}
	}
	good := func(change func(*revocationv1.NewRevocation)) *revocationv1.NewRevocation {
		revocation := r.ofSession("x")
		change(revocation)
		return revocation
	}
	timestamp := func(at *timestamppb.Timestamp) *revocationv1.NewRevocation {
		return good(func(n *revocationv1.NewRevocation) {
			n.Extent = &revocationv1.NewRevocation_IssuedBeforeTime{IssuedBeforeTime: at}
		})
	}
	tests := map[string]struct {
		revocation *revocationv1.NewRevocation
		want       []string
	}{
		"none at all":                   {nil, []string{"target"}},
		"no target":                     {&revocationv1.NewRevocation{}, []string{"target"}},
		"an empty target":               {&revocationv1.NewRevocation{Target: &revocationv1.Target{}}, []string{"target"}},
		"no session":                    {&revocationv1.NewRevocation{Target: &revocationv1.Target{Target: &revocationv1.Target_Session{Session: &revocationv1.SessionRef{}}}}, []string{"target.session.issuer", "target.session.session_id", "target.session.subject"}},
		"no id":                         {r.ofSession(""), []string{"target.session.session_id"}},
		"no subject":                    {target(store.Target{Kind: "subject"}), []string{"target.subject.issuer", "target.subject.subject"}},
		"no token":                      {target(store.Target{Kind: "token"}), []string{"target.token.issuer", "target.token.token_id"}},
		"no client":                     {target(store.Target{Kind: "client"}), []string{"target.client.issuer", "target.client.client_id", "extent"}},
		"no machine":                    {target(store.Target{Kind: "machine"}), []string{"target.machine.issuer", "target.machine.subject", "extent"}},
		"a client without an extent":    {target(store.Target{Kind: "client", Issuer: r.issuer.URL(), Value: "client_1"}), []string{"extent"}},
		"a machine without an extent":   {target(store.Target{Kind: "machine", Issuer: r.issuer.URL(), Value: "mch_robo"}), []string{"extent"}},
		"no issuer":                     {target(store.Target{Kind: "issuer"}), []string{"target.entire_issuer.issuer"}},
		"an issuer that is not trusted": {target(store.Target{Kind: "session", Value: "x", Issuer: r.issuer.URL() + "/"}), []string{"target.session.issuer"}},
		"no organization":               {target(store.Target{Kind: "organization"}), []string{"target.organization.issuer", "target.organization.organization_id"}},
		"no member":                     {target(store.Target{Kind: "member"}), []string{"target.member.issuer", "target.member.organization_id", "target.member.subject"}},
		"a member with a NUL":           {target(store.Target{Kind: "member", Issuer: r.issuer.URL(), Value: "org_acme", Subject: "a\x00b"}), []string{"target.member.subject"}},
		"a grant": {
			&revocationv1.NewRevocation{Target: &revocationv1.Target{Target: &revocationv1.Target_Grant{Grant: &revocationv1.GrantRef{}}}},
			[]string{"target.grant"},
		},
		"an instant to come":                          {timestamp(timestamppb.New(time.Now().Add(time.Hour))), []string{"issued_before_time"}},
		"an instant that is none":                     {timestamp(&timestamppb.Timestamp{Nanos: -1}), []string{"issued_before_time"}},
		"the instant that stands for none in storage": {timestamp(&timestamppb.Timestamp{}), []string{"issued_before_time"}},
		"a cause of two lines":                        {good(func(n *revocationv1.NewRevocation) { n.Cause = "lost\nphone" }), []string{"cause"}},
		"an id with a control":                        {r.ofSession("a\x7f"), []string{"target.session.session_id"}},
		"a subject with a NUL":                        {target(store.Target{Kind: "subject", Issuer: r.issuer.URL(), Value: "a\x00b"}), []string{"target.subject.subject"}},
		"an endless id":                               {r.ofSession(strings.Repeat("x", token.DefaultMaxTokenBytes+1)), []string{"target.session.session_id"}},
		"an endless cause":                            {good(func(n *revocationv1.NewRevocation) { n.Cause = strings.Repeat("ü", 500+1) }), []string{"cause"}},
		"several things at once":                      {&revocationv1.NewRevocation{Cause: "a\tb"}, []string{"target", "cause"}},
	}
	var rows []*revocationv1.NewRevocation
	var faults [][]string
	for name, test := range tests {
		var prefixed []string
		for _, field := range test.want {
			prefixed = append(prefixed, "revocations[1]."+field)
		}
		for protocol, tr := range r.transports() {
			_, err := tr.revocations(t, otto).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{
				Revocations: []*revocationv1.NewRevocation{r.ofSession("good"), test.revocation},
			})
			wantFaults(t, name+" over "+protocol, err, prefixed...)
		}
		rows, faults = append(rows, test.revocation, r.ofSession("good_"+name)), append(faults, test.want)
	}
	if kept := r.revocationsKept(t); kept != 0 {
		t.Errorf("%d are revoked; want none, since all or none are", kept)
	}
	// In bulk each is named, and the good ones between them are used. One message
	// holds a row that is nil, which is sent as an empty one.
	for protocol, tr := range r.transports() {
		summary, err := send(t, tr.revocations(t, otto), rows[:7], nil, rows[7:])
		if err != nil || summary.GetImportedCount() != int64(len(tests)) || summary.GetRejectedCount() != int64(len(tests)) || len(summary.GetRejectedRevocations()) != len(tests) {
			t.Fatalf("%s: %v, error %v", protocol, summary, err)
		}
		for i, rejected := range summary.GetRejectedRevocations() {
			var fields []string
			for _, violation := range rejected.GetViolations() {
				fields = append(fields, violation.GetField())
			}
			if rejected.GetIndex() != int64(2*i) || !slices.Equal(fields, faults[i]) {
				t.Errorf("%s: row %d is %v; want %s", protocol, 2*i, rejected, faults[i])
			}
		}
	}
	if kept := r.revocationsKept(t); kept != len(tests) {
		t.Errorf("%d are revoked; want the %d good ones, each once", kept, len(tests))
	}
}

func TestOneCallRevokesAThousandAtMost(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	client := r.revocations(t, r.issuer.Session("user_otto"))
	for _, n := range []int{0, 1001} {
		_, err := client.RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: r.rowsOf("sess_", n)})
		wantFaults(t, fmt.Sprint(n), err, "revocations")
	}
	res, err := client.RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{Revocations: r.rowsOf("sess_", 1000)})
	if err != nil || len(res.GetRevocations()) != 1000 || r.revocationsKept(t) != 1000 {
		t.Fatalf("%d, error %v; want 1000", len(res.GetRevocations()), err)
	}
	for i, revocation := range res.GetRevocations() {
		if revocation.GetTarget().GetSession().GetSessionId() != fmt.Sprint("sess_", i) {
			t.Fatalf("answer %d is %v; want them in the order of the request", i, revocation)
		}
	}
}

// What is answered is what is listed later.
func TestARevocationIsAnsweredAsItIsListed(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	operator := r.issuer.Session("user_otto", authtest.With("sid", "otto"))
	subject := &revocationv1.NewRevocation{Target: targetMessage(store.Target{Kind: "subject", Issuer: r.issuer.URL(), Value: "user_ada"}), Cause: "stolen"}
	until := r.ofSession("sess_1")
	until.Extent = issuedBefore(time.Now().Add(-time.Minute).Truncate(time.Microsecond).Add(time.Nanosecond))
	answered, err := r.revocations(t, operator).RevokeTokens(t.Context(), &revocationv1.RevokeTokensRequest{
		Revocations: []*revocationv1.NewRevocation{subject, until, r.ofSession("sess_2")},
	})
	if err != nil {
		t.Fatal(err)
	}
	listed, err := r.revocations(t, operator).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{})
	if err != nil || len(listed.GetRevocations()) != 3 || len(answered.GetRevocations()) != 3 {
		t.Fatalf("%v, error %v", listed, err)
	}
	ids := make(map[string]bool)
	for i, want := range answered.GetRevocations() {
		if got := listed.GetRevocations()[i]; !proto.Equal(got, want) {
			t.Errorf("listed as %v; answered was %v", got, want)
		}
		ids[want.GetRevocationId()] = true
		if caller := want.GetOrigin().GetCaller(); caller.GetIssuer() != r.issuer.URL() || caller.GetSubject() != "user_otto" || caller.GetSessionId() != "otto" || caller.GetActor() != nil {
			t.Errorf("made by %v", want.GetOrigin())
		}
	}
	if len(ids) != 3 || ids[""] {
		t.Errorf("the ids are %v; want three", ids)
	}
	again, err := r.again(t).revocations(t, operator).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{})
	if err != nil || !proto.Equal(again.GetRevocations()[2], listed.GetRevocations()[2]) {
		t.Errorf("after a restart: %v, error %v; want %v", again, err, listed)
	}
}

func TestRevocationsInBulk(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	otto := r.issuer.Session("user_otto")
	const good, bad = 2*ledger.BatchSize + 17, maxRejected + 3
	var rows []*revocationv1.NewRevocation
	for i := range good {
		rows = append(rows, r.ofSession(fmt.Sprint("sess_", i)))
	}
	for range bad {
		rows = append(rows, r.ofSession(""))
	}
	summary, err := send(t, r.transports()["native gRPC"].revocations(t, otto), rows[:1], rows[1:ledger.BatchSize], rows[ledger.BatchSize:])
	if err != nil || summary.GetImportedCount() != good || summary.GetRejectedCount() != bad || len(summary.GetRejectedRevocations()) != maxRejected {
		t.Fatalf("imported %d, rejected %d, of which %d are named, error %v", summary.GetImportedCount(), summary.GetRejectedCount(), len(summary.GetRejectedRevocations()), err)
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
		if revocation.GetTarget().GetSession().GetSessionId() != fmt.Sprint("sess_", i) || revocation.GetOrigin().GetBulkImport().GetCaller().GetSubject() != "user_otto" {
			t.Fatalf("number %d is %v", i, revocation)
		}
	}
}

func TestWhatIsInForceIsNotImportedAgain(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	client := r.revocations(t, r.issuer.Session("user_otto"))
	subject := func(extent string) *revocationv1.NewRevocation {
		n := &revocationv1.NewRevocation{Target: targetMessage(store.Target{Kind: "subject", Issuer: r.issuer.URL(), Value: "user_ada"})}
		switch extent {
		case "all":
			n.Extent = &revocationv1.NewRevocation_AllTokens{AllTokens: &revocationv1.AllTokens{}}
		case "hour":
			n.Extent = issuedBefore(time.Now().Add(-time.Hour))
		case "day":
			n.Extent = issuedBefore(time.Now().Add(-24 * time.Hour))
		}
		return n
	}
	kept := 0
	for _, step := range []struct {
		name string
		rows []*revocationv1.NewRevocation
		made int
	}{
		{"two sessions, one of them twice", []*revocationv1.NewRevocation{r.ofSession("a"), r.ofSession("b"), r.ofSession("a")}, 2},
		{"the same again, and one more", []*revocationv1.NewRevocation{r.ofSession("a"), r.ofSession("b"), r.ofSession("c")}, 1},
		{"a subject up to a day ago", []*revocationv1.NewRevocation{subject("day")}, 1},
		{"it up to an hour ago", []*revocationv1.NewRevocation{subject("hour")}, 1},
		{"less than that", []*revocationv1.NewRevocation{subject("day")}, 0},
		{"it for good", []*revocationv1.NewRevocation{subject("all")}, 1},
		{"less than that", []*revocationv1.NewRevocation{subject("all"), subject("hour"), subject("")}, 0},
	} {
		summary, err := send(t, client, step.rows)
		if err != nil || summary.GetImportedCount() != int64(len(step.rows)) || summary.GetRejectedCount() != 0 {
			t.Errorf("%s: %v, error %v; want all of %d imported", step.name, summary, err, len(step.rows))
		}
		if kept += step.made; r.revocationsKept(t) != kept {
			t.Fatalf("%s: %d are kept; want %d", step.name, r.revocationsKept(t), kept)
		}
	}
}

func TestWhoReallyRevokedIsKept(t *testing.T) {
	t.Parallel()
	r := start(t)
	token := r.issuer.Session("user_ada", authtest.With("sid", "ada"), authtest.With("act", map[string]any{"sub": "user_support", "iss": "https://staff.example.com"}))
	res, err := r.sessions(t, token).RevokeSession(t.Context(), revokeCurrent())
	if err != nil || len(res.GetRevocations()) != 1 {
		t.Fatalf("%v, error %v", res, err)
	}
	caller := res.GetRevocations()[0].GetOrigin().GetCaller()
	if caller.GetSubject() != "user_ada" || caller.GetSessionId() != "ada" || caller.GetActor().GetSubject() != "user_support" || caller.GetActor().GetIssuer() != "https://staff.example.com" {
		t.Errorf("%v; want user_support as the actor", caller)
	}
}

// Who revoked, and why, is for operators and for the one who did it.
func TestWhoMayKnowWhoRevoked(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, cast)
	req := r.revokeReq("ben")
	req.Cause = "left the company"
	res, err := r.sessions(t, cast["ada-1"]).RevokeSession(t.Context(), req)
	if err != nil || res.GetRevocations()[0].GetCause() != req.GetCause() {
		t.Fatalf("%v, error %v", res, err)
	}
	again := r.issuer.Session("user_ben", authtest.With("sid", "ben-2"), authtest.InOrganization("org_acme", "acme", "member"))
	for who, test := range map[string]struct {
		token string
		knows bool
	}{
		"the administrator who did it": {cast["ada-1"], true},
		"an operator":                  {cast["otto"], true},
		"the subject of the session":   {again, false},
	} {
		got, err := r.sessions(t, test.token).GetSession(t.Context(), r.getReq("ben"))
		revocation := got.GetSession().GetRevocation()
		if err != nil || got.GetSession().GetState() != revoked || revocation.GetTarget().GetSession().GetSubject() != "user_ben" || revocation.GetCreateTime() == nil {
			t.Errorf("%s: %v, error %v; want it revoked", who, got, err)
		}
		if (revocation.GetOrigin() != nil) != test.knows || (revocation.GetCause() != "") != test.knows {
			t.Errorf("%s: %v; want to know who did it, and why: %t", who, revocation, test.knows)
		}
	}
}
