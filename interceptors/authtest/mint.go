package authtest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// The cat header names the class of a token. Clerk signs every class with the
// same key, so only cat, typ and sub distinguish them.
const (
	catSession  = "cl_B7d4PD111AAA"
	catTemplate = "cl_B7d4PD222AAA"
	catMachine  = "cl_B7d4PD333AAA"
)

// Session returns a session token of version 2, the one that Clerk issues
// today: it lives 60 seconds, is valid from 10 seconds before it was issued,
// belongs to a new session, and says that its user signed in just now with one
// factor. Each further kind of token differs from it as its comment says.
//
// The subject of a Clerk user starts with user_; nothing insists on it.
func (iss *Issuer) Session(subject string, edits ...Edit) string {
	return iss.mint(subject, edits,
		Header("cat", catSession),
		With("jti", rand.Text()),
		With("sid", "sess_"+rand.Text()),
		With("v", 2),
		With("fva", [2]int{0, -1}),
	)
}

// SessionV1 returns a session token of version 1, which has no v and names an
// organization in claims of its own.
func (iss *Issuer) SessionV1(subject string, edits ...Edit) string {
	return iss.Session(subject, append([]Edit{Without("v")}, edits...)...)
}

// Template returns a token made from a JWT template: it belongs to no session,
// and whatever else it says, such as its audience, is for With to add.
func (iss *Issuer) Template(subject string, edits ...Edit) string {
	return iss.mint(subject, edits,
		Header("cat", catTemplate),
		With("jti", rand.Text()),
	)
}

// OAuth returns an OAuth 2.0 access token (RFC 9068) for the client client_acme
// with the scopes profile and email. It lives a day.
func (iss *Issuer) OAuth(subject string, edits ...Edit) string {
	return iss.mint(subject, edits,
		Header("typ", "at+jwt"),
		With("jti", "oat_"+rand.Text()),
		With("client_id", "client_acme"),
		With("scope", "profile email"),
		ExpiresIn(24*time.Hour),
	)
}

// Machine returns a machine's token. It lives an hour and has no scopes; add
// some by With("scopes", "mch_billing"). The subject of a machine starts with
// mch_; without that it is not one.
func (iss *Issuer) Machine(subject string, edits ...Edit) string {
	return iss.mint(subject, edits,
		Header("cat", catMachine),
		With("jti", "mt_"+rand.Text()),
		ExpiresIn(time.Hour),
	)
}

// OIDC returns a token as a plain OpenID Connect provider issues it, without
// anything of Clerk's.
func (iss *Issuer) OIDC(subject string, edits ...Edit) string {
	return iss.mint(subject, edits, With("jti", rand.Text()))
}

// Sign signs header and payload as they are, with Key: see [Key.Sign].
func (iss *Issuer) Sign(header, payload []byte) string { return iss.Key().Sign(header, payload) }

// mint drafts what all kinds share, makes the kind of it, and then whatever the
// caller wants.
func (iss *Issuer) mint(subject string, edits []Edit, kind ...Edit) string {
	draft := &Draft{
		Header: map[string]any{"typ": "JWT"},
		Claims: map[string]any{"iss": iss.url, "sub": subject},
		issuer: iss,
	}
	common := []Edit{SignedBy(iss.Key()), IssuedAt(iss.now()), ExpiresIn(time.Minute)}
	for _, edit := range slices.Concat(common, kind, edits) {
		edit(draft)
	}
	return draft.key.Sign(mustJSON("header", draft.Header), mustJSON("claims", draft.Claims))
}

func mustJSON(what string, members map[string]any) []byte {
	encoded, err := json.Marshal(members)
	if err != nil {
		panic(fmt.Sprintf("authtest: encode the %s of a token: %v", what, err))
	}
	return encoded
}
