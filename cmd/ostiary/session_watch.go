package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
)

func newSessionWatch() *cobra.Command {
	var caller caller
	var filter sessionFilter
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print changes to the sessions that you may see",
		Long: `Print a line for each change of a session, until interrupted or until the token's own
session ends:

  seen      it is new here: its first call, or it has come to match the filter
  renewed   a call came with a newer token
  changed   anything else about it has changed, such as its address
  revoked   it was revoked
  expired   its latest token has expired; a newer one makes it active again
  left      it no longer matches the filter, or you may no longer see it
  removed   the server has removed it from its records`,
		Example: `  ostiary session watch --as ada
  ostiary session watch --as robo --output json`,
		Args: noArguments,
	}
	caller.addFlags(cmd)
	filter.addFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := filter.check(cmd.Flags()); err != nil {
			return usageError{errors.Join(err, caller.check())}
		}
		return caller.with(func(clients clients) error {
			req := &sessionv1.WatchSessionsRequest{Filter: &sessionv1.WatchSessionsFilter{
				Issuer: given(filter.issuer), Subject: given(filter.subject), OrganizationId: filter.organizationID(),
			}}
			out := cmd.OutOrStdout()
			if caller.output == "json" {
				return watch(cmd.Context(), clients.sessions, req, func() error { return nil }, func(e *sessionv1.SessionEvent) error { return writeJSON(out, e) })
			}
			return watch(cmd.Context(), clients.sessions, req, func() error {
				_, err := fmt.Fprintln(out, time.Now().Format(time.TimeOnly), "watching")
				return err
			}, func(e *sessionv1.SessionEvent) error { return writeEvent(out, e) })
		})
	}
	return cmd
}

// watch calls begun once the watch has begun, and write for each event.
func watch(ctx context.Context, client sessionv1connect.SessionServiceClient, req *sessionv1.WatchSessionsRequest,
	begun func() error, write func(*sessionv1.SessionEvent) error,
) (err error) {
	stream, err := client.WatchSessions(ctx, req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	for first := true; stream.Receive(); first = false {
		if first {
			if err := begun(); err != nil {
				return err
			}
		}
		for _, event := range stream.Msg().GetEvents() { // none in a heartbeat
			if err := write(event); err != nil {
				return err
			}
		}
	}
	if ctx.Err() != nil {
		return nil // interrupted, as a watch is meant to end
	}
	return stream.Err()
}

func writeEvent(w io.Writer, e *sessionv1.SessionEvent) error {
	name := strings.ToLower(strings.TrimPrefix(e.GetType().String(), "SESSION_EVENT_TYPE_"))
	s := e.GetSession()
	_, err := fmt.Fprintf(w, "%s %-8s %s %s %s\n", e.GetEventTime().AsTime().Local().Format(time.TimeOnly), name,
		cell(s.GetSession().GetSessionId()), cell(s.GetSession().GetSubject()), cell(s.GetOrganizationId()))
	return err
}
