package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// addFlags gives a command a flag for each setting. The defaults are those that
// differ from the table's.
func addFlags(cmd *cobra.Command, table []setting[settings], defaults map[string]any) {
	cmd.Flags().SortFlags = false
	for _, s := range table {
		value := &flagValue{text: s.def, kind: s.kind.name}
		if def, ok := defaults[s.key]; ok {
			value.text = fmt.Sprint(def)
		}
		usage := fmt.Sprintf("%s [%s]", strings.TrimSuffix(s.help, "."), strings.Join(s.env, ", "))
		flag := cmd.Flags().VarPF(value, s.flag(), "", usage)
		if s.kind.name == kindBool {
			flag.NoOptDefVal = "true"
		}
	}
}

// addSources gives a command the flags that say where settings are.
func addSources(cmd *cobra.Command) {
	cmd.Flags().String("config", "", "YAML `file` with settings. Several issuers, and rules, can be set only here")
	cmd.Flags().String("env-file", "", "Read environment variables from this `file`; the real environment wins (default .env, if it exists)")
}

// errEmptyFlag refuses a flag that is given and says nothing, as when a script's
// variable is not set.
var errEmptyFlag = errors.New("is empty; omit the flag to use the default")

// notEmpty asks that of flags that are no settings.
func notEmpty(flags *pflag.FlagSet, names ...string) error {
	for _, name := range names {
		if flag := flags.Lookup(name); flag != nil && flag.Changed && flag.Value.String() == "" {
			return fmt.Errorf("--%s: %w", name, errEmptyFlag)
		}
	}
	return nil
}

// A flagValue takes any text. What it says is judged with all other settings,
// so that every fault is reported at once.
type flagValue struct{ text, kind string }

var _ pflag.Value = (*flagValue)(nil)

func (v *flagValue) String() string     { return v.text }
func (v *flagValue) Set(s string) error { v.text = s; return nil }
func (v *flagValue) Type() string       { return v.kind }
