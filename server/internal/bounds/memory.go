package bounds

import (
	"math"
	"runtime/debug"
)

// What an open stream costs of memory, with its share of what Go has not freed yet: 55 KiB were
// measured on the native port and 76 on the HTTP port; and what a connection may.
const (
	streamBytes     = 64 << 10
	connectionBytes = 64 << 10
)

// What there may be where memory has no limit.
const (
	mostStreams     = 100_000
	mostConnections = 20_000
)

// Defaults returns how many streams and connections fit into a third of the memory that Go may
// use (GOMEMLIMIT) each, so that a third is left for all else.
func Defaults() (streams, connections int) {
	limit := debug.SetMemoryLimit(-1) // which only returns it
	if limit == math.MaxInt64 {
		return mostStreams, mostConnections
	}
	fit := func(bytes int64, most int) int { return int(min(max(limit/3/bytes, 1), int64(most))) }
	return fit(streamBytes, mostStreams), fit(connectionBytes, mostConnections)
}
