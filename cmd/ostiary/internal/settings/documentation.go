package settings

import (
	_ "embed"
	"fmt"
	"strings"
)

// documentation is docs/configuration.md with a mark where the table goes.
//
//go:embed documentation.md
var documentation string

// Documentation returns docs/configuration.md.
func Documentation() string {
	var rows strings.Builder
	for _, s := range table() {
		def := s.def
		if def != "" {
			def = "`" + def + "`"
		}
		flag := "`--" + s.flag() + "`"
		if s.secret {
			flag = "none"
		}
		fmt.Fprintf(&rows, "| `%s` | %s | `%s` | %s | %s |\n",
			s.key, flag, strings.Join(s.env, "` `"), def, s.help)
	}
	text := strings.Replace(documentation, "<!-- settings -->\n", rows.String(), 1)
	rows.Reset()
	for _, s := range signalTable() {
		def := s.def
		if def != "" {
			def = "`" + def + "`"
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s |\n", s.key, def, s.help)
	}
	text = strings.Replace(text, "<!-- signals -->\n", rows.String(), 1)
	rows.Reset()
	for _, s := range backendTable() {
		fmt.Fprintf(&rows, "| `%s` | %s |\n", s.key, s.help)
	}
	return strings.Replace(text, "<!-- backends -->\n", rows.String(), 1)
}
