package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
)

func addFilter(cmd *cobra.Command, filter *sessionv1.Filter) {
	cmd.Flags().StringVar(&filter.Subject, "subject", "", "only sessions of this `subject`")
	cmd.Flags().StringVar(&filter.OrganizationId, "organization", "", "only sessions in the organization with this `id`")
	cmd.Flags().StringVar(&filter.Issuer, "issuer", "", "only sessions of this `issuer`")
}

func newSessionList() *cobra.Command {
	var caller caller
	filter := new(sessionv1.Filter)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the sessions that you may see",
		Long: `List the sessions that you may see, by first seen, newest on top. Yours is marked
with an asterisk.`,
		Example: `  ostiary session list --as ada
  ostiary session list --as robo --subject user_ada --output json`,
		Args: noArguments,
	}
	caller.addFlags(cmd)
	addFilter(cmd, filter)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return caller.with(func(client sessionv1connect.SessionServiceClient) error {
			rows := newSessionRows(cmd.OutOrStdout(), caller.output)
			for req := (&sessionv1.ListSessionsRequest{Filter: filter}); ; {
				res, err := client.ListSessions(cmd.Context(), req)
				if err != nil {
					return err
				}
				if err := rows.write(res.GetSessions()); err != nil {
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

func (r *sessionRows) write(page []*sessionv1.Session) error {
	if r.asJSON {
		for _, s := range page {
			if err := writeJSON(r.out, s); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	if !r.started {
		r.started = true
		fmt.Fprintln(table, "SESSION\tSUBJECT\tORGANIZATION\tSTATE\tFIRST SEEN\tLAST SEEN\tADDRESS\tUSER AGENT")
	}
	now := time.Now()
	for _, s := range page {
		id, state := s.GetSessionId(), "active"
		if s.GetCurrent() {
			id += "*"
		}
		if s.GetRevoked() {
			state = "revoked"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cell(id), cell(s.GetSubject()), cell(s.GetOrganizationId()), state,
			ago(now, s.GetFirstSeenAt()), ago(now, s.GetLastSeenAt()), cell(s.GetAddress()), cell(s.GetUserAgent()))
	}
	return table.Flush()
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
