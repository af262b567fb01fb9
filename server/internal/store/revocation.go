package store

import "time"

// A Revocation is one that was made. It is never changed.
type Revocation struct {
	Sequence int64    // given by the store
	ID       [16]byte // random, given by the store

	Target       Target
	IssuedBefore time.Time // tokens issued earlier are revoked; zero means all
	ExpiresAt    time.Time // from then on it is not needed

	CreatedAt time.Time
	Origin    Origin
	Cause     string // as the caller gave it
}

// Alike returns how many of the first revocations, of at least one, differ in their ID and
// Target.Value alone. A database saves these at once, in a fraction of the time.
func Alike(revocations []Revocation) (n int) {
	for n = 1; n < len(revocations); n++ {
		same := revocations[0]
		same.ID, same.Target.Value = revocations[n].ID, revocations[n].Target.Value
		if revocations[n] != same {
			break
		}
	}
	return n
}

// A Target says which tokens are meant.
type Target struct {
	Kind    string // session, subject, token, client, machine, organization, member or issuer
	Issuer  string // of the tokens
	Value   string // the session, subject, token, client, machine or organization; "" for issuer
	Subject string // the member; or whose tokens of a session are meant, where "" means anybody's
}

// The kinds of origins.
const (
	OriginCaller = "caller"
	OriginSignal = "signal"
	OriginImport = "bulk_import"
	OriginSystem = "system" // gives back what a database has lost
	// OriginBreakGlass is somebody with access to the database itself, whose user of the
	// operating system is the Subject of the Caller.
	OriginBreakGlass = "break-glass"
)

// An Origin says what made a revocation, and on whose behalf.
type Origin struct {
	Kind   string
	Caller Caller // of a caller, an import or an operator
	Signal Signal // of OriginSignal
}

// A Signal is a message of an issuer that says that something is over.
type Signal struct {
	Source    string // as the settings name it
	Issuer    string // that the message speaks of
	Type      string // as its sender writes it
	MessageID string
}

// A Caller is the bearer of the token of a call.
type Caller struct {
	Issuer    string
	Subject   string
	ClientID  string
	SessionID string
	Actor     Actor // who really acted, where the caller was impersonated
}

// An Actor is who acts for a subject (RFC 8693, section 4.1). The zero Actor is none.
type Actor struct{ Issuer, Subject, SessionID, Type string }
