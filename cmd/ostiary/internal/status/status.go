// Package status has the command that shows how a running server is.
package status

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/client"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	statusv1 "github.com/ostiary/ostiary/gen/ostiary/status/v1"
)

// Status returns ostiary status.
func Status() *cobra.Command {
	var caller client.Caller
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how a running server is, and what to do about its problems",
		Long: `Show how a running server is: its problems with what to do about each, its issuers and
their keys, the database, the messages of issuers, and who follows it. It takes an
operator, as the server's settings name them, and works from anywhere. Where nobody can
be signed in, since the issuer's keys are missing, run "ostiary probe" or "ostiary doctor"
on the server's machine.

The token comes from the environment variable OSTIARY_TOKEN, from a file or standard
input with --token-file, or from a persona of "ostiary dev" with --as.

With --output json it prints the message ServerStatus. The exit status is 1 if there is
a fault, and 0 if there are warnings alone.`,
		Example: `  ostiary status --as robo
  OSTIARY_TOKEN=… ostiary status --server https://api.example.com
  ostiary status --as robo --output json | jq -r '.problems[].problemId'`,
		Args: usage.NoArguments,
	}
	caller.AddFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return caller.With(func(clients client.Clients) error {
			res, err := clients.Status.GetStatus(cmd.Context(), &statusv1.GetStatusRequest{})
			if err != nil {
				return err
			}
			status := res.GetStatus()
			if caller.Output == "json" {
				err = terminal.WriteJSON(cmd.OutOrStdout(), status)
			} else {
				err = write(cmd.OutOrStdout(), status)
			}
			if err != nil {
				return err
			}
			for _, problem := range status.GetProblems() {
				if problem.GetSeverity() == statusv1.ProblemSeverity_PROBLEM_SEVERITY_FAULT {
					return usage.StatusError(1)
				}
			}
			return nil
		})
	}
	return cmd
}

// write writes a status for people: the problems first.
func write(out io.Writer, status *statusv1.ServerStatus) error {
	now := status.GetStatusTime().AsTime()
	ago := func(t *timestamppb.Timestamp) string {
		if t == nil {
			return "never"
		}
		return terminal.InUnits(max(now.Sub(t.AsTime()), 0)) + " ago"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "ostiary %s on %s, started %s: %s\n", terminal.Cell(status.GetVersion()), terminal.Cell(status.GetHostName()), ago(status.GetStartTime()),
		words(status.GetReadiness().String(), "READINESS_"))
	for _, problem := range status.GetProblems() {
		fmt.Fprintf(&b, "\n%-7s %s", strings.TrimPrefix(problem.GetSeverity().String(), "PROBLEM_SEVERITY_"), problem.GetProblemId())
		if problem.GetSubject() != "" {
			fmt.Fprintf(&b, ": %s", terminal.OneLine(problem.GetSubject()))
		}
		for _, part := range [][2]string{{"what", problem.GetWhat()}, {"why", problem.GetWhy()}, {"remedy", problem.GetRemedy()}, {"cause", problem.GetCause()}} {
			if part[1] != "" {
				fmt.Fprintf(&b, "\n  %-7s %s", part[0], terminal.OneLine(part[1]))
			}
		}
		if since := problem.GetSinceTime(); since != nil {
			fmt.Fprintf(&b, "\n  since   %s (%s)", since.AsTime().Format(time.RFC3339), ago(since))
		}
		b.WriteByte('\n')
	}
	if len(status.GetProblems()) == 0 {
		b.WriteString("no problems\n")
	}
	b.WriteByte('\n')
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, issuer := range status.GetIssuers() {
		keys := "one key, from the settings"
		if issuer.GetFetched() {
			keys = fmt.Sprintf("%s, fetched %s", terminal.Count(len(issuer.GetKeys()), "key"), ago(issuer.GetFetchTime()))
		}
		fmt.Fprintf(table, "issuer\t%s\t%s\n", terminal.Cell(issuer.GetIssuer()), keys)
	}
	if store := status.GetStore(); store != nil {
		fmt.Fprintf(table, "database\t%s\t%s\n", terminal.Cell(store.GetName()), words(store.GetState().String(), "STORE_STATE_"))
	}
	if relay := status.GetRelay(); relay != nil {
		fmt.Fprintf(table, "hub\t%s\tconnected to: %s\n", terminal.Cell(strings.Join(relay.GetHubs(), ", ")), terminal.Cell(relay.GetConnectedHub()))
	}
	for _, source := range status.GetSignalSources() {
		fmt.Fprintf(table, "signals\t%s\tlast message %s, %d accepted, %d refused or failed\n", terminal.Cell(source.GetSource()), ago(source.GetLastMessageTime()),
			source.GetAcceptedCount(), source.GetRefusedCount()+source.GetFailedCount())
	}
	for _, follower := range status.GetFeed().GetFollowers() {
		fmt.Fprintf(table, "follower\t%s %s\t%d revocations behind, heard of %s\n", terminal.Cell(follower.GetService()), terminal.Cell(follower.GetInstanceId()), follower.GetBehindCount(), ago(follower.GetHeardTime()))
	}
	for _, backend := range status.GetBackends() {
		read := "by an image"
		if backend.GetReflection() != "" {
			read = "asked " + backend.GetReflection() + ", which sent it " + ago(backend.GetReadTime())
		}
		fmt.Fprintf(table, "backend\t%s\tschema of %s, %s\n", terminal.Cell(backend.GetName()), terminal.Count(int(backend.GetServiceCount()), "service"), terminal.Cell(read))
	}
	for _, listener := range status.GetListeners() {
		certificate := "no TLS"
		if ends := listener.GetCertificateExpireTime(); ends != nil {
			certificate = "certificate expires on " + ends.AsTime().Format(time.DateOnly)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", listener.GetSetting(), terminal.Cell(listener.GetAddress()), certificate)
	}
	_ = table.Flush() // the buffer takes everything
	_, err := io.WriteString(out, b.String())
	return err
}

// words returns the value of an enum as words.
func words(value, prefix string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(value, prefix), "_", " "))
}
