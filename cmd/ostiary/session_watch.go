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
	filter := new(sessionv1.Filter)
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print changes to the sessions that you may see",
		Long: `Print a line whenever a session is first seen, renewed by a newer token, or revoked,
until interrupted or until the token's own session ends.`,
		Example: `  ostiary session watch --as ada
  ostiary session watch --as robo --output json`,
		Args: noArguments,
	}
	caller.addFlags(cmd)
	addFilter(cmd, filter)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return caller.with(func(client sessionv1connect.SessionServiceClient) error {
			return watch(cmd.Context(), client, filter, func(e *sessionv1.WatchSessionsResponse) error {
				if caller.output == "json" {
					return writeJSON(cmd.OutOrStdout(), e)
				}
				return writeEvent(cmd.OutOrStdout(), e, time.Now())
			})
		})
	}
	return cmd
}

func watch(ctx context.Context, client sessionv1connect.SessionServiceClient, filter *sessionv1.Filter, write func(*sessionv1.WatchSessionsResponse) error) (err error) {
	stream, err := client.WatchSessions(ctx, &sessionv1.WatchSessionsRequest{Filter: filter})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	for stream.Receive() {
		if err := write(stream.Msg()); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil // interrupted, as a watch is meant to end
	}
	return stream.Err()
}

func writeEvent(w io.Writer, e *sessionv1.WatchSessionsResponse, now time.Time) error {
	name := strings.ToLower(strings.TrimPrefix(e.GetEvent().String(), "EVENT_"))
	line := now.Format(time.TimeOnly) + " " + name
	if s := e.GetSession(); s != nil {
		line = fmt.Sprintf("%s %-8s %s %s %s", now.Format(time.TimeOnly), name,
			cell(s.GetSessionId()), cell(s.GetSubject()), cell(s.GetOrganizationId()))
	}
	_, err := fmt.Fprintln(w, line)
	return err
}
