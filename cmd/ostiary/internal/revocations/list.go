// Package revocations has the commands for what is revoked at a server: to list and watch it.
package revocations

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/client"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
)

// defaultLimit is how many revocations are listed: there can be very many.
const defaultLimit = 100

// mostOnPage is how many revocations a page of the server has at most.
const mostOnPage = 1000

var orders = map[string]revocationv1.RevocationOrder{
	"newest": revocationv1.RevocationOrder_REVOCATION_ORDER_NEWEST_FIRST,
	"oldest": revocationv1.RevocationOrder_REVOCATION_ORDER_OLDEST_FIRST,
}

// List returns ostiary revocation list.
func List() *cobra.Command {
	var caller client.Caller
	l := list{limit: defaultLimit}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what is revoked, by whom and why",
		Long: `List the revocations, newest on top: what is revoked, by whom and why. NAME is the session,
subject, token, client, machine or organization, and OF whose session it is, or which
member. Revocations that have ended are removed with a delay.

Where there are more than --limit, standard error says so.`,
		Example: `  ostiary revocation list --as robo --since 2h
  ostiary revocation list --as robo --by user_olga --limit 0 --output json
  ostiary revocation list --as robo --kind issuer,client --order oldest`,
		Args: usage.NoArguments,
	}
	caller.AddFlags(cmd)
	l.filter.addFlags(cmd)
	cmd.Flags().StringVar(&l.order, "order", "newest", "the `order`: newest or oldest")
	cmd.Flags().IntVar(&l.limit, "limit", defaultLimit, "how `many` to list at most; 0 lists all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := errors.Join(l.filter.check(cmd.Flags()), l.check()); err != nil {
			return usage.Wrong(errors.Join(err, caller.Check()))
		}
		return caller.With(func(clients client.Clients) error {
			rows := &rows{out: cmd.OutOrStdout(), asJSON: caller.Output == "json"}
			req := &revocationv1.ListRevocationsRequest{Filter: l.filter.message(), Order: orders[l.order]}
			for left := l.limit; ; {
				req.PageSize = mostOnPage
				if l.limit > 0 {
					req.PageSize = int32(min(left, mostOnPage))
				}
				res, err := clients.Revocations.ListRevocations(cmd.Context(), req)
				if err != nil {
					return err
				}
				if err := rows.write(res.GetRevocations()); err != nil {
					return err
				}
				left -= len(res.GetRevocations())
				req.PageToken = res.GetNextPageToken()
				switch {
				case req.GetPageToken() == "":
					return nil
				case l.limit > 0 && left <= 0:
					_, err := fmt.Fprintf(cmd.ErrOrStderr(), "ostiary: there are more than these %d; raise --limit, or narrow the filter\n", l.limit)
					return err
				}
			}
		})
	}
	return cmd
}

// A list says which revocations to list.
type list struct {
	filter filter
	order  string
	limit  int
}

func (l *list) check() error {
	var wrong error
	if _, known := orders[l.order]; !known {
		wrong = fmt.Errorf("--order is %q; write newest or oldest", l.order)
	}
	if l.limit < 0 {
		wrong = errors.Join(wrong, fmt.Errorf("--limit is %d; write a number such as 100, or 0 for all", l.limit))
	}
	return wrong
}

// rows writes revocations as they come, a page at a time.
type rows struct {
	out     io.Writer
	asJSON  bool
	started bool
}

func (r *rows) write(revocations []*revocationv1.Revocation) error {
	if r.asJSON {
		for _, revocation := range revocations {
			if err := terminal.WriteJSON(r.out, revocation); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	if !r.started {
		r.started = true
		fmt.Fprintln(table, "REVOKED\tKIND\tNAME\tOF\tISSUED\tBY\tCAUSE\tISSUER\tENDS")
	}
	now := time.Now()
	for _, revocation := range revocations {
		kind, name, subject, issuer := target(revocation.GetTarget())
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", terminal.Ago(now, revocation.GetCreateTime().AsTime()), kind, terminal.Cell(name), terminal.Cell(subject), issued(revocation),
			terminal.Cell(by(revocation.GetOrigin())), terminal.Cell(revocation.GetCause()), terminal.Cell(issuer), ends(now, revocation))
	}
	return table.Flush()
}

// issued says which of the target's tokens are revoked.
func issued(r *revocationv1.Revocation) string {
	if r.GetIssuedBeforeTime() == nil {
		return "any time"
	}
	return "before " + r.GetIssuedBeforeTime().AsTime().UTC().Format(time.RFC3339)
}

func ends(now time.Time, r *revocationv1.Revocation) string {
	if left := r.GetExpireTime().AsTime().Sub(now); left > 0 {
		return "in " + terminal.InUnits(left)
	}
	return "ended"
}
