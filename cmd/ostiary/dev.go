package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/client"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/internal/loopback"
	"github.com/ostiary/ostiary/server"
	"github.com/ostiary/ostiary/server/devissuer"
	serversettings "github.com/ostiary/ostiary/server/settings"
)

// devDefaults are the defaults in which ostiary dev differs from ostiary serve.
func devDefaults() map[string]string {
	return map[string]string{
		"http_addr":            "127.0.0.1:8080",
		"grpc_addr":            "127.0.0.1:9090",
		"admin_addr":           serversettings.AdminNone,
		"drain_delay":          "0s",
		"cors_allowed_origins": "http://localhost:3000",
		"reflection":           "true",
		"console":              "true",
		"operator_subjects":    "user_olga,mch_robo",
	}
}

func newDev() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Serve with a development issuer; no account needed",
		Long: `Serve the same API as "ostiary serve", together with a development issuer. Its tokens
look like Clerk's, and session tokens live for 60 seconds. Reflection and the browser
console are on, and web pages on http://localhost:3000 may call. Commands to try are
printed at startup. Olga and the machine robo are operators: they can list and
end every session, revoke any token and watch decisions. The issuer's key is kept in the data directory, so tokens stay valid, or
revoked, across restarts.

Anyone on this machine can get an administrator's token from the development issuer;
it answers nobody else. Never use it in production.

Between containers it must answer others: --allow-remote issuer lets everybody who reaches it
as localhost, or by the name issuer, get an administrator's token. Publish its port on
the host's loopback alone, as deploy/compose.yaml does.`,
		Example: `  ostiary dev
  ostiary dev --http-addr 127.0.0.1:8081 --cors-allowed-origins http://localhost:5173`,
		Args: usage.NoArguments,
	}
	set := settings.Dev(devDefaults())
	set.AddFlags(cmd.Flags())
	remote := cmd.Flags().StringSlice("allow-remote", nil, "Give an administrator's token to other machines too, if they call the development issuer by one of these `names` or localhost")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		loaded := set.Load(cmd.Flags(), os.Environ())
		loaded.Check("http_addr", checkReachable(loaded.Server.HTTPAddr))
		loaded.Server.Issuers = devIssuers(client.DefaultURL) // the port is known only after the faults are reported
		if err := loaded.Faults(); err != nil {
			return err
		}
		return withLog(cmd, loaded, func(config serversettings.Config) error { return runDev(cmd, config, *remote) })
	}
	return cmd
}

func runDev(cmd *cobra.Command, config serversettings.Config, remote []string) error {
	ctx := cmd.Context()
	issuerURL, err := addDevIssuer(ctx, &config, remote)
	if err != nil {
		return err
	}
	srv, err := server.New(ctx, config)
	if err != nil {
		return err
	}
	warnOfOthers(config.Logger, remote, srv.HTTPAddr(), srv.GRPCAddr())
	b := banner{program: os.Args[0], url: issuerURL, grpc: fmt.Sprintf("localhost:%d", port(srv.GRPCAddr())), console: config.Console.Enabled, remote: remote}
	b.findTools()
	if err := b.write(cmd.OutOrStdout()); err != nil {
		return errors.Join(err, srv.Close())
	}
	return srv.Run(ctx)
}

func warnOfOthers(log *slog.Logger, remote []string, addrs ...net.Addr) {
	if len(remote) > 0 {
		log.Warn("the development issuer gives an administrator's token to every machine that reaches it", "allow_remote", remote)
		return
	}
	for _, addr := range addrs {
		if tcp, ok := addr.(*net.TCPAddr); ok && !loopback.Addr(tcp.AddrPort().Addr()) {
			log.Warn("others can reach this server; its development issuer answers only this machine", "addr", addr.String())
		}
	}
}

// addDevIssuer binds the HTTP address, whose port is part of the issuer's name,
// and mounts the issuer there, for the machines that call it by one of remote too. It
// returns the issuer's URL.
func addDevIssuer(ctx context.Context, config *serversettings.Config, remote []string) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", config.HTTPAddr)
	if err != nil {
		return "", err
	}
	url := fmt.Sprintf("http://localhost:%d", port(listener.Addr()))
	issuer, err := openDevIssuer(url, config.DataDir)
	if err != nil {
		return "", errors.Join(err, listener.Close())
	}
	if len(remote) > 0 {
		issuer.AllowRemote(remote...)
	}
	config.HTTPListener = listener
	config.Issuers = devIssuers(url)
	config.Console.Personas = true
	config.Routes = map[string]http.Handler{"/.well-known/": issuer, "/dev/": issuer}
	return url, nil
}

func openDevIssuer(url, dataDir string) (*devissuer.Issuer, error) {
	dataDir = cmp.Or(dataDir, serversettings.DefaultDataDir)
	if err := server.MakeDataDir(dataDir); err != nil {
		return nil, err
	}
	return devissuer.Open(url, filepath.Join(dataDir, "dev-issuer.pem"))
}

func devIssuers(url string) []serversettings.Issuer {
	return []serversettings.Issuer{{
		URL:              url,
		AllowAnyAudience: true,
		Kinds:            []auth.TokenKind{auth.KindSession, auth.KindMachine},
	}}
}

func port(addr net.Addr) int {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

// checkReachable refuses addresses that nobody reaches as localhost, which is
// the development issuer's name.
func checkReachable(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	local := []string{"", "0.0.0.0", "::", "127.0.0.1", "::1", "localhost"}
	if err != nil || slices.Contains(local, host) {
		return nil //nolint:nilerr // the server finds what is no address, and says so better
	}
	return fmt.Errorf("%q cannot be reached as localhost, which the development issuer requires; use 127.0.0.1, or omit the host to listen on every interface", addr)
}
