package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/doctor"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/unverified"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
)

func newDoctor() *cobra.Command {
	var token, output string
	var origins []string
	var timeout time.Duration
	var all bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out why the server does not start, or refuses callers",
		Long: `Examine the settings of ostiary serve and what is around the server. Run it where the
server runs: in the same folder or container, as the same user, with the same flags,
variables and files. The server may run meanwhile, and nothing is changed.

It looks at where each setting comes from and what is wrong with it; whether the issuers
are reached, with their keys, names and clocks; what runs on the addresses of the server,
and whether it has these settings; which web pages it lets call; the TLS certificate; the
store and its disk; the messages of issuers; and the hubs that are followed. Faults come
first, then warnings, each with what to do, then a line for each part in which all is
well. No secret and no token is printed.

  --token -           verify a token from standard input as the server does
  --origin URL        send a preflight for a page of this origin, too; may be repeated
  --all               list everything that is well, and where each setting comes from
  --output, -o json   write {"faults", "warnings", "findings"}; each finding has id, group,
                      level, subject, what, why and remedy
  --timeout 10s       how long each check may take; all run at the same time

The exit status is 1 if there is a fault, and 0 if there are warnings alone.`,
		Example: `  # in the folder of the server
  ostiary doctor --config ostiary.yaml

  # in a container, with a token that is refused
  pbpaste | docker compose exec -T api ostiary doctor --token -

  # whether a page may call
  ostiary doctor --origin https://app.example.com

  # for a script
  ostiary doctor --output json | jq -r '.findings[] | select(.level == "fault") | .id'`,
		Args: usage.NoArguments,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&token, "token", "", "Verify a token from standard input: `-`")
	cmd.Flags().StringArrayVar(&origins, "origin", nil, "Try whether a page of this `origin` may call; may be repeated")
	cmd.Flags().BoolVar(&all, "all", false, "List everything that is well, and where each setting comes from")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "output `format`: text or json")
	cmd.Flags().DurationVar(&timeout, "timeout", doctor.DefaultTimeout, "How long each check may take")
	set := settings.All()
	set.AddFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case output != "text" && output != "json":
			return usage.Wrong(fmt.Errorf("--output is %q; use text or json", output))
		case token != "" && token != "-":
			return usage.Wrong(errors.New("--token takes only -, for standard input: other users of the machine can read arguments"))
		case timeout <= 0:
			return usage.Wrong(errors.New("--timeout must be greater than 0; write one such as 10s"))
		}
		config := doctor.Config{
			Settings: set.Load(cmd.Flags(), os.Environ()), Environ: os.Environ(),
			Origins: origins, Timeout: timeout, Progress: cmd.ErrOrStderr(),
		}
		if token == "-" {
			raw, err := unverified.Read(cmd.InOrStdin())
			if err != nil {
				return err
			}
			if config.Token = unverified.Trim(raw); config.Token == "" {
				return usage.Wrong(errors.New("--token: standard input is empty; pipe a token into it"))
			}
		}
		findings := doctor.Examine(cmd.Context(), config)
		if err := write(cmd.OutOrStdout(), findings, output, all); err != nil {
			return err
		}
		if faults, _ := doctor.Faults(findings); faults > 0 {
			return usage.StatusError(1)
		}
		return nil
	}
	return cmd
}

func write(w io.Writer, findings []doctor.Finding, output string, all bool) error {
	if output == "json" {
		return doctor.WriteJSON(w, findings)
	}
	return doctor.WriteText(w, findings, all)
}
