package grpcauth

import (
	"context"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/refusal"
)

// ReasonOf returns the reason of the refusal that a client received, and
// whether err is one.
func ReasonOf(err error) (auth.Reason, bool) {
	received, ok := status.FromError(err)
	if !ok {
		return auth.AuthFailure, false
	}
	for _, detail := range received.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == auth.ErrorDomain {
			return auth.ParseReason(info.GetReason())
		}
	}
	return auth.AuthFailure, false
}

// translate gives a refusal that a handler returned the form that grpc-go sends.
// Any other error stays as it is, and so does a refusal inside a status: the
// handler chose what to send.
func translate(ctx context.Context, guard *auth.Guard, err error) error {
	if found, ok := refusal.In[withStatus](err); ok {
		return refuse(ctx, guard, found)
	}
	return err
}

// withStatus is how grpc-go knows an error that says what to send.
type withStatus interface {
	error
	GRPCStatus() *status.Status
}

// refuse returns the error that grpc-go sends for a refusal, and sets the
// challenge in the call's trailer.
func refuse(ctx context.Context, guard *auth.Guard, refusal *auth.Error) *statusError {
	if challenge := guard.Challenge(refusal); challenge != "" {
		// It fails only where there is no call to answer, as in a test that
		// calls the interceptor by itself.
		_ = grpc.SetTrailer(ctx, metadata.Pairs("www-authenticate", challenge))
	}
	return &statusError{refusal: refusal, sent: status.FromProto(&spb.Status{
		Code:    int32(refusal.Code()), //nolint:gosec // a small number
		Message: refusal.Sentence(),
		Details: refusal.Details(auth.RequestID(ctx)),
	})}
}

// statusError is a refusal with the status that the caller gets. Interceptors
// find the refusal itself, with its cause, by errors.AsType.
type statusError struct {
	refusal *auth.Error
	sent    *status.Status
}

func (e *statusError) Error() string              { return e.refusal.Error() }
func (e *statusError) Unwrap() error              { return e.refusal }
func (e *statusError) GRPCStatus() *status.Status { return e.sent }
