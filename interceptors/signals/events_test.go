package signals_test

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/interceptors/signals"
)

var (
	// As in the examples of CAEP 1.0, section 3.1.
	opaqueSession = object{"format": "opaque", "id": "dMTlD|1600802906337.16|16008.16"}
	issSubUser    = object{"format": "iss_sub", "iss": transmitterURL, "sub": "99beb27c"}
	opaqueTenant  = object{"format": "opaque", "id": "123456789"}
	emailUser     = object{"format": "email", "email": "foo@example.com"}
	device        = object{"format": "iss_sub", "iss": "https://devices.example.com", "sub": "e9297990"}

	happened = object{"event_timestamp": 1615304991}
	// Tokens of the second in which it happened, and of the next; and so for iat.
	untilHappened = time.Unix(1615304993, 0)
	untilIssued   = time.Unix(1615305161, 0)
)

func complexOf(members object) object {
	members = maps.Clone(members)
	members["format"] = "complex"
	return members
}

func session(id string) revocation.Revocation {
	return revocation.Revocation{Kind: revocation.TargetSession, Issuer: transmitterURL, ID: id}
}

func user(id string, before time.Time) revocation.Revocation {
	return revocation.Revocation{Kind: revocation.TargetSubject, Issuer: transmitterURL, ID: id, Before: before}
}

func TestWhatAnEventRevokes(t *testing.T) {
	t.Parallel()
	const revoked = caep + "session-revoked"
	aSession, aUser := session("dMTlD|1600802906337.16|16008.16"), user("99beb27c", untilHappened)
	google := func(c *signals.SecurityEventsConfig) {
		c.Issuers = []signals.EventIssuer{{URL: "https://accounts.google.com", Aliases: []string{"https://accounts.google.com/"}}}
		c.AllowUntyped = true
	}
	passwords := func(c *signals.SecurityEventsConfig) { c.CredentialTypes = []string{"password", "pin"} }
	sessionless := func(c *signals.SecurityEventsConfig) { c.Issuers[0].SessionsInTokens = false }
	two := func(c *signals.SecurityEventsConfig) {
		c.Issuers = append(c.Issuers, signals.EventIssuer{URL: "https://other.example.com", SessionsInTokens: true})
	}
	critical := func(c *signals.SecurityEventsConfig) { c.CriticalMembers = []string{"user", "session", "tenant"} }
	for name, tt := range map[string]struct {
		claims object
		config func(*signals.SecurityEventsConfig)
		typ    string
		want   []revocation.Revocation // none: it is ignored, unless code is set
		code   string
	}{
		"a session by its opaque id, which may be a user's": {
			claims: claims(opaqueSession, revoked, happened),
			want:   []revocation.Revocation{aSession, user(aSession.ID, untilHappened)},
		},
		"a session, its user and its tenant": {
			claims: claims(complexOf(object{"session": opaqueSession, "user": issSubUser, "tenant": opaqueTenant}), revoked, object{
				"initiating_entity": "policy", "reason_admin": object{"en": "Landspeed Policy Violation: C076E82F"}, "event_timestamp": 1615304991,
			}),
			want: []revocation.Revocation{aSession},
		},
		"a session of a user who is named by an email address": {
			claims: claims(complexOf(object{"session": opaqueSession, "user": emailUser}), revoked, happened),
			want:   []revocation.Revocation{aSession},
		},
		"a user and a device": {
			claims: claims(complexOf(object{"user": issSubUser, "device": device, "tenant": opaqueTenant}), revoked, happened),
			want:   []revocation.Revocation{aUser},
		},
		"a user":                                {claims: claims(issSubUser, revoked, happened), want: []revocation.Revocation{aUser}},
		"a user, without a time":                {claims: claims(issSubUser, revoked, object{}), want: []revocation.Revocation{user("99beb27c", untilIssued)}},
		"a user, at a time in milliseconds":     {claims: claims(issSubUser, revoked, object{"event_timestamp": 1615304991000}), want: []revocation.Revocation{user("99beb27c", untilIssued)}},
		"a user, at a time after iat":           {claims: claims(issSubUser, revoked, object{"event_timestamp": 1615305999}), want: []revocation.Revocation{user("99beb27c", untilIssued)}},
		"a user, at a time with a fraction":     {claims: claims(issSubUser, revoked, object{"event_timestamp": 1615304991.5}), want: []revocation.Revocation{aUser}},
		"a user, with toe":                      {claims: with(claims(issSubUser, revoked, object{}), "toe", 1615304991), want: []revocation.Revocation{aUser}},
		"a user, at no time":                    {claims: claims(issSubUser, revoked, object{"event_timestamp": 0}), want: []revocation.Revocation{user("99beb27c", untilIssued)}},
		"a user, before there was time":         {claims: claims(issSubUser, revoked, object{"event_timestamp": -1615304991}), want: []revocation.Revocation{user("99beb27c", untilIssued)}},
		"a user, at no time of the event":       {claims: with(claims(issSubUser, revoked, object{}), "toe", 0), want: []revocation.Revocation{user("99beb27c", untilIssued)}},
		"a user, in an event of 1970":           {claims: with(claims(issSubUser, revoked, object{}), "iat", 1), code: "invalid_request"},
		"a user, at a time that is no number":   {claims: claims(issSubUser, revoked, object{"event_timestamp": "1615304991"}), code: "invalid_request"},
		"a token":                               {claims: claims(object{"format": "jwt_id", "iss": transmitterURL, "jti": "B70BA622"}, revoked, happened), want: []revocation.Revocation{{Kind: revocation.TargetToken, Issuer: transmitterURL, ID: "B70BA622"}}},
		"a session that is named by its token":  {claims: claims(complexOf(object{"session": object{"format": "jwt_id", "iss": transmitterURL, "jti": "B70BA622"}}), revoked, happened), want: []revocation.Revocation{{Kind: revocation.TargetToken, Issuer: transmitterURL, ID: "B70BA622"}}},
		"a session that is named like a user":   {claims: claims(complexOf(object{"session": issSubUser, "user": issSubUser}), revoked, happened), want: []revocation.Revocation{aUser}},
		"a user of several names":               {claims: claims(object{"format": "aliases", "identifiers": []any{emailUser, issSubUser}}, revoked, happened), want: []revocation.Revocation{aUser}},
		"a user of several names, none of use":  {claims: claims(object{"format": "aliases", "identifiers": []any{emailUser}}, revoked, happened), code: "invalid_request"},
		"a user of no name":                     {claims: claims(object{"format": "aliases", "identifiers": []any{}}, revoked, happened), code: "invalid_request"},
		"names within names":                    {claims: claims(object{"format": "aliases", "identifiers": []any{object{"format": "aliases", "identifiers": []any{issSubUser}}}}, revoked, happened), code: "invalid_request"},
		"an email address":                      {claims: claims(emailUser, revoked, happened), code: "invalid_request"},
		"a telephone number":                    {claims: claims(object{"format": "phone_number", "phone_number": "+12065550123"}, revoked, happened), code: "invalid_request"},
		"an account":                            {claims: claims(object{"format": "account", "uri": "acct:foo@example.com"}, revoked, happened), code: "invalid_request"},
		"an assertion of SAML":                  {claims: claims(object{"format": "saml_assertion_id", "issuer": transmitterURL, "assertion_id": "_8e8d"}, revoked, happened), code: "invalid_request"},
		"a tenant":                              {claims: claims(complexOf(object{"tenant": opaqueTenant}), revoked, happened), code: "invalid_request"},
		"nothing":                               {claims: claims(nil, revoked, happened), code: "invalid_request"},
		"an empty subject":                      {claims: claims(object{}, revoked, happened), code: "invalid_request"},
		"a complex subject of nothing":          {claims: claims(complexOf(object{}), revoked, happened), code: "invalid_request"},
		"a subject that is text":                {claims: with(claims(nil, revoked, happened), "sub_id", "99beb27c"), code: "invalid_request"},
		"a member that is text":                 {claims: claims(complexOf(object{"user": issSubUser, "tenant": "1"}), revoked, happened), code: "invalid_request"},
		"an opaque id that is missing":          {claims: claims(object{"format": "opaque"}, revoked, happened), code: "invalid_request"},
		"an opaque id that is empty":            {claims: claims(object{"format": "opaque", "id": ""}, revoked, happened), code: "invalid_request"},
		"an opaque id that is a number":         {claims: claims(object{"format": "opaque", "id": 1}, revoked, happened), code: "invalid_request"},
		"an opaque id that is long":             {claims: claims(object{"format": "opaque", "id": strings.Repeat("x", 2000)}, revoked, happened), code: "invalid_request"},
		"a user without sub":                    {claims: claims(object{"format": "iss_sub", "iss": transmitterURL}, revoked, happened), code: "invalid_request"},
		"a user without iss":                    {claims: claims(object{"format": "iss_sub", "sub": "99beb27c"}, revoked, happened), code: "invalid_request"},
		"a user of another issuer":              {claims: claims(object{"format": "iss_sub", "iss": "https://victim.example.com", "sub": "99beb27c"}, revoked, happened), code: "access_denied"},
		"a user of an issuer without its slash": {claims: claims(object{"format": "iss_sub", "iss": strings.TrimSuffix(transmitterURL, "/"), "sub": "99beb27c"}, revoked, happened), code: "access_denied"},
		"a token of another issuer":             {claims: claims(object{"format": "jwt_id", "iss": "https://victim.example.com", "jti": "1"}, revoked, happened), code: "access_denied"},
		"a session of another issuer's user":    {claims: claims(complexOf(object{"session": opaqueSession, "user": object{"format": "iss_sub", "iss": "https://victim.example.com", "sub": "1"}}), revoked, happened), code: "access_denied"},

		"two issuers: an opaque id of either":      {config: two, claims: claims(opaqueSession, revoked, happened), code: "access_denied"},
		"two issuers: an opaque session of either": {config: two, claims: claims(complexOf(object{"session": opaqueSession}), revoked, happened), code: "access_denied"},
		"two issuers: an opaque user of either":    {config: two, claims: claims(complexOf(object{"user": object{"format": "opaque", "id": "1"}, "session": opaqueSession}), revoked, happened), code: "access_denied"},
		"two issuers: a session of a user of the other": {
			config: two,
			claims: claims(complexOf(object{"session": opaqueSession, "user": object{"format": "iss_sub", "iss": "https://other.example.com", "sub": "1"}}), revoked, happened),
			want:   []revocation.Revocation{{Kind: revocation.TargetSession, Issuer: "https://other.example.com", ID: aSession.ID}},
		},
		"two issuers: an opaque id of the one that is set": {
			config: func(c *signals.SecurityEventsConfig) { two(c); c.OpaqueIssuer = "https://other.example.com" },
			claims: claims(complexOf(object{"session": opaqueSession}), revoked, happened),
			want:   []revocation.Revocation{{Kind: revocation.TargetSession, Issuer: "https://other.example.com", ID: aSession.ID}},
		},

		"tokens without sessions: a session and its user": {config: sessionless, claims: claims(complexOf(object{"session": opaqueSession, "user": issSubUser}), revoked, happened), want: []revocation.Revocation{aUser}},
		"tokens without sessions: a session alone":        {config: sessionless, claims: claims(complexOf(object{"session": opaqueSession}), revoked, happened), code: "invalid_request"},
		"tokens without sessions: an opaque id":           {config: sessionless, claims: claims(opaqueSession, revoked, happened), want: []revocation.Revocation{user(aSession.ID, untilHappened)}},

		"a critical member that is understood":          {config: critical, claims: claims(complexOf(object{"session": opaqueSession, "user": issSubUser}), revoked, happened), want: []revocation.Revocation{aSession}},
		"a critical member of another kind":             {config: critical, claims: claims(complexOf(object{"user": issSubUser, "tenant": opaqueTenant}), revoked, happened), code: "invalid_request"},
		"a critical member of another format":           {config: critical, claims: claims(complexOf(object{"session": opaqueSession, "user": emailUser}), revoked, happened), code: "invalid_request"},
		"a critical member in an event of no effect":    {config: critical, claims: claims(complexOf(object{"user": issSubUser, "tenant": opaqueTenant}), caep+"session-established", object{})},
		"a member that is not critical beside that one": {config: critical, claims: claims(complexOf(object{"user": issSubUser, "device": device}), revoked, happened), want: []revocation.Revocation{aUser}},

		"sessions-revoked":                {claims: claims(issSubUser, risc+"sessions-revoked", object{}), want: []revocation.Revocation{user("99beb27c", untilIssued)}},
		"sessions-revoked, opaque":        {claims: claims(object{"format": "opaque", "id": "user_1"}, risc+"sessions-revoked", object{}), want: []revocation.Revocation{user("user_1", untilIssued)}},
		"sessions-revoked of a session":   {claims: claims(complexOf(object{"session": opaqueSession}), risc+"sessions-revoked", object{}), code: "invalid_request"},
		"account-disabled":                {claims: claims(issSubUser, risc+"account-disabled", object{"reason": "hijacking"}), want: []revocation.Revocation{user("99beb27c", untilIssued)}},
		"account-disabled by email":       {claims: claims(emailUser, risc+"account-disabled", object{}), code: "invalid_request"},
		"account-purged":                  {claims: claims(issSubUser, risc+"account-purged", object{}), want: []revocation.Revocation{{Kind: revocation.TargetSubject, Issuer: transmitterURL, ID: "99beb27c", AllTokens: true}}},
		"account-enabled, by email":       {claims: claims(emailUser, risc+"account-enabled", object{})},
		"identifier-changed":              {claims: claims(emailUser, risc+"identifier-changed", object{"new-value": "john.roe@example.com"})},
		"token-claims-change":             {claims: claims(object{"format": "jwt_id", "iss": "https://victim.example.com", "jti": "1"}, caep+"token-claims-change", object{"claims": object{"role": "ro-admin"}})},
		"device-compliance-change":        {claims: claims(complexOf(object{"device": device}), caep+"device-compliance-change", object{"previous_status": "compliant", "current_status": "not-compliant"})},
		"an event of somebody's own":      {claims: claims(object{"format": "catalog_item", "catalog_id": "c0384"}, "https://example.com/event", object{})},
		"two names of one event":          {claims: with(claims(issSubUser, "", nil), "events", object{"https://example.com/event": object{}, risc + "sessions-revoked": object{}}), want: []revocation.Revocation{user("99beb27c", untilIssued)}},
		"a verification without state":    {claims: claims(object{"format": "opaque", "id": "f67e39a0"}, ssf+"verification", object{})},
		"the stream is paused":            {claims: claims(object{"format": "opaque", "id": "f67e39a0"}, ssf+"stream-updated", object{"status": "paused", "reason": "Internal error"})},
		"the stream is something unknown": {claims: claims(object{"format": "opaque", "id": "f67e39a0"}, ssf+"stream-updated", object{"status": "gone"}), code: "invalid_request"},

		"a password, unset":           {claims: claims(issSubUser, caep+"credential-change", object{"credential_type": "password", "change_type": "update"})},
		"a password, by email, unset": {claims: claims(emailUser, caep+"credential-change", object{"credential_type": "password", "change_type": "update"})},
		"a password, set":             {config: passwords, claims: claims(issSubUser, caep+"credential-change", object{"credential_type": "password", "change_type": "update", "event_timestamp": 1615304991}), want: []revocation.Revocation{aUser}},
		"a password, revoked":         {config: passwords, claims: claims(issSubUser, caep+"credential-change", object{"credential_type": "password", "change_type": "revoke"}), want: []revocation.Revocation{user("99beb27c", untilIssued)}},
		"a password, deleted":         {config: passwords, claims: claims(issSubUser, caep+"credential-change", object{"credential_type": "password", "change_type": "delete"}), want: []revocation.Revocation{user("99beb27c", untilIssued)}},
		"a password, created":         {config: passwords, claims: claims(issSubUser, caep+"credential-change", object{"credential_type": "password", "change_type": "create"})},
		"a key, with passwords set":   {config: passwords, claims: claims(issSubUser, caep+"credential-change", object{"credential_type": "fido2-roaming", "change_type": "delete"})},
		"an unknown change":           {config: passwords, claims: claims(issSubUser, caep+"credential-change", object{"credential_type": "password", "change_type": "forget"}), code: "invalid_request"},
		"no type of credential":       {claims: claims(issSubUser, caep+"credential-change", object{"change_type": "update"}), code: "invalid_request"},
		"a compromised password":      {config: passwords, claims: claims(issSubUser, risc+"credential-compromise", object{"credential_type": "password"}), want: []revocation.Revocation{user("99beb27c", untilIssued)}},
		"a password by email, set":    {config: passwords, claims: claims(emailUser, risc+"credential-compromise", object{"credential_type": "password"}), code: "invalid_request"},

		"Okta's older form: a session and a user within the event": {
			claims: claims(nil, revoked, object{"event_timestamp": 1615304991, "subject": object{"user": issSubUser, "session": opaqueSession}}),
			want:   []revocation.Revocation{aSession},
		},
		"Okta's older form: a user within the event": {
			claims: claims(nil, revoked, object{"event_timestamp": 1615304991, "subject": object{"user": issSubUser}}),
			want:   []revocation.Revocation{aUser},
		},
		"a subject in both places": {
			claims: claims(issSubUser, revoked, object{"event_timestamp": 1615304991, "subject": object{"format": "iss_sub", "iss": transmitterURL, "sub": "another"}}),
			want:   []revocation.Revocation{aUser},
		},
		"a subject in both places, of which tokens know the inner one": {
			claims: claims(emailUser, revoked, object{"event_timestamp": 1615304991, "subject": object{"user": issSubUser, "session": opaqueSession}}),
			want:   []revocation.Revocation{aSession},
		},
		"a subject in both places, of which tokens know neither": {
			claims: claims(emailUser, revoked, object{"subject": emailUser}), code: "invalid_request",
		},
		"a subject in both places, of which the outer is another issuer's": {
			claims: claims(object{"format": "iss_sub", "iss": "https://victim.example.com", "sub": "1"}, revoked, object{"subject": issSubUser}), code: "access_denied",
		},
		"Google's older form, with its slash": {
			config: google, typ: "JWT",
			claims: claims(nil, risc+"account-disabled", object{"subject": object{"subject_type": "iss-sub", "iss": "https://accounts.google.com/", "sub": "7375626A656374"}, "reason": "hijacking"}),
			want:   []revocation.Revocation{{Kind: revocation.TargetSubject, Issuer: "https://accounts.google.com", ID: "7375626A656374", Before: untilIssued}},
		},
		"Google's older form, without typ": {
			config: google, typ: "none",
			claims: claims(nil, oauth+"tokens-revoked", object{"subject": object{"subject_type": "id_token_claims", "iss": "https://accounts.google.com", "sub": "7375", "email": "x@example.com"}}),
			want:   []revocation.Revocation{{Kind: revocation.TargetSubject, Issuer: "https://accounts.google.com", ID: "7375", Before: untilIssued}},
		},
		"Google's older form of a single token, which is none of ours": {
			config: google, typ: "JWT",
			claims: claims(nil, oauth+"token-revoked", object{"subject": object{"subject_type": "oauth_token", "token_type": "refresh_token", "token_identifier_alg": "hash_SHA512_double", "token": "double_SHA512_hash_of_token"}}),
		},
		"Google's verification": {config: google, typ: "JWT", claims: claims(nil, risc+"verification", object{"state": "abc"})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := newEventKit(t, tt.config)
			typ := map[string]string{"": "secevent+jwt", "none": ""}[tt.typ]
			if tt.typ == "JWT" {
				typ = "JWT"
			}
			answer := kit.push(t, kit.signAs(typ, tt.claims))
			want := eventAnswer{status: http.StatusAccepted}
			if tt.code != "" {
				want = eventAnswer{http.StatusBadRequest, tt.code, answer.description}
			}
			if answer != want {
				t.Errorf("answered %+v; want %+v", answer, want)
			}
			var got []revocation.Revocation
			for _, message := range kit.sink.taken() {
				if message.ID != "24c63fb56e5a2d77a6b512616ca9fa24" || message.Source != "security-events" || message.Issuer != tt.want[0].Issuer || !strings.HasPrefix(message.Type, "https://schemas") {
					t.Errorf("message %+v", message)
				}
				got = append(got, message.Revocations...)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("revoked %+v; want %+v", got, tt.want)
			}
			status := kit.receiver.Status()
			if refused, ignored := tt.code != "", tt.code == "" && tt.want == nil; (status.Refused == 1) != refused || (status.Ignored == 1) != ignored || (status.Accepted == 1) != (tt.want != nil) {
				t.Errorf("Status = %+v", status)
			}
		})
	}
}

func TestWhichTokensAreNoEvents(t *testing.T) {
	t.Parallel()
	good := claims(issSubUser, caep+"session-revoked", happened)
	stranger := authtest.NewKey("RS256")
	mac := authtest.WrapKey("HS256", authtest.New("x").PublicPEM())
	for name, tt := range map[string]struct {
		token func(k *eventKit) string
		code  string
	}{
		"nothing":                       {func(*eventKit) string { return "" }, "invalid_request"},
		"no token":                      {func(*eventKit) string { return `{"iss":"x"}` }, "invalid_request"},
		"a token and more":              {func(k *eventKit) string { return k.sign(good) + "\n" }, "invalid_request"},
		"a large token":                 {func(k *eventKit) string { return k.sign(with(good, "x", strings.Repeat("x", 60<<10))) }, "invalid_request"},
		"no typ":                        {func(k *eventKit) string { return k.signAs("", good) }, "invalid_request"},
		"typ JWT":                       {func(k *eventKit) string { return k.signAs("JWT", good) }, "invalid_request"},
		"an access token's typ":         {func(k *eventKit) string { return k.signAs("at+jwt", good) }, "invalid_request"},
		"a logout token's typ":          {func(k *eventKit) string { return k.signAs("logout+jwt", good) }, "invalid_request"},
		"exp":                           {func(k *eventKit) string { return k.sign(with(good, "exp", 1615309999)) }, "invalid_request"},
		"sub":                           {func(k *eventKit) string { return k.sign(with(good, "sub", "99beb27c")) }, "invalid_request"},
		"no jti":                        {func(k *eventKit) string { return k.sign(with(good, "jti", nil)) }, "invalid_request"},
		"a jti that is a number":        {func(k *eventKit) string { return k.sign(with(good, "jti", 7)) }, "invalid_request"},
		"an empty jti":                  {func(k *eventKit) string { return k.sign(with(good, "jti", "")) }, "invalid_request"},
		"a long jti":                    {func(k *eventKit) string { return k.sign(with(good, "jti", strings.Repeat("x", 2000))) }, "invalid_request"},
		"no iat":                        {func(k *eventKit) string { return k.sign(with(good, "iat", nil)) }, "invalid_request"},
		"an iat that is text":           {func(k *eventKit) string { return k.sign(with(good, "iat", "1615305159")) }, "invalid_request"},
		"an iat in milliseconds":        {func(k *eventKit) string { return k.sign(with(good, "iat", 1615305159000)) }, "invalid_request"},
		"an iat in the future":          {func(k *eventKit) string { return k.sign(with(good, "iat", eventNow.Unix()+301)) }, "invalid_request"},
		"no events":                     {func(k *eventKit) string { return k.sign(with(good, "events", nil)) }, "invalid_request"},
		"events without any":            {func(k *eventKit) string { return k.sign(with(good, "events", object{})) }, "invalid_request"},
		"events that are a list":        {func(k *eventKit) string { return k.sign(with(good, "events", []any{caep + "session-revoked"})) }, "invalid_request"},
		"an event that is text":         {func(k *eventKit) string { return k.sign(with(good, "events", object{caep + "session-revoked": "x"})) }, "invalid_request"},
		"nine events":                   {func(k *eventKit) string { return k.sign(with(good, "events", nineEvents())) }, "invalid_request"},
		"another audience":              {func(k *eventKit) string { return k.sign(with(good, "aud", "https://other.example.com")) }, "invalid_audience"},
		"no audience":                   {func(k *eventKit) string { return k.sign(with(good, "aud", nil)) }, "invalid_audience"},
		"an empty list of audiences":    {func(k *eventKit) string { return k.sign(with(good, "aud", []any{})) }, "invalid_audience"},
		"a list with a number":          {func(k *eventKit) string { return k.sign(with(good, "aud", []any{7, eventAudience})) }, "invalid_request"},
		"another issuer":                {func(k *eventKit) string { return k.sign(with(good, "iss", "https://other.example.com")) }, "invalid_issuer"},
		"an issuer without its slash":   {func(k *eventKit) string { return k.sign(with(good, "iss", strings.TrimSuffix(transmitterURL, "/"))) }, "invalid_issuer"},
		"no issuer":                     {func(k *eventKit) string { return k.sign(with(good, "iss", nil)) }, "invalid_request"},
		"another's key":                 {func(*eventKit) string { return stranger.Sign(eventHeader("RS256"), mustJSON(good)) }, "invalid_key"},
		"no algorithm":                  {func(*eventKit) string { return stranger.Sign(eventHeader("none"), mustJSON(good)) }, "invalid_key"},
		"a MAC keyed with a public key": {func(*eventKit) string { return mac.Sign(eventHeader("HS256"), mustJSON(good)) }, "invalid_key"},
		"the signature of another": {func(k *eventKit) string {
			s, other := k.sign(good), k.sign(with(good, "jti", "2"))
			return s[:strings.LastIndex(s, ".")] + other[strings.LastIndex(other, "."):]
		}, "invalid_key"},
		"a header with crit": {func(k *eventKit) string {
			return k.issuer.Sign([]byte(`{"alg":"RS256","typ":"secevent+jwt","crit":["x"]}`), mustJSON(good))
		}, "invalid_request"},
		"a claim twice": {func(k *eventKit) string {
			return k.issuer.Sign(eventHeader("RS256"), []byte(strings.Replace(string(mustJSON(good)), `{`, `{"jti":"x",`, 1)))
		}, "invalid_request"},
		"claims of invalid UTF-8": {func(k *eventKit) string { return k.issuer.Sign(eventHeader("RS256"), []byte("{\"iss\":\"\xff\"}")) }, "invalid_request"},
		"claims that nest deep": {func(k *eventKit) string {
			return k.issuer.Sign(eventHeader("RS256"), []byte(`{"x":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+"}"))
		}, "invalid_request"},
		"claims that are null":                    {func(k *eventKit) string { return k.issuer.Sign(eventHeader("RS256"), []byte("null")) }, "invalid_request"},
		"an event whose audience differs by case": {func(k *eventKit) string { return k.sign(with(good, "aud", strings.ToUpper(eventAudience))) }, "invalid_audience"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := newEventKit(t, nil)
			answer := kit.push(t, tt.token(kit))
			if answer.status != http.StatusBadRequest || answer.code != tt.code {
				t.Errorf("answered %+v; want 400 %s", answer, tt.code)
			}
			if got := kit.sink.taken(); got != nil {
				t.Errorf("revoked %+v", got)
			}
			if status := kit.receiver.Status(); status.Refused != 1 || status.LastRefused != eventNow || status.LastError == "" ||
				strings.HasPrefix(tt.code, "invalid_a") != !status.LastMessage.IsZero() && tt.code != "invalid_request" {
				t.Errorf("Status = %+v", status)
			}
		})
	}
}

func eventHeader(algorithm string) []byte {
	return mustJSON(object{"alg": algorithm, "typ": "secevent+jwt"})
}

func nineEvents() object {
	events := object{}
	for i := range 9 {
		events["https://example.com/"+string(rune('a'+i))] = object{}
	}
	return events
}

func TestAnEventForSeveralAudiencesIsForEach(t *testing.T) {
	t.Parallel()
	kit := newEventKit(t, nil)
	event := with(claims(issSubUser, caep+"session-revoked", happened), "aud", []string{"https://other.example.com", eventAudience})
	if answer := kit.push(t, kit.signAs("application/SecEvent+JWT", event)); answer.status != http.StatusAccepted || len(kit.sink.taken()) != 1 {
		t.Errorf("answered %+v, revoked %+v", answer, kit.sink.taken())
	}
}

func TestAnEventIsAuthorized(t *testing.T) {
	t.Parallel()
	const first, second = "Bearer 0123456789abcdef", "Bearer fedcba9876543210"
	for name, tt := range map[string]struct {
		headers []string
		want    eventAnswer
	}{
		"the first of two":  {[]string{first}, eventAnswer{status: http.StatusAccepted}},
		"the second of two": {[]string{second}, eventAnswer{status: http.StatusAccepted}},
		"none":              {nil, eventAnswer{status: http.StatusBadRequest, code: "authentication_failed"}},
		"an empty one":      {[]string{""}, eventAnswer{status: http.StatusBadRequest, code: "authentication_failed"}},
		"another":           {[]string{"Bearer 0123456789abcdeg"}, eventAnswer{status: http.StatusBadRequest, code: "authentication_failed"}},
		"a longer one":      {[]string{first + "0"}, eventAnswer{status: http.StatusBadRequest, code: "authentication_failed"}},
		"two at once":       {[]string{first, second}, eventAnswer{status: http.StatusBadRequest, code: "authentication_failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kit := newEventKit(t, func(c *signals.SecurityEventsConfig) { c.Authorizations = []string{first, second} })
			answer := kit.push(t, kit.sign(claims(issSubUser, caep+"session-revoked", happened)), tt.headers...)
			tt.want.description = answer.description
			if answer != tt.want || (len(kit.sink.taken()) == 1) != (tt.want.status == http.StatusAccepted) {
				t.Errorf("answered %+v; want %+v", answer, tt.want)
			}
		})
	}
}

func TestAnEventIsAcceptedOnceItIsInForce(t *testing.T) {
	t.Parallel()
	kit := newEventKit(t, nil)
	kit.sink.fail(errors.New("the disk is full"))
	event := kit.sign(claims(issSubUser, caep+"session-revoked", happened))
	if answer := kit.push(t, event); answer.status != http.StatusServiceUnavailable || strings.Contains(answer.description, "disk") {
		t.Errorf("while the sink fails: answered %+v; want 503", answer)
	}
	kit.sink.fail(nil)
	for range 3 {
		if answer := kit.push(t, event); answer.status != http.StatusAccepted {
			t.Errorf("answered %+v; want 202", answer)
		}
	}
	if got := len(kit.sink.taken()); got != 1 {
		t.Errorf("it was stored %d times; want once", got)
	}
	want := signals.Status{
		Source: "security-events", Accepted: 1, Repeated: 2, Failed: 1, LastMessage: eventNow, LastAccepted: eventNow, LastRefused: eventNow,
		LastError: "the disk is full", LastErrorIsOurs: true, Lag: eventNow.Sub(time.Unix(1615304991, 0)),
	}
	if got := kit.receiver.Status(); got != want {
		t.Errorf("Status = %+v; want %+v", got, want)
	}
}

func TestAnEventOfAnotherContentTypeOrMethodIsRefused(t *testing.T) {
	t.Parallel()
	kit := newEventKit(t, nil)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(kit.sign(claims(issSubUser, caep+"session-revoked", happened))))
	r.Header.Set("Content-Type", "application/jwt")
	if answer := answerOf(t, kit.receiver, r); answer.status != http.StatusUnsupportedMediaType || answer.code != "invalid_request" {
		t.Errorf("another type: answered %+v", answer)
	}
	r = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	if answer := answerOf(t, kit.receiver, r); answer.status != http.StatusMethodNotAllowed {
		t.Errorf("another method: answered %+v", answer)
	}
}

func TestSettingsOfEventsThatCannotWork(t *testing.T) {
	t.Parallel()
	kit := newEventKit(t, nil)
	for name, tt := range map[string]struct {
		change func(*signals.SecurityEventsConfig)
		want   string
	}{
		"no transmitter":          {func(c *signals.SecurityEventsConfig) { c.Transmitter = "" }, "Transmitter"},
		"no keys":                 {func(c *signals.SecurityEventsConfig) { c.Keys = nil }, "Keys"},
		"no audience":             {func(c *signals.SecurityEventsConfig) { c.Audiences = nil }, "Audiences"},
		"an empty audience":       {func(c *signals.SecurityEventsConfig) { c.Audiences = []string{""} }, "Audiences"},
		"no issuer":               {func(c *signals.SecurityEventsConfig) { c.Issuers = nil }, "Issuers"},
		"an issuer without a URL": {func(c *signals.SecurityEventsConfig) { c.Issuers = []signals.EventIssuer{{}} }, "Issuers"},
		"an issuer's empty alias": {func(c *signals.SecurityEventsConfig) {
			c.Issuers = []signals.EventIssuer{{URL: "x", Aliases: []string{""}}}
		}, "Issuers"},
		"two issuers of one name": {func(c *signals.SecurityEventsConfig) {
			c.Issuers = []signals.EventIssuer{{URL: "x"}, {URL: "y", Aliases: []string{"x"}}}
		}, "spelled x"},
		"an unknown opaque issuer":   {func(c *signals.SecurityEventsConfig) { c.OpaqueIssuer = "https://x.example.com" }, "OpaqueIssuer"},
		"no sink":                    {func(c *signals.SecurityEventsConfig) { c.Sink = nil }, "Sink"},
		"an empty authorization":     {func(c *signals.SecurityEventsConfig) { c.Authorizations = []string{""} }, "Authorization"},
		"a short authorization":      {func(c *signals.SecurityEventsConfig) { c.Authorizations = []string{"Bearer 0123456789abcde"} }, "Authorization"},
		"an authorization in lines":  {func(c *signals.SecurityEventsConfig) { c.Authorizations = []string{"Bearer 0123456789abcdef\r\nx"} }, "Authorization"},
		"an algorithm that is a MAC": {func(c *signals.SecurityEventsConfig) { c.Algorithms = []string{"HS256"} }, "HS256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := kit.config
			tt.change(&config)
			receiver, err := signals.NewSecurityEvents(config)
			if err == nil || receiver != nil || !strings.HasPrefix(err.Error(), "signals.NewSecurityEvents: ") || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "0123456789") {
				t.Errorf("%v; want %s", err, tt.want)
			}
		})
	}
}
