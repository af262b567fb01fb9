package policydiff_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// renamed returns a schema, and one in which each of its methods has another name
// and a laxer rule.
func renamed(t testing.TB, methods int) (before, after protoreflect.FileDescriptor) {
	t.Helper()
	old, now := make(schematest.Rules), make(schematest.Rules)
	for i := range methods {
		text := fmt.Sprintf("request.owner == identity.subject || request.owner == 'user_%d'", i)
		old[fmt.Sprintf("Old%d", i)] = schematest.Require(&policyv1.Require{
			AnyRole: []string{"admin", fmt.Sprintf("role%d", i)}, AllScopes: []string{"email"}, Condition: text,
		})
		now[fmt.Sprintf("New%d", i)] = schematest.Require(&policyv1.Require{
			AnyRole: []string{"admin", fmt.Sprintf("role%d", i+1)}, Condition: text,
		})
	}
	return schematest.NewSchema(t, nil, old), schematest.NewSchema(t, nil, now)
}

// Every new method is compared with every one that is gone, so that this would
// run into the limit of the whole run if a comparison were slow.
func TestAThousandMethodsUnderOtherNames(t *testing.T) {
	t.Parallel()
	const methods = 1000
	before, after := renamed(t, methods)
	changes := diff(t, before, after)
	loosening := 0
	for _, change := range changes {
		if change.Verdict.Loosens() {
			loosening++
		}
		if len(change.Text) > 2000 {
			t.Fatalf("the text of %s has %d bytes", change.Procedure, len(change.Text))
		}
	}
	if loosening != methods {
		t.Errorf("%d of %d new methods may let more callers pass", loosening, methods)
	}
}

func TestTwoRulesOfManyNames(t *testing.T) {
	t.Parallel()
	const roles = 100_000
	named := func(format string) schematest.Rules {
		all := make([]string, roles)
		for i := range all {
			all[i] = fmt.Sprintf(format, i)
		}
		return schematest.Rules{"M": schematest.Require(&policyv1.Require{AnyRole: all})}
	}
	before, after := schematest.NewSchema(t, nil, named("a%d")), schematest.NewSchema(t, nil, named("b%d"))
	changes := diff(t, before, after)
	if got := lines(changes); len(got) != 2 || !strings.HasSuffix(got[0], "is enough too") || changes[0].Verdict != policydiff.Looser {
		t.Errorf("%d changes", len(got))
	}
}

func BenchmarkRenames(b *testing.B) {
	for _, methods := range []int{100, 300, 1000} {
		b.Run(fmt.Sprint(methods), func(b *testing.B) {
			before, after := renamed(b, methods)
			for b.Loop() {
				policydiff.Diff([]protoreflect.FileDescriptor{before}, []protoreflect.FileDescriptor{after})
			}
		})
	}
}
