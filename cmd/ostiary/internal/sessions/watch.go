package sessions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/client"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
)

// Watch returns ostiary session watch.
func Watch() *cobra.Command {
	var caller client.Caller
	var filter filter
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print changes to the sessions that you may see",
		Long: `Print a line for each change of a session, until interrupted or until the token's own
session ends. When the server stops, the watch goes on with the next one. If changes may
have been missed, it prints every session as changed first.

  seen      it is new here: its first call, or it has come to match the filter
  renewed   a call came with a newer token
  changed   anything else about it has changed, such as its address
  revoked   it was revoked
  expired   its latest token has expired; a newer one makes it active again
  left      it no longer matches the filter, or you may no longer see it
  removed   the server has removed it from its records`,
		Example: `  ostiary session watch --as ada
  ostiary session watch --as robo --output json`,
		Args: usage.NoArguments,
	}
	caller.AddFlags(cmd)
	filter.addFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := filter.check(cmd.Flags()); err != nil {
			return usage.Wrong(errors.Join(err, caller.Check()))
		}
		return caller.With(func(clients client.Clients) error {
			w := watch{sessions: clients.Sessions, filter: filter, out: cmd.OutOrStdout(), asJSON: caller.Output == "json"}
			return w.Run(cmd.Context(), cmd.ErrOrStderr(), w.watch, w.recovers)
		})
	}
	return cmd
}

// A watch prints changes, and connects again when the server has stopped.
type watch struct {
	client.Watch

	sessions sessionv1connect.SessionServiceClient
	filter   filter
	out      io.Writer
	asJSON   bool

	lost   bool   // changes may have been missed: list the sessions before watching
	resume string // the last position
}

// recovers reports whether only the position was refused: changes may have been missed then.
func (w *watch) recovers(reason string) bool {
	switch reason {
	case "POSITION_EPOCH_CHANGED", "POSITION_EXPIRED", "READER_TOO_SLOW":
		w.lost = true
		return true
	}
	return false
}

// watch prints changes from the last position on, or first every session if that is lost.
func (w *watch) watch(ctx context.Context) (err error) {
	if w.lost {
		if err := w.list(ctx); err != nil {
			return err
		}
	}
	stream, err := w.sessions.WatchSessions(ctx, &sessionv1.WatchSessionsRequest{ResumeToken: w.resume, Filter: &sessionv1.WatchSessionsFilter{
		Issuer: client.Given(w.filter.issuer), Subject: client.Given(w.filter.subject), OrganizationId: w.filter.organizationID(),
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	for first := true; stream.Receive(); first = false {
		if first && !w.asJSON {
			if _, err := fmt.Fprintln(w.out, time.Now().Format(time.TimeOnly), "watching"); err != nil {
				return err
			}
		}
		w.Begun, w.lost = true, false
		for _, event := range stream.Msg().GetEvents() { // none in a heartbeat
			if err := w.write(event); err != nil {
				return err
			}
		}
		w.resume = stream.Msg().GetResumeToken()
	}
	return stream.Err()
}

// list prints every session as changed, and notes from where to watch.
func (w *watch) list(ctx context.Context) error {
	req := &sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{
		Issuer: client.Given(w.filter.issuer), Subject: client.Given(w.filter.subject), OrganizationId: w.filter.organizationID(),
	}}
	for first := true; ; first = false {
		res, err := w.sessions.ListSessions(ctx, req)
		if err != nil {
			return err
		}
		if first {
			w.resume = res.GetResumeToken()
		}
		for _, session := range res.GetSessions() {
			event := &sessionv1.SessionEvent{Type: sessionv1.SessionEventType_SESSION_EVENT_TYPE_CHANGED, Session: session, EventTime: timestamppb.Now()}
			if err := w.write(event); err != nil {
				return err
			}
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			return nil
		}
	}
}

func (w *watch) write(event *sessionv1.SessionEvent) error {
	if w.asJSON {
		return terminal.WriteJSON(w.out, event)
	}
	return writeEvent(w.out, event)
}

func writeEvent(w io.Writer, e *sessionv1.SessionEvent) error {
	name := strings.ToLower(strings.TrimPrefix(e.GetType().String(), "SESSION_EVENT_TYPE_"))
	s := e.GetSession()
	_, err := fmt.Fprintf(w, "%s %-8s %s %s %s\n", e.GetEventTime().AsTime().Local().Format(time.TimeOnly), name,
		terminal.Cell(s.GetSession().GetSessionId()), terminal.Cell(s.GetSession().GetSubject()), terminal.Cell(s.GetOrganizationId()))
	return err
}
