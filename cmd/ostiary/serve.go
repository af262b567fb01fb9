package main

import (
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/systemd"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/server"
	serversettings "github.com/ostiary/ostiary/server/settings"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the API to callers with your issuer's tokens",
		Long: `Serve the API: Connect, gRPC and gRPC-Web on one address, native gRPC on another.

Each setting can be a flag, an environment variable, a variable in a .env file, or
a key in a YAML file; it is taken from the first of these that sets it. Only the
YAML file can list several issuers or replace the rules of methods.
docs/configuration.md lists every setting in one table.

With --follow the server is a relay for another region: it follows another server's feed
of revocations, needs no database, and answers followers of its own. It refuses what is
revoked; to list sessions or to revoke, callers must ask the server that it follows.

The log goes to standard error. If it is not read fast enough, or no longer, lines are
dropped and counted, and calls go on.

All faults are reported at once; the server does not start and exits with status 2. A
variable OSTIARY_… that no setting has is named in a warning.

With --check nothing is served. Besides the settings it checks that each address can be
listened on, and that the data directory and the files of snapshots can be written; a
variable OSTIARY_… that no setting has is a fault, too. The exit status is 0 with a summary
of what would be served, or 2 with all faults. Where the server runs, its own ports are
taken: run it before, or with other ports. It asks nothing of the network; for that, see
ostiary doctor.

SIGTERM and SIGINT stop the server: for drain_delay its readiness says no while it still
serves, so that load balancers turn away from it; then it closes its ports, and ends once
the calls in progress have finished, at the latest after shutdown_timeout. A second signal
stops it immediately. SIGHUP reads the settings again and takes over the rules in the YAML
file, who the operators are, the backends, log_level, and secrets, also those in files; what else has
changed is named in the log, and needs a restart. If anything is at fault, such as a file that cannot be
read, all stays as it was. The files of the TLS certificate are read again by themselves every
few seconds.`,
		Example: `  # Clerk, with tokens issued for this service
  OSTIARY_ISSUER=https://clerk.example.com OSTIARY_AUDIENCES=invoices ostiary serve

  # Clerk, with the session tokens of one web app
  ostiary serve --issuer https://clerk.example.com \
    --authorized-parties https://app.example.com --cors-allowed-origins https://app.example.com

  # any other provider
  ostiary serve --issuer https://accounts.example.com --profile oidc --audiences invoices

  # a relay of another server, which keeps what it knows over restarts
  OSTIARY_FOLLOW_SECRET_FILE=hub-secret OSTIARY_FEED_SECRET_FILE=own-secrets ostiary serve \
    --config ostiary.yaml --follow https://ostiary.example.com --follow-snapshot /var/lib/ostiary/revocations

  # settings in a file, first checked
  ostiary serve --config ostiary.yaml --check
  ostiary serve --config ostiary.yaml`,
		Args: usage.NoArguments,
	}
	set := settings.All()
	set.AddFlags(cmd.Flags())
	check := cmd.Flags().Bool("check", false, "Check the settings, rules, files and ports, print what would be served, and serve nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		loaded := set.Load(cmd.Flags(), os.Environ())
		if *check {
			return checkServe(cmd, loaded)
		}
		if err := loaded.Faults(); err != nil {
			return err
		}
		return withLog(cmd, loaded, func(config serversettings.Config) error {
			hangup := make(chan os.Signal, 1)
			signal.Notify(hangup, syscall.SIGHUP)
			defer signal.Stop(hangup)
			srv, err := server.New(cmd.Context(), config)
			if err != nil {
				return err
			}
			manager := systemd.Manager{Log: config.Logger}
			manager.Ready("serving") // the ports are open: who connects from here on is served
			go func() {
				for {
					select {
					case <-hangup:
						manager.Reloading()
						manager.Ready(reload(srv, loaded, set.Load(cmd.Flags(), os.Environ()), config.Logger))
					case <-cmd.Context().Done():
						manager.Stopping()
						return
					}
				}
			}()
			return srv.Run(cmd.Context())
		})
	}
	return cmd
}

// reload has the server take over what it can of the settings, which were read again. It
// takes none over where one is at fault. It returns what the server does from then on.
func reload(srv *server.Server, started, read *settings.Loaded, log *slog.Logger) (status string) {
	err := read.Faults()
	if err == nil {
		err = srv.Reload(read.Server)
	} else {
		srv.ReloadCertificate()
	}
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			log.Error("the settings were not taken over, and all stays as it was", "fault", strings.TrimSpace(line))
		}
		return "serving with the earlier settings, since the new ones have faults, which the log names"
	}
	started.TakeLogLevel(read)
	log.Info("the settings were read again")
	for _, key := range read.NeedRestart(started) {
		log.Warn("a setting has changed that is taken over only by a restart", "setting", key)
	}
	return "serving"
}
