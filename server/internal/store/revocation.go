package store

import "time"

// A Revocation is one that was made, and by whom. It is never changed.
type Revocation struct {
	Sequence int64 // given by the store

	Kind         string    // session, subject, token, client or issuer
	Issuer       string    // of the tokens that are meant
	Value        string    // the session, subject, token or client; "" for issuer
	Subject      string    // whose tokens of a session are meant; "" means anybody's
	IssuedBefore time.Time // tokens issued earlier are meant; zero means all
	ExpiresAt    time.Time // from then on no token that is meant can be valid

	CreatedAt time.Time
	By        Party
	Cause     string // in the words of whoever revoked
}

// A Party is who revoked.
type Party struct {
	Issuer  string
	Subject string
	Actor   string // the subject of who really acted, where Subject was impersonated
}
