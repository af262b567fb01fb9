//go:build !unix

package server

import (
	"testing"
	"time"
)

// processorTime skips the benchmark: this system says it in another way.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	b.Skip("the time of processors is measured on Unix alone")
	return 0
}
