package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	decisionv1 "github.com/ostiary/ostiary/gen/ostiary/decision/v1"
	"github.com/ostiary/ostiary/gen/ostiary/decision/v1/decisionv1connect"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/connectauth"
)

func newDecision() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "decision",
		Short: "Watch what a server decides about calls",
		Long: `Watch what a server decides about calls. It takes an operator, as the server's settings
name them.

The command calls a running server over gRPC. The token comes from the environment
variable OSTIARY_TOKEN, from a file or standard input with --token-file, or from a persona
of "ostiary dev" with --as. It is not taken as an argument, which other users of the
machine can read.`,
		Example: `  ostiary decision watch --as robo --outcome refused`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDecisionWatch())
	return cmd
}

func newDecisionWatch() *cobra.Command {
	var caller caller
	var filter decisionFilter
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print each decision about a call, as it is made",
		Long: `Print a line for each decision about a call, until interrupted or until the token's own
session ends. When the server stops, the watch goes on with the next one; what is decided
meanwhile is not printed.

Where strangers cause many decisions, one line stands for several that are alike, such as
"990 more". Decisions that were not read in time are counted on standard error.

Services that follow the server report what they decide: refusals one by one, as far as
these are bounded, and each 10 seconds how many other calls there were of each kind, such as
"41 calls". Their lines end with the name of the service.`,
		Example: `  ostiary decision watch --as robo --outcome refused
  ostiary decision watch --as robo --subject user_2ben --output json
  OSTIARY_TOKEN=… ostiary decision watch --server https://api.example.com --reason TOKEN_REVOKED
  ostiary decision watch --as robo --service billing`,
		Args: noArguments,
	}
	caller.addFlags(cmd)
	filter.addFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := errors.Join(notEmpty(cmd.Flags(), "issuer", "subject", "procedure", "reason", "outcome", "service"), filter.check()); err != nil {
			return usageError{errors.Join(err, caller.check())}
		}
		return caller.with(func(clients clients) error {
			w := decisionWatch{decisions: clients.decisions, filter: filter, out: cmd.OutOrStdout(), progress: cmd.ErrOrStderr(), asJSON: caller.output == "json"}
			return w.run(cmd.Context())
		})
	}
	return cmd
}

// A decisionFilter says which decisions to print. A field that is empty is not asked about.
type decisionFilter struct {
	issuer, subject, procedure, reason, outcome, service string
}

func (f *decisionFilter) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.subject, "subject", "", "only calls of this `subject`")
	cmd.Flags().StringVar(&f.issuer, "issuer", "", "only calls with tokens of this `issuer`")
	cmd.Flags().StringVar(&f.procedure, "procedure", "", "only calls of this `procedure`, such as /acme.note.v1.NoteService/Get")
	cmd.Flags().StringVar(&f.outcome, "outcome", "", "only calls with this `outcome`: admitted, refused or ended")
	cmd.Flags().StringVar(&f.reason, "reason", "", "only calls that were refused for this `reason`, such as TOKEN_EXPIRED")
	cmd.Flags().StringVar(&f.service, "service", "", "only calls of this `service`, which follows the server")
}

func (f *decisionFilter) check() error {
	if f.outcome != "" && f.outcomeValue() == decisionv1.DecisionOutcome_DECISION_OUTCOME_UNSPECIFIED {
		return fmt.Errorf("--outcome is %q; use admitted, refused or ended", f.outcome)
	}
	return nil
}

func (f *decisionFilter) outcomeValue() decisionv1.DecisionOutcome {
	return decisionv1.DecisionOutcome(decisionv1.DecisionOutcome_value[outcomePrefix+strings.ToUpper(f.outcome)])
}

func (f *decisionFilter) message() *decisionv1.WatchDecisionsFilter {
	message := &decisionv1.WatchDecisionsFilter{
		Issuer: given(f.issuer), Subject: given(f.subject), Procedure: given(f.procedure), Reason: given(f.reason), Service: given(f.service),
	}
	if f.outcome != "" {
		message.Outcome = f.outcomeValue().Enum()
	}
	return message
}

const outcomePrefix = "DECISION_OUTCOME_"

// A decisionWatch prints decisions, and connects again when the server has stopped.
type decisionWatch struct {
	decisions     decisionv1connect.DecisionServiceClient
	filter        decisionFilter
	out, progress io.Writer
	asJSON        bool

	begun bool
}

// run watches until it is interrupted, or the server refuses for good.
func (w *decisionWatch) run(ctx context.Context) error {
	err := authclient.Retry{Advice: w.advice, MaxDelay: maxDelay}.Stream(ctx, w.watch)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // interrupted, as a watch is meant to end
	}
	return err
}

// advice says whether to connect again: not if the first try fails.
func (w *decisionWatch) advice(err error) authclient.Advice {
	if !w.begun {
		return authclient.GiveUp
	}
	advice := connectauth.RetryAdvice(err)
	if advice == authclient.RetryLater {
		fmt.Fprintf(w.progress, "ostiary: the watch was interrupted and goes on: %s\n", printable(err.Error()))
	}
	return advice
}

func (w *decisionWatch) watch(ctx context.Context) (err error) {
	stream, err := w.decisions.WatchDecisions(ctx, &decisionv1.WatchDecisionsRequest{Filter: w.filter.message()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	for first := true; stream.Receive(); first = false {
		if w.begun = true; first && !w.asJSON {
			if _, err := fmt.Fprintln(w.out, time.Now().Format(time.TimeOnly), "watching"); err != nil {
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

func (w *decisionWatch) write(d *decisionv1.Decision) error {
	if w.asJSON {
		return writeJSON(w.out, d)
	}
	parts := []string{
		d.GetDecisionTime().AsTime().Local().Format(time.TimeOnly),
		fmt.Sprintf("%-8s", strings.ToLower(strings.TrimPrefix(d.GetOutcome().String(), outcomePrefix))), oneLine(d.GetProcedure()),
	}
	for _, part := range []struct{ name, value string }{
		{"", d.GetReason()}, {"subject=", d.GetSubject()}, {"session=", d.GetSessionId()}, {"peer=", d.GetPeer()}, {"service=", d.GetService()},
	} {
		if part.value != "" {
			parts = append(parts, part.name+cell(part.value))
		}
	}
	if d.GetCause() != "" {
		parts = append(parts, "cause:", oneLine(d.GetCause()))
	}
	if n := d.GetCount(); n > 1 && d.GetService() != "" {
		parts = append(parts, fmt.Sprintf("(%d calls)", n))
	} else if n > 1 {
		parts = append(parts, fmt.Sprintf("(%d more)", n))
	}
	_, err := fmt.Fprintln(w.out, strings.Join(parts, " "))
	return err
}
