package interop_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	prom "github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

// TestPrometheusCountsRefusals is the recipe of grpcauth.ShowRefusals with the metrics of
// go-grpc-middleware: what the gate refuses counts there too.
func TestPrometheusCountsRefusals(t *testing.T) {
	t.Parallel()
	guard, registry := guardtest.NewGuard(nil), prom.NewRegistry()
	metrics := prometheus.NewServerMetrics()
	registry.MustRegister(metrics)
	server := grpcauth.NewServer(guard,
		grpc.ChainUnaryInterceptor(metrics.UnaryServerInterceptor()),
		grpc.ChainStreamInterceptor(metrics.StreamServerInterceptor()),
		grpcauth.ShowRefusals(), // refusals are counted as well
	)
	counted := new(service)
	identityv1.RegisterIdentityServiceServer(server, counted)
	metrics.InitializeMetrics(server.Server)
	callAll(t, dial(t, server))
	server.GracefulStop() // every call has been counted then

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	handled := make(map[string]float64)
	for _, family := range families {
		if family.GetName() != "grpc_server_handled_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := make(map[string]string)
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if n := metric.GetCounter().GetValue(); n > 0 {
				handled[labels["grpc_method"]+" "+labels["grpc_code"]] = n
			}
		}
	}
	want := []string{"WhoAmI Unauthenticated", "WhoAmI OK", "WatchIdentity Unauthenticated", "WatchIdentity OK"}
	for _, name := range want {
		if handled[name] != 1 {
			t.Errorf("%s was counted %v times", name, handled[name])
		}
	}
	if len(handled) != len(want) || counted.calls.Load() != 2 {
		t.Errorf("counted %v, and the service was called %d times", handled, counted.calls.Load())
	}
}

// TestTheCallLogHasRefusals is the same with the log of go-grpc-middleware, and a Gate.
func TestTheCallLogHasRefusals(t *testing.T) {
	t.Parallel()
	guard := guardtest.NewGuard(nil)
	var log guardtest.Log
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	write := logging.LoggerFunc(func(ctx context.Context, level logging.Level, message string, fields ...any) {
		logger.Log(ctx, slog.Level(level), message, fields...) //nolint:sloglint // the recipe of go-grpc-middleware
	})
	only := logging.WithLogOnEvents(logging.FinishCall)
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(logging.UnaryServerInterceptor(write, only), grpcauth.UnaryServerInterceptor(guard)),
		grpc.ChainStreamInterceptor(logging.StreamServerInterceptor(write, only), grpcauth.StreamServerInterceptor(guard)),
	)
	identityv1.RegisterIdentityServiceServer(grpcauth.Gate(server, guard, grpcauth.ShowRefusals()), new(service))
	callAll(t, dial(t, server))
	server.GracefulStop()

	logged := make(map[string]int)
	for line := range strings.Lines(log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		method, _ := fields["grpc.method"].(string)
		code, _ := fields["grpc.code"].(string)
		logged[method+" "+code]++
	}
	for _, name := range []string{"WhoAmI Unauthenticated", "WhoAmI OK", "WatchIdentity Unauthenticated", "WatchIdentity OK"} {
		if logged[name] != 1 {
			t.Errorf("%s was logged %d times: %s", name, logged[name], &log)
		}
	}
	if strings.Contains(log.String(), guardtest.GoodToken) {
		t.Errorf("the log has a token: %s", &log)
	}
}

// TestRefusalsAreLogged has the guard's own log, which needs no interceptor: on connect-go
// none sees what is refused before the request is read.
func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	var log guardtest.Log
	guard := guardtest.NewGuard(auth.LogRefusals(slog.New(slog.NewJSONHandler(&log, nil))).Observe)
	if _, err := callConnect(t, newConnectHandler(connectauth.WithGuard(guard)), ""); err == nil {
		t.Error("the call was admitted")
	}
	var line struct{ Msg, Procedure, Reason string }
	if err := json.Unmarshal([]byte(log.String()), &line); err != nil {
		t.Fatalf("%q: %v", log.String(), err)
	}
	if line.Msg != "call refused" || line.Procedure != whoAmI || line.Reason != "TOKEN_MISSING" {
		t.Errorf("the log has %+v", line)
	}
}

// TestAnInterceptorBeforeTheGuard of grpc-go sees the decoded requests of strangers,
// unless a Gate has refused them before, as that of grpcauth.NewServer has.
func TestAnInterceptorBeforeTheGuard(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		new  func(*auth.Guard, grpc.UnaryServerInterceptor) server
		sees bool
	}{
		"without a gate": {func(guard *auth.Guard, before grpc.UnaryServerInterceptor) server {
			return grpc.NewServer(grpc.ChainUnaryInterceptor(before, grpcauth.UnaryServerInterceptor(guard)))
		}, true},
		"with a gate": {func(guard *auth.Guard, before grpc.UnaryServerInterceptor) server {
			s := grpc.NewServer(grpc.ChainUnaryInterceptor(before, grpcauth.UnaryServerInterceptor(guard)))
			return gated{s, grpcauth.Gate(s, guard)}
		}, false},
		"NewServer": {func(guard *auth.Guard, before grpc.UnaryServerInterceptor) server {
			return grpcauth.NewServer(guard, grpc.ChainUnaryInterceptor(before))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests []any
			s := test.new(guardtest.NewGuard(nil), func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				requests = append(requests, req)
				return next(ctx, req)
			})
			identityv1.RegisterIdentityServiceServer(s, new(service))
			_, err := dial(t, s).WhoAmI(t.Context(), &identityv1.WhoAmIRequest{})
			s.GracefulStop()
			if reason, _ := grpcauth.ReasonOf(err); reason != auth.TokenMissing {
				t.Errorf("refused with %v", err)
			}
			if sees := len(requests) > 0; sees != test.sees {
				t.Errorf("the interceptor saw %v", requests)
			}
		})
	}
}

type server interface {
	grpc.ServiceRegistrar
	dialled
	GracefulStop()
}

// gated registers through a Gate.
type gated struct {
	*grpc.Server

	gate grpc.ServiceRegistrar
}

func (g gated) RegisterService(desc *grpc.ServiceDesc, impl any) { g.gate.RegisterService(desc, impl) }
