package server

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
)

const importProcedure = revocationv1connect.RevocationServiceImportRevocationsProcedure

// revokeBy calls a method that revokes.
func (tr endpoint) revokeBy(t *testing.T, procedure, token string, request proto.Message) (ended int64, err error) {
	t.Helper()
	switch req := request.(type) {
	case *sessionv1.RevokeSessionRequest:
		res, err := tr.sessions(t, token).RevokeSession(t.Context(), req)
		return int64(len(res.GetRevocations())), err
	case *sessionv1.RevokeSubjectRequest:
		res, err := tr.sessions(t, token).RevokeSubject(t.Context(), req)
		return int64(len(res.GetRevocations())), err
	case *revocationv1.RevokeTokensRequest:
		if procedure == importProcedure {
			res, err := send(t, tr.revocations(t, token), req.GetRevocations())
			return res.GetImportedCount(), err
		}
		res, err := tr.revocations(t, token).RevokeTokens(t.Context(), req)
		return int64(len(res.GetRevocations())), err
	default:
		t.Fatalf("%T revokes nothing", request)
		return 0, nil
	}
}

// requestOf returns an empty request of a method. That of an import stands for its only
// message.
func requestOf(procedure string) proto.Message {
	switch procedure {
	case revokeSessionProcedure:
		return new(sessionv1.RevokeSessionRequest)
	case revokeSubjectProcedure:
		return new(sessionv1.RevokeSubjectRequest)
	default:
		return new(revocationv1.RevokeTokensRequest)
	}
}

// goodRequest returns a request that ends the session or the subject of ben.
func (r *running) goodRequest(t *testing.T, procedure string) proto.Message {
	t.Helper()
	method, ok := destroying[procedure]
	if !ok {
		method = destroying[revokeTokensProcedure]
	}
	request := requestOf(procedure)
	if err := protojson.Unmarshal([]byte(strings.ReplaceAll(method.good, "$ISS", r.issuer.URL())), request); err != nil {
		t.Fatal(err)
	}
	return request
}

// nothingEnded returns a check that there is no revocation and that everybody can go on,
// over one connection.
func (r *running) nothingEnded(t *testing.T, cast map[string]string) func(after string) {
	t.Helper()
	client := r.nativeClient(t)
	return func(after string) {
		t.Helper()
		for who, token := range cast {
			if _, err := client.WhoAmI(withBearer(t.Context(), token), &identityv1.WhoAmIRequest{}); err != nil {
				t.Fatalf("after %s, %s is refused: %v", after, who, err)
			}
		}
		if kept := r.revocationsKept(t); kept != 0 {
			t.Fatalf("after %s there are %d revocations", after, kept)
		}
	}
}

func withBearer(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// allDestroying are the methods that revoke.
var allDestroying = []string{revokeSessionProcedure, revokeSubjectProcedure, revokeTokensProcedure, importProcedure}

// mistakesOf returns the mistaken requests of a method, in JSON.
func (r *running) mistakesOf(procedure string) map[string]string {
	if procedure == importProcedure {
		procedure = revokeTokensProcedure
	}
	all := maps.Clone(ownMistakes[procedure])
	for name, mistake := range mistakes {
		all[name] = expand(destroying[procedure], mistake)
	}
	for name, body := range all {
		all[name] = strings.ReplaceAll(body, "$ISS", r.issuer.URL())
	}
	return all
}

// TestMistakenMessagesEndNothing sends what a client without strict JSON makes of each
// mistake, in every protocol, and the mistakes that only a message can have.
func TestMistakenMessagesEndNothing(t *testing.T) {
	t.Parallel()
	for _, protocol := range transportNames() {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator)
			tr := r.transports()[protocol]
			cast := r.cast()
			r.seen(t, cast)
			check := r.nothingEnded(t, cast)
			for _, procedure := range allDestroying {
				messages := r.mistakenMessages(t, procedure)
				if len(messages) < 40 {
					t.Errorf("%s: only %d mistakes", procedure, len(messages))
				}
				for name, message := range messages {
					ended, err := tr.revokeBy(t, procedure, cast["otto"], message)
					if procedure != importProcedure {
						wantError(t, procedure+" with "+name, err, errorv1.Reason_REASON_INVALID_REQUEST)
					}
					if ended != 0 {
						t.Errorf("%s with %s: ended %d", procedure, name, ended)
					}
					check(procedure + " with " + name)
				}
			}
			for _, procedure := range allDestroying {
				if ended, err := tr.revokeBy(t, procedure, cast["otto"], r.goodRequest(t, procedure)); err != nil || ended != 1 {
					t.Errorf("%s without a mistake: %d, %v", procedure, ended, err)
				}
			}
		})
	}
}

// mistakenMessages returns requests that name nothing, or nothing that there can be.
func (r *running) mistakenMessages(t *testing.T, procedure string) map[string]proto.Message {
	t.Helper()
	messages := make(map[string]proto.Message)
	for name, body := range r.mistakesOf(procedure) {
		message := requestOf(procedure)
		if protojson.Unmarshal([]byte(body), message) != nil {
			// What a misspelt field leaves must be nothing; else it is another request.
			lenient := protojson.UnmarshalOptions{DiscardUnknown: true}
			if lenient.Unmarshal([]byte(body), message) != nil || !proto.Equal(message, requestOf(procedure)) {
				continue
			}
		}
		messages[name] = message
	}
	session := func(edit func(*revocationv1.SessionRef)) *revocationv1.SessionRef {
		ref := sessionRef(r.issuer.URL(), "ben", "user_ben")
		edit(ref)
		return ref
	}
	for name, ref := range map[string]*revocationv1.SessionRef{
		"a session that is empty":        {},
		"a session of an empty owner":    session(func(s *revocationv1.SessionRef) { s.Owner = &revocationv1.SessionRef_Subject{} }),
		"a session without owner":        session(func(s *revocationv1.SessionRef) { s.Owner = nil }),
		"a session without id":           session(func(s *revocationv1.SessionRef) { s.SessionId = "" }),
		"a session without issuer":       session(func(s *revocationv1.SessionRef) { s.Issuer = "" }),
		"any session of any subject":     session(func(s *revocationv1.SessionRef) { s.SessionId = ""; s.Owner = sessionRef("", "", "").GetOwner() }),
		"a session with a NUL in its id": session(func(s *revocationv1.SessionRef) { s.SessionId = "ben\x00" }),
		"a session with a huge id":       session(func(s *revocationv1.SessionRef) { s.SessionId = strings.Repeat("b", 1<<20) }),
		"a session with a huge owner": session(func(s *revocationv1.SessionRef) {
			s.Owner = &revocationv1.SessionRef_Subject{Subject: strings.Repeat("u", 1<<20)}
		}),
		"a session of an owner with DEL":    session(func(s *revocationv1.SessionRef) { s.Owner = &revocationv1.SessionRef_Subject{Subject: "user_ben\x7f"} }),
		"a session of an untrusted issuer":  session(func(s *revocationv1.SessionRef) { s.Issuer += ".evil.example.com" }),
		"a session of an issuer with space": session(func(s *revocationv1.SessionRef) { s.Issuer += " " }),
	} {
		switch procedure {
		case revokeSessionProcedure:
			messages[name] = &sessionv1.RevokeSessionRequest{Target: &sessionv1.RevokeSessionRequest_Session{Session: ref}}
		case revokeTokensProcedure, importProcedure:
			messages[name] = &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{
				{Target: &revocationv1.Target{Target: &revocationv1.Target_Session{Session: ref}}},
			}}
		}
	}
	for name, ref := range map[string]*revocationv1.SubjectRef{
		"a subject that is empty":       {},
		"a subject without issuer":      {Subject: "user_ben"},
		"a subject without name":        {Issuer: r.issuer.URL()},
		"a subject with a line break":   {Issuer: r.issuer.URL(), Subject: "user_ben\r\n"},
		"a subject with a huge name":    {Issuer: r.issuer.URL(), Subject: strings.Repeat("u", 1<<20)},
		"a subject of another issuer":   {Issuer: "https://other.example.com", Subject: "user_ben"},
		"a subject of half an issuer":   {Issuer: strings.TrimPrefix(r.issuer.URL(), "http://"), Subject: "user_ben"},
		"a subject of a longer issuer":  {Issuer: r.issuer.URL() + "/", Subject: "user_ben"},
		"a subject with escapes":        {Issuer: r.issuer.URL(), Subject: "user_ben\x1b[2J"},
		"a subject with a control (C1)": {Issuer: r.issuer.URL(), Subject: "user_ben\u0085"},
	} {
		switch procedure {
		case revokeSubjectProcedure:
			messages[name] = &sessionv1.RevokeSubjectRequest{Target: &sessionv1.RevokeSubjectRequest_Subject{Subject: ref}}
		case revokeTokensProcedure, importProcedure:
			messages[name] = &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{
				{Target: &revocationv1.Target{Target: &revocationv1.Target_Subject{Subject: ref}}},
			}}
		}
	}
	// A case of the oneof that comes with a later version, which an older client sends
	// and this server does not know.
	later := requestOf(procedure)
	later.ProtoReflect().SetUnknown([]byte{0xa2, 0x06, 0x02, 'b', 'n'}) // field 100
	messages["a target of a later version"] = later
	if procedure == revokeTokensProcedure || procedure == importProcedure {
		target := new(revocationv1.Target)
		target.ProtoReflect().SetUnknown([]byte{0xa2, 0x06, 0x02, 'b', 'n'})
		messages["a kind of target of a later version"] = &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{{Target: target}}}
	}
	if procedure == importProcedure { // which makes those that are right
		delete(messages, "one that is right beside one that is not")
		delete(messages, "more revocations than allowed")
		maps.DeleteFunc(messages, func(name string, _ proto.Message) bool { return strings.HasPrefix(name, "a request_id") }) // which it has none of
	}
	return messages
}

// TestMistakenImportsEndNothing sends the mistakes as a stream of JSON.
func TestMistakenImportsEndNothing(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, cast)
	check := r.nothingEnded(t, cast)
	all := r.mistakesOf(importProcedure)
	delete(all, "one that is right beside one that is not") // of which the right one is made
	delete(all, "more revocations than allowed")            // which an import may have
	if len(all) < 40 {
		t.Errorf("only %d mistakes", len(all))
	}
	header := map[string]string{"Content-Type": "application/connect+json", "Authorization": "Bearer " + cast["otto"]}
	for name, body := range all {
		_, _, answer := r.send(t, http.MethodPost, importProcedure, header, string(enveloped([]byte(body))))
		var summary struct{ ImportedCount string }
		if len(answer) > 5 {
			_ = json.NewDecoder(strings.NewReader(answer[5:])).Decode(&summary)
		}
		if refused := strings.Contains(answer, `"INVALID_REQUEST"`); summary.ImportedCount != "" || !refused && !strings.HasPrefix(answer[min(5, len(answer)):], "{") {
			t.Errorf("%s: %s\nanswer %q; want INVALID_REQUEST, or that nothing was imported", name, clip(body), clip(answer))
		}
		check(name)
	}
	_, _, answer := r.send(t, http.MethodPost, importProcedure, header, string(enveloped([]byte(strings.ReplaceAll(destroying[revokeTokensProcedure].good, "$ISS", r.issuer.URL())))))
	if !strings.Contains(answer, `"importedCount":"1"`) {
		t.Errorf("without a mistake: %q", answer)
	}
}

// TestACallerWhoMayNotEndItEndsNothing sends right requests for callers who may not end what
// they name, in every protocol.
func TestACallerWhoMayNotEndItEndsNothing(t *testing.T) {
	t.Parallel()
	elsewhere := hourIssuer{authtest.Start(t)}
	for _, protocol := range transportNames() {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := start(t, func(c *settings.Config) {
				kinds := []auth.TokenKind{auth.KindSession, auth.KindMachine, auth.KindOAuth}
				c.Issuers[0].Kinds = kinds
				c.Issuers = append(c.Issuers, settings.Issuer{URL: elsewhere.URL(), AllowAnyAudience: true, Kinds: kinds})
				c.OperatorSubjects = []string{c.Issuers[0].URL + "#user_otto"}
				c.OperatorPermission = "tokens:revoke"
			})
			eventually(t, "the keys are there", r.ready)
			tr := r.transports()[protocol]
			cast := r.cast()
			r.seen(t, cast)
			check := r.nothingEnded(t, cast)
			sid := authtest.With("sid", "ben")
			acted := authtest.With("act", map[string]any{"sub": "user_eve", "iss": r.issuer.URL()})
			permitted := authtest.InOrganization("org_acme", "acme", "admin", "tokens:revoke")
			const notFound, denied = "SESSION_NOT_FOUND", "PERMISSION_REQUIRED"
			for who, caller := range map[string]struct{ token, session, other string }{
				"nobody":                                  {"", "TOKEN_MISSING", "TOKEN_MISSING"},
				"text that is no token":                   {"ben", "TOKEN_MALFORMED", "TOKEN_MALFORMED"},
				"an expired operator":                     {r.issuer.Session("user_otto", authtest.IssuedAt(time.Now().Add(-3*time.Hour))), "TOKEN_EXPIRED", "TOKEN_EXPIRED"},
				"an operator before time":                 {r.issuer.Session("user_otto", authtest.IssuedAt(time.Now().Add(time.Hour))), "TOKEN_NOT_YET_VALID", "TOKEN_NOT_YET_VALID"},
				"an operator by another key":              {r.issuer.Session("user_otto", authtest.SignedBy(authtest.NewKey("RS256").WithID(r.issuer.Key().ID()))), "SIGNATURE_INVALID", "SIGNATURE_INVALID"},
				"an operator's name at another issuer":    {elsewhere.Session("user_otto"), notFound, denied},
				"the subject's name at another issuer":    {elsewhere.Session("user_ben", sid), notFound, denied},
				"another user":                            {cast["cleo"], notFound, denied},
				"another user with the session's id":      {r.issuer.Session("user_mallory", sid), notFound, denied},
				"an administrator elsewhere":              {cast["dora"], notFound, denied},
				"an administrator of that name elsewhere": {elsewhere.Session("user_eve", authtest.InOrganization("org_acme", "acme", "admin")), notFound, denied},
				"a member":                                {r.issuer.Session("user_bea", authtest.InOrganization("org_acme", "acme", "member")), notFound, denied},
				"a machine":                               {r.issuer.Machine("mch_robo"), notFound, denied},
				"a machine with the session's id":         {r.issuer.Machine("mch_robo", sid), notFound, denied},
				"who impersonates an operator":            {r.issuer.Session("user_otto", acted), notFound, denied},
				"who impersonates the permitted":          {r.issuer.Session("user_pam", permitted, acted), notFound, denied},
				"who impersonates the administrator":      {r.issuer.Session("user_ada", authtest.InOrganization("org_acme", "acme", "admin"), acted), notFound, denied},
				"an application of an operator":           {r.issuer.OAuth("user_otto"), notFound, denied},
				"an application of the administrator":     {r.issuer.OAuth("user_ada", authtest.InOrganization("org_acme", "acme", "admin")), notFound, denied},
				"an application with a scope like it":     {r.issuer.OAuth("user_otto", authtest.With("scope", "tokens:revoke:own tokens")), notFound, denied},
				"who impersonates the subject elsewhere":  {r.issuer.Session("user_ben", authtest.With("sid", "support"), acted), denied, denied},
				"an application of the subject":           {r.issuer.OAuth("user_ben"), denied, denied},
				"a scope of somebody who is no operator":  {r.issuer.OAuth("user_cleo", authtest.With("scope", "tokens:revoke")), notFound, denied},
			} {
				for _, procedure := range allDestroying {
					want := caller.other
					if procedure == revokeSessionProcedure {
						want = caller.session
					}
					ended, err := tr.revokeBy(t, procedure, caller.token, r.goodRequest(t, procedure))
					if info := errorInfoOf(t, err); info.GetReason() != want || ended != 0 {
						t.Errorf("%s calls %s: ended %d, %v; want %s", who, procedure, ended, err, want)
					}
					check(procedure + " of " + who)
				}
			}
		})
	}
}

// TestAReplayedRequestEndsNothingElse sends a request_id again, with another request, by
// another caller and to another method.
func TestAReplayedRequestEndsNothingElse(t *testing.T) {
	t.Parallel()
	for _, protocol := range transportNames() {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := start(t, withOperator)
			tr := r.transports()[protocol]
			cast := r.cast()
			r.seen(t, cast)
			const id = "0b5d1c1e-0000-4000-8000-000000000001"
			named := func(session, requestID string) *sessionv1.RevokeSessionRequest {
				req := r.revokeReq(session)
				req.RequestId = requestID
				return req
			}
			if _, err := tr.sessions(t, cast["otto"]).RevokeSession(t.Context(), named("dora", id)); err != nil {
				t.Fatal(err)
			}
			tokens := func(session string) *revocationv1.RevokeTokensRequest {
				return &revocationv1.RevokeTokensRequest{Revocations: []*revocationv1.NewRevocation{r.ofSession(session)}, RequestId: id + "t"}
			}
			if _, err := tr.revocations(t, cast["otto"]).RevokeTokens(t.Context(), tokens("nobody")); err != nil {
				t.Fatal(err)
			}
			kept := r.revocationsKept(t)
			caused := named("dora", id)
			caused.Cause = "stolen"
			anothers := named("dora", id)
			anothers.GetSession().Owner = &revocationv1.SessionRef_Subject{Subject: "user_dora"}
			own := revokeCurrent()
			own.RequestId = id
			several := tokens("nobody")
			several.Revocations = append(several.Revocations, r.ofSession("ben"))
			for name, test := range map[string]struct {
				request   proto.Message
				procedure string
			}{
				"another session":            {named("ben", id), revokeSessionProcedure},
				"its own session":            {own, revokeSessionProcedure},
				"another cause":              {caused, revokeSessionProcedure},
				"the same with its subject":  {anothers, revokeSessionProcedure},
				"another token's revocation": {tokens("ben"), revokeTokensProcedure},
				"one more":                   {several, revokeTokensProcedure},
			} {
				_, err := tr.revokeBy(t, test.procedure, cast["otto"], test.request)
				wantError(t, name, err, errorv1.Reason_REASON_REQUEST_ID_REUSED)
				if connect.CodeOf(err) != connect.CodeFailedPrecondition {
					t.Errorf("%s: %v; want failed precondition", name, err)
				}
			}
			// A caller who may not end it does not get the answer either.
			for who, want := range map[string]string{"cleo": "SESSION_NOT_FOUND", "ben": "SESSION_NOT_FOUND"} {
				_, err := tr.sessions(t, cast[who]).RevokeSession(t.Context(), named("dora", id))
				if reason := errorInfoOf(t, err).GetReason(); reason != want {
					t.Errorf("%s: %v; want %s", who, err, want)
				}
				_, err = tr.revocations(t, cast[who]).RevokeTokens(t.Context(), tokens("nobody"))
				if reason := errorInfoOf(t, err).GetReason(); reason != "PERMISSION_REQUIRED" {
					t.Errorf("%s: %v; want PERMISSION_REQUIRED", who, err)
				}
			}
			if now := r.revocationsKept(t); now != kept {
				t.Errorf("%d revocations; want the %d from before", now, kept)
			}
			for _, who := range []string{"ada-1", "ada-2", "ben", "cleo", "otto"} {
				r.wantAdmitted(t, who, cast[who])
			}
		})
	}
}

// TestAMisspeltFieldEndsNobodysSession has the examples by which the zero value was found
// to destroy.
func TestAMisspeltFieldEndsNobodysSession(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) {
		c.Issuers[0].Kinds = []auth.TokenKind{auth.KindSession, auth.KindMachine}
		c.OperatorSubjects = []string{"mch_robo"}
	})
	cast := r.cast()
	r.seen(t, cast)
	robo := r.issuer.Machine("mch_robo")
	for _, test := range []struct{ procedure, token, body string }{
		{revokeSubjectProcedure, robo, `{"user":"user_ben","cause":"stolen"}`},
		{revokeSubjectProcedure, robo, `{}`},
		{revokeSubjectProcedure, cast["ada-1"], `{}`},
		{revokeSessionProcedure, cast["ada-1"], `{"sessionID":"ben"}`},
		{revokeSessionProcedure, cast["ada-1"], `{}`},
		{revokeTokensProcedure, robo, `{}`},
		{revokeTokensProcedure, robo, fmt.Sprintf(`{"revocations":[{"target":{"entireIssuer":{"issuer":%q}},"issued_before":"2020-01-01T00:00:00Z"}]}`, r.issuer.URL())},
	} {
		if reason, answer := r.refusalOf(t, test.procedure, test.token, test.body); reason != "INVALID_REQUEST" {
			t.Errorf("%s with %s: %s; want INVALID_REQUEST", test.procedure, test.body, answer)
		}
		r.wantAdmitted(t, "robo", robo)
		for who, token := range cast {
			r.wantAdmitted(t, who, token)
		}
		if kept := r.revocationsKept(t); kept != 0 {
			t.Errorf("%s with %s: %d revocations; want none", test.procedure, test.body, kept)
		}
	}
}
