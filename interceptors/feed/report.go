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
	// reportInterval is how often sessions and decisions are reported on average, and
	// reportAtOnce how many sessions at once: their texts are as long as tokens can be.
	reportInterval = time.Second
	reportAtOnce   = 200
	// maxConfirmDelay is how long after a change it is confirmed at most, and
	// confirmInterval how often at most changes are confirmed when there are many.
	maxConfirmDelay = 100 * time.Millisecond
	confirmInterval = 250 * time.Millisecond
	// reportTimeout bounds a report.
	reportTimeout = 10 * time.Second
	// closeTimeout bounds the last report.
	closeTimeout = 2 * time.Second
)

// reportTo has reports sent to the hub of the present connection, at once if there is
// something to confirm.
func (f *Follower) reportTo(client feedv1connect.FeedServiceClient) {
	f.mu.Lock()
	f.reporting = client
	confirm := f.toConfirm() != ""
	f.mu.Unlock()
	if confirm {
		select {
		case f.added <- struct{}{}:
		default:
		}
	}
}

// toConfirm returns the position up to which every change was added, if it was not reported
// to the hub yet. f.mu must be held.
func (f *Follower) toConfirm() string {
	if f.state.reading || f.stored == f.confirmed {
		return ""
	}
	return f.stored
}

// report reports to the hub what was added, seen and decided, until ctx ends.
func (f *Follower) report(ctx context.Context) {
	timer := time.NewTimer(reportDelay())
	defer timer.Stop()
	var confirmed time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-f.added:
			select {
			case <-ctx.Done():
				return
			case <-time.After(max(mathrand.N(maxConfirmDelay), confirmInterval-time.Since(confirmed))): //nolint:gosec // it spreads load and keeps no secret
			}
			confirmed = time.Now()
		}
		f.reportOnce(ctx, false)
		timer.Reset(reportDelay())
	}
}

func reportDelay() time.Duration {
	return reportInterval/2 + mathrand.N(reportInterval) //nolint:gosec // it spreads load and keeps no secret
}

// reportLast reports to the hub what was seen and decided since the last report, before the
// connection ends. It confirms nothing: a service that ends refuses nothing any more.
func (f *Follower) reportLast() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	f.reportOnce(ctx, true)
}

// reportOnce reports to the hub what was added, seen and decided since the last report; with last
// set also the counts that are not due yet.
func (f *Follower) reportOnce(ctx context.Context, last bool) {
	f.mu.Lock()
	client, confirm := f.reporting, f.toConfirm()
	f.mu.Unlock()
	if client == nil {
		return
	}
	if last {
		confirm = ""
	}
	sessions, messages, dropped := f.seen.take(time.Now())
	for len(messages) > 0 || dropped > 0 || confirm != "" {
		n := min(len(messages), reportAtOnce)
		res, err := f.send(ctx, client, &feedv1.ReportRequest{Sessions: messages[:n], DroppedCount: dropped, ConfirmedResumeToken: confirm})
		unreported := dropped + min(max(res.GetRejectedCount(), 0), int64(n))
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
		if err == nil && confirm != "" && f.reporting == client {
			f.confirmed = confirm
		}
		f.mu.Unlock()
		if err != nil {
			return
		}
		dropped, confirm = 0, ""
	}
	f.reportDecisions(ctx, client, last)
}

func (f *Follower) send(ctx context.Context, client feedv1connect.FeedServiceClient, req *feedv1.ReportRequest) (*feedv1.ReportResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	req.Follower = &feedv1.Follower{Service: f.config.Service, InstanceId: f.instance}
	return client.Report(ctx, req)
}

// again reports whether another hub may take what this one has not, or this one later.
func again(err error) bool {
	return slices.Contains([]connect.Code{
		connect.CodeUnavailable, connect.CodeDeadlineExceeded, connect.CodeCanceled, connect.CodeUnauthenticated,
		connect.CodeFailedPrecondition, connect.CodeOutOfRange, // of a position
	}, connect.CodeOf(err))
}
