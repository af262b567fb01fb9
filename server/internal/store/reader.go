package store

import (
	"math"
	"time"
)

// Stopped is the Confirmed of a Reader that has stopped, and so does not count.
const Stopped = math.MaxInt64

// A Reader is a process that reads the revocations: a server, or a follower of one.
type Reader struct {
	Service    string // "" for a server
	InstanceID string // tells it from others of the service
	// Confirmed is the Sequence up to which it refuses what is revoked. It is negative while
	// that is not known, and Stopped once the process accepts nothing any more.
	Confirmed int64
	HeardAt   time.Time
}
