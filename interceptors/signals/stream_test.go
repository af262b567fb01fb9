package signals_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ostiary/ostiary/interceptors/signals"
)

// A management is the endpoints of a transmitter, as the transport of a client. Each answers
// to its method and path.
type management struct {
	mu       sync.Mutex
	routes   map[string]func(body object) reply
	requests []string
	bodies   []object
	states   []string // of the verifications
	at       []time.Time
}

func (m *management) RoundTrip(r *http.Request) (*http.Response, error) {
	body := object{}
	if r.Body != nil {
		_ = json.NewDecoder(r.Body).Decode(&body) // a GET has none
	}
	name := r.Method + " " + strings.TrimPrefix(r.URL.String(), "https://idp.example.com")
	m.mu.Lock()
	m.requests, m.bodies, m.at = append(m.requests, name), append(m.bodies, body), append(m.at, time.Now())
	if state, ok := body["state"].(string); ok {
		m.states = append(m.states, state)
	}
	route := m.routes[name]
	m.mu.Unlock()
	if route == nil {
		return nil, fmt.Errorf("nothing is at %s", name)
	}
	return respond(route(body), nil)
}

func (m *management) sent() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.requests)
}

func (m *management) route(name string, answer func(object) reply) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.routes[name] = answer
}

func always(status int, body any) func(object) reply {
	return func(object) reply { return reply{status: status, body: string(mustJSON(body))} }
}

// inTurn answers with one after the other, and then always with the last.
func inTurn(answers ...func(object) reply) func(object) reply {
	return func(body object) reply {
		answer := answers[0]
		answers = answers[min(1, len(answers)-1):]
		return answer(body)
	}
}

const hook = "https://api.example.com/signals/idp"

// pushed is the stream of the transmitter, with what is another.
func pushed(change object) object {
	stream := object{
		"stream_id": "f67e39a0", "iss": transmitterURL, "aud": eventAudience, "events_delivered": []string{caep + "session-revoked"},
		"delivery": object{"method": "urn:ietf:rfc:8935", "endpoint_url": hook}, "min_verification_interval": 60,
	}
	maps.Copy(stream, change)
	return stream
}

func polled(change object) object {
	stream := pushed(object{"delivery": object{"method": "urn:ietf:rfc:8936", "endpoint_url": pollURL}, "description": "ostiary"})
	maps.Copy(stream, change)
	return stream
}

func newManagement() *management {
	return &management{routes: map[string]func(object) reply{
		"GET /streams":                   always(http.StatusOK, []any{}),
		"POST /streams":                  always(http.StatusCreated, pushed(nil)),
		"GET /status?stream_id=f67e39a0": always(http.StatusOK, object{"stream_id": "f67e39a0", "status": "enabled"}),
		"POST /status":                   always(http.StatusOK, object{"stream_id": "f67e39a0", "status": "enabled"}),
		"POST /verify":                   always(http.StatusNoContent, nil),
	}}
}

func newStream(t *testing.T, m *management, change func(*signals.StreamConfig)) *signals.Stream {
	t.Helper()
	config := signals.StreamConfig{
		Transmitter: signals.Transmitter{
			Issuer: transmitterURL, ConfigurationURL: "https://idp.example.com/streams", StatusURL: "https://idp.example.com/status",
			VerificationURL: "https://idp.example.com/verify",
		},
		PushURL: hook, HTTPClient: &http.Client{Transport: m}, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&config)
	}
	stream, err := signals.NewStream(config)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// runsStream runs a stream until the test ends.
func runsStream(t *testing.T, stream *signals.Stream) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		stream.Run(t.Context())
	}()
	t.Cleanup(func() { <-ended })
}

func TestHowAStreamIsOpened(t *testing.T) {
	t.Parallel()
	toPoll := func(c *signals.StreamConfig) { c.PushURL = "" }
	shared := func(c *signals.StreamConfig) { c.Shared = true }
	for name, tt := range map[string]struct {
		config func(*signals.StreamConfig)
		routes map[string]func(object) reply
		want   []string // the requests; the last but one, if there is an error
		fault  string
	}{
		"there is none": {want: []string{"GET /streams", "POST /streams", "GET /status?stream_id=f67e39a0", "POST /verify"}},
		"there is none, and that is a 404": {
			routes: map[string]func(object) reply{"GET /streams": always(http.StatusNotFound, object{})},
			want:   []string{"GET /streams", "POST /streams", "GET /status?stream_id=f67e39a0", "POST /verify"},
		},
		"another process has created it meanwhile, and the transmitter allows one": {
			config: shared,
			routes: map[string]func(object) reply{
				"GET /streams": inTurn(always(http.StatusOK, []any{}), always(http.StatusOK, []any{pushed(nil)})), "POST /streams": always(http.StatusConflict, object{}),
				"PATCH /streams": always(http.StatusOK, pushed(nil)),
			},
			want: []string{"GET /streams", "POST /streams", "GET /streams", "PATCH /streams", "GET /status?stream_id=f67e39a0", "POST /verify"},
		},
		"another process may create it, and has not": {
			config: shared,
			routes: map[string]func(object) reply{"GET /streams": inTurn(always(http.StatusOK, []any{}), always(http.StatusOK, []any{pushed(nil)}))},
			want:   []string{"GET /streams", "POST /streams", "GET /streams", "GET /status?stream_id=f67e39a0", "POST /verify"},
		},
		"another process has created it at the same time": {
			config: shared,
			routes: map[string]func(object) reply{
				"GET /streams":  inTurn(always(http.StatusOK, []any{}), always(http.StatusOK, []any{pushed(object{"stream_id": "second"}), pushed(nil)})),
				"POST /streams": always(http.StatusCreated, pushed(object{"stream_id": "second"})), "DELETE /streams?stream_id=second": always(http.StatusNoContent, nil),
				"PATCH /streams": always(http.StatusOK, pushed(nil)),
			},
			want: []string{"GET /streams", "POST /streams", "GET /streams", "DELETE /streams?stream_id=second", "PATCH /streams", "GET /status?stream_id=f67e39a0", "POST /verify"},
		},
		"ours is there": {
			routes: map[string]func(object) reply{
				"GET /streams": always(http.StatusOK, []any{pushed(object{"stream_id": "x", "delivery": object{"method": "urn:ietf:rfc:8935", "endpoint_url": "https://other.example.com"}}), pushed(nil)}),
				"PATCH /streams": func(body object) reply {
					if body["stream_id"] != "f67e39a0" {
						return reply{status: http.StatusNotFound}
					}
					return always(http.StatusOK, pushed(nil))(nil)
				},
			},
			want: []string{"GET /streams", "PATCH /streams", "GET /status?stream_id=f67e39a0", "POST /verify"},
		},
		"ours is there, and cannot be changed but replaced": {
			routes: map[string]func(object) reply{
				"GET /streams": always(http.StatusOK, pushed(nil)), "PATCH /streams": always(http.StatusMethodNotAllowed, nil), "PUT /streams": always(http.StatusOK, pushed(nil)),
			},
			want: []string{"GET /streams", "PATCH /streams", "PUT /streams", "GET /status?stream_id=f67e39a0", "POST /verify"},
		},
		"another one is there, and there may be no second": {
			routes: map[string]func(object) reply{
				"GET /streams":   always(http.StatusOK, []any{pushed(object{"delivery": object{"method": "urn:ietf:rfc:8935", "endpoint_url": "https://old.example.com"}})}),
				"POST /streams":  always(http.StatusConflict, nil),
				"PATCH /streams": always(http.StatusOK, pushed(nil)),
			},
			want: []string{"GET /streams", "POST /streams", "PATCH /streams", "GET /status?stream_id=f67e39a0", "POST /verify"},
		},
		"two others are there, and there may be no third": {
			routes: map[string]func(object) reply{
				"GET /streams":  always(http.StatusOK, []any{polled(nil), polled(object{"stream_id": "x"})}),
				"POST /streams": always(http.StatusConflict, nil),
			},
			want: []string{"GET /streams", "POST /streams"}, fault: "nothing shows which",
		},
		"it is paused": {
			routes: map[string]func(object) reply{"GET /status?stream_id=f67e39a0": always(http.StatusOK, object{"status": "paused"})},
			want:   []string{"GET /streams", "POST /streams", "GET /status?stream_id=f67e39a0", "POST /status", "POST /verify"},
		},
		"it is fetched": {
			config: toPoll, routes: map[string]func(object) reply{"POST /streams": always(http.StatusCreated, polled(nil))},
			want: []string{"GET /streams", "POST /streams", "GET /status?stream_id=f67e39a0", "POST /verify"},
		},
		"it is fetched, and is there": {
			config: toPoll, routes: map[string]func(object) reply{
				"GET /streams": always(http.StatusOK, []any{polled(object{"description": "another service"}), polled(nil)}), "PATCH /streams": always(http.StatusOK, polled(nil)),
			},
			want: []string{"GET /streams", "PATCH /streams", "GET /status?stream_id=f67e39a0", "POST /verify"},
		},
		"no list":               {routes: map[string]func(object) reply{"GET /streams": always(http.StatusForbidden, nil)}, want: []string{"GET /streams"}, fault: "status 403 when asked for streams"},
		"a list that is broken": {routes: map[string]func(object) reply{"GET /streams": func(object) reply { return reply{body: "]"} }}, want: []string{"GET /streams"}, fault: "cannot be read"},
		"no new stream":         {routes: map[string]func(object) reply{"POST /streams": always(http.StatusBadRequest, nil)}, want: []string{"GET /streams", "POST /streams"}, fault: "status 400 when asked for a new stream"},
		"no change": {
			routes: map[string]func(object) reply{"GET /streams": always(http.StatusOK, pushed(nil)), "PATCH /streams": always(http.StatusForbidden, nil)},
			want:   []string{"GET /streams", "PATCH /streams"}, fault: "status 403 when asked to change",
		},
		"a stream of another issuer":       {routes: map[string]func(object) reply{"POST /streams": always(http.StatusCreated, pushed(object{"iss": "https://other.example.com"}))}, want: []string{"GET /streams", "POST /streams"}, fault: "another issuer"},
		"a stream without an id":           {routes: map[string]func(object) reply{"POST /streams": always(http.StatusCreated, pushed(object{"stream_id": 7}))}, want: []string{"GET /streams", "POST /streams"}, fault: "no stream_id"},
		"a stream without an audience":     {routes: map[string]func(object) reply{"POST /streams": always(http.StatusCreated, pushed(object{"aud": []any{}}))}, want: []string{"GET /streams", "POST /streams"}, fault: "no aud"},
		"a stream to somewhere else":       {routes: map[string]func(object) reply{"POST /streams": always(http.StatusCreated, pushed(object{"delivery": object{"method": "urn:ietf:rfc:8935", "endpoint_url": hook + "2"}}))}, want: []string{"GET /streams", "POST /streams"}, fault: "not pushed to where they should"},
		"a stream that must be fetched":    {routes: map[string]func(object) reply{"POST /streams": always(http.StatusCreated, polled(nil))}, want: []string{"GET /streams", "POST /streams"}, fault: "not pushed to where they should"},
		"a stream that cannot be fetched":  {config: toPoll, want: []string{"GET /streams", "POST /streams"}, fault: "cannot be fetched"},
		"a stream in plaintext":            {config: toPoll, routes: map[string]func(object) reply{"POST /streams": always(http.StatusCreated, polled(object{"delivery": object{"method": "urn:ietf:rfc:8936", "endpoint_url": "http://idp.example.com"}}))}, want: []string{"GET /streams", "POST /streams"}, fault: "must be https"},
		"a status that must not be known":  {routes: map[string]func(object) reply{"GET /status?stream_id=f67e39a0": always(http.StatusForbidden, nil)}, want: []string{"GET /streams", "POST /streams", "GET /status?stream_id=f67e39a0"}, fault: "the status endpoint answered with status 403"},
		"a stream that must not be paused": {routes: map[string]func(object) reply{"GET /status?stream_id=f67e39a0": always(http.StatusOK, object{"status": "disabled"}), "POST /status": always(http.StatusForbidden, nil)}, want: []string{"GET /streams", "POST /streams", "GET /status?stream_id=f67e39a0", "POST /status"}, fault: "the status endpoint answered with status 403"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newManagement()
				maps.Copy(m.routes, tt.routes)
				stream := newStream(t, m, tt.config)
				runsStream(t, stream)
				synctest.Wait()
				if got := m.sent(); !slices.Equal(got, tt.want) {
					t.Errorf("requests %q; want %q", got, tt.want)
				}
				status := stream.Status()
				if tt.fault == "" && (status.ID != "f67e39a0" || status.Status != "enabled" || status.LastError != "") || !strings.Contains(status.LastError, tt.fault) {
					t.Errorf("Status = %+v; want %q", status, tt.fault)
				}
				if tt.fault == "" {
					return
				}
				pass(1001 * time.Millisecond) // and it is tried again
				if got := m.sent(); len(got) <= len(tt.want) || got[len(tt.want)] != "GET /streams" {
					t.Errorf("requests %q; want it tried again", got)
				}
			})
		})
	}
}

func TestWhatIsAskedOfAStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManagement()
		runsStream(t, newStream(t, m, func(c *signals.StreamConfig) { c.PushAuthorization = "Bearer 0123456789abcdef" }))
		synctest.Wait()
		want := object{
			"delivery":    object{"method": "urn:ietf:rfc:8935", "endpoint_url": hook, "authorization_header": "Bearer 0123456789abcdef"},
			"description": "ostiary",
			"events_requested": []any{
				caep + "session-revoked", caep + "credential-change", risc + "account-disabled", risc + "account-purged", risc + "sessions-revoked", risc + "credential-compromise",
			},
		}
		if got := m.bodies[1]; !reflect.DeepEqual(got, want) {
			t.Errorf("asked for %v; want %v", got, want)
		}
		if got := m.bodies[3]; len(got) != 2 || got["stream_id"] != "f67e39a0" || len(got["state"].(string)) < 20 {
			t.Errorf("asked for the verification %v", got)
		}
	})
}

func TestAStreamThatIsSilentIsStale(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newManagement()
		stream := newStream(t, m, func(c *signals.StreamConfig) { c.VerifyWithin = 20 * time.Second })
		kit := newEventKit(t, func(c *signals.SecurityEventsConfig) { c.Stream, c.Audiences, c.Now = stream, nil, time.Now })
		verification := func(id, state string) eventAnswer {
			event := object{}
			if state != "" {
				event["state"] = state
			}
			c := claims(object{"format": "opaque", "id": id}, ssf+"verification", event)
			answer := kit.push(t, kit.sign(with(c, "iat", time.Now().Unix())))
			answer.description = ""
			return answer
		}
		if got := verification("f67e39a0", ""); got.status != http.StatusServiceUnavailable {
			t.Errorf("before the stream is known: answered %+v; want 503", got)
		}
		runsStream(t, stream)
		synctest.Wait()
		asked := stream.Status().Asked
		pass(10 * time.Second)
		if got := stream.Status(); got.Stale || asked.IsZero() {
			t.Errorf("Status = %+v; want that it is waited for", got)
		}
		for state, want := range map[string]eventAnswer{"another": {http.StatusBadRequest, "invalid_state", ""}, m.states[0] + "0": {http.StatusBadRequest, "invalid_state", ""}} {
			if got := verification("f67e39a0", state); got != want {
				t.Errorf("another state: answered %+v; want %+v", got, want)
			}
		}
		if got := verification("another", m.states[0]); got != (eventAnswer{http.StatusBadRequest, "invalid_request", ""}) {
			t.Errorf("another stream: answered %+v", got)
		}
		pass(10*time.Second + time.Millisecond)
		if got := stream.Status(); !got.Stale || !got.Verified.IsZero() {
			t.Errorf("Status = %+v; want stale", got)
		}
		for range 2 { // it may come twice
			if got := verification("f67e39a0", m.states[0]); got.status != http.StatusAccepted {
				t.Errorf("the state that was asked for: answered %+v", got)
			}
		}
		if got := stream.Status(); got.Stale || !got.Verified.Equal(time.Now()) {
			t.Errorf("Status = %+v; want verified", got)
		}
		pass(7 * time.Minute)
		if len(m.states) != 2 || m.states[0] == m.states[1] {
			t.Errorf("%d verifications in 7 minutes; want another after 5", len(m.states))
		}
		if got := verification("f67e39a0", ""); got.status != http.StatusAccepted || stream.Status().Stale {
			t.Errorf("one that the transmitter sends by itself: answered %+v", got)
		}
		c := claims(object{"format": "opaque", "id": "f67e39a0"}, ssf+"stream-updated", object{"status": "disabled"})
		if got := kit.push(t, kit.sign(with(c, "iat", time.Now().Unix()))); got.status != http.StatusAccepted || stream.Status().Status != "disabled" {
			t.Errorf("answered %+v; the stream is %+v", got, stream.Status())
		}
	})
}

func TestVerificationsAreAskedForAsSeldomAsTheTransmitterWants(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		stream object
		answer func(object) reply
		least  time.Duration
	}{
		"as it says":      {pushed(object{"min_verification_interval": 3600}), always(http.StatusNoContent, nil), time.Hour},
		"as it answers":   {pushed(nil), func(object) reply { return reply{http.StatusTooManyRequests, "", http.Header{"Retry-After": {"599"}}} }, 599 * time.Second},
		"less than a day": {pushed(object{"min_verification_interval": 200000000000}), always(http.StatusNoContent, nil), 24 * time.Hour},
		"as we want":      {pushed(object{"min_verification_interval": "x"}), always(http.StatusNoContent, nil), 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := newManagement()
				m.route("POST /streams", always(http.StatusCreated, tt.stream))
				m.route("POST /verify", tt.answer)
				runsStream(t, newStream(t, m, nil))
				pass(4*tt.least + tt.least/2)
				var at []time.Time
				for i, request := range m.sent() {
					if request == "POST /verify" {
						at = append(at, m.at[i])
					}
				}
				if len(at) < 3 {
					t.Errorf("%d verifications", len(at))
				}
				for i := 1; i < len(at); i++ {
					if pause := at[i].Sub(at[i-1]); pause < tt.least || pause > tt.least+tt.least/4 {
						t.Errorf("a pause of %v; want %v or little more", pause, tt.least)
					}
				}
			})
		})
	}
}

func TestSettingsOfStreamsThatCannotWork(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*signals.StreamConfig)
		want   string
	}{
		"no endpoint":                   {func(c *signals.StreamConfig) { c.Transmitter.ConfigurationURL = "" }, "ConfigurationURL"},
		"an endpoint in plaintext":      {func(c *signals.StreamConfig) { c.Transmitter.ConfigurationURL = "http://idp.example.com" }, "must be https"},
		"events in plaintext":           {func(c *signals.StreamConfig) { c.PushURL = "http://api.example.com" }, "must be https"},
		"a short authorization":         {func(c *signals.StreamConfig) { c.PushAuthorization = "Bearer s3cret" }, "16 characters"},
		"an authorization without push": {func(c *signals.StreamConfig) { c.PushURL, c.PushAuthorization = "", "Bearer s3cret-0123456789" }, "PushURL"},
		"a negative time":               {func(c *signals.StreamConfig) { c.VerifyEvery = -1 }, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := signals.StreamConfig{Transmitter: signals.Transmitter{ConfigurationURL: "https://idp.example.com/streams"}, PushURL: hook}
			tt.change(&config)
			stream, err := signals.NewStream(config)
			if err == nil || stream != nil || !strings.HasPrefix(err.Error(), "signals.NewStream: ") || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v; want %s", err, tt.want)
			}
		})
	}
	config := newFastKit(t).config
	config.Stream = newStream(t, newManagement(), func(c *signals.StreamConfig) { c.Transmitter.Issuer = "https://other.example.com" })
	if _, err := signals.NewSecurityEvents(config); err == nil || !strings.Contains(err.Error(), "another Transmitter") {
		t.Errorf("a stream of another transmitter: %v", err)
	}
}

func TestATransmitterIsDiscovered(t *testing.T) {
	t.Parallel()
	const root, inserted = "https://idp.example.com", "GET /.well-known/ssf-configuration"
	metadata := func(issuer string, change object) func(object) reply {
		found := object{
			"issuer": issuer, "jwks_uri": "https://keys.example.com/jwks", "configuration_endpoint": root + "/streams", "status_endpoint": root + "/status",
			"verification_endpoint": root + "/verify", "delivery_methods_supported": []string{"urn:ietf:rfc:8935"}, "critical_subject_members": []string{"tenant"}, "default_subjects": "NONE",
		}
		maps.Copy(found, change)
		return always(http.StatusOK, found)
	}
	absent := always(http.StatusNotFound, nil)
	for name, tt := range map[string]struct {
		issuer string
		routes map[string]func(object) reply
		fault  string
	}{
		"at the root":               {root, map[string]func(object) reply{inserted: metadata(root, nil)}, ""},
		"at the root, with a slash": {root + "/", map[string]func(object) reply{inserted: metadata(root+"/", nil)}, ""},
		"inserted before the path":  {root + "/issuer1/", map[string]func(object) reply{inserted + "/issuer1": metadata(root+"/issuer1/", nil)}, ""},
		"behind the path": {root + "/realms/a", map[string]func(object) reply{
			inserted + "/realms/a": absent, "GET /realms/a/.well-known/ssf-configuration": metadata(root+"/realms/a", nil),
		}, ""},
		"of an older one":     {root, map[string]func(object) reply{inserted: absent, "GET /.well-known/risc-configuration": metadata(root, nil)}, ""},
		"of another issuer":   {root, map[string]func(object) reply{inserted: metadata("https://other.example.com", nil)}, "another issuer"},
		"without its slash":   {root + "/", map[string]func(object) reply{inserted: metadata(root, nil)}, "another issuer"},
		"keys in plaintext":   {root, map[string]func(object) reply{inserted: metadata(root, object{"jwks_uri": "http://idp.example.com/jwks"})}, "must be https"},
		"an endpoint of null": {root, map[string]func(object) reply{inserted: metadata(root, object{"status_endpoint": nil})}, "cannot be used"},
		"no JSON":             {root, map[string]func(object) reply{inserted: func(object) reply { return reply{body: "<html>"} }}, "cannot be read"},
		"too long":            {root, map[string]func(object) reply{inserted: func(object) reply { return reply{body: strings.Repeat(" ", 65<<10)} }}, "longer than"},
		"a redirect": {root, map[string]func(object) reply{inserted: func(object) reply {
			return reply{status: http.StatusFound, header: http.Header{"Location": {"https://other.example.com"}}}
		}}, "status 302"},
		"none":                   {root, nil, "nothing is at"},
		"an issuer in plaintext": {"http://idp.example.com", nil, "must be https"},
		"no issuer":              {"", nil, "cannot be used"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &management{routes: tt.routes}
			got, err := signals.DiscoverTransmitter(t.Context(), &http.Client{Transport: m}, tt.issuer)
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) || !reflect.DeepEqual(got, signals.Transmitter{}) {
					t.Errorf("%+v, %v; want %s", got, err, tt.fault)
				}
				return
			}
			want := signals.Transmitter{
				Issuer: tt.issuer, KeySetURL: "https://keys.example.com/jwks", ConfigurationURL: root + "/streams", StatusURL: root + "/status", VerificationURL: root + "/verify",
				DeliveryMethods: []string{"urn:ietf:rfc:8935"}, CriticalMembers: []string{"tenant"}, DefaultSubjects: "NONE",
			}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, %v; want %+v", got, err, want)
			}
		})
	}
	if _, err := signals.DiscoverTransmitter(t.Context(), &http.Client{Transport: &management{}}, "https://me:s3cret@idp.example.com"); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("an issuer with a user: %v", err)
	}
}
