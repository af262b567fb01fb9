package connectauth

import (
	"connectrpc.com/connect"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// OutlookOf says what the error of a client's call means for the next try, for
// [auth.Retry].
func OutlookOf(err error) auth.Outlook {
	if reason, ok := ReasonOf(err); ok {
		return reason.Outlook()
	}
	return auth.Code(connect.CodeOf(err)).Outlook()
}
