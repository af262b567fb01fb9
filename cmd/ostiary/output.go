package main

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

// printable escapes what a terminal might obey or hide. JSON allows such
// characters inside its texts alone, where the escape means the same.
func printable(s string) string {
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

// oneLine keeps what a schema says from breaking a line or the terminal.
func oneLine(s string) string { return printable(lineBreak.ReplaceAllString(s, " ")) }

var lineBreak = regexp.MustCompile(`\s*[\n\t]\s*`)

// countOf returns such as 1 fault or 2 faults.
func countOf(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// writeJSON writes a message as one line.
func writeJSON(w io.Writer, message proto.Message) error {
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

// orJSON writes the answer, unless there is an error instead.
func orJSON(w io.Writer, answer proto.Message, err error) error {
	if err != nil {
		return err
	}
	return writeJSON(w, answer)
}

// inUnits rounds a duration down to its largest unit: 3 minutes, 1 day.
func inUnits(d time.Duration) string {
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
