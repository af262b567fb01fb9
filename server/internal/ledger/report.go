package ledger

import (
	"net/netip"
	"strings"
	"time"
	"unicode"

	"github.com/ostiary/ostiary/server/internal/store"
)

// maxAhead is how far the clock of a service that reports may be ahead of ours.
const maxAhead = time.Minute

// Report adds a session as another service has seen it, and reports whether it has: not
// one that no token accepted here can be of. It is written with the next flush.
func (l *Ledger) Report(seen store.Session) bool {
	if !l.possible(seen) {
		return false
	}
	seen.UserAgent = printable(seen.UserAgent)
	address, _ := netip.ParseAddr(seen.Address) // the zero Addr has no text of its own
	seen.Address = ""
	if address.IsValid() {
		seen.Address = address.WithZone("").String()
	}
	l.reported.add(seen)
	return true
}

func (l *Ledger) possible(s store.Session) bool {
	if !l.Trusts(s.Issuer) || s.ID == "" || s.Subject == "" {
		return false
	}
	actor := s.Token.Actor
	for _, text := range []string{
		s.ID, s.Subject, s.Organization, s.AuthorizedParty, s.Token.ID, s.Token.ClientID, actor.Issuer, actor.Subject, actor.SessionID, actor.Type,
	} {
		if len(text) > l.MaxIDBytes() || strings.ContainsFunc(text, unicode.IsControl) {
			return false
		}
	}
	now, token := l.config.Now(), s.Token
	return s.FirstSeen.UnixMicro() > 0 && !s.FirstSeen.After(s.LastSeen) &&
		!s.LastSeen.Before(now.Add(-l.config.Retention)) && !s.LastSeen.After(now.Add(maxAhead)) &&
		(token.IssuedAt.IsZero() || token.IssuedAt.UnixMicro() > 0 && token.IssuedAt.Before(l.IssuedByNow(s.Issuer))) &&
		token.ExpiresAt.UnixMicro() > 0 && !token.ExpiresAt.Before(token.IssuedAt) && !token.ExpiresAt.After(now.Add(l.config.MaxLifetime))
}
