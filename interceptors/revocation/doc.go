// Package revocation remembers what was revoked, so that a token which is still
// valid by itself is refused all the same.
//
//	list := revocation.New(revocation.Config{})
//	guard := &auth.Guard{Authenticator: verifier, Policy: rules, Revocations: list}
//	err := list.Add(revocation.Revocation{Kind: revocation.TargetSession, Issuer: issuer, ID: "sess_2f…"})
//
// As soon as Add has returned, every call with a token of that session is
// refused with TOKEN_REVOKED, and its open streams are ended.
//
// A revocation cannot be undone. The list forgets it once every token that it
// covers has expired, so a [List] holds no more than was added within the longest
// lifetime of a token.
//
// The list is in memory and starts empty. The program must store the revocations,
// share them with its other processes, and add them again after a restart; or have
// package feed do so, which keeps a list equal to that of an ostiary server.
package revocation
