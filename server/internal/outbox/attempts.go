package outbox

import "sync/atomic"

// Attempts counts the attempts to end sessions at an issuer.
type Attempts struct {
	// Ended have ended a session; Refused are those that the issuer refuses for good;
	// Failed are made again.
	Ended, Refused, Failed int64
}

type attempts struct{ ended, refused, failed atomic.Int64 }

// Attempts returns the attempts of this process, by issuer.
func (o *Outbox) Attempts() map[string]Attempts {
	if o == nil {
		return nil
	}
	all := make(map[string]Attempts, len(o.workers))
	for issuer, w := range o.workers {
		all[issuer] = Attempts{w.attempts.ended.Load(), w.attempts.refused.Load(), w.attempts.failed.Load()}
	}
	return all
}
