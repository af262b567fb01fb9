package server

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/durationpb"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/authtest"
)

// imageOf writes an image of a schema with a service that has a rule, and returns its path.
func imageOf(t *testing.T, service string, rule *policyv1.Rule) string {
	t.Helper()
	options := &descriptorpb.MethodOptions{}
	proto.SetExtension(options, policyv1.E_Rule, rule)
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("acme/v1/" + service + ".proto"), Package: proto.String("acme.v1"), Syntax: proto.String("proto3"),
		Dependency:  []string{"ostiary/policy/v1/policy.proto"},
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String(service + "Message")}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String(service), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: proto.String("Get"), InputType: proto.String(".acme.v1." + service + "Message"), OutputType: proto.String(".acme.v1." + service + "Message"), Options: options},
		}}},
	}
	set := &descriptorpb.FileDescriptorSet{}
	for _, imported := range []protoreflect.FileDescriptor{descriptorpb.File_google_protobuf_descriptor_proto, durationpb.File_google_protobuf_duration_proto, policyv1.File_ostiary_policy_v1_policy_proto} {
		set.File = append(set.File, protodesc.ToFileDescriptorProto(imported))
	}
	set.File = append(set.File, file)
	content, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), service+".binpb")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTheRulesOfOtherServicesAreShown by the images that the settings name, and reads them again.
func TestTheRulesOfOtherServicesAreShown(t *testing.T) {
	t.Parallel()
	needs := &policyv1.Rule{Access: &policyv1.Rule_Require{Require: &policyv1.Require{AllPermissions: []string{"org:notes:read"}}}}
	notes := imageOf(t, "NoteService", needs)
	var config Config
	r := start(t, func(c *Config) { c.AccessImages = []string{notes} }, func(c *Config) { config = *c })
	const get = "/acme.v1.NoteService/Get"
	for name, tr := range r.transports() {
		ask := func(token string) (*accessv1.MethodRule, *accessv1.AccessExplanation, string) {
			client := tr.access(t, token)
			rules, err := client.ListMethodRules(t.Context(), &accessv1.ListMethodRulesRequest{})
			if err != nil {
				t.Fatal(err)
			}
			explained, err := client.ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{Procedures: []string{get}})
			if err != nil {
				t.Fatal(err)
			}
			for _, rule := range rules.GetMethodRules() {
				if rule.GetProcedure() == get {
					return rule, explained.GetExplanations()[0], rules.GetPolicyDigest()
				}
			}
			t.Fatalf("%s: %s is not listed", name, get)
			return nil, nil, ""
		}
		rule, explained, _ := ask(r.issuer.Session("user_ada", authtest.InOrganization("org_acme", "acme", "admin", "org:notes:read")))
		if !rule.GetServedElsewhere() || rule.GetDescription() == "" || explained.GetOutcome() != accessv1.AccessOutcome_ACCESS_OUTCOME_MET {
			t.Errorf("%s: %v, %v; want a rule of another server, which ada meets", name, rule, explained)
		}
		if _, explained, _ = ask(r.issuer.Session("user_ben")); explained.GetOutcome() != accessv1.AccessOutcome_ACCESS_OUTCOME_UNMET {
			t.Errorf("%s: %v; want that ben lacks the permission", name, explained)
		}
	}
	content, err := os.ReadFile(imageOf(t, "BillService", needs))
	if err == nil {
		err = os.WriteFile(notes, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(config); err != nil {
		t.Fatal(err)
	}
	_, err = r.transports()["Connect"].access(t, r.issuer.Session("user_ada")).ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{Procedures: []string{get}})
	if err == nil {
		t.Error("a method is explained that is not in the image any more")
	}
	if err := os.WriteFile(notes, []byte("no image"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, images := range [][]string{{notes}, {filepath.Join(t.TempDir(), "missing.binpb")}, {t.TempDir()}} {
		broken := config
		broken.AccessImages = images
		var faults *ConfigError
		if err := r.Reload(broken); !errors.As(err, &faults) || faults.Faults[0].Setting != "access_images" {
			t.Errorf("%q: %v; want a fault of access_images", images, err)
		}
	}
}
