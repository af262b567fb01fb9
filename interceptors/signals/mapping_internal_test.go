package signals

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/revocation"
)

// The tables of docs/signals.md.
var (
	tableOfWorkOS = WebhookConfig{
		Name: "workos", Signature: SignatureWorkOS, TypePath: "event", IDPath: "id", TimePath: "created_at",
		Events: []EventMapping{
			{Event: "session.revoked", Session: "data.id"},
			{Event: "user.deleted", Subject: "data.id", AllTokens: true},
		},
	}
	tableOfStytch = WebhookConfig{
		Name: "stytch", TypePath: "action", TimePath: "timestamp",
		Events: []EventMapping{
			{Event: "DELETE", Where: map[string]string{"object_type": "user"}, Subject: "id", AllTokens: true},
			{Event: "DELETE", Where: map[string]string{"object_type": "member"}, Subject: "id", AllTokens: true},
		},
	}
	tableOfFusionAuth = WebhookConfig{
		Name: "fusionauth", Signature: SignatureHeader, TypePath: "event.type", IDPath: "event.id", TimePath: "event.createInstant",
		Events: []EventMapping{
			{Event: "user.deactivate", Subject: "event.user.id"},
			{Event: "user.delete", Subject: "event.user.id", AllTokens: true},
		},
	}
	tableOfSupabase = WebhookConfig{
		Name: "supabase", Signature: SignatureHeader, Header: "X-Webhook-Secret",
		Events: []EventMapping{
			{Event: "DELETE", Where: map[string]string{"schema": "auth", "table": "sessions"}, Session: "old_record.id"},
			{Event: "DELETE", Where: map[string]string{"schema": "auth", "table": "users"}, Subject: "old_record.id", AllTokens: true},
		},
	}
)

func newWebhooks(tb testing.TB, table WebhookConfig, sink Sink) *Receiver {
	tb.Helper()
	table.Issuer, table.Sink, table.Now, table.Logger = issuer, sink, clock, slog.New(slog.DiscardHandler)
	if table.Secrets = []string{shared}; table.Signature == "" || table.Signature == SignatureStandard {
		table.Secrets = []string{secret}
	}
	receiver, err := NewWebhooks(table)
	if err != nil {
		tb.Fatal(err)
	}
	return receiver
}

// prove returns the headers of a message of the sender.
func prove(table WebhookConfig, id, body string) http.Header {
	switch table.Signature {
	case SignatureWorkOS:
		return http.Header{"Workos-Signature": {workOS(shared, now, body)}}
	case SignatureHeader:
		h := http.Header{}
		if table.Header == "" {
			h.Set("Authorization", "Bearer "+shared)
		} else {
			h.Set(table.Header, shared)
		}
		return h
	default:
		return sign(standard, id, body)
	}
}

func TestWhatProvidersTell(t *testing.T) {
	t.Parallel()
	happened := now.Add(-90 * time.Second)
	workos := func(kind, data string) string {
		return fmt.Sprintf(`{"id":"event_1","event":%q,"data":%s,"created_at":%q}`, kind, data, happened.Format(time.RFC3339Nano))
	}
	fusion := func(kind string) string {
		return fmt.Sprintf(`{"event":{"createInstant":%d,"id":"6c854b61","tenantId":"a743e2cd","type":%q,"user":{"active":false,"id":"7b6c267c"}}}`, happened.UnixMilli(), kind)
	}
	stytch := func(action, object string) string {
		return fmt.Sprintf(`{"action":%q,"event_id":"webhook-event-1","id":"%s-test-1","object_type":%q,"project_id":"project-test-1","source":"DASHBOARD","timestamp":"2026-03-01T11:58:30.678901Z","vertical":"CONSUMER"}`, action, object, object)
	}
	supabase := func(table string) string {
		return fmt.Sprintf(`{"type":"DELETE","schema":"auth","table":%q,"record":null,"old_record":{"id":"0b1e7a2c","user_id":"7b6c267c"}}`, table)
	}
	allOf := func(subject string) revocation.Revocation {
		return revocation.Revocation{Kind: revocation.TargetSubject, Issuer: issuer, ID: subject, AllTokens: true}
	}
	for name, tt := range map[string]struct {
		table WebhookConfig
		body  string
		want  *revocation.Revocation // nil for none
	}{
		"WorkOS: a session is revoked":          {tableOfWorkOS, workos("session.revoked", `{"object":"session","id":"session_01","user_id":"user_01","status":"revoked"}`), &revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer, ID: "session_01"}},
		"WorkOS: a user is deleted":             {tableOfWorkOS, workos("user.deleted", `{"object":"user","id":"user_01"}`), ptr(allOf("user_01"))},
		"WorkOS: a session begins":              {tableOfWorkOS, workos("session.created", `{"object":"session","id":"session_01"}`), nil},
		"Stytch: a user is deleted":             {tableOfStytch, stytch("DELETE", "user"), ptr(allOf("user-test-1"))},
		"Stytch: a member is deleted":           {tableOfStytch, stytch("DELETE", "member"), ptr(allOf("member-test-1"))},
		"Stytch: an organization is deleted":    {tableOfStytch, stytch("DELETE", "organization"), nil},
		"Stytch: a user is changed":             {tableOfStytch, stytch("UPDATE", "user"), nil},
		"FusionAuth: a user is deactivated":     {tableOfFusionAuth, fusion("user.deactivate"), &revocation.Revocation{Kind: revocation.TargetSubject, Issuer: issuer, ID: "7b6c267c", Before: happened.Add(2 * time.Second)}},
		"FusionAuth: a user is deleted":         {tableOfFusionAuth, fusion("user.delete"), ptr(allOf("7b6c267c"))},
		"FusionAuth: a user is activated again": {tableOfFusionAuth, fusion("user.reactivate"), nil},
		"Supabase: a session is deleted":        {tableOfSupabase, supabase("sessions"), &revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer, ID: "0b1e7a2c"}},
		"Supabase: a user is deleted":           {tableOfSupabase, supabase("users"), ptr(allOf("0b1e7a2c"))},
		"Supabase: another row is deleted":      {tableOfSupabase, supabase("identities"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sink recorder
			receiver := newWebhooks(t, tt.table, &sink)
			for range 2 {
				if w := post(t, receiver, prove(tt.table, "msg_1", tt.body), tt.body); w.Code != http.StatusOK {
					t.Fatalf("answered %d %s", w.Code, w.Body)
				}
			}
			if tt.want == nil {
				if len(sink.messages) != 0 || receiver.Status().Ignored != 2 {
					t.Errorf("revoked %+v; Status = %+v", sink.messages, receiver.Status())
				}
				return
			}
			if len(sink.messages) == 0 || len(sink.messages[0].Revocations) != 1 || !equalRevocations(sink.messages[0].Revocations[0], *tt.want) {
				t.Fatalf("revoked %+v; want %+v", sink.messages, *tt.want)
			}
			if got := receiver.Status(); got.Accepted != 1 || got.Repeated != 1 {
				t.Errorf("Status = %+v", got)
			}
			if _, err := receiver.protocol.Load().read(t.Context(), http.Header{}, []byte(tt.body)); err == nil {
				t.Error("accepted without a signature")
			}
		})
	}
}

// Without a time in the message it is that of the signature, so a copy of the message
// revokes nothing that the first one has not.
func TestACopyOfAMessageRevokesNothingMore(t *testing.T) {
	t.Parallel()
	var sink recorder
	var passed time.Duration
	receiver, err := NewWebhooks(WebhookConfig{
		Name: "own", Issuer: issuer, Secrets: []string{secret}, Events: []EventMapping{{Event: "user", Subject: "id"}},
		Sink: &sink, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now.Add(passed) },
	})
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"type":"user","id":"ada"}`
	for _, passed = range []time.Duration{0, time.Minute, 4 * time.Minute} {
		if w := post(t, receiver, sign(standard, "msg_1", body), body); w.Code != http.StatusOK {
			t.Fatalf("answered %d %s", w.Code, w.Body)
		}
	}
	if got := receiver.Status(); got.Accepted != 1 || got.Repeated != 2 || len(sink.messages) != 1 {
		t.Errorf("Status = %+v; %d messages were stored", got, len(sink.messages))
	}
}

// A user can sign out twice, and the message of that may read the same.
func TestTheSameWordsMayBeNews(t *testing.T) {
	t.Parallel()
	for timePath, want := range map[string]int64{"": 2, "at": 1} {
		var passed time.Duration
		config := WebhookConfig{
			Name: "own", Issuer: issuer, Signature: SignatureHeader, Secrets: []string{shared}, TimePath: timePath,
			Events: []EventMapping{{Event: "user", Subject: "id"}},
			Sink:   &recorder{}, Logger: slog.New(slog.DiscardHandler),
			Now: func() time.Time { passed += time.Minute; return now.Add(passed) },
		}
		receiver, err := NewWebhooks(config)
		if err != nil {
			t.Fatal(err)
		}
		body := fmt.Sprintf(`{"type":"user","id":"ada","at":%d}`, now.Unix())
		for range 2 {
			if w := post(t, receiver, prove(config, "", body), body); w.Code != http.StatusOK {
				t.Fatalf("answered %d %s", w.Code, w.Body)
			}
		}
		if got := receiver.Status(); got.Accepted != want || got.Accepted+got.Repeated != 2 {
			t.Errorf("with the time at %q: Status = %+v; want %d accepted", timePath, got, want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestMappings(t *testing.T) {
	t.Parallel()
	at := now.Add(-time.Minute)
	table := WebhookConfig{Name: "own", TypePath: "event.type", TimePath: "event.at", Events: []EventMapping{
		{Event: "session", Session: "data.session"},
		{Event: "session of", Session: "data.session", Subject: "data.user"},
		{Event: "user", Subject: "data.user"},
		{Event: "organization", Organization: "data.org"},
		{Event: "no organization", Organization: "data.org", AllTokens: true},
		{Event: "member", Organization: "data.org", Subject: "data.user"},
		{Event: "token", Token: "data.token"},
		{Event: "client", Client: "data.client"},
		{Event: "both", Session: "data.session"},
		{Event: "both", Token: "data.token"},
		{Event: "guarded", Where: map[string]string{"data.active": "false", "data.level": "3"}, Subject: "data.user"},
	}}
	message := func(kind, data string) string {
		return fmt.Sprintf(`{"event":{"type":%q,"at":%d},"data":%s}`, kind, at.Unix(), data)
	}
	r := func(kind revocation.TargetKind, id, subject string) revocation.Revocation {
		r := revocation.Revocation{Kind: kind, Issuer: issuer, ID: id, Subject: subject}
		switch kind {
		case revocation.TargetSubject, revocation.TargetOrganization, revocation.TargetMember:
			r.Before = at.Add(2 * time.Second)
		default:
		}
		return r
	}
	for name, tt := range map[string]struct {
		body string
		code int
		want []revocation.Revocation
	}{
		"a session":                            {message("session", `{"session":"s1"}`), 200, []revocation.Revocation{r(revocation.TargetSession, "s1", "")}},
		"a session of a subject":               {message("session of", `{"session":"s1","user":"ada"}`), 200, []revocation.Revocation{r(revocation.TargetSession, "s1", "ada")}},
		"a session of nobody":                  {message("session of", `{"session":"s1"}`), 400, nil},
		"a subject":                            {message("user", `{"user":"ada"}`), 200, []revocation.Revocation{r(revocation.TargetSubject, "ada", "")}},
		"a subject with a number":              {message("user", `{"user":42}`), 200, []revocation.Revocation{r(revocation.TargetSubject, "42", "")}},
		"a subject with a fraction":            {message("user", `{"user":42.5}`), 400, nil},
		"a subject that is true":               {message("user", `{"user":true}`), 400, nil},
		"a subject that is null":               {message("user", `{"user":null}`), 400, nil},
		"a subject at no time":                 {`{"event":{"type":"user"},"data":{"user":"ada"}}`, 400, nil},
		"a subject at a time that is a word":   {`{"event":{"type":"user","at":"then"},"data":{"user":"ada"}}`, 400, nil},
		"a subject in the future":              {fmt.Sprintf(`{"event":{"type":"user","at":%d},"data":{"user":"ada"}}`, now.Add(time.Hour).Unix()), 400, nil},
		"an organization":                      {message("organization", `{"org":"o1"}`), 200, []revocation.Revocation{r(revocation.TargetOrganization, "o1", "")}},
		"an organization that is deleted":      {message("no organization", `{"org":"o1"}`), 200, []revocation.Revocation{{Kind: revocation.TargetOrganization, Issuer: issuer, ID: "o1", AllTokens: true}}},
		"a member":                             {message("member", `{"org":"o1","user":"ada"}`), 200, []revocation.Revocation{r(revocation.TargetMember, "o1", "ada")}},
		"a member of nothing":                  {message("member", `{"user":"ada"}`), 400, nil},
		"a member that is nobody":              {message("member", `{"org":"o1"}`), 400, nil},
		"a token":                              {message("token", `{"token":"t1"}`), 200, []revocation.Revocation{r(revocation.TargetToken, "t1", "")}},
		"a client":                             {message("client", `{"client":"c1"}`), 200, []revocation.Revocation{r(revocation.TargetClient, "c1", "")}},
		"two things":                           {message("both", `{"session":"s1","token":"t1"}`), 200, []revocation.Revocation{r(revocation.TargetSession, "s1", ""), r(revocation.TargetToken, "t1", "")}},
		"one of two things":                    {message("both", `{"session":"s1"}`), 400, nil},
		"where it holds":                       {message("guarded", `{"user":"ada","active":false,"level":3}`), 200, []revocation.Revocation{r(revocation.TargetSubject, "ada", "")}},
		"where it holds in words":              {message("guarded", `{"user":"ada","active":"false","level":"3"}`), 200, []revocation.Revocation{r(revocation.TargetSubject, "ada", "")}},
		"where it does not hold":               {message("guarded", `{"user":"ada","active":true,"level":3}`), 200, nil},
		"where one is missing":                 {message("guarded", `{"user":"ada","level":3}`), 200, nil},
		"another type":                         {message("signed in", `{"user":"ada"}`), 200, nil},
		"a type in other letters":              {message("User", `{"user":"ada"}`), 200, nil},
		"no type":                              {`{"type":"user","data":{"user":"ada"}}`, 400, nil},
		"a path through a string":              {`{"event":"user","data":{"user":"ada"}}`, 400, nil},
		"a name with a full stop is not found": {`{"event.type":"user","data.user":"ada"}`, 400, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sink recorder
			receiver := newWebhooks(t, table, &sink)
			if w := post(t, receiver, sign(svix, "msg_1", tt.body), tt.body); w.Code != tt.code {
				t.Fatalf("answered %d %s; want %d", w.Code, w.Body, tt.code)
			}
			var got []revocation.Revocation
			if len(sink.messages) == 1 {
				got = sink.messages[0].Revocations
			}
			if len(got) != len(tt.want) {
				t.Fatalf("revoked %+v; want %+v", got, tt.want)
			}
			for i := range got {
				if !equalRevocations(got[i], tt.want[i]) {
					t.Errorf("revoked %+v; want %+v", got[i], tt.want[i])
				}
			}
		})
	}
}

func TestAMessageWithoutATimeIsOfNow(t *testing.T) {
	t.Parallel()
	var sink recorder
	receiver := newWebhooks(t, WebhookConfig{Name: "own", Events: []EventMapping{{Event: "user", Subject: "id"}}}, &sink)
	body := `{"type":"user","id":"ada","timestamp":"yesterday"}`
	if w := post(t, receiver, sign(svix, "msg_1", body), body); w.Code != http.StatusOK {
		t.Fatalf("answered %d %s", w.Code, w.Body)
	}
	if got := sink.messages[0]; !got.Time.IsZero() || !got.Revocations[0].Before.Equal(now.Add(2*time.Second)) {
		t.Errorf("the message is %+v", got)
	}
}

func TestWhatIsWrongWithTheSettingsOfWebhooks(t *testing.T) {
	t.Parallel()
	good := WebhookConfig{Name: "own", Issuer: issuer, Secrets: []string{secret}, Sink: &recorder{}, Events: []EventMapping{{Event: "user", Subject: "id"}}}
	if _, err := NewWebhooks(good); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		edit func(*WebhookConfig)
		want string
	}{
		"no name":                     {func(c *WebhookConfig) { c.Name = "" }, "has no name"},
		"no issuer":                   {func(c *WebhookConfig) { c.Issuer = "" }, "no issuer"},
		"no sink":                     {func(c *WebhookConfig) { c.Sink = nil }, "no sink"},
		"no secret":                   {func(c *WebhookConfig) { c.Secrets = nil }, "there is no secret"},
		"no secret of WorkOS":         {func(c *WebhookConfig) { c.Signature, c.Secrets = "workos", nil }, "there is no secret"},
		"an empty secret of WorkOS":   {func(c *WebhookConfig) { c.Signature, c.Secrets = "workos", []string{""} }, "secret 1 of 1: it has 0 characters"},
		"a short secret in a header":  {func(c *WebhookConfig) { c.Signature, c.Secrets = "header", []string{"hunter2"} }, "secret 1 of 1: it has 7 characters"},
		"a secret with a line break":  {func(c *WebhookConfig) { c.Signature, c.Secrets = "header", []string{shared + "\n"} }, "white space"},
		"an unknown signature":        {func(c *WebhookConfig) { c.Signature = "none" }, `unknown signature "none"`},
		"a header that means nothing": {func(c *WebhookConfig) { c.Header = "X-Secret" }, "only for the signature"},
		"no events":                   {func(c *WebhookConfig) { c.Events = nil }, "no events"},
		"an event without a type":     {func(c *WebhookConfig) { c.Events[0].Event = "" }, "event 1 of 1: it has no type"},
		"an event without a target":   {func(c *WebhookConfig) { c.Events[0].Subject = "" }, "revokes nothing"},
		"an event with two targets":   {func(c *WebhookConfig) { c.Events[0].Token = "jti" }, "names several things"},
		"an event with three":         {func(c *WebhookConfig) { c.Events[0].Session, c.Events[0].Token = "sid", "jti" }, "names several things"},
		"all tokens of a session":     {func(c *WebhookConfig) { c.Events[0].Session, c.Events[0].AllTokens = "sid", true }, "all tokens are meant anyway"},
		"a token of an organization": {func(c *WebhookConfig) {
			c.Events[0].Subject, c.Events[0].Organization, c.Events[0].Token = "", "org", "jti"
		}, "names several things"},
		"all tokens of a token": {func(c *WebhookConfig) {
			c.Events[0].Subject, c.Events[0].Token, c.Events[0].AllTokens = "", "jti", true
		}, "all tokens are meant anyway"},
		"a path that ends too early": {func(c *WebhookConfig) { c.Events[0].Subject = "data." }, `the path "data." has an empty name`},
		"a path of a type":           {func(c *WebhookConfig) { c.TypePath = "..type" }, `the path "..type" has an empty name`},
		"a path that is a condition": {func(c *WebhookConfig) { c.Events[0].Where = map[string]string{"a..b": "c"} }, `the path "a..b" has an empty name`},
		"an empty condition":         {func(c *WebhookConfig) { c.Events[0].Where = map[string]string{"": "c"} }, "a path under where is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := good
			config.Events = append([]EventMapping(nil), good.Events...)
			tt.edit(&config)
			_, err := NewWebhooks(config)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Webhooks = %v; want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func FuzzWebhooks(f *testing.F) {
	f.Add(`{"event":"session.revoked","id":"event_1","data":{"id":"session_01"},"created_at":"2026-03-01T11:59:00Z"}`, "event", "data.id", true)
	f.Add(`{"event":{"type":"session.revoked"}}`, "event.type", "event.id", true)
	f.Add(`{"event":"session.revoked","data":{"id":1}}`, "event", "data.id", false)
	f.Fuzz(func(t *testing.T, body, typePath, sessionPath string, proved bool) {
		var sink recorder
		table := WebhookConfig{
			Name: "own", Issuer: issuer, Signature: SignatureWorkOS, Secrets: []string{shared}, Sink: &sink, Now: clock, Logger: slog.New(slog.DiscardHandler),
			TypePath: typePath, IDPath: "id", TimePath: "created_at", Events: []EventMapping{{Event: "session.revoked", Session: sessionPath}},
		}
		receiver, err := NewWebhooks(table)
		if err != nil {
			return // a path that cannot be one is refused when the receiver is made
		}
		header := prove(table, "", body)
		if !proved {
			header = prove(table, "", body+" ")
		}
		w := post(t, receiver, header, body)
		if w.Code >= 500 || !proved && w.Code < 400 || w.Code != http.StatusOK && len(sink.messages) != 0 {
			t.Errorf("answered %d %s; revoked %+v", w.Code, w.Body, sink.messages)
		}
	})
}

// TestTheTablesAreThoseOfTheDocuments has docs/signals.md show the tables that are tested.
func TestTheTablesAreThoseOfTheDocuments(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/signals.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []WebhookConfig{tableOfWorkOS, tableOfStytch, tableOfFusionAuth, tableOfSupabase} {
		var b strings.Builder
		line := func(key, value string) {
			if value != "" {
				fmt.Fprintf(&b, "%s: %s\n", key, value)
			}
		}
		line("name", table.Name)
		line("signature", table.Signature)
		line("header", table.Header)
		line("type_path", table.TypePath)
		line("id_path", table.IDPath)
		line("time_path", table.TimePath)
		b.WriteString("events:\n")
		for _, e := range table.Events {
			fmt.Fprintf(&b, "  - {event: %s", e.Event)
			separator := ", where: {"
			for _, path := range slices.Sorted(maps.Keys(e.Where)) {
				b.WriteString(separator + path + ": " + e.Where[path])
				separator = ", "
			}
			if e.Where != nil {
				b.WriteString("}")
			}
			for _, target := range [][2]string{{"session", e.Session}, {"subject", e.Subject}} {
				if target[1] != "" {
					b.WriteString(", " + target[0] + ": " + target[1])
				}
			}
			if e.AllTokens {
				b.WriteString(", all_tokens: true")
			}
			b.WriteString("}\n")
		}
		if !strings.Contains(string(page), "```yaml\n"+b.String()+"```\n") {
			t.Errorf("docs/signals.md does not show\n%s", b.String())
		}
	}
}
