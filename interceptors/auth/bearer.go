package auth

import "strings"

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
// and the token. Whether the token is of the right alphabet is left to whoever
// reads it, who must look at every byte anyway.
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
