package server

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"testing"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/settings"
)

// readyz returns the status and the body.
func (r *running) readyz(t *testing.T) (int, readiness) {
	t.Helper()
	res, err := httpClient(t, false).Get(r.url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body readiness
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, body
}

// health asks on both listeners, which must agree.
func (r *running) health(t *testing.T, service string) grpc_health_v1.HealthCheckResponse_ServingStatus {
	t.Helper()
	overHTTP := connect.NewClient[grpc_health_v1.HealthCheckRequest, grpc_health_v1.HealthCheckResponse](
		httpClient(t, true), r.url+grpc_health_v1.Health_Check_FullMethodName, connect.WithGRPC())
	res, err := overHTTP.CallUnary(t.Context(), connect.NewRequest(&grpc_health_v1.HealthCheckRequest{Service: service}))
	if err != nil {
		t.Fatal(err)
	}
	native, err := grpc_health_v1.NewHealthClient(r.grpcConn(t)).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
	if err != nil {
		t.Fatal(err)
	}
	if native.GetStatus() != res.Msg.GetStatus() {
		t.Errorf("the native listener says %v, the HTTP port %v", native.GetStatus(), res.Msg.GetStatus())
	}
	return native.GetStatus()
}

func TestTheServerIsReadyOnceTheKeysAreThere(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	issuer.Fail(authtest.Status(http.StatusInternalServerError))
	r := start(t, func(c *settings.Config) { c.Issuers[0].URL = issuer.URL() })

	code, body := r.readyz(t)
	if code != http.StatusServiceUnavailable || body.Status != "not ready" || body.Issuers[0].Ready || body.Issuers[0].Issuer != issuer.URL() {
		t.Errorf("before the keys: %d %+v; want 503 and the issuer not ready", code, body)
	}
	if got := r.health(t, ""); got != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("before the keys: health %v; want NOT_SERVING", got)
	}
	token := issuer.Session("user_ada")
	for name, call := range r.protocols() {
		_, err := call(t.Context(), t, token)
		if reason, ok := reasonOf(err); !ok || reason != auth.KeysUnavailable {
			t.Errorf("before the keys: %s answers %v; want %v", name, err, auth.KeysUnavailable)
		}
	}
	eventually(t, "the failure is named", func() bool {
		_, body := r.readyz(t)
		return body.Issuers[0].Failures > 0
	})

	issuer.Restore()
	eventually(t, "the server is ready", func() bool {
		code, body := r.readyz(t)
		return code == http.StatusOK && body.Status == "ready" && body.Issuers[0].Ready && body.Issuers[0].Keys == 1
	})
	for _, service := range []string{"", identityv1connect.IdentityServiceName} {
		if got := r.health(t, service); got != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("with the keys: health of %q is %v; want SERVING", service, got)
		}
	}
}

func TestAServerWithAKeyOfItsOwnIsReadyAtOnce(t *testing.T) {
	t.Parallel()
	issuer := authtest.New("https://clerk.example.com")
	r := start(t, func(c *settings.Config) {
		c.Issuers = []settings.Issuer{{URL: issuer.URL(), JWTKey: string(issuer.PublicPEM()), AllowAnyAudience: true}}
	})
	if code, body := r.readyz(t); code != http.StatusOK || body.Issuers[0].Keys != 1 {
		t.Errorf("%d %+v; want 200 and the one key", code, body)
	}
	if _, err := r.native(t.Context(), t, issuer.Session("user_ada")); err != nil {
		t.Error(err)
	}
}

func TestTheServerIsLiveWithoutKeys(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.Issuers[0].URL = "http://127.0.0.1:1" })
	res, err := httpClient(t, false).Get(r.url + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("status %d; want 200", res.StatusCode)
	}
}

func TestHealthOfAnUnknownServiceIsNotFound(t *testing.T) {
	t.Parallel()
	r := start(t)
	_, err := grpc_health_v1.NewHealthClient(r.grpcConn(t)).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "acme.Other"})
	if status.Code(err) != codes.NotFound {
		t.Errorf("%v; want not found", err)
	}
}

// watchHealth returns a function for the next status of a service.
func (r *running) watchHealth(t *testing.T, service string) (next func() (grpc_health_v1.HealthCheckResponse_ServingStatus, error)) {
	t.Helper()
	return r.transports()["native gRPC"].watchHealth(t, service)
}

func (tr endpoint) watchHealth(t *testing.T, service string) (next func() (grpc_health_v1.HealthCheckResponse_ServingStatus, error)) {
	t.Helper()
	client := connect.NewClient[grpc_health_v1.HealthCheckRequest, grpc_health_v1.HealthCheckResponse](httpClient(t, true), tr.url+grpc_health_v1.Health_Watch_FullMethodName, tr.options...)
	stream, err := client.CallServerStream(t.Context(), connect.NewRequest(&grpc_health_v1.HealthCheckRequest{Service: service}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stream.Close() })
	return func() (grpc_health_v1.HealthCheckResponse_ServingStatus, error) {
		if !stream.Receive() {
			return 0, stream.Err()
		}
		return stream.Msg().GetStatus(), nil
	}
}

func TestAHealthWatchSendsEachChange(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	issuer.Fail(authtest.Status(http.StatusInternalServerError))
	r := start(t, func(c *settings.Config) { c.Issuers[0].URL = issuer.URL() })
	watches := make(map[string]func() (grpc_health_v1.HealthCheckResponse_ServingStatus, error))
	wantTold := func(when string, want grpc_health_v1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		for service, next := range watches {
			if got, err := next(); err != nil || got != want {
				t.Errorf("%s: health of %q is %v, error %v; want %v", when, service, got, err, want)
			}
		}
	}
	for protocol, transport := range r.transports() {
		for _, service := range []string{"", identityv1connect.IdentityServiceName} {
			watches[service+" over "+protocol] = transport.watchHealth(t, service)
		}
	}
	wantTold("before the keys", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	issuer.Restore()
	wantTold("with the keys", grpc_health_v1.HealthCheckResponse_SERVING)
	unknown := make(map[string]func() (grpc_health_v1.HealthCheckResponse_ServingStatus, error))
	for protocol, transport := range r.transports() {
		unknown["acme.Other over "+protocol] = transport.watchHealth(t, "acme.Other")
	}
	for service, next := range unknown {
		if got, err := next(); err != nil || got != grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN {
			t.Errorf("health of %s is %v, error %v; want SERVICE_UNKNOWN", service, got, err)
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	wantTold("when the server stops", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	maps.Copy(watches, unknown)
	for service, next := range watches {
		if _, err := next(); connect.CodeOf(err) != connect.CodeUnavailable {
			t.Errorf("%q: the watch ended with %v; want unavailable", service, err)
		}
	}
}

// gRPC clients take UNIMPLEMENTED for healthy, and every other error for unhealthy: too
// many watches by strangers must not turn other clients away.
func TestTheNumberOfHealthWatchesIsLimited(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.MaxStreams = 8 }) // two of them can be watches
	if _, err := r.watchHealth(t, "")(); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	client := grpc_health_v1.NewHealthClient(r.grpcConn(t))
	last, err := client.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err == nil {
		_, err = last.Recv()
	}
	if err != nil {
		t.Fatalf("the last place: %v", err)
	}
	if _, err := r.watchHealth(t, "")(); connect.CodeOf(err) != connect.CodeUnimplemented {
		t.Errorf("one too many: %v; want unimplemented", err)
	}
	if _, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Errorf("Check: %v", err)
	}
	leave()
	eventually(t, "the place is free again", func() bool {
		_, err := r.watchHealth(t, "")()
		return err == nil
	})
}

func TestTheHealthOfEverythingIsListed(t *testing.T) {
	t.Parallel()
	r := start(t)
	eventually(t, "the server is ready", func() bool { code, _ := r.readyz(t); return code == http.StatusOK })
	for protocol, transport := range r.transports() {
		client := connect.NewClient[grpc_health_v1.HealthListRequest, grpc_health_v1.HealthListResponse](httpClient(t, true), transport.url+grpc_health_v1.Health_List_FullMethodName, transport.options...)
		res, err := client.CallUnary(t.Context(), connect.NewRequest(&grpc_health_v1.HealthListRequest{}))
		if err != nil {
			t.Fatal(err)
		}
		for _, service := range append(settings.Services(), "") {
			if got := res.Msg.GetStatuses()[service].GetStatus(); got != grpc_health_v1.HealthCheckResponse_SERVING {
				t.Errorf("%s: health of %q is %v; want SERVING", protocol, service, got)
			}
		}
		if got := len(res.Msg.GetStatuses()); got != len(settings.Services())+1 {
			t.Errorf("%s: %d are listed; want %d", protocol, got, len(settings.Services())+1)
		}
	}
}

// reflected lists the services that both listeners tell of.
func (r *running) reflected(t *testing.T) (overHTTP []protoreflect.FullName, native []string, err error) {
	t.Helper()
	stream := grpcreflect.NewClient(httpClient(t, true), r.url, connect.WithGRPC()).NewStream(t.Context())
	overHTTP, err = stream.ListServices()
	_, _ = stream.Close()
	if err != nil {
		return nil, nil, err
	}
	client, err := grpc_reflection_v1.NewServerReflectionClient(r.grpcConn(t)).ServerReflectionInfo(t.Context())
	if err != nil {
		return nil, nil, err
	}
	err = client.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	})
	if err != nil {
		return nil, nil, err
	}
	res, err := client.Recv()
	_ = client.CloseSend()
	for _, service := range res.GetListServicesResponse().GetService() {
		native = append(native, service.GetName())
	}
	return overHTTP, native, err
}

func TestReflectionListsTheServicesWhereItIsOn(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.Reflection = true })
	overHTTP, native, err := r.reflected(t)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(overHTTP, identityv1connect.IdentityServiceName) || !slices.Contains(native, identityv1connect.IdentityServiceName) {
		t.Errorf("the HTTP port tells of %v, the native one of %v; want IdentityService on both", overHTTP, native)
	}
	old, err := grpc_reflection_v1alpha.NewServerReflectionClient(r.grpcConn(t)).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = old.Send(&grpc_reflection_v1alpha.ServerReflectionRequest{ //nolint:staticcheck // deprecated, and what older tools ask
		MessageRequest: &grpc_reflection_v1alpha.ServerReflectionRequest_ListServices{},
	})
	if _, err := old.Recv(); err != nil {
		t.Errorf("v1alpha: %v", err)
	}
	_ = old.CloseSend()
}

func TestReflectionIsOffOtherwise(t *testing.T) {
	t.Parallel()
	r := start(t)
	if _, _, err := r.reflected(t); connect.CodeOf(err) != connect.CodeUnimplemented {
		t.Errorf("the HTTP port answers %v; want unimplemented", err)
	}
	client, err := grpc_reflection_v1.NewServerReflectionClient(r.grpcConn(t)).ServerReflectionInfo(t.Context())
	if err == nil {
		_, err = client.Recv()
	}
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("the native listener answers %v; want unimplemented", err)
	}
}

// TestStrangersWhoWatchTheHealthTurnNobodyAway opens more watches than there may be streams of
// callers without a token: UNIMPLEMENTED is the one error by which clients of gRPC do not take
// the server for unhealthy.
func TestStrangersWhoWatchTheHealthTurnNobodyAway(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *settings.Config) { c.MaxStreams = 8 })
	client := grpc_health_v1.NewHealthClient(r.grpcConn(t))
	for n := range 6 {
		stream, err := client.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		want := codes.OK
		if n >= 2 {
			want = codes.Unimplemented
		}
		if status.Code(err) != want {
			t.Errorf("watch %d: %v; want %v", n, err, want)
		}
	}
}
