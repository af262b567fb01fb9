package transmitter

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/internal/transport"
)

// The paths of the endpoints.
const (
	MetadataPath = "/.well-known/ssf-configuration"
	keysPath     = "/ssf/jwks.json"
	streamPath   = "/ssf/stream"
	statusPath   = "/ssf/status"
	verifyPath   = "/ssf/verify"
	pollPath     = "/ssf/poll/"
)

// RoutePoll is the pattern of what receivers call all the time.
const RoutePoll = "POST " + pollPath + "{stream}"

// maxBodyBytes bounds the body of a request.
const maxBodyBytes = 64 << 10

// Routes are the handlers, by their patterns. The metadata and the keys are for everybody;
// protect is put before the others, by their patterns, and owner then says who calls.
func (t *Transmitter) Routes(protect func(pattern string, next http.Handler) http.Handler, owner func(context.Context) store.StreamOwner) map[string]http.Handler {
	routes := map[string]http.Handler{
		"GET " + MetadataPath: http.HandlerFunc(t.serveMetadata),
		"GET " + keysPath:     http.HandlerFunc(t.serveKeys),
	}
	for pattern, h := range map[string]handler{
		"POST " + streamPath:   t.createStream,
		"GET " + streamPath:    t.readStreams,
		"PATCH " + streamPath:  t.updateStream,
		"PUT " + streamPath:    t.replaceStream,
		"DELETE " + streamPath: t.deleteStream,
		"GET " + statusPath:    t.readStatus,
		"POST " + statusPath:   t.updateStatus,
		"POST " + verifyPath:   t.verify,
		RoutePoll:              t.poll,
	} {
		routes[pattern] = protect(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
			answer, err := h(r, owner(r.Context()))
			if err != nil {
				t.refuse(w, r, err)
				return
			}
			answer.write(w)
		}))
	}
	return routes
}

// A handler answers a request of an owner of streams.
type handler func(r *http.Request, owner store.StreamOwner) (answer, error)

// An answer is one with a body, unless that is nil.
type answer struct {
	status int
	body   any
}

func (a answer) write(w http.ResponseWriter) {
	if a.body == nil {
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(a.status)
		return
	}
	transport.WriteJSON(w, a.status, a.body)
}

// A refusal tells a caller what is wrong with a request.
type refusal struct {
	Status      int    `json:"-"`
	Code        string `json:"err"`
	Description string `json:"description"`

	retryAfter int // in seconds
}

func (r *refusal) Error() string { return r.Description }

func invalid(description string) *refusal {
	return &refusal{Status: http.StatusBadRequest, Code: "invalid_request", Description: description}
}

var errUnknownStream = &refusal{Status: http.StatusNotFound, Code: "not_found", Description: "you have no stream with this stream_id; create one, or list yours without stream_id"}

func (t *Transmitter) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var refused *refusal
	switch {
	case errors.As(err, &refused):
	case errors.Is(err, store.ErrNoStream): // it was deleted meanwhile
		refused = errUnknownStream
	default:
		t.fails(r.Context(), "answering a receiver", err)
		refused = &refusal{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Description: "the database cannot be used just now; try again", retryAfter: 1}
	}
	if refused.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(refused.retryAfter))
	}
	answer{refused.Status, refused}.write(w)
}

// decode reads the JSON object in the body of a request. Members that are not known are
// ignored, as extensions.
func decode(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &refusal{Status: http.StatusRequestEntityTooLarge, Code: "invalid_request", Description: "the body is longer than 64 KiB"}
	case err != nil:
		return invalid("the body ends too early")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return invalid("the body is no JSON object as Shared Signals 1.0 describes it for this endpoint")
	}
	return nil
}

// own returns a stream of the caller.
func (t *Transmitter) own(ctx context.Context, owner store.StreamOwner, id string) (store.Stream, error) {
	all, err := t.streams(ctx)
	if err != nil {
		return store.Stream{}, err
	}
	for _, s := range all {
		if s.ID == id && s.Owner == owner {
			return s, nil
		}
	}
	return store.Stream{}, errUnknownStream
}

// update changes a stream of the caller.
func (t *Transmitter) update(ctx context.Context, owner store.StreamOwner, id string, change func(*store.Stream) error) (store.Stream, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	s, err := t.config.Store.UpdateStream(ctx, id, func(s *store.Stream) error {
		if s.Owner != owner {
			return errUnknownStream
		}
		return change(s)
	})
	if err == nil {
		t.wakeUp()
	}
	return s, err
}

// metadata is what receivers learn of the transmitter without a token (SSF 1.0, section
// 7.1).
type metadata struct {
	SpecVersion           string                `json:"spec_version"`
	Issuer                string                `json:"issuer"`
	KeysURL               string                `json:"jwks_uri"`
	DeliveryMethods       []string              `json:"delivery_methods_supported"`
	ConfigurationEndpoint string                `json:"configuration_endpoint"`
	StatusEndpoint        string                `json:"status_endpoint"`
	VerificationEndpoint  string                `json:"verification_endpoint"`
	AuthorizationSchemes  []authorizationScheme `json:"authorization_schemes"`
	DefaultSubjects       string                `json:"default_subjects"`
}

type authorizationScheme struct {
	SpecURN string `json:"spec_urn"`
}

func (t *Transmitter) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	transport.WriteJSON(w, http.StatusOK, metadata{
		SpecVersion: "1_0", Issuer: t.config.Issuer, KeysURL: t.config.Issuer + keysPath,
		DeliveryMethods:       []string{methodPush, methodPoll},
		ConfigurationEndpoint: t.config.Issuer + streamPath, StatusEndpoint: t.config.Issuer + statusPath, VerificationEndpoint: t.config.Issuer + verifyPath,
		// A bearer token (RFC 6750) of OAuth 2.0.
		AuthorizationSchemes: []authorizationScheme{{"urn:ietf:rfc:6749"}, {"urn:ietf:rfc:6750"}},
		DefaultSubjects:      "ALL",
	})
}

func (t *Transmitter) serveKeys(w http.ResponseWriter, r *http.Request) {
	keys, err := t.signer.published(r.Context())
	if err != nil {
		t.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_ = json.NewEncoder(w).Encode(keys) // fails only if the caller is gone
}
