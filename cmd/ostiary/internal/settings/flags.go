package settings

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

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

func (v *flagValue) String() string     { return v.text }
func (v *flagValue) Set(s string) error { v.text = s; return nil }
func (v *flagValue) Type() string       { return v.format }
