package policydiff_test

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

// newPolicy compiles the rules of a schema, which must be valid.
func newPolicy(t testing.TB, file protoreflect.FileDescriptor) *policy.Policy {
	t.Helper()
	p, err := policy.New(policy.Files(file), condition.Evaluator())
	if err != nil {
		t.Fatal(err)
	}
	return p
}
