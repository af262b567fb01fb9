package sessions

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
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/server"
)

// revokeSubject holds the arguments of session revoke-subject.
type revokeSubject struct {
	revoke

	subject string
}

// RevokeSubject returns ostiary session revoke-subject.
func RevokeSubject() *cobra.Command {
	var c revokeSubject
	cmd := &cobra.Command{
		Use:   "revoke-subject SUBJECT | --current",
		Short: "Sign a subject out everywhere",
		Long: `End every session of a subject, and revoke every token that was issued to it until now.
Only an operator may do this to others. Before it does so, the command prints which
subject it is.

A new sign-in works only with tokens issued at least the issuer's skew (5 seconds by
default) after the revocation.
` + storeHelp,
		Example: `  ostiary session revoke-subject --as robo user_ben --cause "lost phone"
  ostiary session revoke-subject --as ada --current`,
		Args: func(_ *cobra.Command, args []string) error { return atMostOne(args, "subject") },
	}
	c.addFlags(cmd, "subject")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c.named = len(args) == 1
		if c.named {
			c.subject = args[0]
		}
		if err := errors.Join(usage.NotEmpty(cmd.Flags(), "issuer", "request-id"), c.check(cmd)); err != nil {
			return usage.Wrong(err)
		}
		if c.store {
			return c.inStore(cmd, func(db *server.Database, issuer string, by server.Revoker) error {
				subject := &revocationv1.SubjectRef{Issuer: issuer, Subject: c.subject}
				fmt.Fprintln(cmd.ErrOrStderr(), "signing out in the database", describeSubject(subject))
				res, err := db.EndSubject(cmd.Context(), subject, by)
				return c.write(cmd.OutOrStdout(), res, err)
			})
		}
		return c.With(func(clients client.Clients) error {
			return c.run(cmd.Context(), clients, cmd.OutOrStdout(), cmd.ErrOrStderr())
		})
	}
	return cmd
}

// check says everything that is wrong with the arguments.
func (c *revokeSubject) check(cmd *cobra.Command) error {
	var wrong []error
	if err := c.checkNamed(c.subject, "subject"); err != nil {
		wrong = append(wrong, err)
	}
	if c.current && c.issuer != "" {
		wrong = append(wrong, errors.New("--current is the subject of your token; omit --issuer"))
	}
	return errors.Join(append(wrong, c.revoke.check(cmd))...)
}

func (c *revokeSubject) run(ctx context.Context, clients client.Clients, out, progress io.Writer) error {
	req := &sessionv1.RevokeSubjectRequest{Cause: c.cause, RequestId: c.newRequestID()}
	if c.current {
		req.Target = &sessionv1.RevokeSubjectRequest_CurrentSubject{CurrentSubject: &sessionv1.CurrentSubject{}}
		fmt.Fprintln(progress, "signing out yourself")
	} else {
		issuer, err := c.issuerOr(ctx, clients)
		if err != nil {
			return err
		}
		subject := &revocationv1.SubjectRef{Issuer: issuer, Subject: c.subject}
		req.Target = &sessionv1.RevokeSubjectRequest_Subject{Subject: subject}
		fmt.Fprintln(progress, "signing out", describeSubject(subject))
	}
	var res *sessionv1.RevokeSubjectResponse
	err := c.retry(ctx, req.GetRequestId(), func() (err error) {
		res, err = clients.Sessions.RevokeSubject(ctx, req)
		return err
	})
	return c.write(out, res, err)
}

func (c *revokeSubject) write(out io.Writer, res *sessionv1.RevokeSubjectResponse, err error) error {
	if err != nil || c.Output == "json" {
		return terminal.WriteAnswer(out, res, err)
	}
	for _, made := range res.GetRevocations() {
		fmt.Fprintf(out, "revoked %s: every token issued before %s (now plus the issuer's skew)\n",
			describeSubject(made.GetTarget().GetSubject()), made.GetIssuedBeforeTime().AsTime().Format(time.RFC3339))
	}
	if err := writeEnded(out, int(res.GetRevokedSessionCount()), "of this subject"); err != nil {
		return err
	}
	return c.writeReach(out, res.GetPropagation(), res.GetIssuerSignOut())
}

// describeSubject says which subject it is, on one line.
func describeSubject(subject *revocationv1.SubjectRef) string {
	return terminal.OneLine(fmt.Sprintf("%s at %s", subject.GetSubject(), subject.GetIssuer()))
}
