package store

import (
	"strings"
	"time"
)

// MaxSightings is how many sightings are kept of a session: the latest.
const MaxSightings = 20

// A Sighting is what one service knows of a session, by the latest call to it.
type Sighting struct {
	Service         string // "" for this server
	FirstSeen       time.Time
	LastSeen        time.Time
	AuthorizedParty string
	ClientID        string
	UserAgent       string
	Address         string
}

// SightingOf returns what the service that has seen a session knows of it.
func SightingOf(s Session) Sighting {
	return Sighting{
		Service: s.Service, FirstSeen: s.FirstSeen, LastSeen: s.LastSeen,
		AuthorizedParty: s.AuthorizedParty, ClientID: s.Token.ClientID, UserAgent: s.UserAgent, Address: s.Address,
	}
}

// Merge returns what is known from two sightings by the same service: when it was first,
// and everything else as of the last. Either may be the zero Sighting.
func (s Sighting) Merge(other Sighting) Sighting {
	first, last := s, other
	if last.LastSeen.Before(first.LastSeen) {
		first, last = last, first
	}
	if first != (Sighting{}) && first.FirstSeen.Before(last.FirstSeen) {
		last.FirstSeen = first.FirstSeen
	}
	return last
}

// Compare orders sightings of a session: the latest first.
func (s Sighting) Compare(other Sighting) int {
	if order := other.LastSeen.Compare(s.LastSeen); order != 0 {
		return order
	}
	return strings.Compare(s.Service, other.Service)
}

// SeenAs returns the session with what a service knows of it, to compare with what that
// service knows later.
func (s Session) SeenAs(known Sighting) Session {
	s.Service, s.AuthorizedParty, s.UserAgent, s.Address = known.Service, known.AuthorizedParty, known.UserAgent, known.Address
	return s
}
