package server

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/durationpb"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	statusv1 "github.com/ostiary/ostiary/gen/ostiary/status/v1"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
)

// imageOf writes an image of a schema with a service that has a rule, or none for nil, and returns its path.
func imageOf(t *testing.T, service string, rule *policyv1.Rule) string {
	t.Helper()
	options := &descriptorpb.MethodOptions{}
	if rule != nil {
		proto.SetExtension(options, policyv1.E_Rule, rule)
	}
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

// TestBackendsAreShownByTheirImages with their rules and their schemas, and read again.
func TestBackendsAreShownByTheirImages(t *testing.T) {
	t.Parallel()
	needs := &policyv1.Rule{Access: &policyv1.Rule_Require{Require: &policyv1.Require{AllPermissions: []string{"org:notes:read"}}}}
	notes := imageOf(t, "NoteService", needs)
	var c settings.Config
	// Two servers may have the same methods, as those of two stages do.
	r := start(t, func(c *settings.Config) {
		c.Backends = []settings.Backend{{Name: "notes", Image: notes, URL: "https://notes.example.com/api/"}, {Name: "staging", Image: notes}, {Name: "open", Image: imageOf(t, "OpenService", nil)}}
	}, func(config *settings.Config) { c = *config })
	const get, open = "/acme.v1.NoteService/Get", "/acme.v1.OpenService/Get"
	for name, tr := range r.transports() {
		ask := func(token string) (rules []*accessv1.MethodRule, explained []*accessv1.AccessExplanation) {
			client := tr.access(t, token)
			listed, err := client.ListMethodRules(t.Context(), &accessv1.ListMethodRulesRequest{})
			if err != nil {
				t.Fatal(err)
			}
			for _, rule := range listed.GetMethodRules() {
				if rule.GetBackend() != "" {
					rules = append(rules, rule)
				}
			}
			explanations, err := client.ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{Procedures: []string{get, open}})
			if err != nil {
				t.Fatal(err)
			}
			return rules, explanations.GetExplanations()
		}
		rules, explained := ask(r.issuer.Session("user_ada", authtest.InOrganization("org_acme", "acme", "admin", "org:notes:read")))
		var got []string
		for i, rule := range rules {
			got = append(got, fmt.Sprintf("%s %s: %s, %v", rule.GetBackend(), rule.GetProcedure(), rule.GetDescription(), explained[i].GetOutcome()))
			if explained[i].GetBackend() != rule.GetBackend() {
				t.Errorf("%s: the explanation is of %q", name, explained[i].GetBackend())
			}
		}
		want := []string{
			"notes " + get + ": a valid token; the permission \"org:notes:read\", ACCESS_OUTCOME_MET",
			"staging " + get + ": a valid token; the permission \"org:notes:read\", ACCESS_OUTCOME_MET",
			"open " + open + ": its schema has no rule, ACCESS_OUTCOME_UNDECIDED",
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q; want %q", name, got, want)
		}
		if _, explained = ask(r.issuer.Session("user_ben")); explained[0].GetOutcome() != accessv1.AccessOutcome_ACCESS_OUTCOME_UNMET {
			t.Errorf("%s: %v; want that ben lacks the permission", name, explained)
		}

		client := tr.access(t, r.issuer.Session("user_ben"))
		backends, err := client.ListBackends(t.Context(), &accessv1.ListBackendsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		first := backends.GetBackends()[0]
		if len(backends.GetBackends()) != 3 || first.GetName() != "notes" || first.GetUrl() != "https://notes.example.com/api" || first.GetProblem() != "" {
			t.Errorf("%s: %v", name, backends)
		}
		schema, err := client.GetBackendSchema(t.Context(), &accessv1.GetBackendSchemaRequest{Name: "notes"})
		if err != nil {
			t.Fatal(err)
		}
		set := new(descriptorpb.FileDescriptorSet)
		if err := proto.Unmarshal(schema.GetFileDescriptorSet(), set); err != nil || len(set.GetFile()) != 4 || !slices.Equal(schema.GetServices(), []string{"acme.v1.NoteService"}) || schema.GetSchemaDigest() != first.GetSchemaDigest() {
			t.Errorf("%s: %d files, %v, %v; want the file with what it imports", name, len(set.GetFile()), schema.GetServices(), err)
		}
		_, err = client.GetBackendSchema(t.Context(), &accessv1.GetBackendSchemaRequest{Name: "nothing"})
		wantFaults(t, name, err, "name")
	}
	content, err := os.ReadFile(imageOf(t, "BillService", needs))
	if err == nil {
		err = os.WriteFile(notes, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(c); err != nil {
		t.Fatal(err)
	}
	_, err = r.transports()["Connect"].access(t, r.issuer.Session("user_ada")).ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{Procedures: []string{get}})
	wantFaults(t, "a method is explained that is not in the image any more", err, "procedures[0]")
	if err := os.WriteFile(notes, []byte("no image"), 0o600); err != nil {
		t.Fatal(err)
	}
	contradictory := imageOf(t, "BadService", &policyv1.Rule{Access: &policyv1.Rule_Require{Require: &policyv1.Require{Condition: "request.nothing == 1"}}})
	for name, image := range map[string]string{"no image": notes, "no file": filepath.Join(t.TempDir(), "missing.binpb"), "a directory": t.TempDir(), "a broken rule": contradictory} {
		broken := c
		broken.Backends = []settings.Backend{{Name: "notes", Image: image}}
		var faults *settings.Error
		if err := r.Reload(broken); !errors.As(err, &faults) || faults.Faults[0].Setting != "backends[0].image" {
			t.Errorf("%s: %v; want a fault of backends[0].image", name, err)
		}
	}
}

// TestBackendsAreAskedForTheirSchemas, and one that is away is told to everybody, and to operators with
// the reason.
func TestBackendsAreAskedForTheirSchemas(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	there := grpc.NewServer()
	accessv1.RegisterAccessServiceServer(there, accessv1.UnimplementedAccessServiceServer{})
	reflection.Register(there)
	served := make(chan error, 1)
	go func() { served <- there.Serve(listener) }()
	t.Cleanup(func() {
		there.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	r := start(t, func(c *settings.Config) {
		c.OperatorSubjects = []string{c.Issuers[0].URL + "#user_otto"}
		c.Backends = []settings.Backend{{Name: "there", Reflection: "http://" + listener.Addr().String()}, {Name: "away", Reflection: "http://127.0.0.1:1"}}
	})
	tr := r.transports()["Connect"]
	client := tr.access(t, r.issuer.Session("user_ada"))
	var backends []*accessv1.Backend
	eventually(t, "the backends are asked", func() bool {
		listed, err := client.ListBackends(t.Context(), &accessv1.ListBackendsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		backends = listed.GetBackends()
		return backends[0].GetSchemaDigest() != "" && backends[1].GetProblem() == "Its schema could not be read."
	})
	if backends[0].GetProblem() != "" || backends[1].GetSchemaDigest() != "" {
		t.Errorf("%v", backends)
	}
	explained, err := client.ExplainAccess(t.Context(), &accessv1.ExplainAccessRequest{Procedures: []string{accessv1.AccessService_ListBackends_FullMethodName}})
	if err != nil || len(explained.GetExplanations()) != 2 || explained.GetExplanations()[1].GetBackend() != "there" {
		t.Errorf("%v, %v; want the method of this server and that of the backend", explained, err)
	}
	_, err = client.GetBackendSchema(t.Context(), &accessv1.GetBackendSchemaRequest{Name: "away"})
	wantFaults(t, "a schema that is not known", err, "name")
	status := r.statusFor(t)
	at := slices.IndexFunc(status.GetProblems(), func(p *statusv1.Problem) bool { return p.GetProblemId() == "backend.schema_not_read" })
	if at < 0 || status.GetProblems()[at].GetSubject() != "away" || !strings.Contains(status.GetProblems()[at].GetCause(), "connection refused") {
		t.Errorf("the problems are %v", status.GetProblems())
	}
	if got := status.GetBackends(); len(got) != 2 || got[0].GetServiceCount() != 1 || got[0].GetReadTime() == nil || got[1].GetServiceCount() != 0 {
		t.Errorf("the backends are %v", got)
	}
}

// TestThePageReachesTheBackendsAlone by its policy, also after the settings were read again.
func TestThePageReachesTheBackendsAlone(t *testing.T) {
	t.Parallel()
	var c settings.Config
	r := start(t, func(c *settings.Config) { c.Console.Enabled = true }, func(config *settings.Config) { c = *config })
	connect := func() string {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.HTTPAddr().String()+"/try", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := httpClient(t, true).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		_, rest, _ := strings.Cut(response.Header.Get("Content-Security-Policy"), "connect-src ")
		sources, _, _ := strings.Cut(rest, ";")
		return sources
	}
	if got := connect(); got != "'self'" {
		t.Errorf("without backends it is %s", got)
	}
	image := imageOf(t, "NoteService", nil)
	c.Backends = []settings.Backend{{Name: "a", Image: image, URL: "https://a.example/api/"}, {Name: "b", Image: image, URL: "https://a.example"}, {Name: "c", Image: image, URL: "http://localhost:8081"}, {Name: "d", Image: image}}
	if err := r.Reload(c); err != nil {
		t.Fatal(err)
	}
	if got := connect(); got != "'self' https://a.example http://localhost:8081" {
		t.Errorf("with backends it is %s", got)
	}
}
