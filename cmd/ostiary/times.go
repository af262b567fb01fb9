package main

import (
	"fmt"
	"io"
	"math"
	"time"
)

// writeTimes puts a token's times (RFC 7519, section 4.1) into words.
func writeTimes(w io.Writer, claims map[string]any, now time.Time) {
	fmt.Fprintln(w, "\nTimes")
	for _, c := range []struct{ claim, name, future, past string }{
		{"iat", "issued", "%s from now", "%s ago"},
		{"nbf", "valid from", "%s from now", "%s ago"},
		{"exp", "expires", "in %s", "expired %s ago"},
	} {
		value, present := claims[c.claim]
		seconds, isNumber := value.(float64)
		switch {
		case !present:
			fmt.Fprintf(w, "  %-10s  not set (no %s)\n", c.name, c.claim)
		case !isNumber || math.Abs(seconds) > maxUnixTime:
			fmt.Fprintf(w, "  %-10s  not a time (%s)\n", c.name, c.claim)
		default:
			t := time.UnixMilli(int64(seconds * 1000))
			words, distance := c.future, t.Sub(now)
			if !t.After(now) {
				words, distance = c.past, now.Sub(t)
			}
			fmt.Fprintf(w, "  %-10s  %s (%s)\n", c.name, t.UTC().Format(time.RFC3339), fmt.Sprintf(words, inUnits(distance)))
		}
	}
}

// maxUnixTime is the last second of the year 9999, beyond which RFC 3339 has no
// dates.
const maxUnixTime = 253402300799

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
