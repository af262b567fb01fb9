package authtest

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
)

// An Outage answers every request while it lasts. It is given the document that
// would be served if all were well, so that an answer can be wrong in just one
// way. The request's context is done when its caller goes away and when the
// outage ends.
//
// The functions below are Outages; write your own for what they do not cover.
type Outage func(w http.ResponseWriter, r *http.Request, document []byte)

// Fail makes the issuer answer as the outage has it, in place of an earlier
// outage, until [Issuer.Restore].
func (iss *Issuer) Fail(outage Outage) {
	iss.Restore()
	iss.mu.Lock()
	defer iss.mu.Unlock()
	iss.outage = outage
	iss.outageOver, iss.endOutage = context.WithCancel(context.Background())
}

// Restore ends the outage, if there is one. Requests that still hang are closed
// without an answer.
func (iss *Issuer) Restore() {
	iss.mu.Lock()
	defer iss.mu.Unlock()
	if iss.outage == nil {
		return
	}
	iss.endOutage()
	iss.outage, iss.outageOver, iss.endOutage = nil, nil, nil
}

// Refuse closes the connection without an answer.
func Refuse(http.ResponseWriter, *http.Request, []byte) {
	panic(http.ErrAbortHandler) // net/http's own way to drop a connection
}

// Hang keeps the caller waiting until it gives up or the outage ends, and then
// closes the connection without an answer.
func Hang(w http.ResponseWriter, r *http.Request, document []byte) {
	<-r.Context().Done()
	Refuse(w, r, document)
}

// Status answers with a status code, such as 500, and otherwise the good
// document.
func Status(code int) Outage {
	return func(w http.ResponseWriter, _ *http.Request, document []byte) {
		w.WriteHeader(code)
		_, _ = w.Write(document)
	}
}

// HTML answers 200 with a web page, as captive portals and maintenance pages do.
func HTML(w http.ResponseWriter, _ *http.Request, _ []byte) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte("<!doctype html><title>Back soon</title><p>We are down for maintenance."))
}

// Truncated announces the whole document, sends half of it and closes the
// connection.
func Truncated(w http.ResponseWriter, r *http.Request, document []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(document)))
	_, _ = w.Write(document[:len(document)/2])
	_ = http.NewResponseController(w).Flush() // so that the half arrives
	Refuse(w, r, document)
}

// EmptyObject answers {}.
func EmptyObject(w http.ResponseWriter, _ *http.Request, _ []byte) {
	_, _ = w.Write([]byte(`{}`))
}

// EmptyKeys answers a key set without keys.
func EmptyKeys(w http.ResponseWriter, _ *http.Request, _ []byte) {
	_, _ = w.Write([]byte(`{"keys":[]}`))
}

// UnknownKeyTypesOnly answers a key set of which no key is of a known type,
// which is to be ignored key by key (RFC 7517, section 5).
func UnknownKeyTypesOnly(w http.ResponseWriter, _ *http.Request, _ []byte) {
	_, _ = w.Write([]byte(`{"keys":[{"kty":"QUANTUM","kid":"ins_q","use":"sig","alg":"QS256","q":"AQAB"}]}`))
}

// TooLarge answers the good document behind 4 MiB of white space.
func TooLarge(w http.ResponseWriter, _ *http.Request, document []byte) {
	_, _ = w.Write(bytes.Repeat([]byte(" "), 4<<20))
	_, _ = w.Write(document)
}

// TrailingGarbage answers the good document and something more.
func TrailingGarbage(w http.ResponseWriter, _ *http.Request, document []byte) {
	_, _ = w.Write(document)
	_, _ = w.Write([]byte(`<!-- cached -->`))
}
