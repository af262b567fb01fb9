package relay

import (
	"context"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/position"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

const (
	// maxSends bounds the reports that are being sent to the hub at once. Others wait.
	maxSends = 128
	// readersInterval is how often the hub is told that the followers are still there.
	readersInterval = 10 * time.Second
)

type readerKey struct{ service, instance string }

// A reader is a follower that has a stream.
type reader struct {
	confirmed string // the last position that it has confirmed
	streams   int
}

func keyOf(follower *feedv1.Follower) readerKey {
	return readerKey{follower.GetService(), follower.GetInstanceId()}
}

// Followed notes that a follower has a stream, until left is called. The hub hears of it
// every 10 seconds meanwhile.
func (r *Relay) Followed(follower *feedv1.Follower) (left func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := keyOf(follower)
	one := r.readers[key]
	if one == nil {
		one = new(reader)
		r.readers[key] = one
	}
	one.streams++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if one.streams--; one.streams == 0 {
			delete(r.readers, key)
		}
	}
}

// Followers returns how many followers have a stream.
func (r *Relay) Followers() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.readers)
}

// Confirm tells the hub that a follower refuses what was revoked up to a position, unless
// too much else waits to be sent.
func (r *Relay) Confirm(follower *feedv1.Follower, token string, place ledger.Place) {
	select {
	case r.confirms <- &feedv1.ReportRequest{Follower: follower, ConfirmedResumeToken: r.rewritten(token, place), RelayCount: 1}:
	default:
	}
}

// rewritten returns the position of a place as the hub writes it. As a follower writes it,
// it could have white space without end, which would be kept and sent for each follower.
func (r *Relay) rewritten(token string, place ledger.Place) string {
	epoch, _ := position.EpochOf(token)
	return position.Encode(epoch, r.config.Scope, place)
}

// Report passes a report on to the hub, and returns its answer.
func (r *Relay) Report(ctx context.Context, report *feedv1.ReportRequest, confirmed ledger.Place) (*feedv1.ReportResponse, error) {
	report = proto.CloneOf(report)
	report.RelayCount++
	if token := report.GetConfirmedResumeToken(); token != "" {
		token = r.rewritten(token, confirmed)
		report.ConfirmedResumeToken = token
		r.mu.Lock()
		if one := r.readers[keyOf(report.GetFollower())]; one != nil {
			one.confirmed = token
		}
		r.mu.Unlock()
	}
	select {
	case r.sends <- struct{}{}:
		defer func() { <-r.sends }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	res, err := r.follower.Forward(ctx, report)
	return res, answer(err)
}

// answer returns what a follower is answered where the hub has not taken its report. It
// may have refused this relay, and not the follower.
func answer(err error) error {
	switch {
	case err == nil:
		return nil
	case connect.IsWireError(err) && connect.CodeOf(err) == connect.CodeFailedPrecondition:
		return rpcerror.New(errorv1.Reason_REASON_POSITION_EPOCH_CHANGED)
	default:
		return rpcerror.New(errorv1.Reason_REASON_STORE_UNAVAILABLE, rpcerror.RetryAfter(retryDelay), rpcerror.Cause(err),
			rpcerror.Message("the hub of this relay cannot be asked now; try again shortly"))
	}
}

// keepReaders tells the hub which followers are there and what they confirm, until ctx
// ends. What is lost is sent again.
func (r *Relay) keepReaders(ctx context.Context) {
	tick := time.NewTicker(readersInterval)
	defer tick.Stop()
	var sending sync.WaitGroup
	defer sending.Wait()
	send := func(report *feedv1.ReportRequest) {
		select {
		case r.sends <- struct{}{}:
		case <-ctx.Done():
			return
		}
		sending.Go(func() {
			defer func() { <-r.sends }()
			_, _ = r.follower.Forward(ctx, report)
		})
	}
	for {
		select {
		case report := <-r.confirms:
			send(report)
		case <-tick.C:
			for _, report := range r.reports() {
				send(report)
			}
		case <-ctx.Done():
			return
		}
	}
}

// reports returns what each follower that is there has confirmed.
func (r *Relay) reports() (all []*feedv1.ReportRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, one := range r.readers {
		all = append(all, &feedv1.ReportRequest{
			Follower: &feedv1.Follower{Service: key.service, InstanceId: key.instance}, ConfirmedResumeToken: one.confirmed, RelayCount: 1,
		})
	}
	return all
}
