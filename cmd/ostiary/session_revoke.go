package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
)

// A revokeCommand holds the arguments of session revoke.
type revokeCommand struct {
	caller

	sessionID, subject, issuer, cause string
	current                           bool
}

func newSessionRevoke() *cobra.Command {
	var c revokeCommand
	cmd := &cobra.Command{
		Use:   "revoke SESSION | --current | --subject SUBJECT",
		Short: "End a session, or all of a subject's",
		Long: `End a session: its open streams end, and every further call with one of its tokens
is refused with TOKEN_REVOKED, even after the server restarts.

--subject ends all sessions of a subject. Only an operator may do this to others.
A new sign-in works only with tokens issued at least the issuer's skew (5 seconds by
default) after the revocation.`,
		Example: `  ostiary session revoke --as ada sess_2f…
  ostiary session revoke --as ada --current
  ostiary session revoke --as robo --subject user_ben --cause "lost phone"

  # sign a persona in again
  ostiary token mint --as ada --new-session`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{fmt.Errorf("%d sessions given; end one at a time", len(args))}
			}
			return nil
		},
	}
	c.addFlags(cmd)
	cmd.Flags().BoolVar(&c.current, "current", false, "end the session of the token used for this call")
	cmd.Flags().StringVar(&c.subject, "subject", "", "end every session of this `subject`")
	cmd.Flags().StringVar(&c.issuer, "issuer", "", "`issuer` of the session or subject (default: the token's)")
	cmd.Flags().StringVar(&c.cause, "cause", "", "`reason` to record with the revocation")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			c.sessionID = args[0]
		}
		if err := c.check(); err != nil {
			return usageError{err}
		}
		return c.with(func(client sessionv1connect.SessionServiceClient) error {
			return c.revoke(cmd.Context(), client, cmd.OutOrStdout())
		})
	}
	return cmd
}

func (c *revokeCommand) check() error {
	chosen := 0
	for _, given := range []bool{c.sessionID != "", c.current, c.subject != ""} {
		if given {
			chosen++
		}
	}
	var wrong error
	if chosen != 1 {
		wrong = errors.New("name one session, or give --current or --subject; for the sessions, run: ostiary session list")
	}
	return errors.Join(wrong, c.caller.check())
}

func (c *revokeCommand) revoke(ctx context.Context, client sessionv1connect.SessionServiceClient, out io.Writer) error {
	if c.subject != "" {
		res, err := client.RevokeSubject(ctx, &sessionv1.RevokeSubjectRequest{Subject: c.subject, Issuer: c.issuer, Cause: c.cause})
		if err != nil || c.output == "json" {
			return orJSON(out, res, err)
		}
		_, err = fmt.Fprintf(out, "revoked %s: %s, and every token issued before %s (now plus the issuer's skew)\n", printable(c.subject),
			countOf(int(res.GetSessions()), "session"), res.GetRevocation().GetTarget().GetIssuedBefore().AsTime().Format(time.RFC3339))
		return err
	}
	res, err := client.RevokeSession(ctx, &sessionv1.RevokeSessionRequest{SessionId: c.sessionID, Issuer: c.issuer, Cause: c.cause})
	if err != nil || c.output == "json" {
		return orJSON(out, res, err)
	}
	if res.GetRevocation() == nil {
		_, err = fmt.Fprintln(out, "already revoked")
		return err
	}
	_, err = fmt.Fprintf(out, "revoked %s\n", printable(res.GetRevocation().GetTarget().GetId()))
	return err
}
