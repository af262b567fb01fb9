package store

import "time"

// A SignOut is a session that is to be ended at its issuer, too.
type SignOut struct {
	// Issuer, SessionID and Subject together name it. An empty Subject means
	// every subject of the issuer.
	Issuer, SessionID, Subject string

	CreatedAt time.Time
	ExpiresAt time.Time // from then on the session is assumed to be gone
	// Failures counts the attempts that have failed and may succeed later.
	Failures int
	// DueAt is when to try next, or until when somebody is trying. It is zero where nobody
	// tries any more: the session has ended, or the issuer refuses to end it.
	DueAt time.Time
	// EndedAt is when the issuer had ended the session; zero for not yet.
	EndedAt time.Time
}

// Pending reports whether the issuer is still to be asked.
func (s SignOut) Pending() bool { return !s.DueAt.IsZero() }

// Ended reports whether the session has ended at its issuer.
func (s SignOut) Ended() bool { return !s.EndedAt.IsZero() }
