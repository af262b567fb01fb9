// Package refusal finds the refusal in an error that a handler returned, for the
// adapters.
package refusal

import (
	"errors"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// In returns the refusal that an adapter must send for an error. It returns false if
// err has none, or if the refusal is inside an error of type E, by which a handler
// chooses what to send.
func In[E error](err error) (*auth.Error, bool) {
	refusal, found := errors.AsType[*auth.Error](err)
	if !found {
		return nil, false
	}
	if refusal == nil { // a nil *auth.Error that was returned as an error is our fault
		return auth.AsError(err), true
	}
	// An E that is the cause of the refusal was not chosen to be sent, so the question
	// is which of the two holds the other.
	if chosen, ok := errors.AsType[E](err); ok {
		if held, ok := errors.AsType[*auth.Error](chosen); ok && held == refusal {
			return nil, false
		}
	}
	return refusal, true
}
