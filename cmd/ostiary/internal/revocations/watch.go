package revocations

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/client"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
)

// Watch returns ostiary revocation watch.
func Watch() *cobra.Command {
	var caller client.Caller
	var filter filter
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print each revocation, as it is made",
		Long: `Print a line for each revocation that is made from now on, until interrupted or until the
token's own session ends: when, the kind of target, its name, whose it is, by whom and why.
With --since, those of that time come first. When the server stops, the watch goes on with
the next one, from where it was.`,
		Example: `  ostiary revocation watch --as robo
  ostiary revocation watch --as robo --since 10m --kind issuer,client --output json`,
		Args: usage.NoArguments,
	}
	caller.AddFlags(cmd)
	filter.addFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := filter.check(cmd.Flags()); err != nil {
			return usage.Wrong(errors.Join(err, caller.Check()))
		}
		return caller.With(func(clients client.Clients) error {
			w := watch{
				revocations: clients.Revocations, filter: filter.message(), list: filter.since > 0,
				out: cmd.OutOrStdout(), progress: cmd.ErrOrStderr(), asJSON: caller.Output == "json",
			}
			return w.Run(cmd.Context(), cmd.ErrOrStderr(), w.watch, w.recovers)
		})
	}
	return cmd
}

// A watch prints revocations, and connects again when the server has stopped.
type watch struct {
	client.Watch

	revocations   revocationv1connect.RevocationServiceClient
	filter        *revocationv1.ListRevocationsFilter
	out, progress io.Writer
	asJSON        bool

	list   bool   // print those that there are before watching
	resume string // the last position
}

// recovers reports whether only the position was refused, since the database was replaced.
func (w *watch) recovers(reason string) bool {
	if reason != "POSITION_EPOCH_CHANGED" {
		return false
	}
	w.resume = ""
	fmt.Fprintln(w.progress, "ostiary: the server has another database; list its revocations for those that were made meanwhile")
	return true
}

// watch prints revocations from the last position on.
func (w *watch) watch(ctx context.Context) (err error) {
	for w.list {
		if err := w.listed(ctx); err != nil {
			return err
		}
	}
	stream, err := w.revocations.WatchRevocations(ctx, &revocationv1.WatchRevocationsRequest{Filter: w.filter, ResumeToken: w.resume})
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
		w.Begun = true
		if err := w.write(stream.Msg().GetRevocations()); err != nil { // none in a heartbeat
			return err
		}
		w.resume = stream.Msg().GetResumeToken()
	}
	return stream.Err()
}

// listed prints a page of the revocations that there are, and notes from where to go on.
func (w *watch) listed(ctx context.Context) error {
	res, err := w.revocations.ListRevocations(ctx, &revocationv1.ListRevocationsRequest{Filter: w.filter, PageToken: w.resume})
	if err != nil {
		return err
	}
	w.Begun, w.list, w.resume = true, res.GetNextPageToken() != "", res.GetResumeToken()
	return w.write(res.GetRevocations())
}

func (w *watch) write(revocations []*revocationv1.Revocation) error {
	for _, r := range revocations {
		if w.asJSON {
			if err := terminal.WriteJSON(w.out, r); err != nil {
				return err
			}
			continue
		}
		kind, name, subject, _ := target(r.GetTarget())
		if _, err := fmt.Fprintf(w.out, "%s %-12s %s %s %s %s\n", r.GetCreateTime().AsTime().Local().Format(time.TimeOnly), kind,
			terminal.Cell(name), terminal.Cell(subject), terminal.Cell(by(r.GetOrigin())), terminal.Cell(r.GetCause())); err != nil {
			return err
		}
	}
	return nil
}
