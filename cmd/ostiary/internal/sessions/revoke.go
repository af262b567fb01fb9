package sessions

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/client"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	sessionv1 "github.com/ostiary/ostiary/gen/ostiary/session/v1"
	"github.com/ostiary/ostiary/server"
)

// revokeSession holds the arguments of session revoke.
type revokeSession struct {
	revoke

	sessionID, subject string
	anySubject         bool
}

// Revoke returns ostiary session revoke.
func Revoke() *cobra.Command {
	var c revokeSession
	cmd := &cobra.Command{
		Use:   "revoke SESSION | --current",
		Short: "End a session",
		Long: `End a session: its open streams end, and every further call with one of its tokens
is refused with TOKEN_REVOKED, even after the server restarts. Before it does so, the
command prints which session it is.

Afterwards it prints how many of the servers and of the services that follow them refuse
the session by now. One that is missing does so when it hears of it; docs/fleet.md says more.

SESSION is an id that "ostiary session list" shows. If several subjects have a session by
this id, name one with --subject. An operator can also end a session that the server has
not seen, with --subject or --any-subject.
` + storeHelp,
		Example: `  ostiary session revoke --as ada sess_2f…
  ostiary session revoke --as ada --current
  ostiary session revoke --as robo sess_2f… --subject user_ben --cause "lost phone"

  # while the issuer is away, on the machine of the database
  ostiary session revoke --store --config ostiary.yaml sess_2f… --cause "lost phone"

  # sign a persona in again
  ostiary token mint --as ada --new-session`,
		Args: func(_ *cobra.Command, args []string) error { return atMostOne(args, "session") },
	}
	c.addFlags(cmd, "session")
	cmd.Flags().StringVar(&c.subject, "subject", "", "the `subject` whose session it is")
	cmd.Flags().BoolVar(&c.anySubject, "any-subject", false, "end the sessions of all subjects that have one by this id")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c.named = len(args) == 1
		if c.named {
			c.sessionID = args[0]
		}
		if err := errors.Join(usage.NotEmpty(cmd.Flags(), "subject", "issuer", "request-id"), c.check(cmd)); err != nil {
			return usage.Wrong(err)
		}
		if c.store {
			return c.inStore(cmd, func(db *server.Database, issuer string, by server.Revoker) error {
				return c.runInStore(cmd.Context(), db, issuer, by, cmd.OutOrStdout(), cmd.ErrOrStderr())
			})
		}
		return c.With(func(clients client.Clients) error {
			return c.run(cmd.Context(), clients, cmd.OutOrStdout(), cmd.ErrOrStderr())
		})
	}
	return cmd
}

// check says everything that is wrong with the arguments.
func (c *revokeSession) check(cmd *cobra.Command) error {
	var wrong []error
	if err := c.checkNamed(c.sessionID, "session"); err != nil {
		wrong = append(wrong, err)
	}
	if c.current && (c.subject != "" || c.anySubject || c.issuer != "") {
		wrong = append(wrong, errors.New("--current is the session of your token; omit --subject, --any-subject and --issuer"))
	}
	if c.subject != "" && c.anySubject {
		wrong = append(wrong, errors.New("--subject and --any-subject are both given; keep one of them"))
	}
	return errors.Join(append(wrong, c.revoke.check(cmd))...)
}

func (c *revokeSession) run(ctx context.Context, clients client.Clients, out, progress io.Writer) error {
	req := &sessionv1.RevokeSessionRequest{Cause: c.cause, RequestId: c.newRequestID()}
	if c.current {
		req.Target = &sessionv1.RevokeSessionRequest_CurrentSession{CurrentSession: &sessionv1.CurrentSession{}}
		fmt.Fprintln(progress, "ending your current session")
	} else {
		session, err := c.find(ctx, clients)
		if err != nil {
			return err
		}
		req.Target = &sessionv1.RevokeSessionRequest_Session{Session: session}
		fmt.Fprintln(progress, "ending", describeSession(session))
	}
	var res *sessionv1.RevokeSessionResponse
	err := c.retry(ctx, req.GetRequestId(), func() (err error) {
		res, err = clients.Sessions.RevokeSession(ctx, req)
		return err
	})
	return c.write(out, res, err)
}

// runInStore is run without a server.
func (c *revokeSession) runInStore(ctx context.Context, db *server.Database, issuer string, by server.Revoker, out, progress io.Writer) error {
	session := &revocationv1.SessionRef{Issuer: issuer, SessionId: c.sessionID}
	if c.anySubject {
		session.Owner = &revocationv1.SessionRef_AnySubject{AnySubject: &revocationv1.AnySubject{}}
	} else if c.subject != "" {
		session.Owner = &revocationv1.SessionRef_Subject{Subject: c.subject}
	}
	fmt.Fprintln(progress, "ending in the database", terminal.OneLine(fmt.Sprintf("session %s at %s", c.sessionID, issuer)))
	res, err := db.EndSession(ctx, session, by)
	return c.write(out, res, err)
}

func (c *revokeSession) write(out io.Writer, res *sessionv1.RevokeSessionResponse, err error) error {
	if err != nil || c.Output == "json" {
		return terminal.WriteAnswer(out, res, err)
	}
	for _, made := range res.GetRevocations() {
		fmt.Fprintln(out, "revoked", describeSession(made.GetTarget().GetSession()))
	}
	if err := writeEnded(out, int(res.GetRevokedSessionCount()), "by this id"); err != nil {
		return err
	}
	return c.writeReach(out, res.GetPropagation(), res.GetIssuerSignOut())
}

// writeEnded says how many sessions ended. Where there was none, the id may be mistyped.
func writeEnded(out io.Writer, sessions int, which string) error {
	text := terminal.Count(sessions, "session") + " ended"
	if sessions == 0 {
		text = "no session ended: none " + which + " was seen here, or it had ended already; compare the id if you did not expect that"
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

// writeReach says where a revocation is in force.
func (r *revoke) writeReach(out io.Writer, where *revocationv1.Propagation, atIssuer sessionv1.IssuerSignOut) error {
	if r.store {
		if _, err := fmt.Fprintln(out, "it is in the database; servers that use it refuse it within a second"); err != nil {
			return err
		}
	}
	if err := writePropagation(out, where); err != nil {
		return err
	}
	return writeIssuerSignOut(out, atIssuer)
}

// writePropagation says where a revocation is in force, if that is known.
func writePropagation(out io.Writer, p *revocationv1.Propagation) (err error) {
	if p.GetTotalCount() > 0 {
		_, err = fmt.Fprintf(out, "ended on %d of %d servers and followers\n", p.GetConfirmedCount(), p.GetTotalCount())
	}
	return err
}

// writeIssuerSignOut says whether what was ended ends at the issuer, too, if that is known.
func writeIssuerSignOut(out io.Writer, state sessionv1.IssuerSignOut) (err error) {
	switch state {
	case sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_NOT_CONFIGURED:
		_, err = fmt.Fprintln(out, "it goes on at the issuer: the server has no key to end it there (for Clerk, set CLERK_SECRET_KEY)")
	case sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_PENDING:
		_, err = fmt.Fprintln(out, "it will be ended at the issuer, too")
	case sessionv1.IssuerSignOut_ISSUER_SIGN_OUT_DONE:
		_, err = fmt.Fprintln(out, "it has ended at the issuer, too")
	default: // nothing has ended, or a state of a later version
	}
	return err
}

// find returns the name of the session, with the owner that the arguments or the server
// know.
func (c *revokeSession) find(ctx context.Context, clients client.Clients) (*revocationv1.SessionRef, error) {
	issuer, err := c.issuerOr(ctx, clients)
	if err != nil {
		return nil, err
	}
	session := &revocationv1.SessionRef{Issuer: issuer, SessionId: c.sessionID, Owner: &revocationv1.SessionRef_AnySubject{AnySubject: &revocationv1.AnySubject{}}}
	switch {
	case c.anySubject:
		return session, nil
	case c.subject != "":
		session.Owner = &revocationv1.SessionRef_Subject{Subject: c.subject}
		return session, nil
	}
	res, err := clients.Sessions.GetSession(ctx, &sessionv1.GetSessionRequest{Session: session})
	var received *connect.Error
	switch {
	case err == nil:
		return res.GetSession().GetSession(), nil
	case !errors.As(err, &received):
		return nil, err
	case client.ReasonOf(received) == "SESSION_NOT_FOUND":
		return nil, fmt.Errorf("SESSION_NOT_FOUND: there is no session %s of %s, or you may not see it; for those that you may, run: ostiary session list; "+
			"to end one that the server has not seen, as an operator, name its --subject", terminal.Printable(c.sessionID), terminal.Printable(issuer))
	case names(received, "session.subject"):
		return nil, fmt.Errorf("several subjects have a session %s of %s; name whose it is with --subject, or end all of them with --any-subject",
			terminal.Printable(c.sessionID), terminal.Printable(issuer))
	default:
		return nil, err
	}
}

// names reports whether the server says that a field is wrong.
func names(received *connect.Error, field string) bool {
	return slices.ContainsFunc(client.DetailOf[*errdetails.BadRequest](received).GetFieldViolations(),
		func(v *errdetails.BadRequest_FieldViolation) bool { return v.GetField() == field })
}

// describeSession says which session it is, on one line.
func describeSession(session *revocationv1.SessionRef) string {
	owner := "any subject"
	if session.GetSubject() != "" {
		owner = session.GetSubject()
	}
	return terminal.OneLine(fmt.Sprintf("session %s of %s at %s", session.GetSessionId(), owner, session.GetIssuer()))
}

// revoke holds what the commands that revoke have in common.
type revoke struct {
	client.Caller

	databaseFlags

	issuer, cause, requestID string
	current                  bool
	named                    bool // whether there is an argument, even an empty one
}

// addFlags adds the flags for a command that revokes a session or a subject.
func (r *revoke) addFlags(cmd *cobra.Command, what string) {
	r.AddFlags(cmd)
	cmd.Flags().BoolVar(&r.current, "current", false, "the "+what+" of the token used for this call")
	cmd.Flags().StringVar(&r.issuer, "issuer", "", "`issuer` of the "+what+" (default: that of your token)")
	cmd.Flags().StringVar(&r.cause, "cause", "", "`reason` to record with the revocation")
	cmd.Flags().StringVar(&r.requestID, "request-id", "", "`id` of an earlier try of the same command, which is not done twice then (default: a new one)")
	r.databaseFlags.addFlags(cmd)
}

// check says everything that is wrong with the flags.
func (r *revoke) check(cmd *cobra.Command) error {
	if r.store {
		return r.databaseFlags.check(cmd, r.cause)
	}
	return errors.Join(r.refuseWithoutStore(cmd), r.Check())
}

// atMostOne refuses more than one argument.
func atMostOne(args []string, noun string) error {
	if len(args) > 1 {
		return usage.Wrong(fmt.Errorf("%s given; end one at a time", terminal.Count(len(args), noun)))
	}
	return nil
}

// checkNamed says what is wrong where not just one of the argument and --current is given.
func (r *revoke) checkNamed(name, noun string) error {
	switch {
	case r.named && r.current:
		return fmt.Errorf("a %s and --current are both given; keep one of them", noun)
	case r.named && name == "":
		return fmt.Errorf("the %s is empty; name one, or give --current for your own", noun)
	case !r.named && !r.current:
		return fmt.Errorf("name one %s, or give --current for your own; for the %[1]ss, run: ostiary session list", noun)
	default:
		return nil
	}
}

// newRequestID returns that of the flag, or one that nobody has used.
func (r *revoke) newRequestID() string {
	if r.requestID != "" {
		return r.requestID
	}
	return rand.Text()
}

// issuerOr returns the issuer of the flag, or that of the caller.
func (r *revoke) issuerOr(ctx context.Context, clients client.Clients) (string, error) {
	if r.issuer != "" {
		return r.issuer, nil
	}
	res, err := clients.Identity.WhoAmI(ctx, &identityv1.WhoAmIRequest{})
	return res.GetIdentity().GetIssuer(), err
}

const (
	maxTries     = 3
	defaultDelay = time.Second
)

// retry calls try again while the server cannot answer. All tries have the same request
// ID, so that one that succeeded without an answer is not done again.
func (r *revoke) retry(ctx context.Context, requestID string, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		if connect.CodeOf(err) != connect.CodeUnavailable || client.Unreachable(err) {
			return err
		}
		if n == maxTries {
			return fmt.Errorf("%w; the revocation may have been made or not: to find out, run the same command with --request-id %s", r.Explain(err), requestID)
		}
		select {
		case <-time.After(retryDelay(err)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// retryDelay returns how long the server asks to wait.
func retryDelay(err error) time.Duration {
	var received *connect.Error
	if errors.As(err, &received) {
		if info := client.DetailOf[*errdetails.RetryInfo](received); info != nil {
			return min(max(info.GetRetryDelay().AsDuration(), 0), client.MaxDelay)
		}
	}
	return defaultDelay
}
