package policydiff_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// A service that moves to a module which is merely imported is still there.
func TestDiffOfAServiceThatIsImported(t *testing.T) {
	t.Parallel()
	// image has two files, of which the first may be an import of the second.
	image := func(imported bool, access string) []protoreflect.FileDescriptor {
		t.Helper()
		set := new(descriptorpb.FileDescriptorSet)
		text := fmt.Sprintf(`
			file {
				name: "acme/note.proto" package: "acme.v1" syntax: "proto3" message_type { name: "Note" }
				service { name: "NoteService" method {
					name: "Get" input_type: ".acme.v1.Note" output_type: ".acme.v1.Note" options { [ostiary.policy.v1.rule] { %s } }
				} }
			}
			file {
				name: "acme/list.proto" package: "acme.v1" syntax: "proto3" dependency: "acme/note.proto"
				service { name: "ListService" method {
					name: "List" input_type: ".acme.v1.Note" output_type: ".acme.v1.Note" options { [ostiary.policy.v1.rule] { authenticated {} } }
				} }
			}`, access)
		if err := prototext.Unmarshal([]byte(text), set); err != nil {
			t.Fatal(err)
		}
		set.GetFile()[0].ProtoReflect().SetUnknown(bufExtension(imported))
		data, err := proto.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		files, err := policydiff.ReadImage(data)
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	const (
		admin   = `require { any_role: "admin" }`
		anybody = `public {}`
		opened  = `looser public: open to anybody (before: a valid token; the role "admin")`
	)
	for _, tt := range []struct {
		name          string
		before, after []protoreflect.FileDescriptor
		want          []string
	}{
		{"it becomes an import, and open to anybody", image(false, admin), image(true, anybody), []string{opened}},
		{"it was an import, and is open to anybody", image(true, admin), image(false, anybody), []string{opened}},
		{"it becomes an import, as it was", image(false, admin), image(true, admin), nil},
		{"it was an import, and is as it was", image(true, admin), image(false, admin), nil},
		{"it is another's, before and after", image(true, admin), image(true, anybody), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := lines(policydiff.Diff(tt.before, tt.after)); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// Options that nobody can read say nothing of who may call, on either side.
func TestDiffOfARuleThatCannotBeRead(t *testing.T) {
	t.Parallel()
	sound := schematest.NewSchema(t, nil, schematest.Rules{"M": schematest.Authenticated()})
	broken := schematest.Describe(nil, schematest.Rules{"M": nil})
	options := new(descriptorpb.MethodOptions)
	options.ProtoReflect().SetUnknown([]byte("\xd2\xa3\x19\x01\xff")) // the rule, of one byte that is no field
	broken.Service[0].Method[0].Options = options
	unreadable := schematest.NewFile(t, broken)
	want := []string{"undecidable the rule cannot be read; ask policy check for the remedy"}
	if got := lines(diff(t, sound, unreadable)); !slices.Equal(got, want) {
		t.Errorf("after: %q", got)
	}
	if got := lines(diff(t, unreadable, sound)); !slices.Equal(got, want) {
		t.Errorf("before: %q", got)
	}
}
