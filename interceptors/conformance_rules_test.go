package interceptors_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
)

// The services differ by their rule alone.
const (
	public        = "PublicService"
	lenient       = "LenientService"
	authenticated = "AuthenticatedService"
	usersOnly     = "UserService"
	membersOnly   = "MemberService"
	adminsOnly    = "AdminService"
	readersOnly   = "ReaderService"
	scopedOnly    = "ScopedService"
	featureOnly   = "FeatureService"
	planOnly      = "PlanService"
	freshOnly     = "FreshService"
	acmeOnly      = "AcmeService"
	helloOnly     = "HelloService"
	unruled       = "UnruledService" // served, but the policy does not know it
)

var rules = map[string]*policyv1.Rule{
	public:        {Access: &policyv1.Rule_Public{Public: &policyv1.Public{}}},
	lenient:       {Access: &policyv1.Rule_Public{Public: &policyv1.Public{IgnoreInvalid: true}}},
	authenticated: {Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}},
	usersOnly:     require(&policyv1.Require{Kinds: []policyv1.Kind{policyv1.Kind_KIND_SESSION}}),
	membersOnly:   require(&policyv1.Require{Organization: true}),
	adminsOnly:    require(&policyv1.Require{AnyRole: []string{"org:admin", "org:owner"}}),
	readersOnly:   require(&policyv1.Require{AllPermissions: []string{"org:invoices:read"}}),
	scopedOnly:    require(&policyv1.Require{AllScopes: []string{"email"}}),
	featureOnly:   require(&policyv1.Require{AnyFeature: []string{"user:exports", "org:reports"}}),
	planOnly:      require(&policyv1.Require{AnyPlan: []string{"org:pro", "org:enterprise"}}),
	freshOnly: require(&policyv1.Require{Reverification: &policyv1.Reverification{
		Freshness: &policyv1.Reverification_Preset_{Preset: policyv1.Reverification_PRESET_STRICT_MFA},
	}}),
	acmeOnly:  require(&policyv1.Require{Condition: "identity.organization.slug == 'acme'"}),
	helloOnly: require(&policyv1.Require{Condition: "request == 'hello' && identity.organization.slug == 'acme'"}),
	unruled:   nil,
}

func require(r *policyv1.Require) *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Require{Require: r}}
}

// newSchema declares the services that have a rule.
func newSchema(t *testing.T) protoreflect.FileDescriptor {
	t.Helper()
	file := &descriptorpb.FileDescriptorProto{
		Name:       proto.String("ostiary/test/v1/services.proto"),
		Package:    proto.String("ostiary.test.v1"),
		Dependency: []string{"google/protobuf/wrappers.proto"},
	}
	for name, rule := range rules {
		if rule == nil {
			continue
		}
		service := &descriptorpb.ServiceDescriptorProto{Name: proto.String(name), Options: new(descriptorpb.ServiceOptions)}
		proto.SetExtension(service.Options, policyv1.E_DefaultRule, rule)
		for _, method := range []string{unary, get, clientStream, serverStream, bidiStream, plain} {
			service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
				Name:       proto.String(method),
				InputType:  proto.String(".google.protobuf.StringValue"),
				OutputType: proto.String(".google.protobuf.StringValue"),
			})
		}
		file.Service = append(file.Service, service)
	}
	descriptor, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return descriptor
}
