package transmitter

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

func TestTheMetadata(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tr := b.start()
	status, got := b.owner(tr, "nobody").call(http.MethodGet, MetadataPath, "")
	want := map[string]any{
		"spec_version": "1_0", "issuer": someIssuer, "jwks_uri": someIssuer + "/ssf/jwks.json",
		"delivery_methods_supported": []any{methodPush, methodPoll},
		"configuration_endpoint":     someIssuer + "/ssf/stream", "status_endpoint": someIssuer + "/ssf/status", "verification_endpoint": someIssuer + "/ssf/verify",
		"authorization_schemes": []any{map[string]any{"spec_urn": "urn:ietf:rfc:6749"}, map[string]any{"spec_urn": "urn:ietf:rfc:6750"}},
		"default_subjects":      "ALL",
	}
	if status != http.StatusOK || !reflect.DeepEqual(got, want) {
		t.Errorf("%d\n got %v\nwant %v", status, got, want)
	}
}

func TestAStreamIsConfigured(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tr := b.start()
	o := b.owner(tr, "one")
	const other = "https://example.com/other"
	status, created := o.call(http.MethodPost, streamPath, `{"delivery": {"method": "`+methodPush+`", "endpoint_url": "https://receiver.example.com/?a", "authorization_header": "`+someHeader+`"},
		"events_requested": ["`+sessionRevoked+`", "`+other+`"], "description": "Ada's", "aud": "https://receiver.example.com", "unknown": 1}`)
	id, _ := created["stream_id"].(string)
	want := map[string]any{
		"stream_id": id, "iss": someIssuer, "aud": "https://receiver.example.com", "description": "Ada's", "min_verification_interval": 10.0,
		"events_supported": []any{sessionRevoked, accountDisabled}, "events_requested": []any{sessionRevoked, other}, "events_delivered": []any{sessionRevoked},
		"delivery": map[string]any{"method": methodPush, "endpoint_url": "https://receiver.example.com/?a"},
	}
	check := func(what string, status, wantStatus int, got any) {
		t.Helper()
		if status != wantStatus || !reflect.DeepEqual(got, any(want)) {
			t.Errorf("%s: %d\n got %v\nwant %v", what, status, got, want)
		}
	}
	check("created", status, http.StatusCreated, any(created))
	header := func(what, wantHeader string) {
		t.Helper()
		if got := b.streams()[0].Authorization; got != wantHeader {
			t.Errorf("%s: the header is %q", what, got)
		}
	}
	header("created", someHeader)
	status, got := o.call(http.MethodGet, streamPath+"?stream_id="+id, "")
	check("read", status, http.StatusOK, any(got))

	body, _ := json.Marshal(want) // as a receiver does that changes one thing of what it has read
	want["description"] = "Ben's"
	status, got = o.call(http.MethodPut, streamPath, strings.Replace(string(body), "Ada's", "Ben's", 1))
	check("replaced by the same", status, http.StatusOK, any(got))
	header("replaced by the same", someHeader)

	want["events_requested"], want["events_delivered"] = []any{accountDisabled}, []any{accountDisabled}
	status, got = o.call(http.MethodPatch, streamPath, `{"stream_id": "`+id+`", "events_requested": ["`+accountDisabled+`"]}`)
	check("changed", status, http.StatusOK, any(got))
	header("changed", someHeader)

	want["delivery"] = map[string]any{"method": methodPush, "endpoint_url": "https://other.example.com/"}
	status, got = o.call(http.MethodPatch, streamPath, `{"stream_id": "`+id+`", "delivery": {"method": "`+methodPush+`", "endpoint_url": "https://other.example.com/"}}`)
	check("moved", status, http.StatusOK, any(got))
	header("moved", "")

	want["delivery"] = map[string]any{"method": methodPoll, "endpoint_url": someIssuer + "/ssf/poll/" + id}
	want["events_delivered"] = []any{sessionRevoked, accountDisabled}
	delete(want, "events_requested")
	delete(want, "description")
	status, got = o.call(http.MethodPut, streamPath, `{"stream_id": "`+id+`"}`)
	check("replaced by nothing", status, http.StatusOK, any(got))

	if status, _ := o.call(http.MethodDelete, streamPath+"?stream_id="+id, ""); status != http.StatusNoContent {
		t.Errorf("delete: %d", status)
	}
	if status, _ := o.call(http.MethodGet, streamPath+"?stream_id="+id, ""); status != http.StatusNotFound {
		t.Errorf("read when it is deleted: %d", status)
	}
}

func TestAStreamBelongsToItsOwner(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tr := b.start()
	ada, ben := b.owner(tr, "ada"), b.owner(tr, "ben")
	id := ada.create(nil)
	for request, body := range map[string]string{
		"GET " + streamPath + "?stream_id=" + id:    "",
		"DELETE " + streamPath + "?stream_id=" + id: "",
		"PATCH " + streamPath:                       `{"stream_id": "` + id + `"}`,
		"PUT " + streamPath:                         `{"stream_id": "` + id + `"}`,
		"GET " + statusPath + "?stream_id=" + id:    "",
		"POST " + statusPath:                        `{"stream_id": "` + id + `", "status": "disabled"}`,
		"POST " + verifyPath:                        `{"stream_id": "` + id + `"}`,
		"POST " + pollPath + id:                     `{"returnImmediately": true}`,
	} {
		t.Run(request, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(request, " ")
			if status, answered := ben.call(method, path, body); status != http.StatusNotFound || answered["err"] != "not_found" {
				t.Errorf("%d, %v; want 404", status, answered)
			}
		})
	}
	list := func(o owner) string {
		return strings.TrimSpace(o.record(http.MethodGet, streamPath, "").Body.String())
	}
	if got := list(ben); got != "[]" {
		t.Errorf("the list of another: %s", got)
	}
	if got := list(ada); !strings.HasPrefix(got, `[{"stream_id":"`+id+`"`) {
		t.Errorf("the list of its owner: %s", got)
	}
}

func TestNobodyHasMoreStreamsThanItMay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tr := b.start()
	for i := range maxStreams / maxOwnStreams {
		o := b.owner(tr, fmt.Sprint(i))
		for range maxOwnStreams {
			o.create(nil)
		}
		if status, answered := o.call(http.MethodPost, streamPath, `{}`); status != http.StatusForbidden || answered["err"] != "access_denied" {
			t.Errorf("one more of an owner: %d, %v", status, answered)
		}
	}
	if status, _ := b.owner(tr, "late").call(http.MethodPost, streamPath, `{}`); status != http.StatusForbidden {
		t.Errorf("one more of all: %d", status)
	}
	if n := len(b.streams()); n != maxStreams {
		t.Errorf("%d streams", n)
	}
}

func TestWrongRequestsAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tr := b.start(func(c *Config) { c.AllowPrivate = false })
	o := b.owner(tr, "one")
	polled := o.create(nil)
	_, created := o.call(http.MethodPost, streamPath, `{"delivery": {"method": "`+methodPush+`", "endpoint_url": "https://receiver.example.com"}}`)
	pushed, _ := created["stream_id"].(string)
	long := strings.Repeat("x", maxText+1)
	push := func(rest string) string { return `{"delivery": {"method": "` + methodPush + `", ` + rest + `}}` }
	of := func(id, rest string) string { return `{"stream_id": "` + id + `", ` + rest + `}` }
	for name, tt := range map[string]struct {
		request, body string
		want          int
	}{
		"no body":                          {"POST " + streamPath, ``, http.StatusBadRequest},
		"no object":                        {"POST " + streamPath, `[]`, http.StatusBadRequest},
		"something behind it":              {"POST " + streamPath, `{} {}`, http.StatusBadRequest},
		"a body that is too long":          {"POST " + streamPath, `{"description": "` + strings.Repeat("x", maxBodyBytes) + `"}`, http.StatusRequestEntityTooLarge},
		"a member of another type":         {"POST " + streamPath, `{"description": 1}`, http.StatusBadRequest},
		"no URL":                           {"POST " + streamPath, push(`"endpoint_url": ""`), http.StatusBadRequest},
		"plain http":                       {"POST " + streamPath, push(`"endpoint_url": "http://receiver.example.com"`), http.StatusBadRequest},
		"loopback":                         {"POST " + streamPath, push(`"endpoint_url": "http://127.0.0.1:1"`), http.StatusBadRequest},
		"the address of a cloud's secrets": {"POST " + streamPath, push(`"endpoint_url": "https://169.254.169.254/latest"`), http.StatusBadRequest},
		"a header of two lines":            {"POST " + streamPath, push(`"endpoint_url": "https://receiver.example.com", "authorization_header": "a\r\nb"`), http.StatusBadRequest},
		"a long header":                    {"POST " + streamPath, push(`"endpoint_url": "https://receiver.example.com", "authorization_header": "` + strings.Repeat("x", maxAuthorization+1) + `"`), http.StatusBadRequest},
		"another method of delivery":       {"POST " + streamPath, `{"delivery": {"method": "urn:example"}}`, http.StatusBadRequest},
		"no method of delivery":            {"POST " + streamPath, `{"delivery": {}}`, http.StatusBadRequest},
		"a URL to be polled at":            {"POST " + streamPath, `{"delivery": {"method": "` + methodPoll + `", "endpoint_url": "https://receiver.example.com"}}`, http.StatusBadRequest},
		"a long description":               {"POST " + streamPath, `{"description": "` + long + `"}`, http.StatusBadRequest},
		"a description with a line break":  {"POST " + streamPath, `{"description": "a\nb"}`, http.StatusBadRequest},
		"a long type of event":             {"POST " + streamPath, `{"events_requested": ["` + long + `"]}`, http.StatusBadRequest},
		"too many types of events":         {"POST " + streamPath, `{"events_requested": ["a"` + strings.Repeat(`, "a"`, maxEvents) + `]}`, http.StatusBadRequest},
		"an empty audience":                {"POST " + streamPath, `{"aud": ""}`, http.StatusBadRequest},
		"several audiences":                {"POST " + streamPath, `{"aud": ["a", "b"]}`, http.StatusBadRequest},
		"another iss":                      {"PATCH " + streamPath, of(polled, `"iss": "https://example.com"`), http.StatusBadRequest},
		"another aud":                      {"PATCH " + streamPath, of(polled, `"aud": "https://example.com"`), http.StatusBadRequest},
		"other events_delivered":           {"PUT " + streamPath, of(polled, `"events_delivered": []`), http.StatusBadRequest},
		"no stream_id":                     {"PATCH " + streamPath, `{}`, http.StatusNotFound},
		"the status of none":               {"GET " + statusPath, ``, http.StatusNotFound},
		"an unknown status":                {"POST " + statusPath, of(polled, `"status": "sleeping"`), http.StatusBadRequest},
		"a long reason":                    {"POST " + statusPath, of(polled, `"status": "paused", "reason": "`+long+`"`), http.StatusBadRequest},
		"a long state":                     {"POST " + verifyPath, of(polled, `"state": "`+long+`"`), http.StatusBadRequest},
		"fewer than no events":             {"POST " + pollPath + polled, `{"maxEvents": -1}`, http.StatusBadRequest},
		"to poll what is pushed":           {"POST " + pollPath + pushed, `{}`, http.StatusBadRequest},
		"to poll nothing":                  {"POST " + pollPath + "none", `{}`, http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(tt.request, " ")
			status, answered := o.call(method, path, tt.body)
			if description, _ := answered["description"].(string); status != tt.want || description == "" {
				t.Errorf("%d, %v; want %d and why", status, answered, tt.want)
			}
		})
	}
}

// FuzzConfiguration has no configuration of a receiver accepted that leads elsewhere than to
// the internet, or into two lines of a header.
func FuzzConfiguration(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `{"aud": null, "events_requested": null, "description": "a"}`, `{"delivery": {"method": "` + methodPoll + `"}}`,
		`{"delivery": {"method": "` + methodPush + `", "endpoint_url": "https://r.example.com/?a=b", "authorization_header": "Bearer a"}}`,
		`{"delivery": {"method": "` + methodPush + `", "endpoint_url": "https://[::ffff:10.0.0.1]/"}}`,
	} {
		f.Add(seed)
	}
	tr := &Transmitter{config: Config{Issuer: someIssuer, Now: time.Now}}
	f.Fuzz(func(t *testing.T, body string) {
		var asked requested
		s := store.Stream{ID: "1"}
		if json.Unmarshal([]byte(body), &asked) != nil || tr.apply(&s, asked) != nil {
			return
		}
		if s.Push && (checkEndpoint(s.Endpoint, false) != nil || strings.ContainsAny(s.Authorization, "\r\n\x00")) {
			t.Errorf("accepted %q, %q", s.Endpoint, s.Authorization)
		}
	})
}
