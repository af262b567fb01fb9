package explain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/unverified"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/server"
	serversettings "github.com/ostiary/ostiary/server/settings"
)

// explainTimeout bounds the wait for an issuer's keys.
const explainTimeout = 20 * time.Second

// A tokenExplainer is the flags of token explain.
type tokenExplainer struct {
	rule   explainCommand // of --procedure
	set    *settings.Set
	store  bool
	output string
}

// Token returns ostiary token explain.
func Token() *cobra.Command {
	c := tokenExplainer{set: settings.IssuersAndDatabase()}
	cmd := &cobra.Command{
		Use:   "explain [-]",
		Short: "Show what the server makes of a token, and why",
		Long: `Show every check that the server makes of a token, in order, with what you configured
beside what the token has, and at the end the answer that a call with it gets. The token
is read from standard input; a leading "Bearer " is ignored.

The token is verified by the same code and with the same settings as in "ostiary serve",
taken from the same flags, variables and files. Keys are fetched from the issuers in these
settings, and from nobody else. All checks are made that can be, also after one has
failed: of a token that expired hours ago you see whether it was right before.

With --procedure the checks of the method's rule follow; where the token is refused, they
are those of its claims, as if it were accepted. With --store the database of the server is
asked whether the token was revoked. The token and its signature are never shown.

The exit status is 0 if the call is admitted, 1 if it is refused, and 3 if the request or
the handler decides. It is also 1 if an error prevents an answer, and 2 for wrong usage or
settings; standard output is then empty.`,
		Example: `  pbpaste | ostiary token explain --config ostiary.yaml
  pbpaste | ostiary token explain --issuer https://clerk.example.com --audiences invoices

  # whether it may call a method, and whether it was revoked
  pbpaste | ostiary token explain --config ostiary.yaml --store \
    --image image.binpb --procedure /acme.invoice.v1.InvoiceService/DeleteInvoice`,
		Args: usage.FromStandardInput,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&c.rule.procedure, "procedure", "", "Also explain the rule of this `method`, such as /acme.invoice.v1.InvoiceService/GetInvoice")
	cmd.Flags().StringVar(&c.rule.Image, "image", "", "Schema image `file` of the method (default: ostiary's own services)")
	cmd.Flags().BoolVar(&c.store, "store", false, "Ask the server's database whether the token was revoked")
	cmd.Flags().StringVarP(&c.output, "output", "o", "table", "Output `format`: table or json")
	c.set.AddFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c.rule.Config = cmd.Flag("config").Value.String()
		if err := c.check(cmd); err != nil {
			return usage.Wrong(err)
		}
		return c.run(cmd)
	}
	return cmd
}

func (c *tokenExplainer) check(cmd *cobra.Command) error {
	wrong := usage.NotEmpty(cmd.Flags(), "image", "config", "procedure")
	if c.rule.Image != "" && c.rule.procedure == "" {
		wrong = errors.Join(wrong, errors.New("--image is given without --procedure; name the method"))
	}
	if c.rule.Image == "-" {
		wrong = errors.Join(wrong, errors.New("standard input is for the token; write the image to a file"))
	}
	if c.output != "table" && c.output != "json" {
		wrong = errors.Join(wrong, fmt.Errorf("--output is %q; use table or json", c.output))
	}
	return wrong
}

func (c *tokenExplainer) run(cmd *cobra.Command) error {
	raw, err := unverified.Read(cmd.InOrStdin())
	if err != nil {
		return err
	}
	if raw = unverified.Trim(raw); raw == "" {
		return usage.Wrong(errors.New("no token; write one to standard input"))
	}
	loaded := c.set.Load(cmd.Flags(), os.Environ())
	if c.store {
		loaded.OnlyDatabase(cmd.ErrOrStderr())
	} else {
		loaded.OnlyIssuers()
	}
	if err := loaded.Faults(); err != nil {
		return err
	}
	rules, err := c.rules(cmd.InOrStdin())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), explainTimeout)
	defer cancel()
	explanation, id, err := server.ExplainToken(ctx, loaded.Server, raw)
	if err != nil {
		return err
	}
	report := New(explanation)
	claimed := id
	if id == nil { // for what follows, if the token can be read at all
		claimed, _ = readUnverified(ctx, raw, loaded)
	}
	if c.store {
		if err := askDatabase(ctx, report, loaded.Server, claimed); err != nil {
			return err
		}
	}
	refusal := explanation.Refusal()
	if refusal == nil && !report.Answer.Admitted {
		refusal = auth.NewError(auth.TokenRevoked, nil)
	}
	return c.write(cmd.OutOrStdout(), report, rules, claimed, refusal)
}

// rules returns those with the method; nil without --procedure.
func (c *tokenExplainer) rules(stdin io.Reader) (*policy.Policy, error) {
	if c.rule.procedure == "" {
		return nil, nil
	}
	rules, err := c.rule.ReadSound(stdin)
	if err != nil {
		return nil, err
	}
	return rules, c.rule.checkProcedure(rules)
}

// askDatabase asks the database whether the token is revoked.
func askDatabase(ctx context.Context, report *Report, config serversettings.Config, claimed *auth.Identity) error {
	if claimed == nil {
		report.CannotAsk("the token's claims cannot be read")
		return nil
	}
	db, err := server.OpenDatabase(ctx, config)
	if err != nil {
		return err
	}
	report.Ask(db.Revoked(claimed))
	return db.Close()
}

func (c *tokenExplainer) write(out io.Writer, report *Report, rules *policy.Policy, claimed *auth.Identity, refusal *auth.Error) error {
	var shown explained
	status := error(nil)
	if !report.Answer.Admitted {
		status = usage.StatusError(1)
	}
	if rules != nil {
		shown = c.rule.explain(rules, claimed, refusal)
		report.Decide(shown.checks(), refusal != nil)
		status = statusOf(shown.checks().Outcome())
		if refusal != nil && claimed != nil {
			shown = c.rule.explain(rules, claimed, nil)
			shown.unverified = !report.Verified
		}
		report.Rule = NewRule(shown.entry, shown.checks())
	}
	if c.output == "json" {
		return cmp.Or(report.WriteJSON(out), status)
	}
	if err := report.WriteChecks(out); err != nil {
		return err
	}
	if rules != nil {
		if refusal != nil && claimed != nil {
			fmt.Fprint(out, "The rule, if the token were accepted:\n\n")
		}
		if err := shown.write(out); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	return cmp.Or(report.WriteAnswer(out), status)
}
