package policy_test

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
)

// TestExtensionNumber fails if the number of an option changes. Compiled schemas and
// copies of ours contain the number, and buf breaking does not compare it.
func TestExtensionNumber(t *testing.T) {
	t.Parallel()
	const registered = 1517 // docs/extension-number.md
	for _, extension := range []protoreflect.ExtensionType{
		policyv1.E_Rule, policyv1.E_DefaultRule, errorv1.E_ReasonDomain, errorv1.E_ReasonDetail,
	} {
		descriptor := extension.TypeDescriptor()
		if got := descriptor.Number(); got != registered {
			t.Errorf("%s has the number %d, want %d", descriptor.FullName(), got, registered)
		}
	}
}
