package rpcerror

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/internal/logtext"
)

// The limits of what is sent about a request. Details travel in headers, and some
// clients accept no more than 8 KiB of these.
const (
	maxViolations = 25 // in the google.rpc.BadRequest
	maxSentences  = 3  // in the message
)

// Violations are what is wrong with a request. The zero value has none.
type Violations struct {
	first []*errdetails.BadRequest_FieldViolation // up to maxViolations
	count int
}

// Add adds what is wrong with a field, and what to do. The field is a path in the
// request, such as `revocations[2].target.session.issuer`. The format is that of
// fmt.Sprintf.
func (v *Violations) Add(field, format string, args ...any) {
	v.count++
	if v.count <= maxViolations {
		v.first = append(v.first, &errdetails.BadRequest_FieldViolation{Field: field, Description: fmt.Sprintf(format, args...)})
	}
}

// Fields returns the violations, up to the first 25.
func (v *Violations) Fields() []*errdetails.BadRequest_FieldViolation { return v.first }

// Err returns INVALID_REQUEST with a google.rpc.BadRequest that has the violations, up
// to the first 25. It returns nil if there are none. Logs show the fields alone, since the
// descriptions can quote the request.
func (v *Violations) Err() error {
	if v.count == 0 {
		return nil
	}
	fields := make([]string, len(v.first))
	for i, violation := range v.first {
		fields[i] = violation.GetField()
	}
	return v.err(errors.New("fields at fault: " + logtext.List(fields)))
}

func (v *Violations) err(cause error) error {
	return New(errorv1.Reason_REASON_INVALID_REQUEST,
		Message("%s", v.sentence()),
		detail(&errdetails.BadRequest{FieldViolations: v.first}),
		Cause(cause),
	)
}

// sentence returns the first violations, and how many more there are.
func (v *Violations) sentence() string {
	var sentences []string
	for _, violation := range v.first[:min(v.count, maxSentences)] {
		sentence := violation.GetDescription()
		if violation.GetField() != "" {
			sentence = violation.GetField() + ": " + sentence
		}
		sentences = append(sentences, sentence)
	}
	if more := v.count - len(sentences); more > 0 {
		sentences = append(sentences, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(sentences, "; ")
}

// Unreadable returns INVALID_REQUEST for a request of which also the name of the field comes
// from the caller, so that logs show nothing of it.
func Unreadable(field, format string, args ...any) error {
	var v Violations
	v.Add(field, format, args...)
	return v.err(errUnreadable)
}

var errUnreadable = errors.New("the message cannot be read, or has a field that is not known")

// Invalid returns INVALID_REQUEST for one field, as Violations do.
func Invalid(field, format string, args ...any) error {
	var v Violations
	v.Add(field, format, args...)
	return v.Err()
}
