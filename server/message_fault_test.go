package server

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	errorv1 "github.com/ostiary/ostiary/gen/ostiary/error/v1"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/rpcerror"
)

// The texts of protojson are no part of its API. This holds those that are read.
func TestAFaultInJSONNamesItsFieldAndTheRemedy(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	token := r.issuer.Session("user_otto")
	for _, test := range []struct{ name, procedure, body, field, want string }{
		{"an unknown field", revokeSessionProcedure, `{"sesion":1}`, "sesion", "unknown field at 1:2; check its spelling, and which message it belongs to"},
		{"an unknown field of a message", revokeSessionProcedure, `{"session":{"sessionID":1}}`, "sessionID", "unknown field at 1:13; check its spelling, and which message it belongs to"},
		{"a field that comes twice", revokeSessionProcedure, `{"cause":"a","cause":"b"}`, "cause", "named twice, the second time at 1:14; send it once"},
		{"two fields of a oneof", revokeSessionProcedure, `{"currentSession":{},"session":{}}`, "session", "set at 1:22 beside another field of target; send only one of them"},
		{"a number for text", revokeSessionProcedure, `{"session":{"sessionId":1}}`, "sessionId", "must be of type string, and at 1:25 has: 1"},
		{"text for a number", revokeSessionProcedure, `{"cause":true}`, "cause", "must be of type string, and at 1:10 has: true"},
		{"text for a message", revokeSessionProcedure, `{"session":"sess_1"}`, "", `unexpected "sess_1" at 1:12; write a message as an object, like {}, a list as [], and a time or a duration as a string`},
		{"a list for a message", revokeSessionProcedure, `[]`, "", "unexpected [ at 1:1; write a message as an object, like {}, a list as [], and a time or a duration as a string"},
		{"no body", revokeSessionProcedure, ``, "", "the body is empty; send a JSON object, at least {}"},
		{"half a body", revokeSessionProcedure, `{`, "", "the message ends too early"},
		{"no time", revokeTokensProcedure, `{"revocations":[{"issuedBeforeTime":"yesterday"}]}`, "", `"yesterday" at 1:37 is not a time; write it like 2026-03-01T12:00:00Z`},
		{"another fault", revokeSessionProcedure, `{'cause':1}`, "", "syntax error (line 1:2): invalid value '"},
	} {
		_, answer := r.refusalOf(t, test.procedure, token, test.body)
		sentence := test.want
		if test.field != "" {
			sentence = test.field + ": " + sentence
		}
		wantField := `"fieldViolations":[{"field":"` + test.field + `"`
		if test.field == "" {
			wantField = `"fieldViolations":[{"description":`
		}
		if !strings.Contains(answer, fmt.Sprintf(`"message":%q`, sentence)) || !strings.Contains(answer, wantField) {
			t.Errorf("%s: %s; want the sentence %q, and %s", test.name, clip(answer), sentence, wantField)
		}
	}
	if got := rpcerror.InvalidMessage(fmt.Errorf("(line 1:1): invalid google.protobuf.Duration value {")).Error(); got != "{ at 1:1 is not a duration; write seconds with an s, like 300s" {
		t.Error(got)
	}
}

// raw is a codec of grpc-go and of connect that sends bytes as they are.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }

func (raw) Unmarshal(data []byte, message any) error {
	if m, ok := message.(proto.Message); ok { // the status of gRPC
		return proto.Unmarshal(data, m)
	}
	*message.(*[]byte) = bytes.Clone(data)
	return nil
}

type rawNamed struct {
	raw

	name string
}

func (c rawNamed) Name() string { return c.name }

type rawV2 struct{ raw }

func (c rawV2) Marshal(message any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*message.(*[]byte))}, nil
}

func (c rawV2) Unmarshal(data mem.BufferSlice, message any) error {
	*message.(*[]byte) = data.Materialize()
	return nil
}

var _ encoding.CodecV2 = rawV2{}

// A message that cannot be read is the caller's fault on every transport, and nothing
// that an operator has to look after.
func TestAMessageThatCannotBeReadIsTheCallersFault(t *testing.T) {
	t.Parallel()
	r := start(t, withOperator)
	token := r.issuer.Session("user_otto", authtest.With("sid", "otto"))
	cause := []byte("\x1a\x01\xff") // field 3 of RevokeSessionRequest
	watched := []byte("\x12\x01\xff")
	for name, message := range map[string][]byte{"invalid UTF-8": cause, "half a message": []byte("\x1a\x05a")} {
		for protocol, option := range map[string]connect.ClientOption{"Connect": connect.WithCodec(raw{}), "gRPC": connect.WithGRPC(), "gRPC-Web": connect.WithGRPCWeb()} {
			rpc := connect.NewClient[[]byte, []byte](httpClient(t, true), r.url+revokeSessionProcedure,
				option, connect.WithCodec(raw{}), connect.WithInterceptors(bearer(token)))
			_, err := rpc.CallUnary(t.Context(), connect.NewRequest(&message))
			wantError(t, name+" over "+protocol, err, errorv1.Reason_REASON_INVALID_REQUEST)
			if strings.Contains(err.Error(), "sessionv1") {
				t.Errorf("%s over %s: %v names a type of Go", name, protocol, err)
			}
		}
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
		err := r.grpcConn(t).Invoke(ctx, revokeSessionProcedure, &message, new([]byte), grpc.ForceCodecV2(rawV2{}))
		wantError(t, name+" over native gRPC", err, errorv1.Reason_REASON_INVALID_REQUEST)
	}
	wantError(t, "a stream over native gRPC", r.streamRaw(t, token, watched), errorv1.Reason_REASON_INVALID_REQUEST)
	for _, protocol := range []string{"gRPC", "gRPC-Web"} {
		option := map[string]connect.ClientOption{"gRPC": connect.WithGRPC(), "gRPC-Web": connect.WithGRPCWeb()}[protocol]
		rpc := connect.NewClient[[]byte, []byte](httpClient(t, true), r.url+revokeSessionProcedure,
			option, connect.WithCodec(rawNamed{name: "json"}), connect.WithInterceptors(bearer(token)))
		_, err := rpc.CallUnary(t.Context(), connect.NewRequest(&[]byte{0xff}))
		wantError(t, "no text in JSON over "+protocol, err, errorv1.Reason_REASON_INVALID_REQUEST)
	}
	if log := r.log.String(); strings.Contains(log, "level=ERROR") || !strings.Contains(log, "INVALID_REQUEST") {
		t.Errorf("the log has\n%s\nwant no error, and the reason", log)
	}
	if _, err := r.native(t.Context(), t, token); err != nil {
		t.Errorf("a session was ended: %v", err)
	}
}

func (r *running) streamRaw(t *testing.T, token string, message []byte) error {
	t.Helper()
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token))
	defer cancel()
	stream, err := r.grpcConn(t).NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, sessionv1connect.SessionServiceWatchSessionsProcedure, grpc.ForceCodecV2(rawV2{}))
	if err != nil {
		return err
	}
	if err := stream.SendMsg(&message); err != nil {
		return err
	}
	return stream.RecvMsg(new([]byte))
}
