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
	var refusal *auth.Error
	if err == nil || !errors.As(err, &refusal) {
		return nil, false
	}
	if refusal == nil { // a nil *auth.Error that was returned as an error is our fault
		return auth.AsError(err), true
	}
	// An E that is the cause of the refusal was not chosen to be sent, so the question
	// is which of the two holds the other.
	var chosen E
	if errors.As(err, &chosen) {
		var held *auth.Error
		if errors.As(error(chosen), &held) && held == refusal {
			return nil, false
		}
	}
	return refusal, true
}
