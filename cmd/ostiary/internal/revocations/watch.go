package revocations

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/client"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/gen/ostiary/revocation/v1/revocationv1connect"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/connectauth"
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
			return w.run(cmd.Context())
		})
	}
	return cmd
}

// A watch prints revocations, and connects again when the server has stopped.
type watch struct {
	revocations   revocationv1connect.RevocationServiceClient
	filter        *revocationv1.ListRevocationsFilter
	out, progress io.Writer
	asJSON        bool

	begun  bool
	list   bool   // print those that there are before watching
	resume string // the last position
}

// run watches until it is interrupted, or the server refuses for good.
func (w *watch) run(ctx context.Context) error {
	err := authclient.Retry{Advice: w.advice, MaxDelay: client.MaxDelay}.Stream(ctx, w.watch)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // interrupted, as a watch is meant to end
	}
	return err
}

// advice says whether to connect again: not if the first try fails, and else also where only the
// position was refused, since the database was replaced.
func (w *watch) advice(err error) (advice authclient.Advice, retryAfter time.Duration) {
	if !w.begun {
		return authclient.GiveUp, 0
	}
	advice, retryAfter = connectauth.RetryAdvice(err)
	var received *connect.Error
	if errors.As(err, &received) && client.ReasonOf(received) == "POSITION_EPOCH_CHANGED" {
		w.resume, advice = "", authclient.RetryLater
		fmt.Fprintln(w.progress, "ostiary: the server has another database; list its revocations for those that were made meanwhile")
	}
	if advice == authclient.RetryLater {
		fmt.Fprintf(w.progress, "ostiary: the watch was interrupted and goes on: %s\n", terminal.Printable(err.Error()))
	}
	return advice, retryAfter
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
		w.begun = true
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
	w.begun, w.list, w.resume = true, res.GetNextPageToken() != "", res.GetResumeToken()
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
