package connectauth

import (
	"context"
	"errors"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/refusal"
)

// ReasonOf returns the reason of the refusal that a client received, and
// whether err is one.
func ReasonOf(err error) (auth.Reason, bool) {
	for _, detail := range detailsOf(err) {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == auth.ErrorDomain {
			return auth.ParseReason(info.GetReason())
		}
	}
	return auth.AuthFailure, false
}

// detailsOf returns the details of the error that a client received.
func detailsOf(err error) []proto.Message {
	received, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return nil
	}
	details := make([]proto.Message, 0, len(received.Details()))
	for _, detail := range received.Details() {
		if value, err := detail.Value(); err == nil { // it fails where this program does not know the type
			details = append(details, value)
		}
	}
	return details
}

// translate gives a refusal that a handler returned the form that connect sends.
// Any other error stays as it is, and so does a refusal inside a *connect.Error:
// the handler chose what to send.
func translate(ctx context.Context, guard *auth.Guard, err error, protocol string) error {
	if found, ok := refusal.In[*connect.Error](err); ok {
		return refuse(ctx, guard, found, protocol)
	}
	return err
}

// refuse returns the error that connect sends for a refusal.
func refuse(ctx context.Context, guard *auth.Guard, refusal *auth.Error, protocol string) *connect.Error {
	sent := connect.NewError(connect.Code(refusal.Code()), sentence{refusal})
	for _, encoded := range refusal.Details(auth.RequestID(ctx)) {
		if detail, err := connect.NewErrorDetail(encoded); err == nil {
			sent.AddDetail(detail)
		}
	}
	// net/http drops the header from the trailers of gRPC, with a line in the
	// server's log each time.
	if challenge := guard.Challenge(refusal); challenge != "" && protocol != connect.ProtocolGRPC {
		sent.Meta().Set("WWW-Authenticate", challenge)
	}
	return sent
}

// sentence is a refusal whose text is what the caller may read. Interceptors
// find the refusal itself, with its cause, by errors.AsType.
type sentence struct{ refusal *auth.Error }

func (s sentence) Error() string { return s.refusal.Sentence() }
func (s sentence) Unwrap() error { return s.refusal }
