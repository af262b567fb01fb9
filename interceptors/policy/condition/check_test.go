package condition_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
)

// Names that a schema may have, and that begin like the variables of a condition:
// an enum without package, a package of enums and messages, and the variable of a
// loop. request.owner, identity.subject and note.owner would all be constants.
const (
	enumsFile = `name: "enums.proto" syntax: "proto3"
		enum_type { name: "request" value { name: "owner" number: 0 } }
		enum_type { name: "note" value { name: "notes" number: 0 } }`
	identityFile = `name: "identity.proto" package: "identity" syntax: "proto3"
		enum_type { name: "Kind" value { name: "ROBOT" number: 0 } }
		enum_type { name: "organization" value { name: "id" number: 0 } }
		message_type { name: "subject" }
		message_type { name: "Note"
			field { name: "owner" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
			field { name: "notes" number: 2 type: TYPE_MESSAGE type_name: ".identity.Note" label: LABEL_REPEATED }
		}`
	servedFile = `name: "served.proto" package: "identity.v1" syntax: "proto3"
		dependency: "enums.proto" dependency: "identity.proto"
		service { name: "S" method { name: "M" input_type: ".identity.Note" output_type: ".identity.Note" } }`
)

func newServed(t *testing.T, text string) (*policy.Policy, *dynamicpb.Message, error) {
	t.Helper()
	set := new(descriptorpb.FileDescriptorSet)
	for _, file := range []string{enumsFile, identityFile, servedFile} {
		described := new(descriptorpb.FileDescriptorProto)
		if err := prototext.Unmarshal([]byte(file), described); err != nil {
			t.Fatal(err)
		}
		set.File = append(set.File, described)
	}
	// The request's own file imports what would hide the variables.
	set.File[1].Dependency = []string{"enums.proto"}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		t.Fatal(err)
	}
	served, err := files.FindFileByPath("served.proto")
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.New(policy.Files(served), policy.Override("/identity.v1.S/M", schematest.Condition(text)), condition.Enable())
	note := dynamicpb.NewMessage(served.Services().Get(0).Methods().Get(0).Input())
	return p, note, err
}

func TestVariablesWinOverNamesOfTheSchema(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want string // of the fault at start; "" where the condition compiles and holds for ada, and not for eve
	}{
		{"request.owner == identity.subject", ""},
		{".request.owner == .identity.subject", ""},
		{"identity.subject == request.owner && identity.organization.id == 'org_acme'", ""},
		{"request.notes.all(note, note.notes.size() == 0 && note.owner == identity.subject)", ""},
		{"request.notes.exists(request, request.owner == identity.subject)", ""},
		{"request.notes.exists(identity, identity.owner == .identity.subject)", ""},
		{"has(identity.organization.id) && has(request.owner)", ""},
		{"{identity.subject: [request.owner]}[identity.subject] == [identity.subject]", ""},
		{"(request.owner == identity.subject ? 'a' : 'b') == 'a'", ""},
		{"request.owner == 0", "found no matching overload for '_==_'"},
		{"identity.organization.id == 0", "found no matching overload for '_==_'"},
		{"identity.Kind.ROBOT == 0 && request.owner == 'user_ada'", "undefined field 'Kind'"},
		{".identity.Kind.ROBOT == 0 && request.owner == 'user_ada'", "undefined field 'Kind'"},
		{"type(request) == identity.Note && request.owner == 'user_ada'", "undefined field 'Note'"},
		{"identity.Note{owner: request.owner} == request", "condition, line 1, column 14: identity.Note is no message here: identity is the variable"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			p, note, err := newServed(t, tt.text)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := prototext.Unmarshal([]byte(`owner: 'user_ada' notes { owner: 'user_ada' }`), note); err != nil {
				t.Fatal(err)
			}
			rule, ok := p.Rule("/identity.v1.S/M").(auth.MessageRule)
			if !ok {
				t.Fatal("the condition does not read the request")
			}
			schematest.AssertReason(t, rule.CheckMessage(&auth.Identity{Subject: "user_ada", Organization: auth.Organization{ID: "org_acme"}}, note), schematest.Pass)
			schematest.AssertReason(t, rule.CheckMessage(&auth.Identity{Subject: "user_eve"}, note), auth.ConditionNotMet)
		})
	}
}

func TestUnlimitedWorkIsRefusedAtStart(t *testing.T) {
	t.Parallel()
	const (
		looks   = "condition: it looks into a google.protobuf.Any, of which nothing is known at start"
		pattern = "condition: the pattern of matches is not written out"
	)
	for text, want := range map[string]string{
		"request.any.name == 'x'":                           looks,
		"request.anys[0].name == 'x'":                       looks,
		"request.anys.exists(a, a.name == 'x')":             looks,
		"request.any == request.any":                        looks,
		"request.part == request.part":                      looks,
		"dyn(request.part) == request":                      looks,
		"size(request.any) > 3":                             looks,
		"request.any.size() > 3":                            looks,
		"size(request.any['x']) > 3":                        looks,
		"request.anys.all(a, size(a) == 1)":                 looks,
		"request.any['x'].all(a, identity.kind == 'oauth')": looks,
		"request.anys.exists(a, identity.kind == 'x')":      looks,
		"size(request.part_by_name['a'].any) == 1":          looks,
		"request.anys.size() == 1":                          "",
		"has(request.any) && has(request.part.any)":         "",
		"request.part.name == identity.subject":             "",
		"request.text.matches(identity.subject)":            pattern,
		"matches(request.text, request.text)":               pattern,
		"dyn(request.text).matches('a' + 'b')":              pattern,
		"request.ids.all(i, request.text.matches(i))":       pattern,
		"request.ids.all(i, i.matches('^[a-z0-9]+$'))":      "",
	} {
		_, _, err := newJobs(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}
