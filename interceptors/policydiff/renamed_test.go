package policydiff_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// services returns a schema of services, in which Get of the package a.v1 is
// written:
//
//	a.v1.NoteService/Get(a.v1.GetRequest) admin
//
// Its request and its response are the same message, without fields; of Id:string it
// has a field of this type. The rule is a role, token for any token, public, or strict for the role admin in
// an organization.
func services(t *testing.T, methods ...string) []protoreflect.FileDescriptor {
	t.Helper()
	var files []protoreflect.FileDescriptor
	for _, method := range methods {
		signature, rule, _ := strings.Cut(method, " ")
		signature, request, _ := strings.Cut(strings.TrimSuffix(signature, ")"), "(")
		service, name, _ := strings.Cut(signature, "/")
		at := strings.LastIndexByte(service, '.')
		access := map[string]string{
			"token": "authenticated {}", "public": "public {}",
			"strict": `require { organization: true any_role: "admin" }`,
		}[rule]
		if access == "" {
			access = `require { any_role: "` + rule + `" }`
		}
		request, field, _ := strings.Cut(request, ":")
		if field != "" {
			field = `field { name: "id" number: 1 label: LABEL_OPTIONAL type: TYPE_` + strings.ToUpper(field) + ` }`
		}
		message, imports := `message_type { name: "`+request[strings.LastIndexByte(request, '.')+1:]+`" `+field+` }`, ""
		if request == "google.protobuf.Empty" {
			message, imports = "", `dependency: "google/protobuf/empty.proto"`
		}
		// Each method has a file of its own.
		files = append(files, schematest.Parse(t, `
			name: "`+signature+`.proto" package: "`+service[:at]+`" syntax: "proto3" `+imports+message+`
			service { name: "`+service[at+1:]+`" method {
				name: "`+name+`" input_type: ".`+request+`" output_type: ".`+request+`"
				options { [ostiary.policy.v1.rule] { `+access+` } }
			} }`))
	}
	return files
}

// A schema does not say that what is new had another name. What is looser then is
// reported with the name that it may have had.
func TestDiffOfWhatHasAnotherName(t *testing.T) {
	t.Parallel()
	const dropped = `any_role: "org:admin" is no longer required`
	for _, tt := range []struct {
		name          string
		before, after []string
		want          []string // which of the changes are undecidable
	}{
		{
			"a method",
			[]string{"a.v1.S/Get(a.v1.Id) admin"}, []string{"a.v1.S/Fetch(a.v1.Id) token"},
			[]string{"/a.v1.S/Fetch if this is /a.v1.S/Get under another name: " + dropped},
		},
		{
			"a service",
			[]string{"a.v1.S/Get(a.v1.Id) admin"}, []string{"a.v1.T/Get(a.v1.GetRequest) token"},
			[]string{"/a.v1.T/Get if this is /a.v1.S/Get under another name: " + dropped},
		},
		{
			"a package",
			[]string{"a.v1.S/Get(a.v1.Id) admin", "a.v1.S/List(a.v1.All) admin"}, []string{"b.v2.S/Get(b.v2.Id) token", "a.v1.S/List(a.v1.All) admin"},
			[]string{"/b.v2.S/Get if this is /a.v1.S/Get under another name: " + dropped},
		},
		{
			"a package and a method, where only the request keeps its name",
			[]string{"a.v1.S/Delete(a.v1.Id) admin"}, []string{"a.v2.S/Remove(a.v2.Id) token"},
			[]string{"/a.v2.S/Remove if this is /a.v1.S/Delete under another name: " + dropped},
		},
		{
			"a method whose request is that of many",
			[]string{"a.v1.S/Wipe(google.protobuf.Empty) admin", "b.v1.T/Ping(google.protobuf.Empty) admin"}, []string{"a.v1.S/WipeAll(google.protobuf.Empty) token"},
			[]string{"/a.v1.S/WipeAll if this is /a.v1.S/Wipe under another name: " + dropped + " (looser than /b.v1.T/Ping too)"},
		},
		{
			"a method whose request is that of many, beside one that keeps its name",
			[]string{"a.v1.S/Wipe(google.protobuf.Empty) admin", "a.v1.S/Ping(google.protobuf.Empty) token"}, []string{"a.v1.S/WipeAll(google.protobuf.Empty) token", "b.v1.S/Ping(google.protobuf.Empty) token"},
			[]string{
				"/a.v1.S/WipeAll if this is /a.v1.S/Wipe under another name: " + dropped,
				"/b.v1.S/Ping if this is /a.v1.S/Wipe under another name: " + dropped,
			},
		},
		{
			"of some of the same request, one that is not looser has the nearest name",
			[]string{"a.v1.S/PurgeNote(a.v1.Id) admin", "a.v1.S/ReadNoteX(a.v1.Id) token"}, []string{"a.v1.S/ReadAndPurgeNoteX(a.v1.Id) token"},
			[]string{"/a.v1.S/ReadAndPurgeNoteX if this is /a.v1.S/PurgeNote under another name: " + dropped},
		},
		{
			"of some in other packages, one that is not looser has the nearest name",
			[]string{"x.v1.S/Get(x.v1.Id) admin", "c.v0.S/Get(c.v0.Id) token"}, []string{"c.v1.S/Get(c.v1.Id) token"},
			[]string{"/c.v1.S/Get if this is /x.v1.S/Get under another name: " + dropped},
		},
		{
			"of some in other services, one that is not looser comes first",
			[]string{"a.v1.S/Get(a.v1.Id) token", "a.v1.T/Get(a.v1.Key) admin"}, []string{"a.v1.U/Get(a.v1.GetRequest) token"},
			[]string{"/a.v1.U/Get if this is /a.v1.T/Get under another name: " + dropped},
		},
		{
			"of some whose request keeps its name, one that is not looser comes first",
			[]string{"a.v1.S/Get(a.v1.Id) token", "a.v1.S/Wipe(a.v1.Id) admin"}, []string{"a.v2.S/Remove(a.v2.Id) token"},
			[]string{"/a.v2.S/Remove if this is /a.v1.S/Wipe under another name: " + dropped},
		},
		{
			"of some that it is looser than, the first",
			[]string{"a.v1.S/Wipe(a.v1.Id) admin", "a.v1.S/Get(a.v1.Id) token", "a.v1.S/Delete(a.v1.Id) admin"}, []string{"a.v1.S/Remove(a.v1.Id) token"},
			[]string{"/a.v1.S/Remove if this is /a.v1.S/Delete under another name: " + dropped + " (looser than /a.v1.S/Wipe too)"},
		},
		{
			"of some that it is looser than, the one that asked for most",
			[]string{"a.v1.S/Add(a.v1.Id) admin", "a.v1.S/Delete(a.v1.Id) strict", "a.v1.S/Wipe(a.v1.Id) admin"}, []string{"a.v1.S/Remove(a.v1.Id) token"},
			[]string{"/a.v1.S/Remove if this is /a.v1.S/Delete under another name: organization: is no longer required; " + dropped + " (looser than /a.v1.S/Add and /a.v1.S/Wipe too)"},
		},
		{
			"each of some that are new",
			[]string{"a.v1.S/Delete(a.v1.Id) admin"}, []string{"a.v1.S/Remove(a.v1.Id) token", "a.v1.S/Wipe(a.v1.Id) token", "a.v1.S/Zero(a.v1.Id) admin"},
			[]string{
				"/a.v1.S/Remove if this is /a.v1.S/Delete under another name: " + dropped,
				"/a.v1.S/Wipe if this is /a.v1.S/Delete under another name: " + dropped,
			},
		},
		{
			"a service, and a method of it that is gone",
			[]string{"a.v1.S/Get(a.v1.Id) token", "a.v1.S/Delete(a.v1.GetRequest) admin"}, []string{"a.v1.T/Get(a.v1.GetRequest) token"},
			[]string{"/a.v1.T/Get if this is /a.v1.S/Delete under another name: " + dropped},
		},
		{
			"a service, of which every method keeps its name",
			[]string{"a.v1.S/Get(a.v1.Id) token", "a.v1.S/Delete(a.v1.Id) admin"}, []string{"a.v1.T/Get(a.v1.Id) token", "a.v1.T/Delete(a.v1.Id) admin"},
			nil,
		},
		{
			"another role is enough",
			[]string{"a.v1.S/Get(a.v1.Id) admin"}, []string{"a.v1.S/Fetch(a.v1.Id) member"},
			[]string{`/a.v1.S/Fetch if this is /a.v1.S/Get under another name: any_role: "org:member" is enough too`},
		},
		{"it is stricter", []string{"a.v1.S/Get(a.v1.Id) token"}, []string{"a.v1.S/Fetch(a.v1.Id) admin"}, nil},
		{"it is the same", []string{"a.v1.S/Get(a.v1.Id) admin"}, []string{"a.v1.T/Get(a.v1.Id) admin"}, nil},
		{"it is public, which is reported of any new method", []string{"a.v1.S/Get(a.v1.Id) admin"}, []string{"a.v1.T/Get(a.v1.Id) public"}, nil},
		{
			"one that is gone and another that is new, with nothing else in common",
			[]string{"a.v1.S/Get(a.v1.Id) admin"}, []string{"a.v1.S/List(a.v1.All) token"},
			[]string{"/a.v1.S/List if this is /a.v1.S/Get under another name: " + dropped},
		},
		{
			"one that is gone and another that is new, whose requests do not fit",
			[]string{"a.v1.S/Get(a.v1.Id:string) admin"}, []string{"a.v1.S/List(a.v1.All:int32) token"},
			nil,
		},
		{
			"one that is gone and another that is new, whose request has a field less",
			[]string{"a.v1.S/Get(a.v1.Id:string) admin"}, []string{"a.v1.S/List(a.v1.All) token"},
			[]string{"/a.v1.S/List if this is /a.v1.S/Get under another name: " + dropped},
		},
		{
			"one of a service that stays, in another",
			[]string{"a.v1.S/Get(a.v1.Id) admin", "a.v1.S/Put(a.v1.Put) admin"}, []string{"a.v1.S/Put(a.v1.Put) admin", "a.v1.T/Get(a.v1.GetRequest) token"},
			[]string{"/a.v1.T/Get if this is /a.v1.S/Get under another name: " + dropped},
		},
		{
			"the request of many, in another service",
			[]string{"a.v1.S/Get(google.protobuf.Empty) admin"}, []string{"a.v1.T/List(google.protobuf.Empty) token"},
			[]string{"/a.v1.T/List if this is /a.v1.S/Get under another name: " + dropped},
		},
		{
			"the request of many, of two that are gone",
			[]string{"a.v1.S/Get(google.protobuf.Empty) admin", "a.v1.S/Put(google.protobuf.Empty) admin"}, []string{"a.v1.S/List(google.protobuf.Empty) token"},
			[]string{"/a.v1.S/List if this is /a.v1.S/Get under another name: " + dropped + " (looser than /a.v1.S/Put too)"},
		},
		{
			"the request of many, of two that are new",
			[]string{"a.v1.S/Get(google.protobuf.Empty) admin"}, []string{"a.v1.S/List(google.protobuf.Empty) token", "a.v1.S/Put(google.protobuf.Empty) token"},
			[]string{
				"/a.v1.S/List if this is /a.v1.S/Get under another name: " + dropped,
				"/a.v1.S/Put if this is /a.v1.S/Get under another name: " + dropped,
			},
		},
		{
			"the request of many, and then one of its own",
			[]string{"a.v1.S/Wipe(google.protobuf.Empty) admin"}, []string{"a.v1.S/WipeAll(a.v1.WipeRequest:string) token"},
			[]string{"/a.v1.S/WipeAll if this is /a.v1.S/Wipe under another name: " + dropped},
		},
		{
			"a service that is split, with the request of many",
			[]string{"a.v1.S/Get(google.protobuf.Empty) token", "a.v1.S/Wipe(google.protobuf.Empty) admin"}, []string{"a.v1.Reader/Get(google.protobuf.Empty) token", "a.v1.Admin/Wipe(google.protobuf.Empty) token"},
			[]string{
				"/a.v1.Admin/Wipe if this is /a.v1.S/Wipe under another name: " + dropped,
				"/a.v1.Reader/Get if this is /a.v1.S/Wipe under another name: " + dropped,
			},
		},
		{
			"two services that become one, each with another request",
			[]string{"a.v1.S/Get(a.v1.Id:string) token", "a.v1.T/Wipe(a.v1.Key:string) admin"}, []string{"a.v1.U/Get(a.v1.GetRequest:string) token", "a.v1.U/Wipe(a.v1.WipeRequest:string) token"},
			[]string{"/a.v1.U/Wipe if this is /a.v1.T/Wipe under another name: " + dropped},
		},
		{
			"a package of which one method goes and another comes",
			[]string{"a.v1.S/Get(a.v1.Id) token", "a.v1.S/Wipe(a.v1.Id) admin"}, []string{"a.v2.S/Get(a.v2.Id) token", "a.v2.S/Ping(a.v2.Id) token"},
			[]string{"/a.v2.S/Ping if this is /a.v1.S/Wipe under another name: " + dropped},
		},
		{
			"more than can be named",
			[]string{"a.v1.S/A(a.v1.Id) admin", "a.v1.S/B(a.v1.Id) admin", "a.v1.S/C(a.v1.Id) admin", "a.v1.S/D(a.v1.Id) admin", "a.v1.S/E(a.v1.Id) admin", "a.v1.S/F(a.v1.Id) admin"},
			[]string{"a.v1.S/G(a.v1.Id) token"},
			[]string{"/a.v1.S/G if this is /a.v1.S/A under another name: " + dropped + " (looser than /a.v1.S/B and /a.v1.S/C and /a.v1.S/D and 2 more too)"},
		},
		{"one that is gone", []string{"a.v1.S/Get(a.v1.Id) admin", "a.v1.S/List(a.v1.Id) token"}, []string{"a.v1.S/List(a.v1.Id) token"}, nil},
		{"one that is new", []string{"a.v1.S/Get(a.v1.Id) admin"}, []string{"a.v1.S/Get(a.v1.Id) admin", "a.v1.S/List(a.v1.Id) token"}, nil},
		{
			"one that is gone and that another new one is more like",
			[]string{"a.v1.S/Delete(a.v1.Id) admin"}, []string{"a.v1.S/Wipe(a.v1.Id) token", "b.v1.S/Delete(b.v1.Key) admin"},
			[]string{"/a.v1.S/Wipe if this is /a.v1.S/Delete under another name: " + dropped},
		},
		{"one that is there as before", []string{"a.v1.S/Get(a.v1.Id) admin"}, []string{"a.v1.S/Get(a.v1.Id) admin", "b.v1.S/Get(b.v1.Id) token"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, c := range policydiff.Diff(services(t, tt.before...), services(t, tt.after...)) {
				if c.Verdict == policydiff.Undecidable {
					got = append(got, c.Procedure+" "+c.Text)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

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
