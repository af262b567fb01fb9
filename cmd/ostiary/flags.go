package main

import (
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
	cmd.Flags().String("config", "", "YAML file with settings, and with the list of issuers")
	cmd.Flags().String("env-file", "", "file with variables that the environment lacks (default .env, where it exists)")
}

// A flagValue takes any text. What it says is judged with all other settings,
// so that every fault is reported at once.
type flagValue struct{ text, kind string }

var _ pflag.Value = (*flagValue)(nil)

func (v *flagValue) String() string     { return v.text }
func (v *flagValue) Set(s string) error { v.text = s; return nil }
func (v *flagValue) Type() string       { return v.kind }
