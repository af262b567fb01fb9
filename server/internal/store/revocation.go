package store

import "time"

// A Revocation is one that was made. It is never changed.
type Revocation struct {
	Sequence int64 // given by the store

	Kind         string    // session, subject, token, client or issuer
	Issuer       string    // of the revoked tokens
	Value        string    // the session, subject, token or client; "" for issuer
	Subject      string    // whose tokens of a session are meant; "" means anybody's
	IssuedBefore time.Time // tokens issued earlier are revoked; zero means all
	ExpiresAt    time.Time // from then on it is not needed

	CreatedAt time.Time
	By        Party
	Cause     string // as the caller gave it
}

// A Party is the caller who revoked.
type Party struct {
	Issuer  string
	Subject string
	Actor   string // the subject of the impersonator, where Subject was impersonated
}
