package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
	"github.com/ostiary/ostiary/server/internal/store"
)

// once does what a call asks for, unless the caller has made the same call before with
// this request_id: then it returns the answer of that one. The request is what the call
// means, without the request_id. do gives the answer to the ledger, which keeps it
// together with what is revoked; the answer is nil for a call without request_id. What an
// earlier answer says of who revoked and why, and by may not know any more, is left out.
func once[M any, R interface {
	*M
	proto.Message
	GetRevocations() []*revocationv1.Revocation
}](ctx context.Context, l *ledger.Ledger, operators operators, by *auth.Identity, procedure, requestID string, request proto.Message, do func(*store.Answer) (R, error),
) (R, error) {
	if requestID == "" {
		return do(nil)
	}
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	hash := sha256.Sum256(encoded)
	call := store.Call{Issuer: by.Issuer, Subject: by.Subject, Procedure: procedure, RequestID: requestID}
	for again := false; ; {
		earlier, answer, err := l.Answer(ctx, call)
		switch {
		case err != nil:
			return nil, err
		case answer != nil && !bytes.Equal(earlier, hash[:]):
			return nil, rpcerror.New(errorv1.Reason_REASON_REQUEST_ID_REUSED)
		case answer != nil:
			res := R(new(M))
			if err := proto.Unmarshal(answer, res); err != nil {
				return nil, fmt.Errorf("decode the earlier answer: %w", err)
			}
			for _, r := range res.GetRevocations() {
				caller := r.GetOrigin().GetCaller()
				if !operators.mayKnowOrigin(by, caller.GetIssuer(), caller.GetSubject()) {
					r.Origin, r.Cause = nil, ""
				}
			}
			return res, nil
		}
		kept := &store.Answer{Call: call, Hash: hash[:]}
		res, err := do(kept)
		nothingLeft := err == nil && kept.At.IsZero() && !again
		if !nothingLeft && !errors.Is(err, store.ErrAnswered) {
			return res, err
		}
		again = true // a call at the same time has answered, or may have and left nothing to do
	}
}
