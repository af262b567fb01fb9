package store

import (
	"slices"
	"strings"
	"time"
)

// A Session is what was seen of one. Issuer, ID and Subject together name it: a
// session belongs to its subject, and a token of another subject that has the
// same ID is of another session.
type Session struct {
	Issuer  string
	ID      string
	Subject string

	// Service is who has seen it: "" for this server. It comes back from SaveSessions alone.
	Service string

	AuthorizedParty string
	UserAgent       string
	Address         string // of the caller, without the port
	FirstSeen       time.Time
	LastSeen        time.Time
	Organization    string // the ID of the one that the caller acts in by Token; "" for none
	Token           Token  // the newest that was seen
}

// A Token is what is kept of a session's token.
type Token struct {
	ID        string
	ClientID  string
	Actor     Actor
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// Merge returns what is known of a session from two observations of it: when it
// was seen first, its newest token with the organization that it names, and everything
// else as it was seen last. Either may be the zero Session.
func (s Session) Merge(other Session) Session {
	first, last := s, other
	if last.LastSeen.Before(first.LastSeen) {
		first, last = last, first
	}
	if first == (Session{}) {
		return last
	}
	merged := last
	if first.FirstSeen.Before(merged.FirstSeen) {
		merged.FirstSeen = first.FirstSeen
	}
	if first.Token.IssuedAt.After(merged.Token.IssuedAt) {
		merged.Token, merged.Organization = first.Token, first.Organization
	}
	return merged
}

// Before orders sessions for paging: the latest to be seen first comes first,
// and its place never changes, however often it is seen again.
func (s Session) Before(other Session) bool {
	order := other.FirstSeen.Compare(s.FirstSeen)
	if order == 0 {
		order = strings.Compare(other.Issuer, s.Issuer)
	}
	if order == 0 {
		order = strings.Compare(other.ID, s.ID)
	}
	if order == 0 {
		order = strings.Compare(other.Subject, s.Subject)
	}
	return order < 0
}

// A View says which sessions are meant: those that any of its filters matches,
// and none where it has no filter.
type View []Filter

// Everything is the view that leaves out nothing.
func Everything() View { return View{{}} }

// Matches reports whether the session is within the view.
func (v View) Matches(s Session) bool {
	return slices.ContainsFunc(v, func(f Filter) bool { return f.matches(s) })
}

// A Filter matches sessions that have everything it names. The zero value
// matches all.
type Filter struct {
	Issuer   string
	ID       string
	Subject  string
	ClientID string
	// Organization is the ID of the one that the caller acts in. It may be empty, for
	// sessions that act in none. nil matches all.
	Organization *string
}

func (f Filter) matches(s Session) bool {
	return (f.Issuer == "" || f.Issuer == s.Issuer) &&
		(f.ID == "" || f.ID == s.ID) &&
		(f.Subject == "" || f.Subject == s.Subject) &&
		(f.ClientID == "" || f.ClientID == s.Token.ClientID) &&
		(f.Organization == nil || *f.Organization == s.Organization)
}
