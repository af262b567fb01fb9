package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
)

func newSessionList() *cobra.Command {
	var caller caller
	var filter sessionFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the sessions that you may see",
		Long: `List the sessions that you may see, by first seen, newest on top. Yours is marked
with an asterisk. The subject of a session in which somebody is impersonated is followed
by who really acts. SERVICES lists those that have seen the session, the latest
first; the address and the user agent are as that one has seen them.`,
		Example: `  ostiary session list --as ada
  ostiary session list --as robo --subject user_ada --output json`,
		Args: noArguments,
	}
	caller.addFlags(cmd)
	filter.addFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := filter.check(cmd.Flags()); err != nil {
			return usageError{errors.Join(err, caller.check())}
		}
		return caller.with(func(clients clients) error {
			rows := newSessionRows(cmd.OutOrStdout(), caller.output)
			req := &sessionv1.ListSessionsRequest{Filter: &sessionv1.ListSessionsFilter{
				Issuer: given(filter.issuer), Subject: given(filter.subject), OrganizationId: filter.organizationID(),
			}}
			for {
				res, err := clients.sessions.ListSessions(cmd.Context(), req)
				if err != nil {
					return err
				}
				if err := rows.write(res); err != nil {
					return err
				}
				if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
					return nil
				}
			}
		})
	}
	return cmd
}

// sessionRows writes sessions as they come, a page at a time.
type sessionRows struct {
	out     io.Writer
	asJSON  bool
	started bool
}

func newSessionRows(out io.Writer, output string) *sessionRows {
	return &sessionRows{out: out, asJSON: output == "json"}
}

func (r *sessionRows) write(page *sessionv1.ListSessionsResponse) error {
	if r.asJSON {
		for _, s := range page.GetSessions() {
			if err := writeJSON(r.out, s); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	if !r.started {
		r.started = true
		fmt.Fprintln(table, "SESSION\tSUBJECT\tORGANIZATION\tSTATE\tFIRST SEEN\tLAST SEEN\tSERVICES\tADDRESS\tUSER AGENT")
	}
	now := time.Now()
	for _, s := range page.GetSessions() {
		id, subject := s.GetSession().GetSessionId(), s.GetSession().GetSubject()
		if proto.Equal(s.GetSession(), page.GetCurrentSession()) {
			id += "*"
		}
		if actor := s.GetActor(); actor != nil {
			subject += " by " + actor.GetSubject()
		}
		var latest *sessionv1.Sighting
		if sightings := s.GetSightings(); len(sightings) > 0 {
			latest = sightings[0]
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cell(id), cell(subject), cell(s.GetOrganizationId()), stateOf(s),
			ago(now, s.GetFirstSeenTime()), ago(now, s.GetLastSeenTime()), cell(seenBy(s)), cell(latest.GetIpAddress()), cell(latest.GetUserAgent()))
	}
	return table.Flush()
}

func stateOf(s *sessionv1.Session) string {
	return strings.ToLower(strings.TrimPrefix(s.GetState().String(), "SESSION_STATE_"))
}

// seenBy lists the services that have seen a session.
func seenBy(s *sessionv1.Session) string {
	var services []string
	for _, sighting := range s.GetSightings() {
		services = append(services, cmp.Or(sighting.GetService(), "ostiary"))
	}
	return strings.Join(services, ", ")
}

// cell keeps what others have chosen from breaking the table or the terminal.
func cell(s string) string {
	if s == "" {
		return "-"
	}
	if runes := []rune(s); len(runes) > 60 {
		s = string(runes[:59]) + "…"
	}
	return printable(s)
}

func ago(now time.Time, t *timestamppb.Timestamp) string {
	return inUnits(max(now.Sub(t.AsTime()), 0)) + " ago"
}
