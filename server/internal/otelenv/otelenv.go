// Package otelenv has what metrics and traces share of OpenTelemetry: the variables of its specification
// that say whether something is sent, and its names.
//
//	if otelenv.Exports("TRACES") {
//		protocol := otelenv.Protocol("TRACES") // "" is http/protobuf
//		…
//	}
package otelenv

import "os"

// Exports reports whether the environment says that a signal is sent, METRICS or TRACES: its
// OTEL_…_EXPORTER is otlp, or is not given and an endpoint is. OTEL_SDK_DISABLED turns that off.
func Exports(signal string) bool {
	if os.Getenv("OTEL_SDK_DISABLED") == "true" {
		return false
	}
	switch os.Getenv("OTEL_" + signal + "_EXPORTER") {
	case "otlp":
		return true
	case "":
		return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
	default: // none; and Prometheus has its own address
		return false
	}
}

// Protocol returns the protocol by which a signal is sent; "" where the environment does not say.
func Protocol(signal string) string {
	if protocol := os.Getenv("OTEL_EXPORTER_OTLP_" + signal + "_PROTOCOL"); protocol != "" {
		return protocol
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
}

// System returns the rpc.system.name of a protocol; "" for what is no RPC.
func System(protocol string) string {
	switch protocol {
	case "grpc", "grpcweb":
		return "grpc"
	case "connect":
		return "connectrpc"
	default:
		return ""
	}
}
