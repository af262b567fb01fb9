package httpauth

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Error answers a request with the refusal in err: its HTTP status, its
// WWW-Authenticate challenge (RFC 6750, section 3), Retry-After where waiting helps
// (RFC 9110, section 10.2.3), and a JSON body of the shape that Connect gives a unary
// error, so that one client reads both. An error that holds no *[auth.Error], nil too,
// is answered as AUTH_FAILURE, and says nothing of itself to the caller. The id of the call is
// in the X-Request-Id header and among the details, where [Protect] or [RequestIDs] has given
// it one.
//
// Call it before anything is written to w, and write nothing after it.
func Error(w http.ResponseWriter, err error) {
	if protected, ok := w.(interface{ exchange() *exchange }); ok { // a handler's own refusal
		x := protected.exchange()
		x.refusals.refuse(w, x.request, err)
		return
	}
	refusals{}.refuse(w, nil, err)
}

// refusals is how the refusals of a guard are answered.
type refusals struct {
	guard     *auth.Guard                                           // nil has no metadata
	answer    func(http.ResponseWriter, *http.Request, *auth.Error) // nil is that of Error
	requestID string                                                // empty where the header of the answer has it
}

func (f refusals) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refusal := auth.AsError(err)
	requestID := cmp.Or(f.requestID, w.Header().Get(auth.RequestIDHeader))
	if !auth.ValidRequestID(requestID) {
		requestID = ""
	}
	answer := collected{header: http.Header{}, status: refusal.Code().HTTPStatus()}
	if f.answer == nil {
		answer.header.Set("Content-Type", "application/json")
		answer.body = body(refusal, requestID)
	} else {
		f.answer(&answer, r.WithContext(auth.WithRequestID(r.Context(), requestID)), refusal)
	}
	header := w.Header()
	// These would describe a body that is not sent now.
	header.Del("Content-Encoding")
	header.Del("ETag")
	header.Del("Last-Modified")
	header.Set("Cache-Control", "no-store")
	maps.Copy(header, answer.header)
	header.Del("WWW-Authenticate")
	if challenge := f.guard.Challenge(refusal); challenge != "" {
		header.Set("WWW-Authenticate", challenge)
	}
	if retry := refusal.RetryInfo(); retry != nil {
		header.Set("Retry-After", strconv.FormatFloat(math.Ceil(retry.GetRetryDelay().AsDuration().Seconds()), 'f', 0, 64))
	}
	if requestID != "" {
		header.Set(auth.RequestIDHeader, requestID)
	}
	header.Set("Content-Length", strconv.Itoa(len(answer.body)))
	w.WriteHeader(answer.status)
	_, _ = w.Write(answer.body) // a client that is gone needs no answer
}

// collected is an answer that is not sent yet.
type collected struct {
	header http.Header
	status int
	body   []byte
}

func (c *collected) Header() http.Header    { return c.header }
func (c *collected) WriteHeader(status int) { c.status = status }

func (c *collected) Write(p []byte) (int, error) {
	c.body = append(c.body, p...)
	return len(p), nil
}

// body returns a refusal in the form in which Connect encodes the error of a unary call.
func body(refusal *auth.Error, requestID string) []byte {
	if requestID == "" || refusal.Message != "" || refusal.Demand != nil || refusal.RetryAfter > 0 || refusal.Code() != refusal.Reason.Code() {
		return encode(refusal, requestID)
	}
	known, ok := bodies.Load(refusal.Reason)
	if !ok {
		known = newTemplate(refusal)
		bodies.Store(refusal.Reason, known)
	}
	return known.(*template).with(requestID) //nolint:forcetypeassert // nothing else is stored
}

// bodies has the template of the body of refusals that say no more than their reason, by
// reason: strangers can cause them as often as they like.
var bodies sync.Map

// A template is a body but for the id of the call, which is in two places of it: encoded in
// the ErrorInfo, and to be read beside that.
type template struct {
	info                   *anypb.Any
	before, between, after string
}

func newTemplate(refusal *auth.Error) *template {
	const id = "0000-marker-0000"
	t := &template{info: refusal.Details("")[0]}
	var rest string
	t.before, rest, _ = strings.Cut(string(encode(refusal, id)), t.encodedInfo(id))
	t.between, t.after, _ = strings.Cut(rest, id)
	return t
}

func (t *template) encodedInfo(requestID string) string {
	return base64.RawStdEncoding.EncodeToString(auth.WithRequestIDDetail(t.info, requestID).GetValue())
}

func (t *template) with(requestID string) []byte {
	return slices.Concat([]byte(t.before), []byte(t.encodedInfo(requestID)), []byte(t.between), []byte(requestID), []byte(t.after))
}

func encode(refusal *auth.Error, requestID string) []byte {
	type detail struct {
		Type  string          `json:"type"`
		Value string          `json:"value"`
		Debug json.RawMessage `json:"debug,omitempty"`
	}
	var details []detail
	for _, sent := range refusal.Details(requestID) {
		d := detail{Type: string(sent.MessageName()), Value: base64.RawStdEncoding.EncodeToString(sent.GetValue())}
		if message, err := sent.UnmarshalNew(); err == nil {
			d.Debug, _ = protojson.Marshal(message)
		}
		details = append(details, d)
	}
	encoded, _ := json.Marshal(struct { // text of our own: it cannot fail
		Code    string   `json:"code"`
		Message string   `json:"message"`
		Details []detail `json:"details"`
	}{refusal.Code().String(), refusal.Sentence(), details})
	return encoded
}
