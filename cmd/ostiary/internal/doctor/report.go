package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/terminal"
)

// redirectURI is the ID of what has to be registered at an issuer, which has a line of its own.
const redirectURI = "console.redirect_uri"

// WriteText writes the findings for people: faults first, then warnings, then what has to be
// registered elsewhere, then a line for each group in which all is well; or with all, a line for
// each finding that is.
func WriteText(w io.Writer, findings []Finding, all bool) error {
	var b strings.Builder
	faults, warnings := Faults(findings)
	fmt.Fprintf(&b, "%s, %s\n", terminal.Count(faults, "fault"), terminal.Count(warnings, "warning"))
	for _, finding := range findings {
		if finding.Level == OK {
			continue
		}
		fmt.Fprintf(&b, "\n%-7s %s", strings.ToUpper(string(finding.Level)), finding.ID)
		if finding.Subject != "" {
			fmt.Fprintf(&b, ": %s", oneLine(finding.Subject))
		}
		fmt.Fprintf(&b, "\n  what    %s\n  why     %s\n  remedy  %s\n", oneLine(finding.What), oneLine(finding.Why), oneLine(finding.Remedy))
	}
	b.WriteByte('\n')
	for _, finding := range findings {
		if finding.Level == OK && (all || finding.ID == redirectURI) {
			fmt.Fprintf(&b, "ok  %-8s  %s\n", finding.Group, oneLine(strings.TrimPrefix(finding.Subject+": "+finding.What, ": ")))
		}
	}
	if !all {
		writeGroups(&b, findings)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// maxLine bounds the line of a group, which has to fit a terminal.
const maxLine = 150

// writeGroups writes a line for each group in which all is well.
func writeGroups(b *strings.Builder, findings []Finding) {
	var order []string
	lines, ill := make(map[string][]string), make(map[string]bool)
	for _, finding := range findings {
		if finding.Level != OK {
			ill[finding.Group] = true
			continue
		}
		if finding.ID == redirectURI {
			continue // it is written already
		}
		if !slices.Contains(order, finding.Group) {
			order = append(order, finding.Group)
		}
		if finding.ID != "settings.value" { // of which there are too many
			lines[finding.Group] = append(lines[finding.Group], strings.TrimPrefix(finding.Subject+": "+finding.What, ": "))
		}
	}
	for _, group := range order {
		if ill[group] {
			continue
		}
		text := []rune(oneLine(strings.Join(lines[group], "; ")))
		if len(text) > maxLine {
			text = append(text[:maxLine-1], '…')
		}
		fmt.Fprintf(b, "ok  %-8s  %s\n", group, string(text))
	}
}

// WriteJSON writes the findings as one line of JSON.
func WriteJSON(w io.Writer, findings []Finding) error {
	faults, warnings := Faults(findings)
	if findings == nil {
		findings = []Finding{}
	}
	return json.NewEncoder(w).Encode(struct {
		Faults   int       `json:"faults"`
		Warnings int       `json:"warnings"`
		Findings []Finding `json:"findings"`
	}{faults, warnings, findings})
}

// maxText bounds one text: a part of it may come from elsewhere.
const maxText = 1000

// oneLine keeps what others have written from breaking a line or the terminal.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return terminal.Printable(s)
}
