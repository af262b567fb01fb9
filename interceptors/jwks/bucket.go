package jwks

import "time"

// bucketSize is how many fetches unknown keys may cause at once, before each costs
// a cool-down: two, so that one stray token does not make a rotation wait.
const bucketSize = 2

// A bucket limits a rate: it holds bucketSize tokens and gains one in each
// interval. The zero value is full.
type bucket struct {
	full time.Time // when it will be
}

// take takes a token out, unless it is empty.
func (b *bucket) take(now time.Time, interval time.Duration) bool {
	if b.full.Sub(now) > (bucketSize-1)*interval {
		return false
	}
	if b.full.Before(now) {
		b.full = now
	}
	b.full = b.full.Add(interval)
	return true
}
