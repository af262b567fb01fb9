package feed

import "time"

// A reading is what two clocks show at once. The running clock never jumps, but stands
// still while the machine sleeps on most systems; the time of day counts the sleep, but may be set.
type reading struct {
	running time.Duration
	wall    time.Time
}

// systemClock returns a clock that reads the system's.
func systemClock() func() reading {
	start := time.Now()
	return func() reading {
		now := time.Now()
		return reading{running: now.Sub(start), wall: now.Round(0)}
	}
}

// since returns how long ago an earlier reading was, by the clock that says more: so it
// counts sleep, and is never too short because the time of day was set back.
func (r reading) since(earlier reading) time.Duration {
	return max(r.running-earlier.running, r.wall.Sub(earlier.wall))
}

// add returns the reading that is later by d.
func (r reading) add(d time.Duration) reading {
	return reading{r.running + d, r.wall.Add(d)}
}

// jump returns how far the time of day has run ahead of the running clock since an
// earlier reading: after a sleep, or because it was set. Negative: it was set back.
func (r reading) jump(earlier reading) time.Duration {
	return r.wall.Sub(earlier.wall) - (r.running - earlier.running)
}

// maxJump is how far the two clocks may part at once, as where the time of day is
// corrected.
const maxJump = 2 * time.Second

// later returns the one of two readings that is less long ago.
func later(now, a, b reading) reading {
	if now.since(b) < now.since(a) {
		return b
	}
	return a
}
