package transmitter

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/ostiary/ostiary/server/internal/store"
)

// The methods of delivery.
const (
	methodPush = "urn:ietf:rfc:8935"
	methodPoll = "urn:ietf:rfc:8936"
)

const (
	// minVerificationInterval is how often a receiver can ask for a verification.
	minVerificationInterval = 10 * time.Second

	maxText          = 1024 // bytes of a description, a reason or a state
	maxAudience      = 255
	maxAuthorization = 4096
	maxEvents        = 64
)

// configuration is that of a stream (SSF 1.0, section 8.1.1).
type configuration struct {
	ID                      string   `json:"stream_id"`
	Issuer                  string   `json:"iss"`
	Audience                string   `json:"aud"`
	EventsSupported         []string `json:"events_supported"`
	EventsRequested         []string `json:"events_requested,omitempty"`
	EventsDelivered         []string `json:"events_delivered"`
	Delivery                delivery `json:"delivery"`
	MinVerificationInterval int      `json:"min_verification_interval"`
	Description             string   `json:"description,omitempty"`
}

type delivery struct {
	Method   string `json:"method"`
	Endpoint string `json:"endpoint_url,omitempty"`
	// Authorization is only read. nil leaves it as it is, where the endpoint stays the same.
	Authorization *string `json:"authorization_header,omitempty"`
}

func (t *Transmitter) configurationOf(s store.Stream) configuration {
	c := configuration{
		ID: s.ID, Issuer: t.config.Issuer, Audience: s.Audience,
		EventsSupported: supported, EventsRequested: s.Events, EventsDelivered: delivered(s),
		Delivery:                delivery{Method: methodPoll, Endpoint: t.config.Issuer + pollPath + s.ID},
		MinVerificationInterval: int(minVerificationInterval / time.Second), Description: s.Description,
	}
	if s.Push {
		c.Delivery = delivery{Method: methodPush, Endpoint: s.Endpoint}
	}
	return c
}

// requested is what a receiver says of a stream.
type requested struct {
	ID          string    `json:"stream_id"`
	Events      *[]string `json:"events_requested"`
	Delivery    *delivery `json:"delivery"`
	Description *string   `json:"description"`
	// Audience is an extension: SSF leaves to the transmitter what it calls the receiver.
	Audience json.RawMessage `json:"aud"`
}

// apply changes a stream as requested, and checks it.
func (t *Transmitter) apply(s *store.Stream, asked requested) error {
	if asked.Events != nil {
		if len(*asked.Events) > maxEvents || slices.ContainsFunc(*asked.Events, func(e string) bool { return !isText(e, maxText) }) {
			return invalid("events_requested has too many values, or one that is no URI")
		}
		s.Events = *asked.Events
	}
	if asked.Description != nil {
		if !isText(*asked.Description, maxText) {
			return invalid("description is longer than 1024 bytes, or has control characters")
		}
		s.Description = *asked.Description
	}
	if asked.Delivery == nil {
		return nil
	}
	return t.applyDelivery(s, *asked.Delivery)
}

func (t *Transmitter) applyDelivery(s *store.Stream, asked delivery) error {
	before := *s
	switch asked.Method {
	case methodPoll:
		if asked.Endpoint != "" && asked.Endpoint != t.config.Issuer+pollPath+s.ID {
			return invalid("endpoint_url of a stream that is polled is the transmitter's; leave it out")
		}
		s.Push, s.Endpoint, s.Authorization = false, "", ""
	case methodPush:
		if err := checkEndpoint(asked.Endpoint, t.config.AllowPrivate); err != nil {
			return invalid(err.Error())
		}
		s.Push, s.Endpoint = true, asked.Endpoint
		switch {
		case asked.Authorization != nil:
			if !isHeader(*asked.Authorization) {
				return invalid("authorization_header is longer than 4096 bytes, or has characters that a header cannot have")
			}
			s.Authorization = *asked.Authorization
		case s.Endpoint != before.Endpoint:
			s.Authorization = "" // it is not for anybody else
		}
	default:
		return invalid("delivery.method must be " + methodPush + " or " + methodPoll)
	}
	if s.Push != before.Push || s.Endpoint != before.Endpoint || s.Authorization != before.Authorization {
		t.startAgain(s)
	}
	return nil
}

// startAgain has a stream sent on at once, whatever has failed before.
func (t *Transmitter) startAgain(s *store.Stream) {
	s.DueAt = t.now()
	s.Failures, s.FailingSince, s.LastError = 0, time.Time{}, ""
}

// isText reports whether a text can be kept and shown.
func isText(s string, longest int) bool {
	return len(s) <= longest && !strings.ContainsFunc(s, unicode.IsControl)
}

func isHeader(s string) bool {
	return len(s) <= maxAuthorization && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' })
}

func (t *Transmitter) createStream(r *http.Request, owner store.StreamOwner) (answer, error) {
	var asked requested
	if err := decode(r, &asked); err != nil {
		return answer{}, err
	}
	latest := t.config.Latest()
	s := store.Stream{
		ID: rand.Text(), CreatedAt: t.now(), Owner: owner, Status: store.StreamEnabled,
		Sequence: latest.Sequence, SequenceAt: latest.CreatedAt,
	}
	s.Audience = s.ID
	if len(asked.Audience) > 0 {
		if json.Unmarshal(asked.Audience, &s.Audience) != nil || s.Audience == "" || !isText(s.Audience, maxAudience) {
			return answer{}, invalid("aud must be a text of up to 255 bytes; leave it out, and it is the stream_id")
		}
	}
	if asked.Delivery == nil {
		asked.Delivery = &delivery{Method: methodPoll}
	}
	if err := t.apply(&s, asked); err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeTimeout)
	defer cancel()
	err := t.config.Store.AddStream(ctx, s, maxStreams, maxOwnStreams)
	if errors.Is(err, store.ErrTooManyStreams) {
		return answer{}, &refusal{Status: http.StatusForbidden, Code: "access_denied", Description: "there are as many streams as there may be; delete one that is not needed, or use it"}
	}
	if err != nil {
		return answer{}, err
	}
	t.log(r.Context(), "created", s)
	return answer{http.StatusCreated, t.configurationOf(s)}, nil
}

// log logs what an owner has done to a stream.
func (t *Transmitter) log(ctx context.Context, state string, s store.Stream) {
	t.config.Log.InfoContext(ctx, "stream of security events", "state", state, "stream", s.ID, "owner_issuer", s.Owner.Issuer, "owner_subject", s.Owner.Subject, "push", s.Push, "endpoint", hostOf(s.Endpoint))
}

func (t *Transmitter) readStreams(r *http.Request, owner store.StreamOwner) (answer, error) {
	if query := r.URL.Query(); query.Has("stream_id") {
		s, err := t.own(r.Context(), owner, query.Get("stream_id"))
		if err != nil {
			return answer{}, err
		}
		return answer{http.StatusOK, t.configurationOf(s)}, nil
	}
	all, err := t.streams(r.Context())
	if err != nil {
		return answer{}, err
	}
	own := []configuration{} // which is never null
	for _, s := range all {
		if s.Owner == owner {
			own = append(own, t.configurationOf(s))
		}
	}
	return answer{http.StatusOK, own}, nil
}

func (t *Transmitter) updateStream(r *http.Request, owner store.StreamOwner) (answer, error) {
	return t.change(r, owner, false)
}

func (t *Transmitter) replaceStream(r *http.Request, owner store.StreamOwner) (answer, error) {
	return t.change(r, owner, true)
}

// change changes a stream: what the request says, or else that is also removed which it
// does not say.
func (t *Transmitter) change(r *http.Request, owner store.StreamOwner, replace bool) (answer, error) {
	var body json.RawMessage
	if err := decode(r, &body); err != nil {
		return answer{}, err
	}
	var asked requested
	var supplied map[string]any
	if json.Unmarshal(body, &asked) != nil || json.Unmarshal(body, &supplied) != nil {
		return answer{}, invalid("the body is no configuration of a stream")
	}
	if replace && asked.Delivery == nil {
		asked.Delivery = &delivery{Method: methodPoll}
	}
	s, err := t.update(r.Context(), owner, asked.ID, func(s *store.Stream) error {
		if name := t.contradicts(*s, supplied); name != "" {
			return invalid(name + " is the transmitter's, and has another value; leave it out")
		}
		if replace {
			s.Events, s.Description = nil, ""
		}
		return t.apply(s, asked)
	})
	if err != nil {
		return answer{}, err
	}
	t.log(r.Context(), "changed", s)
	return answer{http.StatusOK, t.configurationOf(s)}, nil
}

// contradicts returns the name of a member that is the transmitter's and has another value
// than that of the stream; "" for none.
func (t *Transmitter) contradicts(s store.Stream, supplied map[string]any) string {
	encoded, _ := json.Marshal(t.configurationOf(s)) // never fails
	var known map[string]any
	_ = json.Unmarshal(encoded, &known) // never fails
	for _, name := range []string{"iss", "aud", "events_supported", "events_delivered", "min_verification_interval"} {
		if value, given := supplied[name]; given && !reflect.DeepEqual(value, known[name]) {
			return name
		}
	}
	return ""
}

func (t *Transmitter) deleteStream(r *http.Request, owner store.StreamOwner) (answer, error) {
	s, err := t.own(r.Context(), owner, r.URL.Query().Get("stream_id"))
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeTimeout)
	defer cancel()
	if err := t.config.Store.DeleteStream(ctx, s.ID); err != nil {
		return answer{}, err
	}
	t.log(r.Context(), "deleted", s)
	return answer{status: http.StatusNoContent}, nil
}

// status is that of a stream (SSF 1.0, section 8.1.2).
type status struct {
	ID     string `json:"stream_id"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`

	// These are extensions: how it is going.
	LastError    string     `json:"last_error,omitempty"`
	FailingSince *time.Time `json:"failing_since,omitempty"`
	Missed       int64      `json:"missed,omitempty"`
	Refused      int64      `json:"refused,omitempty"`
}

func statusOf(s store.Stream) status {
	current := status{ID: s.ID, Status: s.Status, Reason: s.StatusReason, LastError: s.LastError, Missed: s.Missed, Refused: s.Refused}
	if !s.FailingSince.IsZero() {
		current.FailingSince = &s.FailingSince
	}
	return current
}

func (t *Transmitter) readStatus(r *http.Request, owner store.StreamOwner) (answer, error) {
	s, err := t.own(r.Context(), owner, r.URL.Query().Get("stream_id"))
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, statusOf(s)}, nil
}

func (t *Transmitter) updateStatus(r *http.Request, owner store.StreamOwner) (answer, error) {
	var asked status
	if err := decode(r, &asked); err != nil {
		return answer{}, err
	}
	if !slices.Contains([]string{store.StreamEnabled, store.StreamPaused, store.StreamDisabled}, asked.Status) || !isText(asked.Reason, maxText) {
		return answer{}, invalid("status must be enabled, paused or disabled, and reason at most 1024 bytes without control characters")
	}
	latest := t.config.Latest()
	s, err := t.update(r.Context(), owner, asked.ID, func(s *store.Stream) error {
		if s.Status == store.StreamDisabled && asked.Status != store.StreamDisabled && latest.Sequence > s.Sequence {
			s.Sequence, s.SequenceAt = latest.Sequence, latest.CreatedAt // nothing was held for it
		}
		if s.Status != asked.Status {
			t.startAgain(s)
		}
		s.Status, s.StatusReason = asked.Status, asked.Reason
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	t.log(r.Context(), s.Status, s)
	return answer{http.StatusOK, statusOf(s)}, nil
}

func (t *Transmitter) verify(r *http.Request, owner store.StreamOwner) (answer, error) {
	var asked struct {
		ID    string `json:"stream_id"`
		State string `json:"state"`
	}
	if err := decode(r, &asked); err != nil {
		return answer{}, err
	}
	if !isText(asked.State, maxText) {
		return answer{}, invalid("state is longer than 1024 bytes, or has control characters")
	}
	now := t.now()
	_, err := t.update(r.Context(), owner, asked.ID, func(s *store.Stream) error {
		if wait := s.Verification.At.Add(minVerificationInterval).Sub(now); wait > 0 && wait <= minVerificationInterval {
			return &refusal{Status: http.StatusTooManyRequests, Code: "too_many_requests", Description: "a verification was asked for just now; see min_verification_interval", retryAfter: int(wait/time.Second) + 1}
		}
		s.Verification = store.Verification{ID: rand.Text(), State: asked.State, At: now}
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}
