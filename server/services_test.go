package server

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/ostiary/ostiary/server/settings"
)

// schemaServices are the services of ostiary's schema.
func schemaServices() []protoreflect.ServiceDescriptor {
	var found []protoreflect.ServiceDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(string(file.Package()), "ostiary.") {
			for i := range file.Services().Len() {
				found = append(found, file.Services().Get(i))
			}
		}
		return true
	})
	return found
}

func TestEveryServiceOfTheSchemaIsServed(t *testing.T) {
	t.Parallel()
	r := start(t)
	registered := r.grpc.GetServiceInfo()
	for _, service := range schemaServices() {
		name := string(service.FullName())
		if _, ok := registered[name]; !slices.Contains(settings.Services(), name) || !ok {
			t.Errorf("%s: guarded %t, registered %t; want both", name, slices.Contains(settings.Services(), name), ok)
		}
		status, _, _ := r.send(t, http.MethodPost, "/"+name+"/"+string(service.Methods().Get(0).Name()), map[string]string{"Content-Type": "application/json"}, "{}")
		if status == http.StatusNotFound {
			t.Errorf("%s: the HTTP port answers %d", name, status)
		}
	}
}

// TestEveryMethodRefusesFieldsThatItDoesNotHave calls as an operator, so that nothing
// else is refused.
func TestEveryMethodRefusesFieldsThatItDoesNotHave(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.OperatorSubjects = []string{"user_otto"} })
	otto := r.issuer.Session("user_otto")
	const body = `{"noSuchField":"user_ben"}`
	for _, service := range schemaServices() {
		if !slices.Contains(settings.Services(), string(service.FullName())) {
			continue
		}
		for i := range service.Methods().Len() {
			method := service.Methods().Get(i)
			path := fmt.Sprintf("/%s/%s", service.FullName(), method.Name())
			t.Run(string(method.Name()), func(t *testing.T) {
				t.Parallel()
				header := map[string]string{"Authorization": "Bearer " + otto, "Content-Type": "application/json"}
				sent := body
				if method.IsStreamingClient() || method.IsStreamingServer() {
					header["Content-Type"] = "application/connect+json"
					sent = string([]byte{0, 0, 0, 0, byte(len(body))}) + body
				}
				status, _, answer := r.send(t, http.MethodPost, path, header, sent)
				assertUnknownField(t, status, answer, sent != body)
				header["Content-Type"] += "; charset=utf-8"
				status, _, answer = r.send(t, http.MethodPost, path, header, sent)
				assertUnknownField(t, status, answer, sent != body)
				if options, _ := method.Options().(*descriptorpb.MethodOptions); sent == body && options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS {
					query := url.Values{"connect": {"v1"}, "encoding": {"json"}, "message": {body}}
					status, _, answer = r.send(t, http.MethodGet, path+"?"+query.Encode(), map[string]string{"Authorization": "Bearer " + otto}, "")
					assertUnknownField(t, status, answer, false)
				}
			})
		}
	}
}

func assertUnknownField(t *testing.T, status int, answer string, stream bool) {
	t.Helper()
	want := http.StatusBadRequest
	if stream {
		want = http.StatusOK // the error is in the last message
	}
	if status != want {
		t.Errorf("status %d; want %d", status, want)
	}
	for _, part := range []string{`"code":"invalid_argument"`, `"message":"noSuchField: unknown field`, `"field":"noSuchField"`, `"INVALID_REQUEST"`, `google.rpc.BadRequest`} {
		if !strings.Contains(answer, part) {
			t.Errorf("%s; want %s in it", answer, part)
		}
	}
}
