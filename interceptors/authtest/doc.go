// Package authtest is a test kit: an issuer that signs tokens shaped like
// Clerk's, publishes its keys, rotates them, and fails on request. Use
// it to test your own services against real tokens, without an account and
// without a network:
//
//	issuer := authtest.Start(t)
//	verifier := newVerifier(issuer.URL(), issuer.JWKSURL()) // yours
//	token := issuer.Session("user_ada", authtest.InOrganization("org_acme", "acme", "admin", "invoices:read"))
//
// Small edits change the claims of a token, applied in order:
//
//	issuer.Session("user_ada", authtest.IssuedAt(yesterday))
//	issuer.Session("user_ada", authtest.Without("exp"), authtest.Header("kid", 7))
//	issuer.Session("user_ada", authtest.SignedBy(authtest.NewKey("RS256"))) // forged
//
// And what the issuer does changes with [Issuer.RotateKey], [Issuer.RemoveKey],
// [Issuer.Fail] and [Issuer.Restore].
//
// Tokens are signed with github.com/lestrrat-go/jwx, which verifies none of
// them in this project: a fault in our verifier cannot hide behind the same
// fault here.
//
// Being a test kit, it panics where it is used wrongly, such as on a claim that
// has no JSON form. It signs whatever it is asked to sign: a program that lets
// others ask must guard it well.
package authtest
