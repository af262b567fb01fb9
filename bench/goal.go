package main

import (
	"fmt"
	"math"
	"strconv"
)

// A goal is a figure that a row should reach. It is shown beside the result and
// decides nothing.
type goal struct {
	text string
	met  func(line, result) bool
}

// Ratios are compared as they are shown.
func ratioAtMost(limit float64) goal {
	return goal{fmt.Sprintf("≤ %.2f", limit), func(l line, _ result) bool { return asShown(l.ratio.median) <= limit }}
}

func ratioAtLeast(limit float64) goal {
	return goal{fmt.Sprintf("≥ %.2f", limit), func(l line, _ result) bool { return asShown(l.ratio.median) >= limit }}
}

func asShown(ratio float64) float64 { return math.Round(ratio*100) / 100 }

func valueAtMost(limit float64, unit string) goal {
	return goal{"≤ " + plain(limit) + " " + unit, func(l line, _ result) bool { return l.value.median <= limit }}
}

// allocsAtMost compares to a tenth: now and then the runtime has an allocation of
// its own.
func allocsAtMost(limit float64) goal {
	return goal{"≤ " + plain(limit) + " allocations", func(l line, _ result) bool { return math.Round(l.allocs*10)/10 <= limit }}
}

// noExtraAllocs compares to a whole one: a transport does not batch its work
// equally each time.
func noExtraAllocs() goal {
	return goal{"≤ 0 extra allocations", func(l line, _ result) bool { return math.Round(l.extra) <= 0 }}
}

func belowPeers() goal {
	return goal{"below every peer", func(l line, r result) bool {
		for _, other := range r.lines {
			if other.peer && other.ratio.median <= l.ratio.median {
				return false
			}
		}
		return true
	}}
}

func plain(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
