package policydiff_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// folderSchema has a condition for its only method.
const folderSchema = `
	name: "acme/folder/v1/folder.proto" package: "acme.folder.v1" syntax: "proto3"
	dependency: "google/protobuf/any.proto" dependency: "google/protobuf/struct.proto"
	message_type { name: "Note"
		field { name: "owner" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
		field { name: "title" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
	}
	message_type { name: "Folder"
		field { name: "user" number: 31 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
		field { name: "team" number: 32 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
		oneof_decl { name: "target" }
		field { name: "owner" number: 11 type: TYPE_STRING label: LABEL_OPTIONAL }
		field { name: "first" number: 12 type: TYPE_MESSAGE type_name: ".acme.folder.v1.Note" label: LABEL_OPTIONAL }
		field { name: "notes" number: 13 type: TYPE_MESSAGE type_name: ".acme.folder.v1.Note" label: LABEL_REPEATED }
		field { name: "by_name" number: 14 type: TYPE_MESSAGE type_name: ".acme.folder.v1.Folder.ByNameEntry" label: LABEL_REPEATED }
		field { name: "state" number: 15 type: TYPE_ENUM type_name: ".acme.folder.v1.State" label: LABEL_OPTIONAL }
		field { name: "any" number: 16 type: TYPE_MESSAGE type_name: ".google.protobuf.Any" label: LABEL_OPTIONAL }
		field { name: "data" number: 17 type: TYPE_MESSAGE type_name: ".google.protobuf.Struct" label: LABEL_OPTIONAL }
		field { name: "size" number: 18 type: TYPE_INT32 label: LABEL_OPTIONAL }
		field { name: "states" number: 19 type: TYPE_MESSAGE type_name: ".acme.folder.v1.Folder.StatesEntry" label: LABEL_REPEATED }
		nested_type { name: "StatesEntry" options { map_entry: true }
			field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
			field { name: "value" number: 2 type: TYPE_ENUM type_name: ".acme.folder.v1.State" label: LABEL_OPTIONAL }
		}
		nested_type { name: "ByNameEntry" options { map_entry: true }
			field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
			field { name: "value" number: 2 type: TYPE_MESSAGE type_name: ".acme.folder.v1.Note" label: LABEL_OPTIONAL }
		}
	}
	message_type { name: "Other"
		nested_type { name: "Inner" field { name: "depth" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL } }
		enum_type { name: "Limit" value { name: "NONE" number: 0 } value { name: "MOST" number: 4 } }
		field { name: "owner" number: 11 type: TYPE_STRING label: LABEL_OPTIONAL }
	}
	enum_type { name: "State" value { name: "OPEN" number: 0 } value { name: "SHUT" number: 1 } }
	service { name: "FolderService" method {
		name: "Get" input_type: ".acme.folder.v1.Folder" output_type: ".acme.folder.v1.Note"
		options { [ostiary.policy.v1.rule] { require { condition: %q } } }
	} }`

// A condition that stays as it is means something else where what it reads does
// not.
func TestDiffOfWhatAConditionReads(t *testing.T) {
	t.Parallel()
	const (
		folderOwner  = `field { name: "owner" number: 11 type: TYPE_STRING label: LABEL_OPTIONAL }`
		noteOwner    = `field { name: "owner" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }`
		noteOwner9   = `field { name: "owner" number: 9 type: TYPE_STRING label: LABEL_OPTIONAL }`
		noteTitle    = `field { name: "title" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }`
		titleAndMore = noteTitle + ` field { name: "more" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL }`
		teamMember   = `field { name: "team" number: 32 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }`
		owned        = "request.owner == identity.subject"
		noteMoved    = "acme.folder.v1.Note.owner as `string owner = 9` (before: `string owner = 1`)"
		noteGrew     = "acme.folder.v1.Note.more as `string more = 3` (before: nothing)"
	)
	shutMeans := func(is, was string) string { return "acme.folder.v1.State.SHUT as " + is + " (before: " + was + ")" }
	for _, tt := range []struct {
		name      string
		condition string
		old, new  string // of the schema's text, once
		want      string // what is read; "" where there is nothing to say
	}{
		{"the field has another number", owned, folderOwner, `field { name: "owner" number: 5 type: TYPE_STRING label: LABEL_OPTIONAL }`, "acme.folder.v1.Folder.owner as `string owner = 5` (before: `string owner = 11`)"},
		{"the field is of another type", owned, folderOwner, `field { name: "owner" number: 11 type: TYPE_BYTES label: LABEL_OPTIONAL }`, "acme.folder.v1.Folder.owner as `bytes owner = 11` (before: `string owner = 11`)"},
		{"the field is repeated", owned, folderOwner, `field { name: "owner" number: 11 type: TYPE_STRING label: LABEL_REPEATED }`, "acme.folder.v1.Folder.owner as `repeated string owner = 11` (before: `string owner = 11`)"},
		{"the field can be absent", owned, folderOwner, `field { name: "owner" number: 11 type: TYPE_STRING label: LABEL_OPTIONAL proto3_optional: true oneof_index: 1 } oneof_decl { name: "_owner" }`, "acme.folder.v1.Folder.owner as `optional string owner = 11` (before: `string owner = 11`)"},
		{"another field can take its place", owned, folderOwner, `field { name: "owner" number: 11 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 1 } oneof_decl { name: "who" }`, "acme.folder.v1.Folder.owner as `oneof who string owner = 11` (before: `string owner = 11`)"},
		{"the field has another name in JSON", owned, folderOwner, `field { name: "owner" number: 11 type: TYPE_STRING label: LABEL_OPTIONAL json_name: "who" }`, "acme.folder.v1.Folder.owner as `string owner = 11 [json_name = \"who\"]` (before: `string owner = 11`)"},
		{"another field has its name in JSON", owned, `name: "title" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
	}
	message_type { name: "Folder"`, `name: "title" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
	}
	message_type { name: "Folder" field { name: "who" number: 41 type: TYPE_STRING label: LABEL_OPTIONAL json_name: "owner" }`, "acme.folder.v1.Folder.owner as `string owner = 11 [\"owner\" is who in JSON]` (before: `string owner = 11`)"},
		{"the field is gone", owned, folderOwner, "", "acme.folder.v1.Folder.owner as nothing (before: `string owner = 11`)"},
		{"the request is of another type", owned, `input_type: ".acme.folder.v1.Folder"`, `input_type: ".acme.folder.v1.Other"`, "acme.folder.v1.Other (before: acme.folder.v1.Folder)"},
		{"the condition only asks whether the field is there", "has(request.first) && request.size == 1", `name: "first" number: 12`, `name: "first" number: 20`, "acme.folder.v1.Folder.first as `acme.folder.v1.Note first = 20` (before: `acme.folder.v1.Note first = 12`)"},

		{"the condition first asks whether a message is there", "has(request.first) && request.first.owner == identity.subject", noteTitle, titleAndMore, ""},
		{"the condition asks for a field of a message that is there", "has(request.first) && request.first.owner == identity.subject", noteOwner, noteOwner9, noteMoved},

		{"another member of a oneof is new", "!has(request.user)", teamMember, teamMember + ` field { name: "guest" number: 34 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }`, "acme.folder.v1.Folder.guest as `oneof target string guest = 34` (before: nothing)"},
		{"another member of a oneof is gone", "has(request.user)", teamMember, "", "acme.folder.v1.Folder.team as nothing (before: `oneof target string team = 32`)"},
		{"another member of a oneof has another number", "request.user == ''", `name: "team" number: 32`, `name: "team" number: 33`, "acme.folder.v1.Folder.team as `oneof target string team = 33` (before: `oneof target string team = 32`)"},
		{"a field becomes another member of a oneof", "has(request.user)", folderOwner, `field { name: "owner" number: 11 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }`, "acme.folder.v1.Folder.owner as `oneof target string owner = 11` (before: nothing)"},
		{"a member of a oneof that the condition does not read", owned, teamMember, "", ""},

		{"another field has another number", owned, `name: "size" number: 18`, `name: "size" number: 20`, ""},
		{"another field is new", owned, folderOwner, folderOwner + ` field { name: "new" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }`, ""},
		{"another field is gone", owned, `field { name: "size" number: 18 type: TYPE_INT32 label: LABEL_OPTIONAL }`, "", ""},
		{"the request of a condition that reads none", "identity.hasRole('admin')", `input_type: ".acme.folder.v1.Folder"`, `input_type: ".acme.folder.v1.Other"`, ""},
		{"the request of a condition on claims", "identity.claims.request.first == 'x' && identity.claims['owner'] == 'y'", `input_type: ".acme.folder.v1.Folder"`, `input_type: ".acme.folder.v1.Other"`, ""},
		{"a field beside one that a claim is compared with", "identity.claims.owner == request.owner", noteOwner, noteOwner9, ""},
		{"a field that a claim is compared with", "identity.claims.owner == request.owner", folderOwner, "", "acme.folder.v1.Folder.owner as nothing (before: `string owner = 11`)"},
		{"a field by the index of a claim", "identity.claims[request.owner] == 'x'", folderOwner, "", "acme.folder.v1.Folder.owner as nothing (before: `string owner = 11`)"},
		{"a message among claims", "request.first in identity.claims.notes", noteTitle, titleAndMore, noteGrew},
		{"a field by a function of strings", "request.first.owner.lowerAscii().split('@')[0] == 'x'", noteOwner, noteOwner9, noteMoved},
		{"a field in a format", "'%s'.format([request.first.owner]) == strings.quote(identity.subject)", noteOwner, noteOwner9, noteMoved},
		{"a variable of a loop by the name of the request", "identity.roles.all(request, request != 'x')", `input_type: ".acme.folder.v1.Folder"`, `input_type: ".acme.folder.v1.Other"`, ""},

		{"a field of a message in the request", "request.first.owner == 'x'", noteOwner, noteOwner9, noteMoved},
		{"a field beside it", "request.first.owner == 'x'", noteTitle, "", ""},
		{"a field of each in a list", "request.notes.all(n, n.owner == 'x')", noteOwner, noteOwner9, noteMoved},
		{"a field beside it, in a list", "request.notes.all(n, n.owner == 'x')", noteTitle, titleAndMore, ""},
		{"a field of one in a list", "request.notes[0].owner == 'x'", noteOwner, noteOwner9, noteMoved},
		{"the length of a list", "request.notes.size() < 3 && size(request.notes) > 0", noteOwner, noteOwner9, ""},
		{"a field of one in a map", "request.by_name['a'].owner == 'x'", noteOwner, noteOwner9, noteMoved},
		{"a field of one in a map, selected", "request.by_name.a.owner == 'x'", noteOwner, noteOwner9, noteMoved},
		{"the keys of a map", "request.by_name.all(k, k == request.owner)", noteOwner, noteOwner9, ""},
		{"a field of each in a map", "request.by_name.all(k, request.by_name[k].owner == 'x')", noteOwner, noteOwner9, noteMoved},
		{"a field beside it, in a map", "request.by_name.all(k, request.by_name[k].owner == 'x')", noteTitle, titleAndMore, ""},

		{"a message that is compared", "request.first == request.notes[0]", noteTitle, titleAndMore, noteGrew},
		{"a message that is one of some", "request.first in request.notes", noteTitle, titleAndMore, noteGrew},
		{"a message that is chosen", "(request.owner == 'x' ? request.first : request.notes[0]).owner == 'x'", noteOwner, noteOwner9, noteMoved},
		{"messages that go through lists of our own", "[request.first].all(n, n.owner == 'x')", noteOwner, noteOwner9, noteMoved},
		{"messages that go through maps of our own", "{'a': request.first}.a.owner == 'x'", noteOwner, noteOwner9, noteMoved},
		{"messages that go through messages of our own", "acme.folder.v1.Folder{first: request.first}.first.owner == 'x'", noteOwner, noteOwner9, noteMoved},
		{"messages that were filtered", "request.notes.filter(n, n.title != '').all(m, m.owner == 'x')", noteOwner, noteOwner9, noteMoved},
		{"a message whose type is hidden", "dyn(request).first.owner == 'x'", noteOwner, noteOwner9, noteMoved},
		{"a message that could be any", "request.any.owner == 'x'", noteOwner, noteOwner9, noteMoved},
		{"an object that has no schema", "request.data.owner == 'x'", noteOwner, noteOwner9, ""},

		{"a message in a message that could be any", "request.any.depth == 1", `name: "depth" number: 1`, `name: "depth" number: 2`, "acme.folder.v1.Other.Inner.depth as `int32 depth = 2` (before: `int32 depth = 1`)"},
		{"an object that has no schema, one after the other", "request.data.list.all(x, x == 'x')", noteOwner, noteOwner9, ""},

		{"a value that is compared with a number", "request.size < acme.folder.v1.State.SHUT", `name: "SHUT" number: 1`, `name: "SHUT" number: 1000`, shutMeans("1000", "1")},
		{"a value that is compared with what the caller has", "identity.scopes.size() > acme.folder.v1.State.SHUT", `name: "SHUT" number: 1`, `name: "SHUT" number: -1`, shutMeans("-1", "1")},
		{"a value in a list of our own", "request.size in [acme.folder.v1.State.OPEN, acme.folder.v1.State.SHUT]", `name: "SHUT" number: 1`, `name: "SHUT" number: 2`, shutMeans("2", "1")},
		{"a value that is converted", "request.size < int(.acme.folder.v1.State.SHUT)", `name: "SHUT" number: 1`, `name: "SHUT" number: 2`, shutMeans("2", "1")},
		{"a value of an enum in a message", "request.size == acme.folder.v1.Other.Limit.MOST", `name: "Limit" value { name: "NONE" number: 0 } value { name: "MOST" number: 4 }`, `name: "Limit" options { allow_alias: true } value { name: "NONE" number: 0 } value { name: "MOST" number: 0 }`, "acme.folder.v1.Other.Limit.MOST as 0 (before: 4)"},
		{"a value that nobody names beside one", "request.size == acme.folder.v1.Other.Limit.NONE", `name: "MOST" number: 4`, `name: "MOST" number: 5`, ""},
		{"a value of an enum in a map", "request.states['a'] == 1", `name: "SHUT" number: 1`, `name: "SHUT" number: 2`, shutMeans("2", "1")},
		{"a field that a message of our own is given", "acme.folder.v1.Note{owner: identity.subject} == request.first", noteOwner, noteOwner9, noteMoved},
		{"a field that is read of a message of our own", "acme.folder.v1.Note{title: identity.subject}.owner == ''", noteOwner, noteOwner9, noteMoved},
		{"what a message of our own is given", "acme.folder.v1.Folder{owner: request.first.owner}.owner == 'x'", noteOwner, noteOwner9, noteMoved},
		{"a field that is not read of a message of our own", "acme.folder.v1.Note{title: identity.subject}.title != ''", noteOwner, noteOwner9, ""},

		{"a value that means another state", "request.state == 1", `name: "SHUT" number: 1`, `name: "SHUT" number: 2`, "acme.folder.v1.State.SHUT as 2 (before: 1)"},
		{"a value that is gone", "request.state == 1", `value { name: "SHUT" number: 1 }`, "", "acme.folder.v1.State.SHUT as nothing (before: 1)"},
		{"a value that is new", "request.state == 1", `name: "SHUT" number: 1 }`, `name: "SHUT" number: 1 } value { name: "NEW" number: 2 }`, ""},
		{"two fields of one condition", "request.owner == 'x' && request.size == 1", folderOwner, `field { name: "owner" number: 5 type: TYPE_INT32 label: LABEL_OPTIONAL }`, "acme.folder.v1.Folder.owner as `int32 owner = 5` (before: `string owner = 11`)"},
		{"a condition that is none", "request.owner ==", folderOwner, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := fmt.Sprintf(folderSchema, tt.condition)
			if !strings.Contains(before, tt.old) {
				t.Fatalf("the schema does not have %s", tt.old)
			}
			after := strings.Replace(before, tt.old, tt.new, 1)
			var want []string
			if tt.want != "" {
				want = []string{"undecidable condition: " + tt.condition + ": it is the same, but now reads " + tt.want + ": which of the two lets more callers pass cannot be decided"}
			}
			if got := lines(diff(t, schematest.Parse(t, before), schematest.Parse(t, after))); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			if got := lines(diff(t, schematest.Parse(t, before), schematest.Parse(t, before))); got != nil {
				t.Errorf("of nothing that has changed: %q", got)
			}
		})
	}
}

// Of a schema that is linked into the program only one version is; the others
// are compared as they are.
func TestDiffOfASchemaThatIsLinked(t *testing.T) {
	t.Parallel()
	const linked = `
		name: "ostiary/session/v1/session.proto" package: "ostiary.session.v1" syntax: "proto3"
		message_type { name: "GetSessionRequest" field { name: "tenant" number: %d type: TYPE_STRING label: LABEL_OPTIONAL } }
		service { name: "SessionService" method {
			name: "GetSession" input_type: ".ostiary.session.v1.GetSessionRequest" output_type: ".ostiary.session.v1.GetSessionRequest"
			options { [ostiary.policy.v1.rule] { require { condition: "request.tenant == 'x'" } } }
		} }`
	got := lines(diff(t, schematest.Parse(t, fmt.Sprintf(linked, 1)), schematest.Parse(t, fmt.Sprintf(linked, 2))))
	want := []string{"undecidable condition: request.tenant == 'x': it is the same, but now reads ostiary.session.v1.GetSessionRequest.tenant as `string tenant = 2` (before: `string tenant = 1`): which of the two lets more callers pass cannot be decided"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// loopsOverRequest finds a variable of a loop that is named as the request is. A
// condition with one counts as reading the request, whether it does or not.
var loopsOverRequest = regexp.MustCompile(`request\s*,`)

// FuzzDiffOfAReadCondition has a condition whose request has all of its fields
// moved: whatever it reads is another then, and nothing else is but a message of
// the same type that it makes.
func FuzzDiffOfAReadCondition(f *testing.F) {
	for _, seed := range []string{
		"request.owner == identity.subject", "identity.hasRole('admin')", "request == request", "request.parent.parent.owner == ''",
		"request.tags.all(t, t.startsWith('a'))", "has(request.parent.owner)", "[request].size() > 0", "type(request) == type(identity)",
		"dyn(request).owner == ''", "{'a': request}.a.owner == ''", ".request.owner == ''",
		"acme.note.v1.Note{owner: identity.subject}.owner == ''", "acme.note.v1.Note{} == request.parent", "has(request.parent)",
		"[request.parent].filter(p, p.owner != '').map(p, p.tags).exists(t, t == [])", "request.tags[0] in request.parent.tags",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || loopsOverRequest.MatchString(text) {
			return
		}
		file := schematest.NewSchema(t, nil, schematest.Rules{"M": schematest.Condition(text)})
		if got := lines(diff(t, file, file)); got != nil {
			t.Fatalf("%q: of nothing that has changed: %q", text, got)
		}
		p, err := policy.New(policy.Files(file), condition.Enable())
		if err != nil {
			return
		}
		moved := schematest.Describe(nil, schematest.Rules{"M": schematest.Condition(text)})
		for _, field := range moved.GetMessageType()[0].GetField() {
			field.Number = proto.Int32(field.GetNumber() + 10)
		}
		after, err := protodesc.NewFile(moved, protoregistry.GlobalFiles)
		if err != nil {
			t.Fatal(err)
		}
		changes := diff(t, file, after)
		_, reads := p.Rule(schematest.Procedure("M")).(auth.MessageRule)
		isTold := len(changes) == 1 && changes[0].Verdict == policydiff.Undecidable
		if isTold != reads && (reads || !strings.Contains(text, "Note")) {
			t.Fatalf("%q reads the request: %t, and the diff says %q", text, reads, lines(changes))
		}
	})
}

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

func TestDiffOfTheDefaultsThatAConditionReads(t *testing.T) {
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
		want      string // what is read; "" where there is nothing to say
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
			schematest.NewPolicy(t, schematest.Parse(t, before)) // the condition is valid
			if got := lines(diff(t, schematest.Parse(t, before), schematest.Parse(t, after))); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}
