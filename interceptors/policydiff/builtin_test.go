package policydiff_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// What is built in is in force wherever the schema gives no other rule.
func TestDiffOfWhatHasABuiltInRule(t *testing.T) {
	t.Parallel()
	health := func(service, method string) []protoreflect.FileDescriptor {
		return []protoreflect.FileDescriptor{schematest.Parse(t, `
			name: "grpc/health/v1/health.proto" package: "grpc.health.v1" syntax: "proto3"
			message_type { name: "Nothing" }
			service { name: "Health" options { `+service+` } method {
				name: "Watch" input_type: ".grpc.health.v1.Nothing" output_type: ".grpc.health.v1.Nothing" server_streaming: true options { `+method+` }
			} }`)}
	}
	absent, plain := []protoreflect.FileDescriptor(nil), health("", "")
	const (
		forAll     = `[ostiary.policy.v1.default_rule] { authenticated {} }`
		ofOne      = `[ostiary.policy.v1.rule] { authenticated {} }`
		broken     = `[ostiary.policy.v1.rule] {}`
		anybody    = `[ostiary.policy.v1.rule] { public {} }`
		keptOpen   = `[ostiary.policy.v1.rule] { public {} stream { lease: LEASE_AT_OPEN } }`
		opened     = "looser public: open to anybody (before: a valid token)"
		restricted = "stricter asks for a valid token (before: anybody)"
	)
	for _, tt := range []struct {
		name          string
		before, after []protoreflect.FileDescriptor
		want          []string
	}{
		{"it loses its own rule", health("", ofOne), plain, []string{opened}},
		{"it loses the default of its service", health(forAll, ""), plain, []string{opened}},
		{"it goes, and its rule with it", health("", ofOne), absent, []string{opened}},
		{"it has the first rule of its own", plain, health("", ofOne), []string{restricted}},
		{"it comes with a rule of its own", absent, health(forAll, ""), []string{restricted}},
		{"it comes without", absent, plain, nil},
		{"it goes without", plain, absent, nil},
		{"its own rule is the built-in one", plain, health("", anybody), nil},
		{"its stream outlives the token by a rule of its own", absent, health("", keptOpen), []string{"looser stream: outlives its token (before: ends with its session)"}},
		{"its stream no longer does", health("", keptOpen), absent, []string{"stricter stream: ends with its session (before: outlives its token)"}},
		{"its own rule is empty, which is worse than none", plain, health("", broken), []string{"stricter there is no rule any more, and a server does not start without"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			changes := policydiff.Diff(tt.before, tt.after)
			if got := lines(changes); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			for _, c := range changes {
				if c.Procedure != "/grpc.health.v1.Health/Watch" {
					t.Errorf("the change is said to be of %s", c.Procedure)
				}
			}
		})
	}
}
