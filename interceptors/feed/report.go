package feed

import (
	"context"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"connectrpc.com/connect"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
	"github.com/ostiary/ostiary/gen/ostiary/feed/v1/feedv1connect"
)

const (
	// reportInterval is how often sessions are reported on average, and reportAtOnce how
	// many at once: their texts are as long as tokens can be.
	reportInterval = time.Second
	reportAtOnce   = 200
	// reportTimeout bounds a report.
	reportTimeout = 10 * time.Second
)

// reportTo has the hub of the present connection told of sessions.
func (f *Follower) reportTo(client feedv1connect.FeedServiceClient) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reporting = client
}

// report tells the hub what was seen, until ctx ends.
func (f *Follower) report(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(reportInterval/2 + mathrand.N(reportInterval)): //nolint:gosec // it spreads load and keeps no secret
		}
		f.mu.Lock()
		client := f.reporting
		f.mu.Unlock()
		if client != nil {
			f.reportSeen(ctx, client)
		}
	}
}

// reportSeen tells the hub what was seen since it was last told.
func (f *Follower) reportSeen(ctx context.Context, client feedv1connect.FeedServiceClient) {
	sessions, messages, dropped := f.seen.take(time.Now())
	for first := true; len(messages) > 0 || first && dropped > 0; first = false {
		n := min(len(messages), reportAtOnce)
		rejected, err := f.send(ctx, client, &feedv1.ReportRequest{Sessions: messages[:n], DroppedCount: dropped})
		unreported := dropped + rejected
		switch {
		case err == nil:
			sessions, messages = sessions[n:], messages[n:]
		case again(err):
			unreported += f.seen.putBack(sessions)
		default:
			unreported += int64(len(sessions))
		}
		f.mu.Lock()
		f.unreported += unreported
		f.mu.Unlock()
		if err != nil {
			return
		}
		dropped = 0
	}
}

func (f *Follower) send(ctx context.Context, client feedv1connect.FeedServiceClient, req *feedv1.ReportRequest) (rejected int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	req.Follower = &feedv1.Follower{Service: f.config.Service, InstanceId: f.instance}
	res, err := client.Report(ctx, req)
	return min(max(res.GetRejectedCount(), 0), int64(len(req.GetSessions()))), err
}

// again reports whether another hub may take what this one has not, or this one later.
func again(err error) bool {
	return slices.Contains([]connect.Code{
		connect.CodeUnavailable, connect.CodeDeadlineExceeded, connect.CodeCanceled, connect.CodeUnauthenticated,
	}, connect.CodeOf(err))
}
