package doctor_test

import (
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/ostiary/ostiary/cmd/ostiary/internal/doctor"
)

func TestBackendsAreAskedForTheirSchemas(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	there := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(there, health.NewServer())
	reflection.Register(there)
	served := make(chan error, 1)
	go func() { served <- there.Serve(listener) }()
	t.Cleanup(func() {
		there.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	findings := setup{
		environ: []string{"OSTIARY_ISSUER=https://clerk.example.com", "OSTIARY_AUDIENCES=api"},
		flags:   []string{"--backends", "there=http://" + listener.Addr().String() + ",away=http://127.0.0.1:3"}, timeout: 20 * time.Second,
	}.examine(t)
	want{"backend.schema", doctor.OK, "", "has sent the schema of 1 service"}.check(t, findings)
	want{"backend.schema_not_read", doctor.Warning, "see that the server runs", "http://127.0.0.1:3 does not send a schema that can be used: unavailable"}.check(t, findings)
}
