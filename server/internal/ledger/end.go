package ledger

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
	"github.com/ostiary/ostiary/server/internal/store"
)

// EndSubject revokes all tokens that a subject has, and then, in batches, its sessions
// with all their tokens to come. It returns the revocation of the tokens, and how many
// sessions it ended. If there is an answer, it is that of encode, and is kept when all is
// done: after a failure, the same call does the rest. An error is the answer to the
// caller, or store.ErrAnswered.
func (l *Ledger) EndSubject(ctx context.Context, origin store.Origin, issuer, subject, cause string,
	answer *store.Answer, encode func(everything store.Revocation, ended int) ([]byte, error),
) (everything store.Revocation, ended int, err error) {
	request, err := l.Prepare(Request{Revocation: revocation.Revocation{Kind: revocation.TargetSubject, Issuer: issuer, ID: subject}, Cause: cause})
	if err != nil {
		return everything, 0, err
	}
	saved, err := l.Revoke(ctx, origin, nil, request)
	if err != nil {
		return everything, 0, err
	}
	everything = saved[0]
	// A caller who goes away now could not ask again with the same token.
	uncut := context.WithoutCancel(ctx)
	l.Flush(uncut)
	for page, err := range pagesBy(uncut, l.store.SessionNames, store.View{{Issuer: issuer, Subject: subject}}) {
		if err != nil {
			return everything, ended, l.Unavailable(uncut, err)
		}
		ends, before, err := l.NotEnded(uncut, cause, page...)
		if err != nil {
			return everything, ended, err
		}
		if err := l.SignOut(uncut, before...); err != nil {
			return everything, ended, err
		}
		revoked, err := l.Revoke(uncut, origin, nil, ends...)
		if err != nil {
			return everything, ended, err
		}
		ended += len(revoked)
	}
	if answer != nil {
		answer.Encode = func([]store.Revocation) ([]byte, error) { return encode(everything, ended) }
		_, err = l.save(uncut, nil, answer)
	}
	return everything, ended, err
}

// NotEnded returns the requests that end sessions with their future tokens, but for
// those that have ended already, and the revocations that ended these. It reads only
// Issuer, ID and Subject of each; an empty Subject means the sessions by that ID of
// every subject. An error is the answer to the caller.
//
// A session has ended if it is revoked for at least half of the time that the request
// would give it, and until its tokens have expired. To revoke it again would only fill the
// store; but where less is left, the session could come back alive after its end was
// reported.
func (l *Ledger) NotEnded(ctx context.Context, cause string, sessions ...store.Session) (ends []Request, ended []store.Revocation, err error) {
	var targets []store.Target
	for _, s := range sessions {
		if l.revokedForGood(s) {
			targets = append(targets, endsFor(s)...)
		}
	}
	standing, err := l.standing(ctx, targets)
	if err != nil {
		return nil, nil, err
	}
	var expires time.Time // of all, so that the store can save them at once
	for _, s := range sessions {
		end, err := l.Prepare(Request{
			Revocation: revocation.Revocation{Kind: revocation.TargetSession, Issuer: s.Issuer, ID: s.ID, Subject: s.Subject, Expires: expires},
			Cause:      cause,
		})
		if err != nil {
			return nil, nil, err
		}
		expires = end.Expires
		if last, ok := l.lasting(standing, end, endsFor(s)...); ok {
			ended = append(ended, last)
		} else {
			ends = append(ends, end)
		}
	}
	return ends, ended, nil
}

// NotInForce returns the requests that revoke anything more, or for longer, than what
// is revoked with the same target. An error is the answer to the caller.
func (l *Ledger) NotInForce(ctx context.Context, requests ...Request) ([]Request, error) {
	targets := make([]store.Target, len(requests))
	for i, r := range requests {
		targets[i] = targetOf(r)
	}
	standing, err := l.standing(ctx, targets)
	if err != nil {
		return nil, err
	}
	var more []Request
	for i, r := range requests {
		if _, ok := l.lasting(standing, r, targets[i]); !ok {
			more = append(more, r)
			standing[targets[i]] = store.Revocation{IssuedBefore: r.Before, ExpiresAt: r.Expires}
		}
	}
	if len(more) < len(requests) {
		// Another process may have made the rest.
		if err := l.ReadRevocations(ctx); err != nil {
			return nil, l.Unavailable(ctx, err)
		}
	}
	return more, nil
}

// standing returns the strongest revocation of each target that has one.
func (l *Ledger) standing(ctx context.Context, targets []store.Target) (map[store.Target]store.Revocation, error) {
	standing := make(map[store.Target]store.Revocation)
	if len(targets) == 0 {
		return standing, nil
	}
	distinct := make(map[store.Target]bool, len(targets)) // sessions share their subject and issuer
	for _, target := range targets {
		distinct[target] = true
	}
	found, err := l.store.Strongest(ctx, slices.Collect(maps.Keys(distinct)), l.config.Now())
	if err != nil {
		return nil, l.Unavailable(ctx, err)
	}
	for _, r := range found {
		standing[r.Target] = r
	}
	return standing, nil
}

// revokedForGood reports whether the list has a session's tokens to come as revoked.
func (l *Ledger) revokedForGood(s store.Session) bool {
	toCome := l.config.Now().Add(365 * 24 * time.Hour)
	return l.revoked.Revoked(&auth.Identity{Issuer: s.Issuer, SessionID: s.ID, Subject: s.Subject, IssuedAt: toCome}) != nil
}

// endsFor returns the targets by which a session can be ended.
func endsFor(s store.Session) []store.Target {
	anybodys := store.Target{Kind: revocation.TargetSession.String(), Issuer: s.Issuer, Value: s.ID}
	if s.Subject == "" {
		return []store.Target{anybodys}
	}
	its := anybodys
	its.Subject = s.Subject
	return []store.Target{its, anybodys}
}

// lasting returns the revocation of one of the targets that revokes all that the
// request would, for at least half as long, and for as long as any token of now lives.
func (l *Ledger) lasting(standing map[store.Target]store.Revocation, request Request, targets ...store.Target) (last store.Revocation, ok bool) {
	now := l.config.Now()
	needed := l.neededUntil(request, now)
	for _, target := range targets {
		r, found := standing[target]
		covers := r.IssuedBefore.IsZero() || !request.Before.IsZero() && !r.IssuedBefore.Before(request.Before)
		lasts := r.ExpiresAt.Sub(now) > request.Expires.Sub(now)/2 && !r.ExpiresAt.Before(needed)
		if found && covers && lasts && r.ExpiresAt.After(last.ExpiresAt) {
			last, ok = r, true
		}
	}
	return last, ok
}

// neededUntil returns when the last token has expired that is there now and that a request
// revokes, if the request lasts as long. A single token expires before its revocation does,
// whenever that was.
func (l *Ledger) neededUntil(request Request, now time.Time) time.Time {
	if request.Kind == revocation.TargetToken {
		return time.Time{}
	}
	until := now
	if !request.Before.IsZero() {
		until = request.Before
	}
	if until = until.Add(l.config.MaxLifetime); until.After(request.Expires) {
		return request.Expires
	}
	return until
}
