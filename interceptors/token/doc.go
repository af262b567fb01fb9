// Package token turns a bearer token into an identity, or into a reason to
// refuse it.
//
//	keys, err := jwks.NewRemote(jwks.RemoteConfig{URL: "https://clerk.example.com/.well-known/jwks.json"})
//	verifier, err := token.New(token.Config{Issuers: []token.Issuer{{
//		URL:               "https://clerk.example.com",
//		Profile:           token.Clerk(),
//		Keys:              keys,
//		AuthorizedParties: []string{"https://app.example.com"},
//	}}})
//	identity, err := verifier.Verify(ctx, raw)
//
// A token is a JWT (RFC 7519) in JWS compact serialisation (RFC 7515), verified
// as RFC 8725 advises: the text is parsed strictly, the issuer that it claims
// chooses the key set and nothing else, the algorithm must be on the issuer's
// list and be the key's own, and the signature is checked before any claim is
// judged. A token never causes a request to an address that it names.
package token
