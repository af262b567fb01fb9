package feed

import (
	"errors"
	"fmt"
	"time"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

const (
	// maxPosition bounds a resume_token.
	maxPosition = 64 << 10
	// maxBehind is how long a hub is followed that has no news of its own, because it is cut
	// off from its database; and maxReading how long one that is to send more, which it may
	// be busy to read for others.
	maxBehind  = 10 * time.Second
	maxReading = time.Minute
	// maxDrift is how far the clocks of hub and follower may part in one connection before
	// one of them counts as wrong.
	maxDrift = time.Second
	// maxBefore is how long before a request the copy can have been complete. What is longer
	// ago makes no difference.
	maxBefore = 365 * 24 * time.Hour
)

var (
	errBroken     = errors.New("the hub has sent a message without a usable position or time")
	errBehind     = errors.New("the hub has had no news for too long: it may be cut off from its database")
	errClockWrong = errors.New("the hub says that the copy is complete as of a time to come: a clock is wrong")
)

// receive adds the changes of a message, and draws from it as of when the copy is
// complete. An error ends the connection.
func (f *Follower) receive(w *watch, message *feedv1.WatchChangesResponse) error {
	position, through := message.GetResumeToken(), message.GetCompleteThrough()
	if position == "" || len(position) > maxPosition || through != nil && !through.IsValid() {
		return errBroken
	}
	if err := f.relay(message, w.restart && !w.received); err != nil {
		return err
	}
	defer f.evaluate()
	unknown := f.add(message.GetChanges())

	f.mu.Lock()
	defer f.mu.Unlock()
	s, now := &f.state, f.now()
	w.received, s.hub = true, w.hub
	w.silence = 3 * min(max(message.GetHeartbeatInterval().AsDuration(), time.Second), 30*time.Second)
	s.fault = f.retentionFault(message)
	if len(message.GetChanges()) > 0 {
		w.progress, s.progress, f.unsaved = now, now, true
	}
	f.lacks(unknown)
	var err error
	if through != nil {
		err = f.completeThrough(w, through.AsDuration(), now)
	}
	if !s.readAgain {
		s.position = position
		if s.unknown == nil {
			f.stored = position
		}
	}
	limit := maxReading
	if through != nil {
		limit = max(w.silence, min(maxBehind, f.config.MaxStale/2))
	}
	if err == nil && now.since(w.progress) > limit {
		err = errBehind
	}
	return err
}

// lacks notes why a change cannot be added, if one cannot. f.mu must be held.
func (f *Follower) lacks(unknown error) {
	if unknown == nil {
		return
	}
	if f.state.unknown == nil {
		f.state.reread = f.now().add(rereadInterval + f.jitter(rereadInterval))
	}
	f.state.unknown, f.state.clean = unknown, false
}

// add adds the changes that can be added, and returns why another one cannot.
func (f *Follower) add(changes []*feedv1.Change) (unknown error) {
	revocations := make([]revocation.Revocation, 0, len(changes))
	for _, change := range changes {
		r, err := revocationOf(change.GetRevoked())
		if err == nil {
			r, err = f.list.Prepare(r)
		}
		switch {
		case err == nil:
			revocations = append(revocations, r)
		case !change.GetSkippable():
			unknown = err
		}
	}
	return errors.Join(unknown, f.list.Add(revocations...))
}

// completeThrough draws that the copy is complete as of so long after the request. f.mu
// must be held.
func (f *Follower) completeThrough(w *watch, through time.Duration, now reading) error {
	elapsed := now.running - w.sent.running
	if through > elapsed+maxDrift {
		return errClockWrong
	}
	complete := now
	if through < elapsed {
		complete = w.sent.add(max(through, -maxBefore))
	}
	s := &f.state
	w.progress = later(now, w.progress, complete)
	s.progress = later(now, s.progress, complete)
	s.failed = false
	if s.reading && s.clean {
		s.unknown = nil
	}
	s.reading = false
	if s.fault == nil {
		s.readAll, s.revoked = true, false
	}
	if s.fault == nil && s.unknown == nil {
		if s.caughtUp {
			complete = later(now, s.complete, complete)
		}
		s.caughtUp, s.complete = true, complete
	}
	return nil
}

// retentionFault returns why the hub forgets revocations too early for this service.
func (f *Follower) retentionFault(message *feedv1.WatchChangesResponse) error {
	retention := message.GetRetention()
	switch {
	case !retention.IsValid():
		return errors.New("the hub does not say how long it keeps revocations, so that this service may accept tokens that live longer: update the hub")
	case retention.AsDuration() < f.config.Retention:
		return fmt.Errorf("the hub keeps revocations for %v, and this service accepts tokens that live for %v with the skew: "+
			"let the hub know the issuers of this service, with their longest lifetime of tokens, or set Retention to what the guard accepts",
			retention.AsDuration(), f.config.Retention)
	default:
		return nil
	}
}
