// Package sessions has the commands for the sessions that a server has seen: to list, end and watch
// them.
package sessions

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

	"github.com/ostiary/ostiary/cmd/ostiary/internal/client"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
)

// List returns ostiary session list.
func List() *cobra.Command {
	var caller client.Caller
	var filter listFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the sessions that you may see",
		Long: `List the sessions that you may see, by first seen, newest on top. Yours is marked
with an asterisk. The subject of a session in which somebody is impersonated is followed
by who really acts. SERVICES lists those that have seen the session, the latest
first; the address and the user agent are as that one has seen them.`,
		Example: `  ostiary session list --as ada
  ostiary session list --as robo --subject user_ada --output json
  ostiary session list --as robo --state active --unused-for 8h --order last-seen`,
		Args: usage.NoArguments,
	}
	caller.AddFlags(cmd)
	filter.addFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := filter.check(cmd.Flags()); err != nil {
			return usage.Wrong(errors.Join(err, caller.Check()))
		}
		return caller.With(func(clients client.Clients) error {
			rows := newRows(cmd.OutOrStdout(), caller.Output)
			req := filter.request()
			for {
				res, err := clients.Sessions.ListSessions(cmd.Context(), req)
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

// rows writes sessions as they come, a page at a time.
type rows struct {
	out     io.Writer
	asJSON  bool
	started bool
}

func newRows(out io.Writer, output string) *rows {
	return &rows{out: out, asJSON: output == "json"}
}

func (r *rows) write(page *sessionv1.ListSessionsResponse) error {
	if r.asJSON {
		for _, s := range page.GetSessions() {
			if err := terminal.WriteJSON(r.out, s); err != nil {
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
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", terminal.Cell(id), terminal.Cell(subject), terminal.Cell(s.GetOrganizationId()), stateOf(s),
			terminal.Ago(now, s.GetFirstSeenTime().AsTime()), terminal.Ago(now, s.GetLastSeenTime().AsTime()), terminal.Cell(seenBy(s)), terminal.Cell(latest.GetIpAddress()), terminal.Cell(latest.GetUserAgent()))
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
