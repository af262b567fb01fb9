package auth

import (
	"context"
	"errors"
	"strings"
)

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
	return parseAuthorization(values[0])
}

// parseAuthorization reads `Bearer <token>`: the scheme in any case, one space,
// and the token. It does not check the token's alphabet: the verifier reads every
// byte anyway.
func parseAuthorization(value string) (string, error) {
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

// CallerToken returns the bearer token of the call that is being handled, for
// handing it on to another service (authclient.RelayCaller). Whoever has the
// token can do everything the caller can: keep it out of logs and errors.
//
// In a stream that another call of the same session has renewed it is the token
// of that call, as [Current] is its identity.
//
// It returns an error when ctx is not that of an admitted call, when the caller
// is anonymous, and when the call carried its token elsewhere than in its
// Authorization header.
func CallerToken(ctx context.Context) (string, error) {
	a, _ := ctx.Value(contextKey{}).(*admitted)
	if a == nil || a.identity == nil {
		return "", errors.New("the context is not that of an authenticated call")
	}
	if a.stream != nil {
		if token, renewed := a.stream.bearerToken(); token != "" {
			return token, nil
		} else if renewed {
			return "", errors.New("the call that renewed the stream carried no token in its Authorization header")
		}
	}
	return BearerToken(a.call.Header)
}
