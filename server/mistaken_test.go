package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

const (
	revokeSessionProcedure = sessionv1connect.SessionServiceRevokeSessionProcedure
	revokeSubjectProcedure = sessionv1connect.SessionServiceRevokeSubjectProcedure
	revokeTokensProcedure  = revocationv1connect.RevocationServiceRevokeTokensProcedure
)

// What stands in the requests below.
const (
	benSession = `{"issuer":"$ISS","sessionId":"ben","subject":"user_ben"}`
	benSubject = `{"issuer":"$ISS","subject":"user_ben"}`
	benRevoked = `{"target":{"session":` + benSession + `}}`
)

// destroying are the methods that revoke, with a request that does and the part of it that
// names what is revoked.
var destroying = map[string]struct{ good, name, member string }{
	revokeSessionProcedure: {`{"session":` + benSession + `}`, benSession, "session"},
	revokeSubjectProcedure: {`{"subject":` + benSubject + `}`, benSubject, "subject"},
	revokeTokensProcedure:  {`{"revocations":[` + benRevoked + `]}`, `[` + benRevoked + `]`, "revocations"},
}

// mistakes are requests that each of these methods refuses. GOOD stands for a request
// that is right, NAME for what it names, and MEMBER for the member that it is in.
var mistakes = map[string]string{
	"nothing at all":                        ``,
	"an empty object":                       `{}`,
	"null":                                  `null`,
	"a list":                                `[GOOD]`,
	"a text":                                `"ben"`,
	"a number":                              `1`,
	"half a request":                        `{"MEMBER":`,
	"two requests":                          `GOODGOOD`,
	"a request and more":                    `GOOD x`,
	"a form":                                `session=ben`,
	"only a cause":                          `{"cause":"stolen"}`,
	"only a request_id":                     `{"requestId":"1"}`,
	"a misspelt user":                       `{"user":"user_ben"}`,
	"a user_id":                             `{"user_id":"user_ben"}`,
	"a sub":                                 `{"sub":"user_ben"}`,
	"a sid":                                 `{"sid":"ben"}`,
	"a bare session id":                     `{"sessionId":"ben"}`,
	"a session id in capitals":              `{"sessionID":"ben"}`,
	"a bare session_id with an issuer":      `{"issuer":"$ISS","session_id":"ben"}`,
	"a bare subject_id with an issuer":      `{"issuer":"$ISS","subjectId":"user_ben"}`,
	"a bare id":                             `{"id":"ben"}`,
	"everybody, as a star":                  `{"MEMBER":"*"}`,
	"a name in another case":                `{"MEMBERS":NAME}`,
	"the name in a list too much":           `{"MEMBER":[[NAME]]}`,
	"the name as a number":                  `{"MEMBER":7}`,
	"the name as true":                      `{"MEMBER":true}`,
	"the name as a text":                    `{"MEMBER":"ben"}`,
	"null as the name":                      `{"MEMBER":null}`,
	"nothing in the name":                   `{"MEMBER":{}}`,
	"the name twice":                        `{"MEMBER":NAME,"MEMBER":NAME}`,
	"a field too much":                      `{"MEMBER":NAME,"dryRun":true}`,
	"a field too much before the name":      `{"force":false,"MEMBER":NAME}`,
	"a misspelt cause":                      `{"MEMBER":NAME,"reason":"stolen"}`,
	"a request in an envelope":              `{"request":GOOD}`,
	"a request_id that is a number":         `{"MEMBER":NAME,"requestId":1}`,
	"a request_id with a blank":             `{"MEMBER":NAME,"requestId":"a b"}`,
	"a request_id with a line break":        `{"MEMBER":NAME,"requestId":"a\nb"}`,
	"a request_id that is no ASCII":         `{"MEMBER":NAME,"requestId":"ä"}`,
	"a request_id that is too long":         `{"MEMBER":NAME,"requestId":"` + strings.Repeat("a", 129) + `"}`,
	"a filter":                              `{"filter":{"subject":"user_ben"}}`,
	"the untrusted issuer of another":       `OTHER`,
	"an issuer with a slash at its end":     `SLASH`,
	"an issuer in capitals":                 `CAPITALS`,
	"an empty issuer":                       `EMPTYISSUER`,
	"no issuer":                             `NOISSUER`,
	"an empty id":                           `EMPTYID`,
	"an id with a line break":               `BROKENID`,
	"an id that is far too long":            `LONGID`,
	"a name with an unknown field":          `UNKNOWNINNAME`,
	"a name whose issuer is called iss":     `ISS`,
	"text that is no UTF-8":                 "{\"MEMBER\":NAME,\"requestId\":\"\xff\"}",
	"a member with the name of a prototype": `{"__proto__":GOOD}`,
}

// expand makes the request of a method from one of the mistakes.
func expand(method struct{ good, name, member string }, mistake string) string {
	id := `"subject":"user_ben"`
	if strings.Contains(method.good, "sessionId") {
		id = `"sessionId":"ben"`
	}
	key, _, _ := strings.Cut(id, ":")
	change := func(old, to string) string { return strings.ReplaceAll(method.good, old, to) }
	return strings.NewReplacer(
		"OTHER", change("$ISS", "https://other.example.com"), "SLASH", change("$ISS", "$ISS/"),
		"CAPITALS", change("$ISS", "HTTP://LOCALHOST"), "EMPTYISSUER", change("$ISS", ""), "NOISSUER", change(`"issuer":"$ISS",`, ""),
		"EMPTYID", change(id, key+`:""`), "BROKENID", change(id, key+`:"ben\n"`), "LONGID", change(id, key+`:"`+strings.Repeat("b", 20_000)+`"`),
		"UNKNOWNINNAME", change(`"issuer"`, `"realm":"x","issuer"`), "ISS", change(`"issuer"`, `"iss"`),
		"GOOD", method.good, "NAME", method.name, "MEMBER", method.member,
	).Replace(mistake)
}

// ownMistakes are those that only one method can be sent.
var ownMistakes = map[string]map[string]string{
	revokeSessionProcedure: {
		"a session without an owner":            `{"session":{"issuer":"$ISS","sessionId":"ben"}}`,
		"a session with an empty owner":         `{"session":{"issuer":"$ISS","sessionId":"ben","subject":""}}`,
		"a session with null for its owner":     `{"session":{"issuer":"$ISS","sessionId":"ben","subject":null}}`,
		"a session with two owners":             `{"session":{"issuer":"$ISS","sessionId":"ben","subject":"user_ben","anySubject":{}}}`,
		"a named session and one's own":         `{"session":` + benSession + `,"currentSession":{}}`,
		"one's own session as true":             `{"currentSession":true}`,
		"one's own session as null":             `{"currentSession":null}`,
		"one's own session with an id":          `{"currentSession":{"sessionId":"ben"}}`,
		"one's own session, misspelt":           `{"current":{}}`,
		"the subject of another method":         `{"subject":` + benSubject + `}`,
		"one's own subject":                     `{"currentSubject":{}}`,
		"every session of any subject, by none": `{"session":{"issuer":"$ISS","anySubject":{}}}`,
		"a cause of two lines":                  `{"session":` + benSession + `,"cause":"a\nb"}`,
		"a cause that is too long":              `{"session":` + benSession + `,"cause":"` + strings.Repeat("ä", 501) + `"}`,
	},
	revokeSubjectProcedure: {
		"a named subject and oneself":   `{"subject":` + benSubject + `,"currentSubject":{}}`,
		"oneself as true":               `{"currentSubject":true}`,
		"oneself as null":               `{"currentSubject":null}`,
		"oneself with a subject":        `{"currentSubject":{"subject":"user_ben"}}`,
		"oneself, misspelt":             `{"self":{}}`,
		"the session of another method": `{"session":` + benSession + `}`,
		"one's own session":             `{"currentSession":{}}`,
		"any subject":                   `{"subject":{"issuer":"$ISS","anySubject":{}}}`,
		"a cause of two lines":          `{"subject":` + benSubject + `,"cause":"a\nb"}`,
		"a cause that is too long":      `{"subject":` + benSubject + `,"cause":"` + strings.Repeat("ä", 501) + `"}`,
	},
	revokeTokensProcedure: {
		"no revocations":                           `{"revocations":[]}`,
		"a revocation that is null":                `{"revocations":[null]}`,
		"a revocation that is empty":               `{"revocations":[{}]}`,
		"more revocations than allowed":            `{"revocations":[` + strings.Repeat(benRevoked+",", 1000) + benRevoked + `]}`,
		"a target without a case":                  `{"revocations":[{"target":{}}]}`,
		"a target with two cases":                  `{"revocations":[{"target":{"session":` + benSession + `,"subject":` + benSubject + `}}]}`,
		"a target with an unknown case":            `{"revocations":[{"target":{"device":{"id":"1"}}}]}`,
		"an organization without an id":            `{"revocations":[{"target":{"organization":{"issuer":"$ISS"}}}]}`,
		"an organization that is not trusted":      `{"revocations":[{"target":{"organization":{"issuer":"https://other.example.com","organizationId":"org_acme"}}}]}`,
		"an organization with a subject":           `{"revocations":[{"target":{"organization":{"issuer":"$ISS","organizationId":"org_acme","subject":"user_ben"}}}]}`,
		"a member without a subject":               `{"revocations":[{"target":{"member":{"issuer":"$ISS","organizationId":"org_acme"}}}]}`,
		"a member of no organization":              `{"revocations":[{"target":{"member":{"issuer":"$ISS","subject":"user_ben"}}}]}`,
		"a grant":                                  `{"revocations":[{"target":{"grant":{"issuer":"$ISS","clientId":"c","subject":"user_ben"}}}]}`,
		"a token without an id":                    `{"revocations":[{"target":{"token":{"issuer":"$ISS"}}}]}`,
		"a client without an id":                   `{"revocations":[{"target":{"client":{"issuer":"$ISS"}}}]}`,
		"a machine without a subject":              `{"revocations":[{"target":{"machine":{"issuer":"$ISS"}}}]}`,
		"a client without an extent":               `{"revocations":[{"target":{"client":{"issuer":"$ISS","clientId":"c"}}}]}`,
		"a machine without an extent":              `{"revocations":[{"target":{"machine":{"issuer":"$ISS","subject":"m"}}}]}`,
		"a machine with null as its extent":        `{"revocations":[{"target":{"machine":{"issuer":"$ISS","subject":"m"}},"allTokens":null}]}`,
		"an entire issuer that is not named":       `{"revocations":[{"target":{"entireIssuer":{}}}]}`,
		"an entire issuer as true":                 `{"revocations":[{"target":{"entireIssuer":true}}]}`,
		"an entire issuer that is not trusted":     `{"revocations":[{"target":{"entireIssuer":{"issuer":"https://other.example.com"}}}]}`,
		"a misspelt issued_before":                 `{"revocations":[{"target":{"entireIssuer":{"issuer":"$ISS"}},"issuedBefore":"2020-01-01T00:00:00Z"}]}`,
		"an issued_before_time far in the future":  `{"revocations":[{"target":{"entireIssuer":{"issuer":"$ISS"}},"issuedBeforeTime":"2999-01-01T00:00:00Z"}]}`,
		"an issued_before_time that is no time":    `{"revocations":[{"target":{"entireIssuer":{"issuer":"$ISS"}},"issuedBeforeTime":"yesterday"}]}`,
		"an issued_before_time before all tokens":  `{"revocations":[{"target":{"entireIssuer":{"issuer":"$ISS"}},"issuedBeforeTime":"1970-01-01T00:00:00Z"}]}`,
		"two extents":                              `{"revocations":[{"target":{"subject":` + benSubject + `},"issuedBeforeTime":"2020-01-01T00:00:00Z","allTokens":{}}]}`,
		"all tokens as true":                       `{"revocations":[{"target":{"subject":` + benSubject + `},"allTokens":true}]}`,
		"a session without an owner":               `{"revocations":[{"target":{"session":{"issuer":"$ISS","sessionId":"ben"}}}]}`,
		"one that is right beside one that is not": `{"revocations":[` + benRevoked + `,{"target":{}}]}`,
		"a revocation in the singular":             `{"revocation":` + benRevoked + `}`,
		"the target of an older version":           `{"revocations":[{"target":{"kind":"KIND_SUBJECT","id":"user_ben"}}]}`,
	},
}

// TestMistakenRequestsEndNothing sends them as an operator, who may end everything.
func TestMistakenRequestsEndNothing(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, cast)
	for procedure, method := range destroying {
		all := maps.Clone(ownMistakes[procedure])
		for name, mistake := range mistakes {
			all[name] = expand(method, mistake)
		}
		if len(all) < 40 {
			t.Errorf("%s: only %d mistakes", procedure, len(all))
		}
		for name, body := range all {
			body = strings.ReplaceAll(body, "$ISS", r.issuer.URL())
			if reason, answer := r.refusalOf(t, procedure, cast["otto"], body); reason != "INVALID_REQUEST" {
				t.Errorf("%s with %s: %s\nanswer %s; want INVALID_REQUEST", procedure, name, clip(body), clip(answer))
			}
		}
	}
	r.wantNothingEnded(t, cast)
	for procedure, method := range destroying {
		body := strings.ReplaceAll(method.good, "$ISS", r.issuer.URL())
		if reason, answer := r.refusalOf(t, procedure, cast["otto"], body); reason != "status 200" {
			t.Errorf("%s without a mistake: %s", procedure, clip(answer))
		}
	}
}

// TestForeignCallersEndNothing sends requests that are right, for callers who may not
// end what they name.
func TestForeignCallersEndNothing(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	cast := r.cast()
	r.seen(t, cast)
	elsewhere := hourIssuer{authtest.Start(t)}
	callers := map[string]struct{ token, session, other string }{ // the reason for sessions, and for all else
		"nobody":                            {"", "TOKEN_MISSING", "TOKEN_MISSING"},
		"an operator with an expired token": {r.issuer.Session("user_otto", authtest.IssuedAt(time.Now().Add(-2*time.Hour))), "TOKEN_EXPIRED", "TOKEN_EXPIRED"},
		"an operator by a forged token": {
			r.issuer.Session("user_otto", authtest.SignedBy(authtest.NewKey("RS256").WithID(r.issuer.Key().ID()))), "SIGNATURE_INVALID", "SIGNATURE_INVALID",
		},
		"an operator of another issuer":     {elsewhere.Session("user_otto"), "ISSUER_UNTRUSTED", "ISSUER_UNTRUSTED"},
		"another user":                      {cast["cleo"], "SESSION_NOT_FOUND", "PERMISSION_REQUIRED"},
		"an administrator elsewhere":        {cast["dora"], "SESSION_NOT_FOUND", "PERMISSION_REQUIRED"},
		"who impersonates an operator":      {r.issuer.Session("user_otto", authtest.With("act", map[string]any{"sub": "user_eve"})), "SESSION_NOT_FOUND", "PERMISSION_REQUIRED"},
		"who impersonates an administrator": {r.issuer.Session("user_ada", authtest.InOrganization("org_acme", "acme", "admin"), authtest.With("act", map[string]any{"sub": "user_eve"})), "SESSION_NOT_FOUND", "PERMISSION_REQUIRED"},
	}
	for who, caller := range callers {
		for procedure, method := range destroying {
			want := caller.other
			if procedure == revokeSessionProcedure {
				want = caller.session
			}
			body := strings.ReplaceAll(method.good, "$ISS", r.issuer.URL())
			if reason, answer := r.refusalOf(t, procedure, caller.token, body); reason != want {
				t.Errorf("%s calls %s: %s; want %s", who, procedure, clip(answer), want)
			}
		}
	}
	r.wantNothingEnded(t, cast)
}

// refusalOf sends a request in JSON, and returns the reason in the answer.
func (r *running) refusalOf(t *testing.T, procedure, token, body string) (reason, answer string) {
	t.Helper()
	header := map[string]string{"Content-Type": "application/json"}
	if token != "" {
		header["Authorization"] = "Bearer " + token
	}
	status, _, answer := r.send(t, http.MethodPost, procedure, header, body)
	var sent struct {
		Details []struct{ Debug struct{ Reason string } }
	}
	if err := json.Unmarshal([]byte(answer), &sent); err != nil || status == http.StatusOK {
		return fmt.Sprint("status ", status), answer
	}
	for _, detail := range sent.Details {
		if detail.Debug.Reason != "" {
			return detail.Debug.Reason, answer
		}
	}
	return "", answer
}

// wantNothingEnded asserts that there is no revocation, and that everybody can go on.
func (r *running) wantNothingEnded(t *testing.T, cast map[string]string) {
	t.Helper()
	for who, token := range cast {
		if _, err := r.native(t.Context(), t, token); err != nil {
			t.Errorf("%s is refused: %v", who, err)
		}
	}
	res, err := r.revocations(t, cast["otto"]).ListRevocations(t.Context(), &revocationv1.ListRevocationsRequest{})
	if err != nil || len(res.GetRevocations()) != 0 {
		t.Errorf("%v, %v; want no revocation", res.GetRevocations(), err)
	}
}

func clip(s string) string {
	if len(s) > 300 {
		s = s[:300] + "…"
	}
	return s
}
