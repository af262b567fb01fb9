package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
	"github.com/ostiary/ostiary/cmd/ostiary/internal/usage"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// List returns ostiary policy list.
func List() *cobra.Command {
	var schema Schema
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Print who may call each method, and where the rule is written",
		Long: `Print each method, who may call it, and where its rule comes from: the method or its
service's default; with --config also the settings file; and for ostiary's own services
the server itself.`,
		Example: `  ostiary policy list
  ostiary policy list --config ostiary.yaml
  buf build -o - | ostiary policy list --image - --output markdown
  ostiary policy list --output json | jq -r 'select(.rule.public) | .procedure'`,
		Args: usage.NoArguments,
	}
	schema.addFlags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", "table", "output `format`: table, markdown, or json with one object per line")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		write, known := map[string]func(io.Writer, []policy.Entry) error{
			"table": writeTable, "markdown": writeMarkdown, "json": writeMatrixJSON,
		}[output]
		if !known {
			return usage.Wrong(fmt.Errorf("--output is %q; use table, markdown or json", output))
		}
		if err := schema.check(cmd); err != nil {
			return err
		}
		rules, err := schema.ReadSound(cmd.InOrStdin())
		if err != nil {
			return err
		}
		return write(cmd.OutOrStdout(), schema.entries(rules))
	}
	return cmd
}

func writeTable(w io.Writer, entries []policy.Entry) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROCEDURE\tACCESS\tFROM")
	for _, entry := range entries {
		fmt.Fprintf(table, "%s\t%s\t%s\n", terminal.OneLine(entry.Procedure), terminal.OneLine(entry.Access()), terminal.OneLine(Source(entry.Origin)))
	}
	return table.Flush()
}

func writeMarkdown(w io.Writer, entries []policy.Entry) error {
	var b strings.Builder
	b.WriteString("| procedure | access | from |\n|---|---|---|\n")
	for _, entry := range entries {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", terminal.OneLine(entry.Procedure), markdownText.Replace(terminal.OneLine(entry.Access())), markdownText.Replace(terminal.OneLine(Source(entry.Origin))))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// markdownText escapes what would end a cell or be taken for markup.
var markdownText = strings.NewReplacer(`\`, `\\`, `|`, `\|`, `*`, `\*`, `_`, `\_`, "`", "\\`", `<`, `&lt;`, `>`, `&gt;`, `[`, `\[`)

// matrixRow is one method in JSON.
type matrixRow struct {
	Procedure   string          `json:"procedure"`
	Description string          `json:"description"`
	Rule        json.RawMessage `json:"rule"`
	Source      string          `json:"source"`
	File        string          `json:"file,omitempty"`
	Line        int             `json:"line,omitempty"`
}

func writeMatrixJSON(w io.Writer, entries []policy.Entry) error {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	for _, entry := range entries {
		rule, err := protojson.Marshal(entry.Rule)
		if err != nil {
			return err
		}
		if err := lines.Encode(matrixRow{
			Procedure:   entry.Procedure,
			Description: entry.Access(),
			Rule:        rule,
			Source:      entry.Origin.Source.String(),
			File:        entry.Origin.File,
			Line:        entry.Origin.Line,
		}); err != nil {
			return err
		}
	}
	_, err := b.WriteTo(w)
	return err
}

// Source says where a rule comes from: method, acme/note/v1/note.proto:15.
func Source(origin policy.Origin) string {
	if origin.File == "" {
		return origin.Source.String()
	}
	return origin.Source.String() + ", " + origin.String()
}
