package policydiff_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// The limits of time are generous, for machines that are busy: alone it takes less
// than a second. Every new method is compared with every one that is gone.
func TestAThousandMethodsUnderOtherNames(t *testing.T) {
	t.Parallel()
	const methods = 1000
	before, after := make(schematest.Rules), make(schematest.Rules)
	for i := range methods {
		text := fmt.Sprintf("request.owner == identity.subject || request.owner == 'user_%d'", i)
		before[fmt.Sprintf("Old%d", i)] = schematest.Require(&policyv1.Require{
			AnyRole: []string{"admin", fmt.Sprintf("role%d", i)}, AllScopes: []string{"email"}, Condition: text,
		})
		after[fmt.Sprintf("New%d", i)] = schematest.Require(&policyv1.Require{
			AnyRole: []string{"admin", fmt.Sprintf("role%d", i+1)}, Condition: text,
		})
	}
	start := time.Now()
	changes := diff(t, schematest.NewSchema(t, nil, before), schematest.NewSchema(t, nil, after))
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
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
	start := time.Now()
	changes := diff(t, before, after)
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
	if got := told(changes); len(got) != 2 || !strings.HasSuffix(got[0], "is enough too") || changes[0].Verdict != policydiff.Looser {
		t.Errorf("%d changes", len(got))
	}
}
