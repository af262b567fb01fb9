package sessions

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/settings"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/server"
	serversettings "github.com/ostiary/ostiary/server/settings"
)

// storeHelp is a part of the help of the commands that revoke.
const storeHelp = `
With --store no server and no token is needed, as when the issuer is away and nobody's
token can be verified: who can write to the database may do this. The command takes the
settings of "ostiary serve" from the same variables and files, and writes to the database
that they name. Servers that use it refuse what was revoked within a second. The revocation
has the operating system's user and --cause on record.`

// databaseFlags are those of a command that can go to the database itself.
type databaseFlags struct {
	store bool
	set   *settings.Set
}

// notWithStore are the flags that have no meaning with --store.
var notWithStore = []string{"server", "as", "token-file", "token", "current", "request-id"}

func (d *databaseFlags) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&d.store, "store", false, "revoke in the database itself, without a server and a token")
	d.set = settings.Database()
	d.set.AddFlags(cmd.Flags())
}

// check says what is wrong with the flags where --store is given.
func (d *databaseFlags) check(cmd *cobra.Command, cause string) error {
	var wrong []error
	for _, name := range notWithStore {
		if cmd.Flags().Changed(name) {
			wrong = append(wrong, fmt.Errorf("--%s and --store are both given; keep one of them", name))
		}
	}
	if cause == "" {
		wrong = append(wrong, errors.New("--cause is missing; with --store it is required, and recorded"))
	}
	if output := cmd.Flag("output").Value.String(); output != "table" && output != "json" {
		wrong = append(wrong, fmt.Errorf("--output is %q; use table or json", output))
	}
	return errors.Join(wrong...)
}

// refuseWithoutStore says which flags have a meaning with --store alone.
func (d *databaseFlags) refuseWithoutStore(cmd *cobra.Command) error {
	var wrong []error
	for _, name := range []string{"data-dir", "database-url", "config", "env-file"} {
		if cmd.Flags().Changed(name) {
			wrong = append(wrong, fmt.Errorf("--%s names the database, which is used with --store alone", name))
		}
	}
	return errors.Join(wrong...)
}

// inStore calls do with the database that the settings name, the issuer that is meant, and
// who revokes.
func (r *revoke) inStore(cmd *cobra.Command, do func(db *server.Database, issuer string, by server.Revoker) error) error {
	db, config, err := openDatabase(cmd, r.set)
	if err != nil {
		return err
	}
	by, err := operatingUser()
	issuer := r.issuer
	switch {
	case err != nil:
	case issuer == "" && len(config.Issuers) != 1:
		err = usage.Wrong(errors.New("--issuer is missing, and the settings have several; name the one that is meant"))
	default:
		err = do(db, cmp.Or(issuer, config.Issuers[0].URL), server.Revoker{User: by, Cause: r.cause})
	}
	return errors.Join(err, db.Close())
}

// openDatabase opens the database of a server with the settings. Only faults of what it uses
// are reported.
func openDatabase(cmd *cobra.Command, set *settings.Set) (*server.Database, serversettings.Config, error) {
	loaded := set.Load(cmd.Flags(), os.Environ())
	loaded.OnlyDatabase(cmd.ErrOrStderr())
	if err := loaded.Faults(); err != nil {
		return nil, serversettings.Config{}, err
	}
	db, err := server.OpenDatabase(cmd.Context(), loaded.Server)
	return db, loaded.Server, err
}

// operatingUser returns the user of the operating system, and the host. Who became that user
// by sudo is named, too.
func operatingUser() (string, error) {
	current, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("find out who you are, for the record: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	name := current.Username + "@" + host
	if sudo := os.Getenv("SUDO_USER"); sudo != "" {
		name += " (sudo by " + sudo + ")"
	}
	return name, nil
}
