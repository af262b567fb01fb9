package reads_test

import (
	"maps"
	"slices"
	"testing"

	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ostiary/ostiary/interceptors/internal/reads"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
)

// jobSchema has a request with messages, lists, maps and a google.protobuf.Any.
const jobSchema = `
	name: "acme/job/v1/job.proto" package: "acme.job.v1" syntax: "proto3"
	dependency: "google/protobuf/any.proto" dependency: "google/protobuf/timestamp.proto"
	message_type { name: "Part" field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL } }
	message_type { name: "Step" field { name: "name" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL } }
	message_type { name: "Item"
		field { name: "labels" number: 1 type: TYPE_MESSAGE type_name: ".acme.job.v1.Item.LabelsEntry" label: LABEL_REPEATED }
		nested_type { name: "LabelsEntry" options { map_entry: true }
			field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
			field { name: "value" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
		}
	}
	message_type { name: "Job"
		field { name: "text" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
		field { name: "steps" number: 2 type: TYPE_MESSAGE type_name: ".acme.job.v1.Step" label: LABEL_REPEATED }
		field { name: "by_name" number: 3 type: TYPE_MESSAGE type_name: ".acme.job.v1.Job.ByNameEntry" label: LABEL_REPEATED }
		field { name: "at" number: 4 type: TYPE_MESSAGE type_name: ".google.protobuf.Timestamp" label: LABEL_OPTIONAL }
		field { name: "part" number: 5 type: TYPE_MESSAGE type_name: ".acme.job.v1.Part" label: LABEL_OPTIONAL }
		field { name: "any" number: 6 type: TYPE_MESSAGE type_name: ".google.protobuf.Any" label: LABEL_OPTIONAL }
		nested_type { name: "ByNameEntry" options { map_entry: true }
			field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
			field { name: "value" number: 2 type: TYPE_MESSAGE type_name: ".acme.job.v1.Step" label: LABEL_OPTIONAL }
		}
	}`

func TestReads(t *testing.T) {
	t.Parallel()
	job := schematest.Parse(t, jobSchema).Messages().ByName("Job")
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
		expression, err := reads.Parse(tt.condition)
		if err != nil {
			t.Fatal(err)
		}
		read := expression.Reads(job)
		if got := slices.Sorted(maps.Keys(read.Fields)); read.Read != tt.request || !slices.Equal(got, tt.fields) {
			t.Errorf("%s reads the request: %t, and %q", tt.condition, read.Read, got)
		}
	}
	// A google.protobuf.Any may hold any message, nested ones too.
	expression, err := reads.Parse("request.any.name == 'x'")
	if err != nil {
		t.Fatal(err)
	}
	read := expression.Reads(job)
	for _, name := range []string{in + "Step.name", in + "Job.ByNameEntry.value", in + "Item.LabelsEntry.key"} {
		if read.Fields[name] == "" {
			t.Errorf("what may be in an Any does not have %s", name)
		}
	}
	if got, want := read.Fields[in+"Step.name"], "`string name = 1`"; got != want {
		t.Errorf("declared as %s, want %s", got, want)
	}
}

func TestExpressionsThatMeanTheSameHaveTheSameText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"identity.subject=='x'&&true", " ( identity.subject == \"x\" ) &&\n true // why"} {
		expression, err := reads.Parse(text)
		if err != nil || expression.String() != `identity.subject == "x" && true` {
			t.Errorf("%s: %v, error %v", text, expression, err)
		}
	}
	if _, err := reads.Parse("identity.subject =="); err == nil {
		t.Error("half a condition is read")
	}
}
