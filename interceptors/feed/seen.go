package feed

import (
	"context"
	"hash/maphash"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

const (
	// maxSeen bounds the sessions that are kept in memory, about 1 KiB each.
	maxSeen = 10_000
	// seenShards is how many calls can be noted at once.
	seenShards = 16
	// seenInterval is how often a session is reported that continues with the same token.
	seenInterval = time.Minute
	// maxUserAgent is how much of a user agent is kept, in bytes.
	maxUserAgent = 256
)

// Observe implements auth.Observer. It notes the session of an admitted call, which the
// follower reports to the hub within about a second, so that it is listed there: once for
// each token, and then once a minute. While no hub can be reached,
// the latest 10,000 sessions are kept, and Status.Unreported counts the others.
//
// It also notes the decision, for operators who watch decisions at the hub. Refusals of
// tokens whose signature holds are reported one by one, up to 100 within a second, and one
// refusal of others for each procedure, protocol and reason, up to 20 within 10 seconds.
// Everything else is counted, and the counts are reported every 10 seconds, and by Close.
// While no hub can be reached, the counts go on.
//
// It waits for nothing.
func (f *Follower) Observe(_ context.Context, d auth.Decision) {
	f.decided.note(&d)
	id := d.Identity
	if d.Refusal == nil && id != nil && id.Kind != auth.KindMachine && id.SessionID != "" {
		f.seen.note(id, &d, time.Now())
	}
}

// seen are the sessions that were seen lately.
type seen struct {
	seed   maphash.Seed
	shards [seenShards]seenShard
}

// A seenShard holds some of them. If it is full, a new one replaces the oldest.
type seenShard struct {
	mu      sync.Mutex
	slots   map[seenKey]*seenSession
	ring    []*seenSession // once it is full
	next    int            // to be replaced next, then
	due     []*seenSession // to be reported
	dropped int64          // that were replaced before
}

type seenKey struct{ issuer, id, subject string }

// A seenSession is what was seen of a session. Its texts are copies: those of an identity
// keep the whole token in memory.
type seenSession struct {
	message  *feedv1.SeenSession // but for the times of calls
	key      seenKey
	issuedAt time.Time
	first    time.Time
	last     time.Time
	reported time.Time
	due      bool // whether it is in seenShard.due
	replaced bool
}

func newSeen() *seen {
	s := &seen{seed: maphash.MakeSeed()}
	for i := range s.shards {
		s.shards[i].slots = make(map[seenKey]*seenSession)
	}
	return s
}

// note notes a call. It runs in every call, so it costs no more than a look-up where only
// the time is new.
func (s *seen) note(id *auth.Identity, d *auth.Decision, now time.Time) {
	shard := &s.shards[maphash.String(s.seed, id.SessionID)%seenShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	session := shard.slots[seenKey{id.Issuer, id.SessionID, id.Subject}]
	if session == nil {
		session = shard.add(id, now)
	} else if session.last = now; !session.isDue(id, now) {
		return
	}
	if session.message == nil || !id.IssuedAt.Before(session.issuedAt) {
		session.message, session.issuedAt = messageOf(session.key, id), id.IssuedAt
	}
	cut := d.UserAgent[:min(len(d.UserAgent), maxUserAgent)]
	session.message.UserAgent = strings.Clone(strings.ToValidUTF8(cut, "")) // or all of it would be kept
	session.message.IpAddress = hostOf(d.Peer)
	shard.save(session)
}

// isDue reports whether the session must be reported again. It must if its token is newer, if
// its token is as new and of another organization, or if seenInterval has passed since the
// last report.
func (s *seenSession) isDue(id *auth.Identity, now time.Time) bool {
	return id.IssuedAt.After(s.issuedAt) || id.IssuedAt.Equal(s.issuedAt) && id.Organization.ID != s.message.GetOrganizationId() ||
		now.Sub(s.reported) >= seenInterval
}

func (shard *seenShard) add(id *auth.Identity, now time.Time) *seenSession {
	session := &seenSession{
		key:   seenKey{strings.Clone(id.Issuer), strings.Clone(id.SessionID), strings.Clone(id.Subject)},
		first: now, last: now,
	}
	if len(shard.ring) < maxSeen/seenShards {
		shard.ring = append(shard.ring, session)
	} else {
		old := shard.ring[shard.next]
		delete(shard.slots, old.key)
		if old.replaced = true; old.due {
			shard.dropped++
		}
		shard.ring[shard.next] = session
		shard.next = (shard.next + 1) % len(shard.ring)
	}
	shard.slots[session.key] = session
	return session
}

func (shard *seenShard) save(session *seenSession) {
	if session.due {
		return
	}
	session.due = true
	if shard.due = append(shard.due, session); len(shard.due) > 2*maxSeen/seenShards {
		kept := shard.due[:0]
		for _, s := range shard.due {
			if !s.replaced {
				kept = append(kept, s)
			}
		}
		clear(shard.due[len(kept):])
		shard.due = kept
	}
}

// take returns the sessions to report, and how many were dropped since the last call.
func (s *seen) take(now time.Time) (sessions []*seenSession, messages []*feedv1.SeenSession, dropped int64) {
	for i := range s.shards {
		shard := &s.shards[i]
		shard.mu.Lock()
		for _, session := range shard.due {
			if session.due = false; session.replaced {
				continue
			}
			session.reported = now
			message := shallow(session.message)
			message.FirstSeenTime, message.LastSeenTime = timestamppb.New(session.first), timestamppb.New(session.last)
			sessions, messages = append(sessions, session), append(messages, message)
		}
		clear(shard.due)
		shard.due = shard.due[:0]
		dropped += shard.dropped
		shard.dropped = 0
		shard.mu.Unlock()
	}
	return sessions, messages, dropped
}

// putBack has sessions reported again that were taken and did not reach a hub.
func (s *seen) putBack(sessions []*seenSession) (dropped int64) {
	for _, session := range sessions {
		shard := &s.shards[maphash.String(s.seed, session.key.id)%seenShards]
		shard.mu.Lock()
		if session.replaced {
			dropped++
		} else {
			shard.save(session)
		}
		shard.mu.Unlock()
	}
	return dropped
}

// messageOf returns what a token says.
func messageOf(key seenKey, id *auth.Identity) *feedv1.SeenSession {
	message := &feedv1.SeenSession{
		Session: &revocationv1.SessionRef{
			Issuer: key.issuer, SessionId: key.id, Owner: &revocationv1.SessionRef_Subject{Subject: key.subject},
		},
		OrganizationId:  strings.Clone(id.Organization.ID),
		AuthorizedParty: strings.Clone(id.AuthorizedParty),
		ClientId:        strings.Clone(id.ClientID),
		TokenId:         strings.Clone(id.TokenID),
		TokenExpireTime: timestamppb.New(id.ExpiresAt),
	}
	if !id.IssuedAt.IsZero() {
		message.TokenIssueTime = timestamppb.New(id.IssuedAt)
	}
	if actor := id.Actor; actor != nil {
		message.Actor = &identityv1.Actor{
			Issuer: strings.Clone(actor.Issuer), Subject: strings.Clone(actor.Subject),
			SessionId: strings.Clone(actor.SessionID), Type: strings.Clone(actor.Type),
		}
	}
	return message
}

// shallow copies a message, whose parts do not change any more.
func shallow(m *feedv1.SeenSession) *feedv1.SeenSession {
	return &feedv1.SeenSession{
		Session: m.GetSession(), OrganizationId: m.GetOrganizationId(), Actor: m.GetActor(), AuthorizedParty: m.GetAuthorizedParty(),
		ClientId: m.GetClientId(), UserAgent: m.GetUserAgent(), IpAddress: m.GetIpAddress(), TokenId: m.GetTokenId(),
		TokenIssueTime: m.GetTokenIssueTime(), TokenExpireTime: m.GetTokenExpireTime(),
	}
}

// hostOf returns an address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return strings.Clone(host)
	}
	return strings.Clone(address)
}
