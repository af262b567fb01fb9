package settings

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/policy"
)

func public() *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Public{Public: &policyv1.Public{}}}
}

func authenticated() *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}}
}

func anyRole(names ...string) *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Require{Require: &policyv1.Require{AnyRole: names}}}
}

// A rule that no token of an issuer can meet is a fault as soon as it is known what
// the issuers' tokens can have.
func TestRulesThatNobodyCanMeet(t *testing.T) {
	t.Parallel()
	kubernetes := Issuer{URL: "https://kubernetes.example.com", Profile: "kubernetes", Audiences: []string{"ostiary"}}
	clerk := Issuer{URL: "https://clerk.example.com", Audiences: []string{"ostiary"}}
	const fault = `rules[/grpc.health.v1.Health/Check]: nobody can call it: https://kubernetes.example.com never gives the role "admin"; ` +
		"accept tokens that have it, name the claim in the issuer's settings, or change the rule"
	for name, tt := range map[string]struct {
		issuers []Issuer
		want    string
	}{
		"one issuer, without roles":   {[]Issuer{kubernetes}, fault},
		"another issuer, with roles":  {[]Issuer{kubernetes, clerk}, ""},
		"an issuer that is not known": {[]Issuer{kubernetes, {URL: "https://x.example.com", Profile: "nonesuch", Audiences: []string{"ostiary"}}}, ""},
	} {
		config := Config{Issuers: tt.issuers, Rules: []policy.Option{policy.Configured("ostiary.yaml", grpc_health_v1.Health_Check_FullMethodName, anyRole("admin"))}}
		var found string
		for _, f := range config.Faults() {
			if strings.HasPrefix(f.Setting, "rules[") {
				found = f.String()
			}
		}
		if found != tt.want {
			t.Errorf("%s: %q, want %q", name, found, tt.want)
		}
	}
}

func TestAFaultOfARuleOfAWholeServiceNamesItsSetting(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		procedure string
		rule      *policyv1.Rule
		want      []string
	}{
		"an unknown service": {"/acme.v1.Gone/*", authenticated(), []string{
			"rules[/acme.v1.Gone/*]: no such service is known; correct the name, or add the schema that declares it",
		}},
		"a rule that cannot hold": {"/grpc.health.v1.Health/*", anyRole("org:*"), []string{
			`rules[/grpc.health.v1.Health/*]: Check: any_role: "org:*" has a wildcard, which is not supported; list each name`,
		}},
		"a service of ours that is public": {"/ostiary.identity.v1.IdentityService/*", public(), []string{
			"rules[/ostiary.identity.v1.IdentityService/*]: WatchIdentity: only health and reflection can be public: use authenticated or require",
			"rules[/ostiary.identity.v1.IdentityService/*]: WhoAmI: only health and reflection can be public: use authenticated or require",
		}},
		"health": {"/grpc.health.v1.Health/*", authenticated(), nil},
	} {
		config := Config{Issuers: []Issuer{{URL: "https://clerk.example.com", Audiences: []string{"ostiary"}}}, Rules: []policy.Option{policy.Configured("f.yaml", tt.procedure, tt.rule)}}
		var found []string
		for _, f := range config.Faults() {
			if strings.HasPrefix(f.Setting, "rules[") {
				found = append(found, f.String())
			}
		}
		if !slices.Equal(found, tt.want) {
			t.Errorf("%s: %q, want %q", name, found, tt.want)
		}
	}
}

// A method with a rule of its own does not have that of its service, so it need not fit.
func TestTheRuleOfAWholeServiceNeedNotFitMethodsWithTheirOwn(t *testing.T) {
	t.Parallel()
	const service = "/ostiary.session.v1.SessionService/"
	withCause := &policyv1.Rule{Access: &policyv1.Rule_Require{Require: &policyv1.Require{Condition: "request.cause != ''"}}}
	options := []policy.Option{
		policy.Configured("f.yaml", service+"*", withCause), // which the two methods that revoke have
		policy.Configured("f.yaml", service+"ListSessions", authenticated()),
		policy.Configured("f.yaml", service+"GetSession", authenticated()),
	}
	_, err := Rules(options...)
	var faults policy.RuleErrors
	if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Procedure != service+"WatchSessions" {
		t.Errorf("%v; want one fault, of the method that has neither the field nor a rule of its own", err)
	}
	broken := policy.Configured("f.yaml", service+"WatchSessions", anyRole("*"))
	if _, err = Rules(append(options, broken)...); !errors.As(err, &faults) || len(faults) != 1 || !strings.Contains(faults[0].Error(), "wildcard") {
		t.Errorf("%v; want one fault, of the method's own rule", err)
	}
	rules, err := Rules(append(options, policy.Configured("f.yaml", service+"WatchSessions", authenticated()))...)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range rules.Entries() {
		revokes := strings.HasPrefix(entry.Procedure, service+"Revoke")
		if got := entry.Origin.Service != ""; got != revokes {
			t.Errorf("%s has the rule of its service: %t; want %t", entry.Procedure, got, revokes)
		}
	}
}

func TestInvalidRulesAreFaults(t *testing.T) {
	t.Parallel()
	const health = "/grpc.health.v1.Health/Check"
	tests := map[string]struct {
		rules []policy.Option
		want  []string // the setting and a piece of the remedy, of each fault
	}{
		"none": {nil, nil},
		"what is built in and what is ours": {
			[]policy.Option{policy.Override(health, authenticated()), policy.Override(identityv1.IdentityService_WhoAmI_FullMethodName, anyRole("admin"))}, nil,
		},
		"a service that is not served": {
			[]policy.Option{policy.Override("/acme.legacy.v1.Legacy/Get", public())},
			[]string{"rules[/acme.legacy.v1.Legacy/Get]: this server has no such method"},
		},
		"a method that is not there": {
			[]policy.Option{policy.Override("/grpc.health.v1.Health/Chekc", authenticated())},
			[]string{"rules[/grpc.health.v1.Health/Chekc]: the service has no such method: correct the name"},
		},
		"a name that is none": {
			[]policy.Option{policy.Override("grpc.health.v1.Health/Check", authenticated())},
			[]string{"rules[grpc.health.v1.Health/Check]: not a method name; write /package.Service/Method"},
		},
		"a service that was added": {
			[]policy.Option{policy.Services("ostiary.identity.v1.IdentityService"), policy.Services("grpc.channelz.v1.Channelz")},
			[]string{"rules[grpc.channelz.v1.Channelz]: the schema of this service is not registered"},
		},
		"a method of ours that would be public": {
			[]policy.Option{policy.Override(identityv1.IdentityService_WhoAmI_FullMethodName, public())},
			[]string{"rules[" + identityv1.IdentityService_WhoAmI_FullMethodName + "]: only health and reflection can be public"},
		},
		"OPTIONS, which is no method": {
			[]policy.Option{policy.Configured("ostiary.yaml", "OPTIONS", public())},
			[]string{"rules[OPTIONS]: this server has no such method"},
		},
		"a schema with a method that has no rule": {
			[]policy.Option{policy.Files(schemaWithoutRules(t))},
			[]string{"acme/note/v1/note.proto:7: /acme.note.v1.NoteService/Get: no rule: set (ostiary.policy.v1.rule) on the method"},
		},
		"a rule of the settings for a method of a schema": {
			[]policy.Option{policy.Configured("ostiary.yaml", health, anyRole("*"))},
			[]string{"rules[" + health + `]: any_role: "*" has a wildcard`},
		},
		"everything at once, ordered by name": {
			[]policy.Option{policy.Override("/z", authenticated()), policy.Override(health, anyRole("*")), policy.Override("/a", &policyv1.Rule{})},
			[]string{"rules[/a]: the rule is empty", "rules[" + health + `]: any_role: "*" has a wildcard`, "rules[/z]: this server has no such method"},
		},
		"the first of two for one method": {
			[]policy.Option{policy.Override(health, anyRole("*")), policy.Override(health, authenticated())},
			[]string{"rules[" + health + `]: any_role: "*" has a wildcard`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := Config{Rules: test.rules, Issuers: []Issuer{{URL: "https://clerk.example.com", Audiences: []string{"invoices"}}}}
			var got []string
			for _, fault := range config.Faults() {
				got = append(got, fault.String())
			}
			if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
				t.Errorf("faults\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			_, err := Rules(test.rules...)
			var broken policy.RuleErrors
			if errors.As(err, &broken); len(broken) != len(test.want) {
				t.Errorf("Rules: %v; want %d faults", err, len(test.want))
			}
		})
	}
}

// schemaWithoutRules has one method, on line 7.
func schemaWithoutRules(t *testing.T) protoreflect.FileDescriptor {
	t.Helper()
	const empty = ".google.protobuf.Empty"
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("acme/note/v1/note.proto"), Package: proto.String("acme.note.v1"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/empty.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("NoteService"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: proto.String("Get"), InputType: proto.String(empty), OutputType: proto.String(empty)},
		}}},
		SourceCodeInfo: &descriptorpb.SourceCodeInfo{Location: []*descriptorpb.SourceCodeInfo_Location{
			{Path: []int32{6, 0, 2, 0}, Span: []int32{6, 2, 60}},
		}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
