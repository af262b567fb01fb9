package store

import "time"

// An Order is an order of sessions. Each has a key, which sessions can share: a time, or an
// issuer with a subject.
type Order int

// The orders of sessions. The zero Order is that of [Session.Before]: newest first. Those of the
// same time are ordered by issuer, ID and subject.
const (
	FirstSeenDesc Order = iota
	FirstSeenAsc
	LastSeenDesc
	// BySubject is the order of the bytes of the subject and the issuer. Those of the same
	// subject are ordered by FirstSeen and ID, the newest first.
	BySubject
)

// A Listing says which sessions are listed, and in which order: those within the view that
// match all other fields, of which the zero value matches all.
type Listing struct {
	View View
	// Prefix is what the ID, the subject or the organization begins with.
	Prefix string
	// Service has seen the session; "" is this server. nil matches all.
	Service *string
	// LastSeenBefore is later than the session was last seen.
	LastSeenBefore time.Time
	// ExpiresAfter is earlier than the token expires, and ExpiresBy is not. A token that
	// does not say when it expires never does.
	ExpiresAfter, ExpiresBy time.Time

	Order Order
	// After is the session behind which the listing begins. The zero Session is no limit.
	// Only the time of the order, and the name, matter.
	After Session
	// Until has the key of the order up to which it goes, that key included. The zero Session is
	// no limit.
	Until Session
}

// List returns the listing of all sessions within a view, newest first.
func List(view View) Listing { return Listing{View: view} }

// Behind returns the part of a listing behind a session.
func (l Listing) Behind(after Session) Listing {
	l.After = after
	return l
}

// Time returns the time of a session by which it is ordered, or ordered among those of its
// subject.
func (o Order) Time(s Session) time.Time {
	if o == LastSeenDesc {
		return s.LastSeen
	}
	return s.FirstSeen
}

// Place returns the place of a session with a name and a time, in the order.
func (o Order) Place(at time.Time, issuer, id, subject string) Session {
	if o == LastSeenDesc {
		return Session{LastSeen: at, Issuer: issuer, ID: id, Subject: subject}
	}
	return Session{FirstSeen: at, Issuer: issuer, ID: id, Subject: subject}
}

// Key returns the key of a session, and nothing else of it.
func (o Order) Key(s Session) Session {
	if o == BySubject {
		return Session{Issuer: s.Issuer, Subject: s.Subject}
	}
	return o.Place(o.Time(s), "", "", "")
}

// Behind returns the place behind all sessions with a key.
func (o Order) Behind(key Session) Session {
	if o == FirstSeenAsc {
		key.FirstSeen = key.FirstSeen.Add(time.Microsecond)
	}
	return key
}

// PrefixEnd returns the first text, byte by byte, behind all those with the prefix; "" if
// there is none.
func PrefixEnd(prefix string) string {
	end := []byte(prefix)
	for last := len(end) - 1; last >= 0; last-- {
		if end[last]++; end[last] != 0 {
			return string(end[:last+1])
		}
	}
	return ""
}

// A RevocationListing says which revocations are listed, and in which order: those that match
// all of its fields, of which the zero value matches all.
type RevocationListing struct {
	// Kinds are those of the target: any of these.
	Kinds []string
	// Issuer is that of the target.
	Issuer string
	// Subject is the one that the target names: the subject or the machine itself, the member,
	// or whose session it is.
	Subject string
	// Text is a part of the value or the subject of the target, of the cause, or of the subject
	// of the caller.
	Text string
	// Since is not later than the revocation was made.
	Since time.Time
	// By is the subject of the caller; "" for revocations of no caller. nil matches all.
	By *string

	// NewestFirst is the order: by Sequence, the highest first.
	NewestFirst bool
	// After is the revocation behind which the listing begins. The zero Revocation is no limit.
	// Only Sequence and CreatedAt matter.
	After Revocation
	// Until is the Sequence up to which it goes, that one included. 0 is no limit.
	Until int64
}

// Searches reports whether revocations have to be examined that do not belong to the listing:
// no index finds them.
func (l RevocationListing) Searches() bool {
	return len(l.Kinds) > 0 || l.Issuer != "" || l.Subject != "" || l.Text != "" || !l.Since.IsZero() || l.By != nil
}
