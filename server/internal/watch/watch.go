// Package watch has the waiting of streams that send what is new, and a heartbeat when nothing is:
//
//	heartbeat := time.NewTicker(interval)
//	defer heartbeat.Stop()
//	for {
//		// … send what is there, and reset the heartbeat
//		due, err := watch.Wait(ctx, added, heartbeat.C, stopping)
//		if err != nil {
//			return err
//		}
//		// … where due, send a message although nothing is new
//	}
package watch

import (
	"context"
	"time"

	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

// Ready is a channel that is closed: with it Wait returns at once, as where there is more to send.
var Ready = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Wait returns when there is something new, or a heartbeat is due. Its error ends the stream:
// SERVER_STOPPING, or that of the context. A nil channel has nothing new.
func Wait(ctx context.Context, added <-chan struct{}, heartbeat <-chan time.Time, stopping <-chan struct{}) (due bool, err error) {
	select {
	case <-added:
		return false, nil
	case <-heartbeat:
		return true, nil
	case <-stopping:
		return false, rpcerror.Stopping()
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
