package policydiff_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/internal/schematest"
)

// linkSchema is of the second version of the language, in which what is read of a
// field that is not there is the schema's to say.
const linkSchema = `
	name: "acme/link/v1/link.proto" package: "acme.link.v1" syntax: "proto2"
	message_type { name: "Link"
		field { name: "uses" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
		field { name: "state" number: 2 type: TYPE_ENUM type_name: ".acme.link.v1.State" label: LABEL_OPTIONAL }
		field { name: "seen" number: 4 type: TYPE_ENUM type_name: ".acme.link.v1.State" label: LABEL_REPEATED }
		field { name: "owner" number: 5 type: TYPE_STRING label: LABEL_OPTIONAL default_value: "nobody" }
		field { name: "group" number: 6 type: TYPE_GROUP type_name: ".acme.link.v1.Link.Group" label: LABEL_OPTIONAL }
		nested_type { name: "Group" field { name: "owner" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL } }
	}
	message_type { name: "Limits" field { name: "most" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL default_value: "3" } }
	enum_type { name: "State" value { name: "SHUT" number: 1 } value { name: "OPEN" number: 2 } }
	service { name: "LinkService" method {
		name: "Get" input_type: ".acme.link.v1.Link" output_type: ".acme.link.v1.Link"
		options { [ostiary.policy.v1.rule] { require { condition: "CONDITION" } } }
	} }`

func TestDiffOfWhatAConditionReadsOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	const (
		states    = `value { name: "SHUT" number: 1 } value { name: "OPEN" number: 2 }`
		reordered = `value { name: "OPEN" number: 2 } value { name: "SHUT" number: 1 }`
		uses      = `name: "uses" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL`
	)
	for _, tt := range []struct {
		name      string
		condition string
		old, new  string // of the schema's text, once
		want      string // what is read; "" where there is nothing to tell
	}{
		{"the default is another", "request.owner == identity.subject", `default_value: "nobody"`, `default_value: "user_ann"`, "acme.link.v1.Link.owner as `optional string owner = 5 [default = user_ann]` (before: `optional string owner = 5 [default = nobody]`)"},
		{"the default of a message of our own is another", "request.uses < acme.link.v1.Limits{}.most", `default_value: "3"`, `default_value: "3000"`, "acme.link.v1.Limits.most as `optional int32 most = 1 [default = 3000]` (before: `optional int32 most = 1 [default = 3]`)"},
		{"the field is required", "request.uses < 3", uses, `name: "uses" number: 1 type: TYPE_INT32 label: LABEL_REQUIRED`, "acme.link.v1.Link.uses as `required int32 uses = 1` (before: `optional int32 uses = 1`)"},
		{"the group is a message", "request.group.owner == identity.subject", "TYPE_GROUP", "TYPE_MESSAGE", "acme.link.v1.Link.group as `acme.link.v1.Link.Group group = 6` (before: `group acme.link.v1.Link.Group group = 6`)"},
		{"the first value of the enum is another", "request.state == acme.link.v1.State.OPEN", states, reordered, "acme.link.v1.Link.state as `optional acme.link.v1.State state = 2 [default = 2]` (before: `optional acme.link.v1.State state = 2 [default = 1]`)"},
		{"the first value of the enum is zero", "request.state == acme.link.v1.State.OPEN", states, `value { name: "NONE" number: 0 } ` + states, "acme.link.v1.Link.state as `optional acme.link.v1.State state = 2` (before: `optional acme.link.v1.State state = 2 [default = 1]`)"},
		{"the first value of an enum in a list, where each is there", "acme.link.v1.State.OPEN in request.seen", states, reordered, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := strings.Replace(linkSchema, "CONDITION", tt.condition, 1)
			if !strings.Contains(before, tt.old) {
				t.Fatalf("the schema does not have %s", tt.old)
			}
			var want []string
			if tt.want != "" {
				want = []string{"undecidable condition: " + tt.condition + ": it is the same, but now reads " + tt.want + ": which of the two lets more callers pass cannot be decided"}
			}
			after := strings.Replace(before, tt.old, tt.new, 1)
			newPolicy(t, schematest.Parse(t, before)) // the condition is in order
			if got := lines(diff(t, schematest.Parse(t, before), schematest.Parse(t, after))); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}
