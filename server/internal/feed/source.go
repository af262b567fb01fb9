package feed

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/relay"
)

// A Source is where the changes of the feed come from, and where reports go: the
// database of a hub, or the hub of a relay.
type Source interface {
	// Epoch identifies the database that positions belong to.
	Epoch() [16]byte
	// Follow returns a cursor that begins after a place in the database of an epoch. What
	// a stream needs next may be read ahead.
	Follow(epoch [16]byte, after ledger.Place, stream bool) Cursor
	// Refresh reads what was revoked by now, if that can be read.
	Refresh(ctx context.Context)
	// Unavailable is the answer where a page has a failure.
	Unavailable(ctx context.Context, failure error) error
	// Retention is how long revocations are kept at least.
	Retention() *durationpb.Duration
	// Followed notes that a follower has a stream, until left is called.
	Followed(follower *feedv1.Follower) (left func())
	// Confirm notes that a follower refuses what was revoked up to a place, of which the
	// token is the position.
	Confirm(follower *feedv1.Follower, token string, place ledger.Place)
	// Report takes a report that is valid, and what it confirms.
	Report(ctx context.Context, report *feedv1.ReportRequest, confirmed ledger.Place) (*feedv1.ReportResponse, error)
}

// A Cursor reads the changes in order, as ledger.Cursor does.
type Cursor interface {
	Next(ctx context.Context, limit, size int) (page ledger.Page, wait <-chan struct{}, err error)
}

// Hub returns the source of a server with a database. It says that revocations are kept for the
// retention at least.
func Hub(l *ledger.Ledger, retention time.Duration) Source {
	return hubSource{l, durationpb.New(retention)}
}

// Relay returns the source of a server that follows another.
func Relay(r *relay.Relay) Source { return relaySource{r} }

// hubSource is that of a hub.
type hubSource struct {
	ledger    *ledger.Ledger
	retention *durationpb.Duration
}

func (s hubSource) Epoch() [16]byte { return s.ledger.Epoch() }

func (s hubSource) Follow(epoch [16]byte, after ledger.Place, stream bool) Cursor {
	return s.ledger.Follow(epoch, after, stream)
}

func (s hubSource) Refresh(ctx context.Context) { _ = s.ledger.ReadRevocations(ctx) } // it has logged the error

func (s hubSource) Unavailable(ctx context.Context, failure error) error {
	return s.ledger.Unavailable(ctx, failure)
}

func (s hubSource) Retention() *durationpb.Duration { return s.retention }

func (s hubSource) Followed(follower *feedv1.Follower) (left func()) {
	return s.ledger.Followed(follower.GetService(), follower.GetInstanceId())
}

func (s hubSource) Confirm(follower *feedv1.Follower, _ string, place ledger.Place) {
	s.ledger.Confirm(follower.GetService(), follower.GetInstanceId(), place)
}

func (s hubSource) Report(_ context.Context, report *feedv1.ReportRequest, confirmed ledger.Place) (*feedv1.ReportResponse, error) {
	switch {
	case report.GetConfirmedResumeToken() != "":
		s.Confirm(report.GetFollower(), report.GetConfirmedResumeToken(), confirmed)
	case report.GetRelayCount() > 0: // the follower has a stream at a relay
		s.Followed(report.GetFollower())()
	}
	res := new(feedv1.ReportResponse)
	for _, seen := range report.GetSessions() {
		if !validTimes(seen) || !s.ledger.Report(seenSession(report.GetFollower().GetService(), seen)) {
			res.RejectedCount++
		}
	}
	return res, nil
}

// relaySource is that of a relay.
type relaySource struct{ *relay.Relay }

func (s relaySource) Follow(epoch [16]byte, after ledger.Place, _ bool) Cursor {
	return s.Relay.Follow(epoch, after)
}
