package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// newDocs prints documentation that is made from the code, so that it cannot
// disagree with it.
func newDocs() *cobra.Command {
	docs := &cobra.Command{Use: "docs", Short: "Print documentation made from the code", Hidden: true, Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	docs.AddCommand(&cobra.Command{
		Use:     "configuration",
		Short:   "Print docs/configuration.md",
		Example: "  ostiary docs configuration > docs/configuration.md",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(cmd.OutOrStdout(), configurationDoc())
			return err
		},
	})
	return docs
}

const configurationIntro = `# Configuration

<!-- Made by "ostiary docs configuration": change cmd/ostiary/settings.go instead. -->

A setting is taken from the first of these that has it:

1. the flag;
2. the variable of the environment, unless it is empty;
3. the same variable in a ` + "`.env`" + ` file: the one in the working directory, or that of ` + "`--env-file`" + `;
4. the key in the YAML file that ` + "`--config`" + ` names;
5. the default.

Lists are written with commas, and in YAML as lists. Durations look like ` + "`10s`, `5m` or `24h`" + `.
The YAML file is one document. Numbers in it do not begin with a zero: ` + "`010`" + ` is eight to some of YAML's
readers and ten to others, and is refused.
Everything that is wrong is reported at once, a line each, with exit status 2, and then
nothing was started.
`

const issuersIntro = `
## Several issuers

The settings from ` + "`issuer` to `max_lifetime`" + ` describe one issuer. The YAML file can list more, each
with the same settings of its own; those above do not reach into the list.

` + "```yaml" + `
issuers:
  - url: https://clerk.example.com
    authorized_parties: [https://app.example.com]
  - url: https://accounts.example.com
    profile: oidc
    audiences: [invoices]
    accept_kinds: [session, machine]
` + "```" + `

An issuer must be told for whom its tokens are made, by ` + "`audiences` or `authorized_parties`" + `, or else
be allowed any by ` + "`allow_any_audience`" + `. Issuers on plain http are for development: they must be on
loopback, and need not be told, which the log then warns of.

| key | default | meaning |
|---|---|---|
`

const rulesDoc = `
## Rules

Who may call a method is written in its schema, and health and reflection are open to anybody. The YAML
file, and nothing else, can say otherwise, by the method's full name: a map is no flag and no variable.

` + "```yaml" + `
rules:
  /grpc.health.v1.Health/Check: {authenticated: {}}
  /ostiary.revocation.v1.RevocationService/ListRevocations:
    require:
      kinds: [KIND_MACHINE]
` + "```" + `

A rule has the form of an ` + "`ostiary.policy.v1.Rule`" + ` in JSON, as [policy.md](policy.md) has its parts, and replaces
that of the method as a whole. There are no wildcards. A part that is named asks for something: one that is
empty, such as ` + "`any_role: []`, `condition: \"\"` or `organization: false`" + `, is a fault. So is a rule for a method that the
server does not have, one that nobody can meet, and a public one for anything but health and reflection. The log names
each rule that is in force at start; ` + "`ostiary policy list --config`" + ` prints all, and where each comes from.
What probes gRPC's health has no token as a rule: where that asks for one, let it probe ` + "`/livez` and `/readyz`" + `.
`

func configurationDoc() string {
	var b strings.Builder
	b.WriteString(configurationIntro)
	b.WriteString("\n| key | flag | variable | default | meaning |\n|---|---|---|---|---|\n")
	for _, s := range table() {
		fmt.Fprintf(&b, "| `%s` | `--%s` | `%s` | %s | %s |\n",
			s.key, s.flag(), strings.Join(s.env, "` `"), code(s.def), s.help)
	}
	b.WriteString(issuersIntro)
	for _, s := range issuerTable() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.key, code(s.def), s.help)
	}
	b.WriteString(rulesDoc)
	return b.String()
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
