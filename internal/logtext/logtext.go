// Package logtext makes text of other people's fit for a log: short, on one line, and without
// characters that do something to a terminal. And it says by what two values differ that look
// alike.
package logtext

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxBytes is how much of one text is shown.
const maxBytes = 200

// Bounded returns the text as it is if it has at most 200 bytes, all of printable characters.
// Otherwise it is escaped as in Go's source, and what is over is replaced by "…".
func Bounded(text string) string {
	if len(text) <= maxBytes && printable(text) {
		return text
	}
	cut := text
	if len(cut) > maxBytes {
		cut = cut[:maxBytes]
		for !utf8.RuneStart(text[len(cut)]) && len(cut) > maxBytes-utf8.UTFMax {
			cut = cut[:len(cut)-1]
		}
	}
	if !printable(cut) {
		quoted := strconv.QuoteToGraphic(cut)
		cut = quoted[1 : len(quoted)-1]
	}
	if len(text) > maxBytes {
		cut += "…"
	}
	return cut
}

func printable(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// Quoted is Bounded between quotes.
func Quoted(text string) string {
	return `"` + strings.ReplaceAll(Bounded(text), `"`, `\"`) + `"`
}

// maxListed is how many texts of a list are shown.
const maxListed = 10

// List returns up to ten of the texts, quoted, and how many there are more; none for an empty
// list.
func List[T ~string](texts []T) string {
	if len(texts) == 0 {
		return "none"
	}
	shown := make([]string, 0, maxListed)
	for _, text := range texts[:min(len(texts), maxListed)] {
		shown = append(shown, Quoted(string(text)))
	}
	list := strings.Join(shown, ", ")
	if more := len(texts) - maxListed; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// Expired says by how much a time has passed that counts for a leeway longer.
func Expired(at, now time.Time, leeway time.Duration) string {
	return fmt.Sprintf("expired %s ago: exp %s, now %s, leeway %s", now.Sub(at).Round(time.Second), Time(at), Time(now), leeway)
}

// Time returns a time to the second, in UTC; "none" for the zero time.
func Time(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return t.UTC().Format(time.RFC3339)
}

// NearMiss says by what a value that came differs from the first of those that are configured
// that looks like it: by its scheme (http or https), by case, by a trailing slash, by white
// space, or by several of these. It returns "" if none looks like it.
func NearMiss(got string, configured []string) string {
	for _, want := range configured {
		if by := difference(got, want); by != "" {
			return by
		}
	}
	return ""
}

// steps make values alike that differ in one respect.
var steps = []struct {
	name  string
	alike func(string) string
}{
	{"white space", strings.TrimSpace},
	{"case", strings.ToLower},
	{"the scheme (http or https)", withoutScheme},
	{"a trailing slash", func(s string) string { return strings.TrimSuffix(s, "/") }},
}

func difference(got, want string) string {
	if got == want || len(got) > 2*len(want)+20 || !alikeWithout(got, want, -1) {
		return ""
	}
	var by []string
	for i, step := range steps {
		if !alikeWithout(got, want, i) {
			by = append(by, step.name)
		}
	}
	return "differs from " + Quoted(want) + " only by " + strings.Join(by, " and ")
}

// alikeWithout reports whether the values are the same after all steps but one.
func alikeWithout(a, b string, leftOut int) bool {
	for i, step := range steps {
		if i != leftOut {
			a, b = step.alike(a), step.alike(b)
		}
	}
	return a == b
}

func withoutScheme(s string) string {
	for _, scheme := range [...]string{"https://", "http://"} {
		if rest, found := strings.CutPrefix(s, scheme); found {
			return rest
		}
	}
	return s
}
