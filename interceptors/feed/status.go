package feed

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// state is what is known of the copy and of the connection to a hub.
type state struct {
	started  reading // of the follower
	caughtUp bool    // the copy was complete as of some time, by a hub or by the snapshot
	complete reading // as of when it was last, if caughtUp
	readAll  bool    // everything was read once, but for what could not be added
	unknown  error   // why a change could not be added, so that the copy lacks it
	revoked  bool    // the token to follow with was
	fault    error   // a setting of the hub with which the copy cannot be relied on

	position  string  // to go on from; empty reads from the beginning
	readAgain bool    // the next connection reads from the beginning
	reading   bool    // from the beginning, and has not read all
	clean     bool    // every change could be added since that beginning
	reread    reading // when to read all again, if unknown

	hub      string // that has sent a message on the present connection
	failed   bool   // no connection was of use since one has failed
	failure  error  // of the last connection
	progress reading
}

// Status describes a Follower for operators and metrics. It contains no secret.
type Status struct {
	// Ready reports whether the copy has caught up once, with a hub or by the snapshot, or
	// Config.AllowEmptyStart is set: for the readiness probe. It stays true in an outage.
	Ready bool
	// CaughtUp reports whether the copy was complete once, by a hub or by the snapshot, so
	// that Age is that of the copy.
	CaughtUp bool
	// Stale reports whether the copy is older than Config.MaxStale. It also is while it
	// lacks a change that this version does not know, and where the hub says that the
	// follower's own token was revoked.
	Stale bool
	// Age is how old the copy is: everything that was revoked longer ago is in it. Before it
	// has caught up, it counts from the start.
	Age time.Duration
	// Hub is the URL of the hub that the follower is connected to. Empty: none.
	Hub string
	// Revocations is how many the copy holds. Expired ones count until their space is
	// needed.
	Revocations int
	// Unreported counts the sessions that were observed since the start and not reported to
	// the hub: there were too many, or the hub has not accepted them.
	Unreported int64
	// UnreportedDecisions counts the decisions that were observed since the start and perhaps
	// not reported to any hub, since a report of them has failed or was not accepted.
	UnreportedDecisions int64
	// LastError says why the last connection failed, or what is wrong with the hub. Empty
	// while all is well.
	LastError string
}

// Status returns the current state.
func (f *Follower) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	status := Status{
		Ready:       f.isReady(),
		CaughtUp:    f.state.caughtUp,
		Stale:       f.isStale(now),
		Age:         f.age(now),
		Hub:         f.state.hub,
		Revocations: f.list.Len(),
		Unreported:  f.unreported,

		UnreportedDecisions: f.unreportedDecisions,
	}
	if err := f.trouble(); err != nil {
		status.LastError = err.Error()
	}
	return status
}

// WaitReady returns nil once [Status].Ready is true. It returns an error as soon as a hub
// keeps revocations for too short a time, see [Config.Retention], and when the context
// ends: then with why the last connection failed.
func (f *Follower) WaitReady(ctx context.Context) error {
	for {
		f.mu.Lock()
		ready, fault, news := f.isReady(), f.state.fault, f.news
		f.mu.Unlock()
		switch {
		case ready:
			return nil
		case fault != nil:
			return fault
		}
		select {
		case <-news:
		case <-ctx.Done():
			f.mu.Lock()
			trouble := f.trouble() // it may have begun during the wait
			f.mu.Unlock()
			return fmt.Errorf("wait until the copy of revocations has caught up: %w", errors.Join(context.Cause(ctx), trouble))
		}
	}
}

func (f *Follower) isReady() bool {
	return f.state.caughtUp || f.state.readAll || f.config.AllowEmptyStart
}

func (f *Follower) isStale(now reading) bool {
	return f.state.unknown != nil || f.state.revoked || f.age(now) > f.config.MaxStale
}

func (f *Follower) age(now reading) time.Duration {
	if f.state.caughtUp {
		return now.since(f.state.complete)
	}
	return now.since(f.state.started)
}

func (f *Follower) trouble() error {
	switch {
	case f.state.fault != nil:
		return f.state.fault
	case f.state.hub == "":
		return f.state.failure
	case f.state.unknown != nil:
		return f.state.unknown
	default:
		return nil
	}
}

// reported is what was last logged of the state.
type reported struct{ ready, stale, failed, fault, unknown bool }

// evaluate decides whether calls are refused because of the copy's age, and logs what has
// changed.
func (f *Follower) evaluate() {
	f.mu.Lock()
	s, now, before := f.state, f.now(), f.reported
	ready, stale := f.isReady(), f.isStale(now)
	refusing := !ready || stale && f.config.RefuseStale
	changed := f.refusing.Swap(refusing) != refusing
	f.reported = reported{ready: ready, stale: ready && stale, failed: s.failed, fault: s.fault != nil, unknown: s.unknown != nil}
	after, age, trouble := f.reported, f.age(now), f.trouble()
	if after.ready != before.ready || after.fault != before.fault {
		close(f.news)
		f.news = make(chan struct{})
	}
	f.mu.Unlock()

	log := f.config.Logger
	if after.failed && !before.failed {
		log.Warn("the connection to the hub of revocations has failed, and is tried again", "error", s.failure)
	}
	if after.fault && !before.fault {
		log.Error("the hub does not protect this service", "error", s.fault)
	}
	if after.unknown && !before.unknown {
		log.Error("a change of the hub cannot be added, so that tokens may be accepted which are revoked: update this service", "error", s.unknown)
	}
	switch {
	case after.stale && !before.stale:
		log.Warn("the copy of revocations is stale", "age", age, "max_stale", f.config.MaxStale, "refusing", refusing, "error", trouble)
	case before.stale && !after.stale:
		log.Info("the copy of revocations is not stale any more", "age", age)
	case after.ready && !before.ready && s.caughtUp:
		log.Info("the copy of revocations has caught up", "age", age, "hub", s.hub)
	case before.failed && !after.failed:
		log.Info("the hub of revocations is followed again", "hub", s.hub)
	}
	if changed {
		f.notify()
	}
}

// watchClock evaluates the age every second, and has the hub watched again when the clocks
// part: times of one connection are counted from its start.
func (f *Follower) watchClock(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	last := f.now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := f.now()
		jump := now.jump(last)
		last = now
		f.mu.Lock()
		if jump < -maxJump {
			f.readFromBeginning() // what had expired by the wrong clock was forgotten
		}
		if f.state.unknown != nil && now.since(f.state.reread) >= 0 {
			f.state.reread = now.add(rereadInterval)
			f.readFromBeginning() // the change may have expired
			f.endWatch(errReadAgain)
		}
		if jump < -maxJump || jump > maxJump {
			f.endWatch(errClockJumped)
		}
		f.mu.Unlock()
		f.evaluate()
	}
}

// endWatch ends the connection to a hub, if there is one. f.mu must be held.
func (f *Follower) endWatch(cause error) {
	if f.disconnect != nil {
		f.disconnect(cause)
	}
}

// rereadInterval is how often all is read again while the copy lacks a change. The first
// time is some time later, so that followers do not all do so at once.
const rereadInterval = time.Hour

// readFromBeginning makes the next connection read everything. f.mu must be held.
func (f *Follower) readFromBeginning() {
	f.state.position, f.stored = "", ""
	f.state.readAgain = true
}
