package auth

import "strings"

// A Call is one RPC, or one HTTP request, as it arrives: what is known before
// any byte of its body is read. Adapters make it.
type Call struct {
	// Procedure is the fully qualified method as it was registered, such as
	// /acme.invoice.v1.InvoiceService/GetInvoice. It never comes from the URL,
	// so no spelling of a path can choose another rule.
	Procedure string
	// Protocol is how the call came: connect, grpc, grpcweb or http.
	Protocol string
	// Stream is the shape of the call. The zero value is Unary.
	Stream StreamType
	// Messages promises that the adapter shows the Guard every message that it
	// receives before the handler has it. Where it is false, a rule
	// that must see them refuses the call.
	Messages bool
	// Peer is the address of the other end of the connection, host:port. Behind
	// a proxy it is the proxy's.
	Peer string
	// Header holds what the caller sent, the token among it: never log it.
	Header Header
	// RequestID names the call in logs, in the Decision and in the error details of the
	// caller. Empty is that of the context ([WithRequestID]), or a new one.
	RequestID string
}

// Header gives the values of a header by name, whatever the case of the name.
// http.Header is one. The values must not be changed.
type Header interface {
	Values(name string) []string
}

// StreamType is the shape of a call.
type StreamType uint8

// The shapes.
const (
	Unary StreamType = iota
	ClientStream
	ServerStream
	BidiStream
	ByteStream // an HTTP request and its response, which are bytes without messages
)

var streamTypeNames = [...]string{"unary", "client_stream", "server_stream", "bidi_stream", "byte_stream"}

// String returns the name in logs, such as server_stream.
func (s StreamType) String() string {
	if int(s) >= len(streamTypeNames) {
		return "unknown"
	}
	return streamTypeNames[s]
}

// BearerToken returns the token of the one Authorization header (RFC 6750,
// section 2.1). Queries, bodies, cookies and headers of other names are never
// looked at.
//
// Errors: TokenMissing when there is no bearer credential, CredentialsAmbiguous
// when there is more than one, TokenMalformed when there is one that cannot be
// read.
func BearerToken(header Header) (string, error) {
	if header == nil {
		return "", NewError(TokenMissing, nil)
	}
	values := header.Values("Authorization")
	switch {
	case len(values) == 0:
		return "", NewError(TokenMissing, nil)
	case len(values) > 1:
		return "", Errorf(CredentialsAmbiguous, "%d Authorization headers", len(values))
	}
	// The scheme in any case, one space, and the token. Its alphabet is not checked: the
	// verifier reads every byte anyway.
	value := values[0]
	scheme, token, found := strings.Cut(value, " ")
	if strings.Contains(scheme, ",") || strings.Contains(token, ",") {
		return "", Errorf(CredentialsAmbiguous, "a comma in the Authorization header")
	}
	switch {
	case value == "":
		return "", Errorf(TokenMissing, "the Authorization header is empty")
	case strings.EqualFold(scheme, "Bearer"):
	case scheme != "" && found:
		return "", Errorf(TokenMissing, "the Authorization header has another scheme than Bearer")
	default:
		return "", Errorf(TokenMalformed, "the Authorization header names no scheme")
	}
	if token == "" || strings.Contains(token, " ") {
		return "", Errorf(TokenMalformed, "the Bearer scheme is followed by one space and one token")
	}
	return token, nil
}
