package jwks

import (
	"testing"
	"time"
)

func TestABucketHoldsTwo(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var b bucket
	for i, row := range []struct {
		after time.Duration
		want  bool
	}{
		{0, true},
		{0, true},
		{0, false},
		{5*time.Second - 1, false},
		{5 * time.Second, true},
		{5 * time.Second, false},
		{10*time.Second - 1, false},
		{10 * time.Second, true}, // the fourth in ten seconds
		{10 * time.Second, false},
		{20*time.Second - 1, true},
		{20 * time.Second, true},
		{20 * time.Second, false},
		{time.Hour, true},
		{time.Hour, true},
		{time.Hour, false}, // it never holds more
	} {
		if got := b.take(start.Add(row.after), 5*time.Second); got != row.want {
			t.Errorf("take %d, after %v: %v, want %v", i, row.after, got, row.want)
		}
	}
}
