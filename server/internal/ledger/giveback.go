package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/ostiary/ostiary/server/internal/store"
)

const (
	// maxGiveBackDelay bounds how long what was lost waits to be given back after a failure.
	maxGiveBackDelay = time.Minute
	// aheadInterval is how often at most the log says that readers know more.
	aheadInterval = time.Minute
)

// errGivingBack is why nothing is known to be complete: followers that read everything
// would lack what this process knows.
var errGivingBack = errors.New("the database has lost revocations, which are being given back to it")

// givesBack reports whether the database may lack what this process knows.
func (l *Ledger) givesBack() bool { return l.losses.Load() != l.givenBack.Load() }

// keepGivingBack gives back to the database what it has lost, until the ledger is closed.
// Every process with the database does, since any of them may be the only one that knows
// of a revocation.
func (l *Ledger) keepGivingBack(ctx context.Context) {
	for {
		select {
		case <-l.lacking:
		case <-l.closing:
			return
		}
		for delay := retryDelay; !l.giveBack(ctx); delay = min(2*delay, maxGiveBackDelay) {
			select {
			case <-time.After(delay):
			case <-l.closing:
				return
			}
		}
	}
}

// giveBack revokes again what is revoked here and not in the database, and reports whether
// all of that is there now. Who had revoked it, and why, is not known any more.
func (l *Ledger) giveBack(ctx context.Context) bool {
	count, losses := 0, l.losses.Load()
	flush := func(batch []Request) bool {
		more, err := l.NotInForce(ctx, batch...)
		if err == nil {
			_, err = l.Revoke(ctx, store.Origin{Kind: store.OriginSystem}, nil, more...)
		}
		count += len(more)
		return err == nil // the error was logged
	}
	batch := make([]Request, 0, BatchSize)
	for r := range l.revoked.All() {
		select {
		case <-l.closing:
			return false
		default:
		}
		if batch = append(batch, Request{Revocation: r}); len(batch) == BatchSize {
			if !flush(batch) {
				return false
			}
			batch = batch[:0]
		}
	}
	if !flush(batch) {
		return false
	}
	l.givenBack.Store(losses)
	l.config.Log.WarnContext(ctx, "gave back to the database what it had lost", "revocations", count)
	return true
}

// noticeAhead says in the log that somebody has read what the database lacks. If no server
// knew it, as when all of them were restarted, nobody gives it back.
func (l *Ledger) noticeAhead(ctx context.Context) {
	now := l.config.Now()
	if last := l.ahead.Load(); last != nil && now.Sub(*last) < aheadInterval && now.After(*last) {
		return
	}
	l.ahead.Store(&now)
	l.config.Log.WarnContext(ctx, "a follower has read what the database lacks: if no server has given it back, revoke it again", "last_sequence", l.changes.place().Sequence)
}
