package auth

import (
	"reflect"
	"strings"
	"time"
)

// A sessionKey is what a token and its successors have in common. A token that
// differs in any of it is another caller's, and renews nothing.
type sessionKey struct {
	issuer, subject, session, client string
	organization, slug, party        string // the slug where the organization has no id
	actor                            Actor  // the zero Actor where there is none
	kind                             TokenKind
	impersonated                     bool
}

func sessionKeyOf(id *Identity) sessionKey {
	// That two tokens are of one user, and of one OAuth client even, is no reason to let
	// one go on for the other: they may come from two devices, one of which was lost.
	if id.SessionID == "" && id.Kind != KindMachine {
		return sessionKey{}
	}
	key := sessionKey{
		issuer: id.Issuer, subject: id.Subject, session: id.SessionID, client: id.ClientID, kind: id.Kind,
		organization: id.Organization.ID, party: id.AuthorizedParty,
	}
	if key.organization == "" {
		key.slug = id.Organization.Slug
	}
	if id.Actor != nil {
		key.actor, key.impersonated = *id.Actor, true
	}
	return key
}

// A credential is a token that was accepted, and what it says.
type credential struct {
	identity *Identity
	token    string // empty where it came elsewhere than in the Authorization header
}

func credentialOf(call *Call, id *Identity) credential {
	token, _ := BearerToken(call.Header)
	return credential{id, token}
}

// newer reports whether a was issued after b; of two that were issued in the
// same second, that which lives longer is the newer one.
func newer(a, b *Identity) bool {
	if a.IssuedAt.Equal(b.IssuedAt) {
		return a.ExpiresAt.After(b.ExpiresAt)
	}
	return a.IssuedAt.After(b.IssuedAt)
}

// renew renews the open streams that the identity is a successor for, if it is the
// newest.
func (g *Guard) renew(call *Call, id *Identity) {
	key := sessionKeyOf(id)
	if !g.leases.IsNews(key, credential{identity: id}) { // as nearly always
		return
	}
	renewal := credentialOf(call, id)
	for _, s := range g.leases.Renew(key, renewal) {
		s.renew(renewal)
	}
}

// renew goes over to a newer identity of the same session, if the rule admits it and
// its user can be loaded. Both are asked without a lock, since they may be slow.
func (s *Stream) renew(renewal credential) {
	id, was := renewal.identity, s.identity()
	if !newer(id, was) {
		return
	}
	user, refusal := s.decideAnew(renewal)
	if refusal == nil && s.admitted.messages != nil && !sameCaller(id, was) {
		// What was decided on the messages was decided on another caller, and the
		// messages are gone.
		refusal = Errorf(ConditionNotMet, "the caller changed on a stream whose rule depends on its messages")
	}
	if refusal != nil {
		s.end(refusal)
		return
	}
	s.adopt(renewal, user)
	s.recheck() // a revocation of the new token in the meantime has looked at the old one
}

// adopt makes the identity the current one, if it is newer still.
func (s *Stream) adopt(renewal credential, user any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := renewal.identity
	if s.ended || !newer(id, s.current) {
		return
	}
	if at := expiry(id); !s.expires.IsZero() && (at.IsZero() || at.After(s.expires)) {
		s.expires = at
	}
	s.current, s.token, s.user = id, renewal.token, user
	if s.renewed != nil {
		close(s.renewed)
		s.renewed = nil
	}
}

// decideAnew asks the rule of an open stream about the identity that renews it, and
// loads its user. The stream's context counts for that: the call that brought the
// identity may end sooner.
func (s *Stream) decideAnew(renewal credential) (user any, refusal *Error) {
	defer recoverAs(&refusal, "deciding anew")
	g, procedure := s.admitted.guard, s.admitted.call.Procedure
	rule := g.Policy.Rule(procedure)
	if rule == nil {
		return nil, Errorf(AuthFailure, "no rule for %s any more", procedure)
	}
	id := renewal.identity
	if err := rule.Check(id); err != nil {
		return nil, AsError(err)
	}
	return g.loadUser(&admitted{Context: s.admitted.Context, identity: id, call: Call{Header: authorization(renewal.token)}}, id)
}

// authorization is the header of a call of which only the token is known.
type authorization string

// Values implements Header.
func (a authorization) Values(name string) []string {
	if a == "" || !strings.EqualFold(name, "Authorization") {
		return nil
	}
	return []string{"Bearer " + string(a)}
}

// sameCaller reports whether two identities of a session differ in nothing but
// what every token has of its own: its id, its times, its key, its text.
func sameCaller(a, b *Identity) bool {
	plain := func(id *Identity) Identity {
		c := *id
		c.TokenID, c.KeyID, c.TokenHash, c.RawClaims, c.FactorAges, c.Key = "", "", "", "", nil, nil
		c.IssuedAt, c.NotBefore, c.ExpiresAt, c.AuthTime, c.Leeway = time.Time{}, time.Time{}, time.Time{}, time.Time{}, 0
		return c
	}
	return reflect.DeepEqual(plain(a), plain(b))
}

// bearerToken returns the token that counts now, and whether it is another than
// that which opened the stream.
func (s *Stream) bearerToken() (token string, renewed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token, s.current != s.admitted.identity
}

// watch returns the identity that counts now, and a channel that is closed when
// another does.
func (s *Stream) watch() (*Identity, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.renewed == nil {
		s.renewed = make(chan struct{})
	}
	return s.current, s.renewed
}
