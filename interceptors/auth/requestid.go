package auth

import (
	"cmp"
	"context"
	"math/rand/v2"
)

// RequestIDHeader is the header, and in gRPC the metadata, that has the id of a call. It is
// also the name by which proxies send an id.
const RequestIDHeader = "X-Request-Id"

// requestIDKey finds the id of a call, as a *string.
type requestIDKey struct{}

// identified is a context with the id of a call.
type identified struct {
	context.Context

	id string
}

func (c *identified) Value(key any) any {
	if key == (requestIDKey{}) {
		return &c.id
	}
	return c.Context.Value(key)
}

// WithRequestID returns a context in which the call has an id. A Guard takes it for its
// Decision and for the caller's error details, where a call without one gets a new one. Use it
// in a middleware of your own, for an id that a proxy has sent; httpauth.RequestIDs is one.
//
// An id that is not valid ([ValidRequestID]) or empty is replaced by the id that ctx has
// already, and by a new one where it has none.
func WithRequestID(ctx context.Context, id string) context.Context {
	if !ValidRequestID(id) {
		if RequestID(ctx) != "" {
			return ctx
		}
		id = newRequestID()
	}
	return &identified{ctx, id}
}

// RequestID returns the id of the call, for logs. It is empty outside of a call that a Guard
// has decided about, and that has none by [WithRequestID].
func RequestID(ctx context.Context) string {
	if id, _ := ctx.Value(requestIDKey{}).(*string); id != nil {
		return *id
	}
	return ""
}

// maxRequestID is the longest id that is taken from others.
const maxRequestID = 128

// ValidRequestID reports whether an id can be taken from others: up to 128 letters and digits
// of ASCII, and - _ . : + / = @, so that it can stand in logs, headers and JSON as it is.
func ValidRequestID(id string) bool {
	for i := range len(id) {
		switch b := id[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		case b == '-', b == '_', b == '.', b == ':', b == '+', b == '/', b == '=', b == '@':
		default:
			return false
		}
	}
	return id != "" && len(id) <= maxRequestID
}

// newRequestID returns 80 random bits in 16 characters, of which none looks like another.
func newRequestID() string {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	var text [16]byte
	for half := range 2 {
		bits := rand.Uint64() //nolint:gosec // it keeps no secret
		for i := range len(text) / 2 {
			text[len(text)/2*half+i] = alphabet[bits&31]
			bits >>= 5
		}
	}
	return string(text[:])
}

// requestIDOf returns the id of a call: its own, that of its context, or a new one.
func requestIDOf(ctx context.Context, call *Call) string {
	if id := cmp.Or(call.RequestID, RequestID(ctx)); id != "" {
		return id
	}
	return newRequestID()
}
