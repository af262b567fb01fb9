// Package revocation remembers what was revoked, so that a token which is still
// valid by itself is refused all the same.
//
//	list := revocation.New(revocation.Config{})
//	guard := &auth.Guard{Authenticator: verifier, Policy: rules, Revocations: list}
//	err := list.Add(revocation.Revocation{Kind: revocation.Session, Issuer: issuer, ID: "sess_2f…"})
//
// From the moment that Add returns, every call with a token of that session is
// refused with TOKEN_REVOKED, and its open streams are ended.
//
// A revocation is never undone. It is forgotten once every token that it could
// concern has expired by itself, so a [List] holds no more than were added in
// the longest lifetime of a token.
//
// The list lives in memory and starts out empty: whoever fills it keeps it,
// shares it, and fills it again after a restart.
package revocation
