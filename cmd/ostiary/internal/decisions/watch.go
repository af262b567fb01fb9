// Package decisions has the command that shows what a server decides about calls.
package decisions

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
	decisionv1 "github.com/ostiary/ostiary/gen/ostiary/decision/v1"
	"github.com/ostiary/ostiary/gen/ostiary/decision/v1/decisionv1connect"
)

// Watch returns ostiary decision watch.
func Watch() *cobra.Command {
	var caller client.Caller
	var filter filter
	var recent int32
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print each decision about a call, as it is made",
		Long: `Print a line for each decision about a call, until interrupted or until the token's own
session ends. When the server stops, the watch goes on with the next one; what is decided
meanwhile is not printed.

The watch begins with the latest decisions of the time before, as many as --recent says. The
server keeps up to 2000 in memory, refusals apart from calls that were admitted. A line says
since when all of each were printed.

Where strangers cause many decisions, one line stands for several that are alike, such as
"990 more". Decisions that were not read in time are counted on standard error.

Services that follow the server report what they decide: refusals one by one, as far as
these are bounded, and each 10 seconds how many other calls there were of each kind, such as
"41 calls". Their lines end with the name of the service.`,
		Example: `  ostiary decision watch --as robo --outcome refused
  ostiary decision watch --as robo --subject user_2ben --output json
  ostiary decision watch --as robo --request-id 9h3kq0v7c2xmtn5a
  OSTIARY_TOKEN=… ostiary decision watch --server https://api.example.com --reason TOKEN_REVOKED
  ostiary decision watch --as robo --service billing`,
		Args: usage.NoArguments,
	}
	caller.AddFlags(cmd)
	filter.addFlags(cmd)
	cmd.Flags().Int32Var(&recent, "recent", defaultRecent, "how `many` decisions of the time before to begin with, at most")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := errors.Join(usage.NotEmpty(cmd.Flags(), "issuer", "subject", "procedure", "reason", "outcome", "service", "request-id", "trace-id"), filter.check()); err != nil {
			return usage.Wrong(errors.Join(err, caller.Check()))
		}
		if recent < 0 {
			return usage.Wrong(errors.New("--recent is negative; use 0 for none"))
		}
		return caller.With(func(clients client.Clients) error {
			w := watch{decisions: clients.Decisions, filter: filter, recent: recent, out: cmd.OutOrStdout(), progress: cmd.ErrOrStderr(), asJSON: caller.Output == "json"}
			return w.Run(cmd.Context(), cmd.ErrOrStderr(), w.watch, nil)
		})
	}
	return cmd
}

// defaultRecent is how many decisions of the time before a watch begins with.
const defaultRecent = 10

// A filter says which decisions to print. A field that is empty is not asked about.
type filter struct {
	issuer, subject, procedure, reason, outcome, service, requestID, traceID string
}

func (f *filter) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.subject, "subject", "", "only calls of this `subject`")
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "only calls with tokens of this `issuer`")
	cmd.Flags().StringVar(&f.procedure, "procedure", "", "only calls of this `procedure`, such as /acme.note.v1.NoteService/Get")
	cmd.Flags().StringVar(&f.outcome, "outcome", "", "only calls with this `outcome`: admitted, refused or ended")
	cmd.Flags().StringVar(&f.reason, "reason", "", "only calls that were refused for this `reason`, such as TOKEN_EXPIRED")
	cmd.Flags().StringVar(&f.service, "service", "", "only calls of this `service`, which follows the server")
	cmd.Flags().StringVar(&f.requestID, "request-id", "", "only the call with this request `id`, which is in the error that its caller got")
	cmd.Flags().StringVar(&f.traceID, "trace-id", "", "only calls of the trace with this `id`, in hexadecimal digits")
}

func (f *filter) check() error {
	if f.outcome != "" && f.outcomeValue() == decisionv1.DecisionOutcome_DECISION_OUTCOME_UNSPECIFIED {
		return fmt.Errorf("--outcome is %q; use admitted, refused or ended", f.outcome)
	}
	return nil
}

func (f *filter) outcomeValue() decisionv1.DecisionOutcome {
	return decisionv1.DecisionOutcome(decisionv1.DecisionOutcome_value[outcomePrefix+strings.ToUpper(f.outcome)])
}

func (f *filter) message() *decisionv1.WatchDecisionsFilter {
	message := &decisionv1.WatchDecisionsFilter{
		Issuer: client.Given(f.issuer), Subject: client.Given(f.subject), Procedure: client.Given(f.procedure), Reason: client.Given(f.reason), Service: client.Given(f.service),
		RequestId: client.Given(f.requestID), TraceId: client.Given(f.traceID),
	}
	if f.outcome != "" {
		message.Outcome = f.outcomeValue().Enum()
	}
	return message
}

const outcomePrefix = "DECISION_OUTCOME_"

// A watch prints decisions, and connects again when the server has stopped.
type watch struct {
	client.Watch

	decisions     decisionv1connect.DecisionServiceClient
	filter        filter
	recent        int32 // how many to begin with; 0 once the watch has begun
	out, progress io.Writer
	asJSON        bool
}

func (w *watch) watch(ctx context.Context) (err error) {
	stream, err := w.decisions.WatchDecisions(ctx, &decisionv1.WatchDecisionsRequest{Filter: w.filter.message(), RecentCount: w.recent})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	for first := true; stream.Receive(); first = false {
		if w.Begun = true; first {
			if err := w.begin(stream.Msg().GetRecent()); err != nil {
				return err
			}
		}
		if missed := stream.Msg().GetMissedCount(); missed > 0 {
			fmt.Fprintf(w.progress, "ostiary: %d decisions were not read in time\n", missed)
		}
		for _, d := range stream.Msg().GetDecisions() { // none in a heartbeat
			if err := w.write(d); err != nil {
				return err
			}
		}
	}
	return stream.Err()
}

// begin writes what was decided before.
func (w *watch) begin(recent *decisionv1.RecentDecisions) error {
	w.recent = 0 // what comes after a break is not sent again
	for _, d := range recent.GetDecisions() {
		if err := w.write(d); err != nil {
			return err
		}
	}
	if w.asJSON {
		return nil
	}
	var since []string
	for _, kept := range []struct {
		name string
		time *timestamppb.Timestamp
	}{{"refusals since ", recent.GetRefusedSinceTime()}, {"admitted calls since ", recent.GetAdmittedSinceTime()}} {
		if kept.time != nil {
			since = append(since, kept.name+clock(kept.time.AsTime()))
		}
	}
	line := clock(time.Now()) + " watching"
	if len(since) > 0 {
		line += " " + strings.Join(since, ", ") + ", and what comes"
	}
	_, err := fmt.Fprintln(w.out, line)
	return err
}

// clock returns the time of day, with the date of another day than today.
func clock(t time.Time) string {
	if t = t.Local(); t.Format(time.DateOnly) != time.Now().Format(time.DateOnly) {
		return t.Format(time.DateTime)
	}
	return t.Format(time.TimeOnly)
}

func (w *watch) write(d *decisionv1.Decision) error {
	if w.asJSON {
		return terminal.WriteJSON(w.out, d)
	}
	parts := []string{
		clock(d.GetDecisionTime().AsTime()),
		fmt.Sprintf("%-8s", strings.ToLower(strings.TrimPrefix(d.GetOutcome().String(), outcomePrefix))), terminal.OneLine(d.GetProcedure()),
	}
	for _, part := range []struct{ name, value string }{
		{"", d.GetReason()}, {"subject=", d.GetSubject()}, {"session=", d.GetSessionId()}, {"peer=", d.GetPeer()}, {"service=", d.GetService()},
	} {
		if part.value != "" {
			parts = append(parts, part.name+terminal.Cell(part.value))
		}
	}
	if d.GetCause() != "" {
		parts = append(parts, "cause:", terminal.OneLine(d.GetCause()))
	}
	if n := d.GetCount(); n > 1 && d.GetService() != "" {
		parts = append(parts, fmt.Sprintf("(%d calls)", n))
	} else if n > 1 {
		parts = append(parts, fmt.Sprintf("(%d more)", n))
	}
	_, err := fmt.Fprintln(w.out, strings.Join(parts, " "))
	return err
}
