package explain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/rules"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/unverified"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/server"
)

// An explainCommand is the flags of policy explain.
type explainCommand struct {
	rules.Schema

	procedure  string
	unverified bool
	load       func() *settings.Loaded
}

// Policy returns ostiary policy explain.
func Policy() *cobra.Command {
	var c explainCommand
	cmd := &cobra.Command{
		Use:   "explain --procedure PROCEDURE",
		Short: "Show whether a token may call a method, with every check",
		Long: `Show whether the bearer of a token may call a method, and every check in order: met,
unmet, or undecided, such as a condition on the request, which is not available here.
The token is read from standard input; empty input means a caller without a token.

The token is verified with the same settings as "ostiary serve", taken from the same
flags, variables and files. Only a running server knows whether it was revoked. With
--unverified, no settings are needed and nothing is verified.

The exit status is 0 if the call is allowed, 1 if it is refused, and 3 if that is
undecided. It is also 1 if an error prevents an answer, and 2 for wrong usage or
settings; standard output is then empty.`,
		Example: `  # against a running ostiary dev
  ostiary token mint --as ben | ostiary policy explain --issuer http://localhost:8080 \
    --procedure /ostiary.session.v1.SessionService/ListSessions

  # for a schema of your own, with the settings of serve
  pbpaste | ostiary policy explain --config ostiary.yaml \
    --image image.binpb --procedure /acme.invoice.v1.InvoiceService/DeleteInvoice

  # whether a caller without a token may call
  ostiary policy explain --procedure /grpc.health.v1.Health/Check < /dev/null`,
		Args: usage.NoArguments,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&c.procedure, "procedure", "", "The `method`, such as /acme.invoice.v1.InvoiceService/GetInvoice; required")
	cmd.Flags().StringVar(&c.Image, "image", "", "Schema image `file` (default: ostiary's own services)")
	cmd.Flags().BoolVar(&c.unverified, "unverified", false, "Trust the token's claims without verifying them, for example after it expired; of the settings only the profile and the claims of its issuer are used")
	set := settings.Issuers()
	set.AddFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := usage.NotEmpty(cmd.Flags(), "image", "config"); err != nil {
			return usage.Wrong(err)
		}
		c.Config = cmd.Flag("config").Value.String()
		c.load = func() *settings.Loaded { return set.Load(cmd.Flags(), os.Environ()) }
		return c.run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
	}
	return cmd
}

func (c *explainCommand) run(ctx context.Context, stdin io.Reader, out io.Writer) error {
	switch {
	case c.procedure == "":
		return usage.Wrong(errors.New("--procedure is missing; name a method, as listed by: ostiary policy list"))
	case c.Image == "-":
		return usage.Wrong(errors.New("standard input is for the token; write the image to a file"))
	}
	rules, err := c.ReadSound(stdin)
	if err != nil {
		return err
	}
	if err := c.checkProcedure(rules); err != nil {
		return err
	}
	id, refusal, err := c.caller(ctx, stdin)
	if err != nil {
		return err
	}
	e := c.explain(rules, id, refusal)
	e.unverified = c.unverified && id != nil
	if err := e.write(out); err != nil {
		return err
	}
	return statusOf(e.checks().Outcome())
}

// checkProcedure refuses a method that has no rule.
func (c *explainCommand) checkProcedure(rules *policy.Policy) error {
	if _, known := rules.Explain(c.procedure, nil); !known {
		return usage.Wrong(unknownProcedure(c.procedure, rules.Entries()))
	}
	return nil
}

// explain returns the decision about a caller, or about one whose token is refused.
func (c *explainCommand) explain(rules *policy.Policy, id *auth.Identity, refusal *auth.Error) explained {
	if refusal != nil {
		id = nil
	}
	lenient, _ := rules.Rule(c.procedure).(auth.LenientRule)
	e := explained{
		identity: id,
		refusal:  refusal,
		ignored:  refusal != nil && lenient != nil && lenient.IgnoreInvalid(),
	}
	e.steps, _ = rules.Explain(c.procedure, id)
	e.entry, _ = rules.Entry(c.procedure)
	return e
}

// caller returns whose token is on standard input, or why it is not accepted.
// Both are nil if there is no token.
func (c *explainCommand) caller(ctx context.Context, stdin io.Reader) (*auth.Identity, *auth.Error, error) {
	raw, err := unverified.Read(stdin)
	if err != nil {
		return nil, nil, err
	}
	if raw = unverified.Trim(raw); raw == "" {
		return nil, nil, nil
	}
	loaded := c.load()
	if c.unverified {
		id, err := readUnverified(ctx, raw, loaded)
		return id, nil, err
	}
	loaded.OnlyIssuers()
	if err := loaded.Faults(); err != nil {
		return nil, nil, err
	}
	id, err := server.VerifyToken(ctx, loaded.Server, raw)
	var refusal *auth.Error
	if errors.As(err, &refusal) {
		return nil, refusal, nil
	}
	return id, nil, err
}

// readUnverified reads the token with the profile and the claims of its issuer, or
// else of the issuer that flags and environment describe.
func readUnverified(ctx context.Context, raw string, loaded *settings.Loaded) (*auth.Identity, error) {
	parsed, err := unverified.Parse(raw)
	if err != nil {
		return nil, err
	}
	issuer := loaded.Issuer
	for _, listed := range loaded.Server.Issuers {
		if listed.URL == parsed.Issuer() {
			issuer = listed
		}
	}
	profile, err := issuer.TokenProfile()
	if err != nil {
		return nil, usage.Wrong(fmt.Errorf("--profile: %w", err))
	}
	return parsed.Identity(ctx, profile, issuer.FirstPartyClients...)
}
