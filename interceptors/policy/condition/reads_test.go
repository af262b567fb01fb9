package condition_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

// What a condition reads of a request is found before the condition is checked.
func TestReads(t *testing.T) {
	t.Parallel()
	_, job, err := newJobs("request.text == identity.subject")
	if err != nil {
		t.Fatal(err)
	}
	const in = "acme.job.v1."
	for _, tt := range []struct {
		condition string
		request   bool
		fields    []string
	}{
		{"identity.subject == 'user_ada'", false, nil},
		{"request.text == identity.subject", true, []string{in + "Job.text"}},
		{".request.text == identity.subject", true, []string{in + "Job.text"}},
		{"request.part.name == 'x' || has(request.at)", true, []string{in + "Job.at", in + "Job.part", in + "Part.name"}},
		{"request.steps.all(s, s.name == identity.subject)", true, []string{in + "Job.steps", in + "Step.name"}},
		{"request.by_name['a'].name == 'x'", true, []string{in + "Job.by_name", in + "Step.name"}},
		{"request.steps[0] == request.steps[1]", true, []string{in + "Job.steps", in + "Step.name"}},
		{"[identity].all(request, request.subject == 'x')", false, nil},
		{"size(request.steps) == 1", true, []string{in + "Job.steps"}},
	} {
		expression, err := condition.Parse(tt.condition)
		if err != nil {
			t.Fatal(err)
		}
		reads := expression.Reads(job)
		if got := slices.Sorted(maps.Keys(reads.Fields)); reads.Request != tt.request || !slices.Equal(got, tt.fields) {
			t.Errorf("%s reads the request: %t, and %q", tt.condition, reads.Request, got)
		}
	}
	// A google.protobuf.Any may hold any message, nested ones too.
	expression, err := condition.Parse("request.any.name == 'x'")
	if err != nil {
		t.Fatal(err)
	}
	reads := expression.Reads(job)
	for _, name := range []string{in + "Step.name", in + "Job.PartByNameEntry.value", in + "Item.LabelsEntry.key"} {
		if reads.Fields[name] == "" {
			t.Errorf("what may be in an Any does not have %s", name)
		}
	}
	if got, want := reads.Fields[in+"Step.name"], "`string name = 1`"; got != want {
		t.Errorf("declared as %s, want %s", got, want)
	}
}

func TestExpressionsThatMeanTheSameHaveTheSameText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"identity.subject=='x'&&true", " ( identity.subject == \"x\" ) &&\n true // why"} {
		expression, err := condition.Parse(text)
		if err != nil || expression.String() != `identity.subject == "x" && true` {
			t.Errorf("%s: %v, error %v", text, expression, err)
		}
	}
	if _, err := condition.Parse("identity.subject =="); err == nil {
		t.Error("half a condition is read")
	}
}
