package feed

import (
	"context"
	"errors"
	"iter"

	"connectrpc.com/connect"

	feedv1 "github.com/ostiary/ostiary/gen/ostiary/feed/v1"
)

// A Relay keeps the changes of a hub as they came, also those that this version does not
// know, for a server that passes them on to followers of its own. Its methods are called
// by several goroutines.
type Relay interface {
	// Receive gets each message of the hub, in order, before its changes are added to the
	// copy. The first of those that have everything has restart set: what was received
	// before is replaced once a message says that the new copy is complete. An error ends the
	// connection, and everything is read again.
	Receive(message *feedv1.WatchChangesResponse, restart bool) error
	// Messages returns messages that have everything, for the file of [Config.Snapshot]: each
	// with the position after it, and the last one with complete_through. Receive gets them
	// at the next start. None where nothing is complete yet.
	Messages() iter.Seq[*feedv1.WatchChangesResponse]
}

// Forward sends the report of a follower of a [Relay] to the hub that this one is connected
// to, and returns its answer. The error is a *connect.Error: CodeUnavailable while there is
// no connection.
func (f *Follower) Forward(ctx context.Context, report *feedv1.ReportRequest) (*feedv1.ReportResponse, error) {
	f.mu.Lock()
	client := f.reporting
	f.mu.Unlock()
	if client == nil {
		return nil, connect.NewError(connect.CodeUnavailable, errors.New("no hub is connected"))
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	return client.Report(ctx, report)
}

// relay gives a message to the Relay, if there is one.
func (f *Follower) relay(message *feedv1.WatchChangesResponse, restart bool) error {
	if f.config.Relay == nil {
		return nil
	}
	err := f.config.Relay.Receive(message, restart)
	if err != nil {
		f.mu.Lock()
		f.readFromBeginning()
		f.mu.Unlock()
	}
	return err
}
