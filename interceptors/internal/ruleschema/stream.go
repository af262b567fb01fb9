package ruleschema

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
)

// StreamTerms returns the terms of a rule's streams, or everything that is wrong
// with them. A rule without a stream part has the default terms.
func StreamTerms(s *policyv1.Stream) (terms auth.StreamTerms, problems []error) {
	switch s.GetLease() {
	case policyv1.Stream_LEASE_UNSPECIFIED, policyv1.Stream_LEASE_RENEWABLE:
	case policyv1.Stream_LEASE_UNTIL_EXPIRY:
		terms.Lease = auth.LeaseUntilExpiry
	case policyv1.Stream_LEASE_AT_OPEN:
		terms.Lease = auth.LeaseAtOpen
	default:
		problems = append(problems, fmt.Errorf("stream: lease %d is not one that this version knows: use one of policy.proto's", s.GetLease()))
	}
	if lifetime := s.GetMaxLifetime(); lifetime != nil {
		terms.MaxLifetime = lifetime.AsDuration()
		if err := lifetime.CheckValid(); err != nil || terms.MaxLifetime <= 0 {
			problems = append(problems, fmt.Errorf("stream: no stream can live for a max_lifetime of %v: set more than zero, or leave it out for a day", terms.MaxLifetime))
		}
	}
	return terms, problems
}

// IsStream reports whether calls of a method are streams. It reports false for a
// method that is nil, of which there is no schema.
func IsStream(method protoreflect.MethodDescriptor) bool {
	return method != nil && (method.IsStreamingClient() || method.IsStreamingServer())
}
