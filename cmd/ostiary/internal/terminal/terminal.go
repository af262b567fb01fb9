// Package terminal writes what commands answer, for people and for programs.
//
//	fmt.Fprintln(out, "revoked", terminal.OneLine(name)) // whatever characters the name has
//	err := terminal.WriteJSON(out, message)
package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Printable escapes what a terminal might obey or hide. JSON allows such
// characters inside its texts alone, where the escape means the same.
func Printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// OneLine keeps what a schema says from breaking a line or the terminal.
func OneLine(s string) string { return Printable(lineBreak.ReplaceAllString(s, " ")) }

var lineBreak = regexp.MustCompile(`\s*[\n\t]\s*`)

// Count returns such as 1 fault or 2 faults.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// WriteJSON writes a message as one line.
func WriteJSON(w io.Writer, message proto.Message) error {
	encoded, err := protojson.Marshal(message)
	if err != nil {
		return err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, encoded); err != nil { // protojson varies its blanks
		return err
	}
	line.WriteByte('\n')
	_, err = line.WriteTo(w)
	return err
}

// WriteAnswer writes the answer, unless there is an error instead.
func WriteAnswer(w io.Writer, answer proto.Message, err error) error {
	if err != nil {
		return err
	}
	return WriteJSON(w, answer)
}

// InUnits rounds a duration down to its largest unit: 3 minutes, 1 day.
func InUnits(d time.Duration) string {
	n, unit := int64(d/time.Second), "second"
	switch {
	case d >= 24*time.Hour:
		n, unit = int64(d/(24*time.Hour)), "day"
	case d >= time.Hour:
		n, unit = int64(d/time.Hour), "hour"
	case d >= time.Minute:
		n, unit = int64(d/time.Minute), "minute"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// Ago returns how long ago a time is, in its largest unit.
func Ago(now, t time.Time) string { return InUnits(max(now.Sub(t), 0)) + " ago" }

// Cell keeps what others have chosen from breaking the table or the terminal.
func Cell(s string) string {
	if s == "" {
		return "-"
	}
	if runes := []rune(s); len(runes) > 60 {
		s = string(runes[:59]) + "…"
	}
	return OneLine(s)
}
