package server

import (
	"context"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/store"
)

// messages are sessions as id sees them.
func (s *sessionService) messages(ctx context.Context, id *auth.Identity, sessions ...store.Session) ([]*sessionv1.Session, error) {
	states, err := s.ledger.States(ctx, sessions...)
	if err != nil {
		return nil, err
	}
	messages := make([]*sessionv1.Session, len(sessions))
	for i, session := range sessions {
		messages[i] = sessionMessage(session)
		messages[i].State = states[i].State
		if r := states[i].Revocation; r != nil {
			messages[i].Revocation = revocationMessage(*r, s.operators, id)
		}
	}
	return messages, nil
}

// sessionMessage is a session without its state.
func sessionMessage(session store.Session) *sessionv1.Session {
	firstSeen, lastSeen := timeMessage(session.FirstSeen), timeMessage(session.LastSeen)
	return &sessionv1.Session{
		Session:         sessionRef(session.Issuer, session.ID, session.Subject),
		OrganizationId:  session.Organization,
		Actor:           actorMessage(storedActor(session.Token.Actor)),
		FirstSeenTime:   firstSeen,
		LastSeenTime:    lastSeen,
		TokenIssueTime:  timeMessage(session.Token.IssuedAt),
		TokenExpireTime: timeMessage(session.Token.ExpiresAt),
		Sightings: []*sessionv1.Sighting{{
			FirstSeenTime:   firstSeen,
			LastSeenTime:    lastSeen,
			AuthorizedParty: session.AuthorizedParty,
			ClientId:        session.Token.ClientID,
			UserAgent:       session.UserAgent,
			IpAddress:       session.Address,
		}},
	}
}
