package ruleschema

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// Quoted writes names in quotes, with the separator between them.
func Quoted(names []string, separator string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = strconv.Quote(name)
	}
	return strings.Join(all, separator)
}

// ReverificationInWords says how lately, and how, a caller must have been verified.
func ReverificationInWords(r auth.Reverification, acr []string) string {
	text := "a verification"
	if r != (auth.Reverification{}) {
		text += fmt.Sprintf(" within %.0f minutes, level %v", r.Within.Minutes(), r.Level)
	}
	if len(acr) > 0 {
		text += " of class " + Quoted(acr, " or ")
	}
	return text
}

// LeaseInWords says when a stream with this lease ends.
func LeaseInWords(lease auth.LeaseMode) string {
	switch lease {
	case auth.LeaseUntilExpiry:
		return "ends with its token"
	case auth.LeaseRenewable:
		return "ends with its session"
	default:
		return "outlives its token"
	}
}

// Short writes a duration without its zero parts: 1h, and not 1h0m0s.
func Short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
