package server

import (
	"context"
	"strings"
	"time"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	tokenv1 "github.com/ostiary/ostiary/gen/ostiary/token/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

const (
	maxExplainedBytes = 64 << 10
	// explainTimeout bounds the wait for an issuer's keys.
	explainTimeout = 5 * time.Second
)

// tokenService implements TokenService for both transports. Its rule asks for a token; whether
// its bearer is an operator is decided here.
type tokenService struct {
	verifier    *token.Verifier
	revocations auth.Revocations
	access      *liveAccess
	operators   operators
}

// ExplainToken implements both the connect and the grpc-go interface.
func (s *tokenService) ExplainToken(ctx context.Context, req *tokenv1.ExplainTokenRequest) (*tokenv1.ExplainTokenResponse, error) {
	if err := s.operators.require(auth.MustCurrentIdentity(ctx)); err != nil {
		return nil, err
	}
	var faults rpcerror.Violations
	faults.RefuseUnknown(req)
	raw := req.GetToken()
	switch {
	case raw == "":
		faults.Add("token", "is missing; send the token without Bearer")
	case len(raw) > maxExplainedBytes:
		faults.Add("token", "is longer than 64 KiB, which is no token")
	}
	access := s.access.Load()
	var methods []method
	if len(req.GetProcedures()) > 0 {
		methods = access.named(req.GetProcedures(), &faults)
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	explanation, id := s.verifier.Explain(ctx, raw)
	res := &tokenv1.ExplainTokenResponse{SignatureVerified: explanation.Verified()}
	for _, check := range explanation {
		res.Checks = append(res.Checks, checkMessage(&check))
	}
	res.Checks = append(res.Checks, s.revocation(id))
	if id == nil {
		return res, nil
	}
	res.Identity = identityMessage(id)
	var err error
	if res.Explanations, err = access.explanations(ctx, methods, id); err != nil {
		return nil, err
	}
	return res, nil
}

// revocation is the check whether a token is revoked; without an identity nobody can be asked.
func (s *tokenService) revocation(id *auth.Identity) *tokenv1.TokenCheck {
	check := token.Check{Name: "revocation", Skipped: id == nil}
	if id != nil {
		check.Configured, check.Received = "not revoked", "not revoked"
		if err := s.revocations.Revoked(id); err != nil {
			check.Received, check.Refusal = "revoked", auth.AsError(err)
		}
	}
	return checkMessage(&check)
}

func checkMessage(check *token.Check) *tokenv1.TokenCheck {
	message := &tokenv1.TokenCheck{
		Name: check.Name, Outcome: tokenv1.TokenCheckOutcome_TOKEN_CHECK_OUTCOME_PASSED,
		Configured: check.Configured, Received: strings.ToValidUTF8(check.Received, "�"),
	}
	switch {
	case check.Skipped:
		message.Outcome = tokenv1.TokenCheckOutcome_TOKEN_CHECK_OUTCOME_SKIPPED
	case check.Refusal != nil:
		message.Outcome = tokenv1.TokenCheckOutcome_TOKEN_CHECK_OUTCOME_FAILED
		message.Reason = errorv1.Reason(errorv1.Reason_value["REASON_"+check.Refusal.Reason.String()])
		if cause := check.Refusal.Unwrap(); cause != nil {
			message.Cause = strings.ToValidUTF8(cause.Error(), "�")
		}
	}
	return message
}

// grpcToken is the service as grpc-go wants it.
type grpcToken struct {
	tokenv1.UnsafeTokenServiceServer
	*tokenService
}
