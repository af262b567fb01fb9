package served

import (
	"context"

	"google.golang.org/protobuf/types/known/wrapperspb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/token"

	"github.com/ostiary/ostiary/bench/verifiers"
)

// The service does as little as a service can, which makes everything around it
// weigh the most.
const (
	serviceName      = "ostiary.bench.v1.EchoService"
	unaryProcedure   = "/" + serviceName + "/Unary"   // text for text
	receiveProcedure = "/" + serviceName + "/Receive" // a number for that many texts
	sendProcedure    = "/" + serviceName + "/Send"    // texts for their number
	watchProcedure   = "/" + serviceName + "/Watch"   // a text, and nothing more until the stream is ended
)

// text is what is sent, about as long as the smaller messages of real services.
const text = "the quick brown fox jumps over the lazy dog"

func unary(_ context.Context, request *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	return request, nil
}

// receive sends what was asked for.
func receive(request *wrapperspb.Int64Value, send func(*wrapperspb.StringValue) error) error {
	message := wrapperspb.String(text)
	for range request.GetValue() {
		if err := send(message); err != nil {
			return err
		}
	}
	return nil
}

// watch says that it is there, and waits.
func watch(ctx context.Context, send func(*wrapperspb.StringValue) error) error {
	if err := send(wrapperspb.String(text)); err != nil {
		return err
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// ours makes ostiary's guard. Its rule asks for more than any peer checks.
func (c Config) ours(ctx context.Context) (*auth.Guard, error) {
	var keys jwks.Set
	keys, err := verifiers.Keys(ctx, c.Trust)
	if err != nil {
		return nil, err
	}
	var config token.Config
	if c.Guard == OursCold {
		config.CacheEntries = -1
	}
	verifier, err := verifiers.NewOurs(c.Trust, keys, config)
	if err != nil {
		return nil, err
	}
	rule := &policyv1.Rule{Access: &policyv1.Rule_Require{Require: &policyv1.Require{
		AllPermissions: []string{"org:invoices:read"},
	}}}
	rules, err := policy.New(
		policy.Override(unaryProcedure, rule),
		policy.Override(receiveProcedure, rule),
		policy.Override(sendProcedure, rule),
		policy.Override(watchProcedure, rule),
	)
	if err != nil {
		return nil, err
	}
	return &auth.Guard{Authenticator: verifier, Policy: rules, Revocations: c.revoked}, nil
}
