package policydiff_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/policy/condition"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// TestOracleOfMovedMethods moves methods to other services, and gives them and their
// requests other names.
func TestOracleOfMovedMethods(t *testing.T) {
	t.Parallel()
	o := newOracle(t)
	pairs, decided := *oraclePairs/10, 0
	for decided < pairs {
		decided += o.moves(t)
		if t.Failed() {
			return
		}
	}
	o.assertPower(t, decided)
}

type movable struct {
	service, name, request, response string
	rule                             string
}

// moves decides about one schema whose methods move, and returns how many did.
func (o *oracle) moves(t *testing.T) int {
	t.Helper()
	rules := []string{
		`authenticated {}`, `require { any_role: "admin" }`, `require { organization: true }`, `require { any_role: "admin" organization: true }`,
		`require { all_scopes: "email" }`, `public {}`, `require { condition: "identity.hasRole('admin')" }`,
		`require { condition: "request.owner == identity.subject" }`,
	}
	services := []string{"a.v1.S", "a.v1.T"}
	var was, is []movable
	for i := range 2 + o.IntN(5) {
		m := movable{service: pick(o, services...), name: fmt.Sprintf("M%d", i), request: "a.v1.Note", response: "google.protobuf.Empty", rule: pick(o, rules...)}
		if o.chance(40) && !strings.Contains(m.rule, "request.") {
			m.request = "google.protobuf.Empty"
		}
		was = append(was, m)
	}
	target := pick(o, []string{"a.v1.S", "a.v1.T", "a.v1.U"}, []string{"a.v1.U"}, []string{"b.v1.S", "b.v1.T"}, []string{"a.v1.U", "a.v1.W"})
	for i, m := range was {
		if o.chance(70) {
			m.service = pick(o, target...)
		}
		if o.chance(40) {
			m.name = fmt.Sprintf("N%d", i)
		}
		if m.request == "a.v1.Note" && o.chance(40) {
			m.request = "a.v1.Memo" // which has the same fields
		} else if m.request == "google.protobuf.Empty" && o.chance(20) {
			m.request = "a.v1.Nothing"
		}
		if o.chance(40) {
			if rule := pick(o, rules...); m.request != "google.protobuf.Empty" && m.request != "a.v1.Nothing" || !strings.Contains(rule, "request.") {
				m.rule = rule
			}
		}
		is = append(is, m)
	}
	before, after := movedFiles(t, was), movedFiles(t, is)
	p, err := policy.New(policy.Files(before...), condition.Enable())
	if err != nil {
		t.Fatal(err)
	}
	q, err := policy.New(policy.Files(after...), condition.Enable())
	if err != nil {
		t.Fatal(err)
	}
	changes := policydiff.Diff(before, after)
	for i := range was {
		o.judge(t, pair{
			before: p, after: q, was: "/" + was[i].service + "/" + was[i].name, is: "/" + is[i].service + "/" + is[i].name, changes: changes,
			wasMethod: methodOf(p, "/"+was[i].service+"/"+was[i].name), isMethod: methodOf(q, "/"+is[i].service+"/"+is[i].name),
		}, o.moveCalls())
	}
	return len(was)
}

func (o *oracle) moveCalls() []call {
	calls := make([]call, 20)
	for i := range calls {
		encoded := pick(o, "", "\x0a\x08user_ada", "\x0a\x08user_eve")
		calls[i] = call{caller: o.caller(), messages: [][]byte{[]byte(encoded)}}
	}
	return calls
}

func methodOf(p *policy.Policy, procedure string) protoreflect.MethodDescriptor {
	for _, entry := range p.Entries() {
		if entry.Procedure == procedure {
			return entry.Method
		}
	}
	return nil
}

// movedFiles returns a schema of these methods, a file for each package of services.
func movedFiles(t *testing.T, methods []movable) []protoreflect.FileDescriptor {
	t.Helper()
	messages := new(descriptorpb.FileDescriptorProto)
	const owner = `field { name: "owner" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }`
	if err := prototext.Unmarshal([]byte(`name: "messages.proto" package: "a.v1" syntax: "proto3"
		message_type { name: "Note" `+owner+` } message_type { name: "Memo" `+owner+` } message_type { name: "Nothing" }`), messages); err != nil {
		t.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(emptypb.File_google_protobuf_empty_proto), messages}}
	byService := make(map[string][]string)
	for _, m := range methods {
		byService[m.service] = append(byService[m.service], fmt.Sprintf(
			`method { name: %q input_type: ".%s" output_type: ".%s" options { [ostiary.policy.v1.rule] { %s } } }`, m.name, m.request, m.response, m.rule))
	}
	for service, methods := range byService {
		at := strings.LastIndexByte(service, '.')
		file := new(descriptorpb.FileDescriptorProto)
		text := fmt.Sprintf(`name: %q package: %q syntax: "proto3" dependency: "messages.proto" dependency: "google/protobuf/empty.proto" service { name: %q %s }`,
			service+".proto", service[:at], service[at+1:], strings.Join(methods, "\n"))
		if err := prototext.Unmarshal([]byte(text), file); err != nil {
			t.Fatal(err)
		}
		set.File = append(set.File, file)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		t.Fatal(err)
	}
	var all []protoreflect.FileDescriptor
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		all = append(all, file)
		return true
	})
	return all
}
