package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/interceptors/policy"
	serversettings "github.com/ostiary/ostiary/server/settings"
)

// checkServe finds all faults without serving, or prints what would be served.
func checkServe(cmd *cobra.Command, loaded *settings.Loaded) error {
	if err := loaded.CheckFaults(cmd.Context()); err != nil {
		return err
	}
	return writeServed(cmd.OutOrStdout(), loaded.Server.WithDefaults())
}

// writeServed prints what a server with the settings would serve.
func writeServed(out io.Writer, c serversettings.Config) error {
	rules, err := serversettings.Rules(c.Rules...)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, terminal.OneLine(fmt.Sprintf(format, args...)))
	}
	security := "in plaintext"
	if c.TLSCert != "" {
		security = "with TLS"
	}
	row("http", "%s, %s: Connect, gRPC and gRPC-Web", c.HTTPAddr, security)
	row("grpc", "%s, %s: native gRPC", c.GRPCAddr, security)
	if c.SignalsAddr != "" {
		row("signals", "%s, %s: messages of issuers", c.SignalsAddr, security)
	}
	if c.AdminAddr != serversettings.AdminNone {
		row("admin", "%s, in plaintext: metrics and health", c.AdminAddr)
	}
	for i := range c.Issuers {
		issuer := &c.Issuers[i]
		row("issuer", "%s, profile %s, audiences %s, authorized parties %s", issuer.URL, issuer.ProfileName(),
			cmp.Or(strings.Join(issuer.Audiences, " "), "any"), cmp.Or(strings.Join(issuer.AuthorizedParties, " "), "any"))
	}
	switch database, _, isURL := strings.Cut(c.DatabaseURL, ":"); {
	case len(c.Follow.Hubs) > 0:
		row("follows", "%s, without a database", strings.Join(c.Follow.Hubs, " "))
	case isURL && database != "sqlite":
		row("database", "PostgreSQL, which was not connected to")
	default:
		row("database", "%s", cmp.Or(strings.TrimPrefix(c.DatabaseURL, "sqlite:"), "in "+c.DataDir))
	}
	for _, backend := range c.Backends {
		source := "by the image " + backend.Image
		if backend.Image == "" {
			source = "by reflection of " + backend.Reflection + ", which was not asked"
		}
		row("backend", "%s, %s, called at %s", backend.Name, source, cmp.Or(backend.URL, "no URL"))
	}
	for _, entry := range rules.Entries() {
		if entry.Origin.Source == policy.SourceSettings {
			row("rule", "%s: %s, by %s", entry.Procedure, entry.Access(), entry.Origin.File)
		}
	}
	return table.Flush()
}
