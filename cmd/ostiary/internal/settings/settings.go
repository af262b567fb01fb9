// Package settings reads what an operator sets, by flag, environment variable,
// .env file or YAML file, and reports everything that is wrong at once.
//
//	set := settings.All()
//	set.AddFlags(cmd.Flags())
//	...
//	loaded := set.Load(cmd.Flags(), os.Environ())
//	if err := loaded.Faults(); err != nil { // names each setting as the operator wrote it
//		return err
//	}
//	srv, err := server.New(ctx, loaded.Server)
//
// To add a setting, add a row to the table of the server (table_server.go) or to that of
// an issuer (table_issuer.go). Flags, help, loading and docs/configuration.md are
// made from these rows. What a value may be is for [settings.Config.Faults] to say.
package settings

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/server/settings"
)

// Settings are the values of the tables.
type Settings struct {
	Server settings.Config
	// Issuer is the one that flags and environment describe. It is among
	// Server.Issuers too, if they describe one.
	Issuer settings.Issuer

	logFormat string
	logLevel  string
}

func (s *Settings) level() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.logLevel)) // the table allows only slog's own names
	return level
}

// A Set is the settings that a command takes.
type Set struct {
	table    []setting[Settings]
	asFlags  []setting[Settings] // those of the table that are flags of the command
	defaults map[string]string   // by key: those that differ from the table's
	files    bool                // whether flags name the files
}

// All returns the settings of ostiary serve.
func All() *Set {
	all := table()
	return &Set{table: all, asFlags: all, files: true}
}

// Dev returns the settings of ostiary dev, which has its own issuer. The
// defaults, by key, are those that differ from the server's.
func Dev(defaults map[string]string) *Set {
	own := slices.DeleteFunc(table(), func(s setting[Settings]) bool { return !s.dev })
	return &Set{table: own, asFlags: own, defaults: defaults}
}

// serversOwn are settings of an issuer that say nothing of its tokens.
var serversOwn = []string{"keys_snapshot", "essential", "secret_key", "secret_key_file", "api_url", "backchannel_logout"}

// Issuers returns the settings that say whose tokens are accepted. The others
// are read from the environment and the files, but have no flag.
func Issuers() *Set { return issuersAnd() }

// IssuersAndDatabase returns the settings of Issuers and of Database.
func IssuersAndDatabase() *Set { return issuersAnd(databaseKeys...) }

func issuersAnd(more ...string) *Set {
	keys := slices.Concat(keysOf(issuerTable()), []string{"publishable_key", "issuer"}, more)
	asFlags := slices.DeleteFunc(table(), func(s setting[Settings]) bool {
		return !slices.Contains(keys, s.key) || slices.Contains(serversOwn, s.key)
	})
	return &Set{table: table(), asFlags: asFlags, files: true}
}

// Database returns the settings that say where sessions and revocations are kept. The
// others are read from the environment and the files, but have no flag.
func Database() *Set {
	return only(databaseKeys)
}

// Admin returns the setting that says where operators ask. The others are read from the
// environment and the files, but have no flag.
func Admin() *Set {
	return only(adminKeys)
}

var (
	databaseKeys = []string{"data_dir", "database_url"}
	adminKeys    = []string{"admin_addr"}
)

func only(keys []string) *Set {
	asFlags := slices.DeleteFunc(table(), func(s setting[Settings]) bool { return !slices.Contains(keys, s.key) })
	return &Set{table: table(), asFlags: asFlags, files: true}
}

// ErrEmptyFlag refuses a flag that is given without a value, as when a script's
// variable is not set.
var ErrEmptyFlag = errors.New("is empty; omit the flag to use the default")

// The flags that name files with settings.
const (
	configFlag  = "config"
	envFileFlag = "env-file"
)

// AddFlags adds a flag for each setting of the command, and those that name
// files with settings.
func (s *Set) AddFlags(flags *pflag.FlagSet) {
	flags.SortFlags = false
	for _, setting := range s.asFlags {
		value := &flagValue{text: cmp.Or(s.defaults[setting.key], setting.def), format: setting.format.name}
		usage := fmt.Sprintf("%s [%s]", strings.TrimSuffix(setting.help, "."), strings.Join(setting.env, ", "))
		flag := flags.VarPF(value, setting.flag(), "", usage)
		if setting.format.name == boolName {
			flag.NoOptDefVal = "true"
		}
		flag.Hidden = setting.secret
	}
	if s.files {
		flags.String(configFlag, "", "YAML `file` with settings. Several issuers, and rules, can be set only here")
		flags.String(envFileFlag, "", "Read environment variables from this `file`; the real environment wins (default .env, if it exists)")
	}
}

// A flagValue takes any text. It is parsed together with all other settings, so
// that every fault is reported at once.
type flagValue struct{ text, format string }

var _ pflag.Value = (*flagValue)(nil)

func (v *flagValue) String() string { return v.text }

func (v *flagValue) Set(s string) error { v.text = s; return nil }

func (v *flagValue) Type() string { return v.format }
