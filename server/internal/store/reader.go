package store

import "time"

// A Reader is a process that reads the revocations: a server, or a follower of one.
type Reader struct {
	Service    string // "" for a server
	InstanceID string // tells it from others of the service
	// Confirmed is the Sequence up to which it refuses what is revoked. It is negative while
	// that is not known.
	Confirmed int64
	HeardAt   time.Time
}
