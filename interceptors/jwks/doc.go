// Package jwks provides the public keys that verify tokens: a JSON Web Key Set
// (RFC 7517) that is fetched from its issuer and kept fresh, or fixed keys.
//
//	keys, err := jwks.NewRemote(jwks.RemoteConfig{URL: "https://clerk.example.com/.well-known/jwks.json"})
//	candidates, err := keys.Lookup(ctx, jwks.Hint{KeyID: kid, Algorithm: "RS256"})
//	err = candidates[0].Verify("RS256", signingInput, signature)
//
// [Remote] follows the rotations of its issuer and outlives its outages. If a fetch
// fails in any way, the last good keys stay in use, up to a day by default. Looking
// up a known key takes no lock, allocates nothing and never waits for the network.
// Tokens with unknown keys cause at most two fetches at once, and then one in five
// seconds.
//
// [Static] is a set of fixed keys, such as the one of a PEM file.
//
// Only public keys are used: RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 and
// P-521, and Ed25519. A key says which algorithm it is for, a token never does.
// Signatures are checked by the Go standard library alone.
package jwks
