package connectauth_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	accessv1 "github.com/ostiary/ostiary/gen/ostiary/access/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/internal/guardtest"
)

type page = accessv1.ListMethodRulesRequest

// pageMux serves a message with fields in the four shapes of a call, and answers with
// what it received.
func pageMux(options ...connect.HandlerOption) *http.ServeMux {
	mux := http.NewServeMux()
	options = append(options, connect.WithIdempotency(connect.IdempotencyNoSideEffects))
	answer := func(in *page) *text { return wrapperspb.String(in.String()) }
	for shape, procedure := range guardtest.Procedures {
		var handler http.Handler
		switch shape {
		case auth.ClientStream:
			handler = connect.NewClientStreamHandlerSimple(procedure, func(_ context.Context, in *connect.ClientStream[page]) (*text, error) {
				last := new(page)
				for in.Receive() {
					last = in.Msg()
				}
				if in.Receive() {
					return nil, errors.New("the stream goes on")
				}
				return answer(last), in.Err()
			}, options...)
		case auth.ServerStream:
			handler = connect.NewServerStreamHandlerSimple(procedure, func(_ context.Context, in *page, out *connect.ServerStream[text]) error {
				return out.Send(answer(in))
			}, options...)
		case auth.BidiStream:
			handler = connect.NewBidiStreamHandler(procedure, func(_ context.Context, stream *connect.BidiStream[page, text]) error {
				in, err := stream.Receive()
				if err != nil {
					return err
				}
				return stream.Send(answer(in))
			}, options...)
		default:
			handler = connect.NewUnaryHandlerSimple(procedure, func(_ context.Context, in *page) (*text, error) { return answer(in), nil }, options...)
		}
		mux.Handle(procedure, handler)
	}
	return mux
}

// rawJSON sends a text as it is.
type rawJSON string

type rawMessage struct{ json string }

func (c rawJSON) Name() string                { return string(c) }
func (rawJSON) Marshal(m any) ([]byte, error) { return []byte(m.(*rawMessage).json), nil }
func (rawJSON) Unmarshal(data []byte, message any) error {
	return protojson.Unmarshal(data, message.(proto.Message))
}

// send sends JSON texts, each as a message, and returns the error of the call.
func send(t *testing.T, server *server, shape auth.StreamType, options []connect.ClientOption, messages ...string) error {
	t.Helper()
	rpc := connect.NewClient[rawMessage, text](h2c(t), server.URL+guardtest.Procedures[shape], options...)
	switch shape {
	case auth.ClientStream:
		stream := rpc.CallClientStream(t.Context())
		for _, message := range messages {
			if err := stream.Send(&rawMessage{message}); err != nil && !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		}
		_, err := stream.CloseAndReceive()
		return err
	case auth.ServerStream:
		stream, err := rpc.CallServerStream(t.Context(), connect.NewRequest(&rawMessage{messages[0]}))
		if err != nil {
			return err
		}
		defer func() { _ = stream.Close() }()
		stream.Receive()
		return stream.Err()
	case auth.BidiStream:
		stream := rpc.CallBidiStream(t.Context())
		defer func() { _ = stream.CloseResponse() }()
		if err := stream.Send(&rawMessage{messages[0]}); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		_ = stream.CloseRequest()
		_, err := stream.Receive()
		return err
	default:
		_, err := rpc.CallUnary(t.Context(), connect.NewRequest(&rawMessage{messages[0]}))
		return err
	}
}

// eachJSON runs test for every protocol, shape of call and name of the codec.
func eachJSON(t *testing.T, test func(t *testing.T, shape auth.StreamType, options []connect.ClientOption)) {
	t.Helper()
	for _, codec := range []rawJSON{"json", "json; charset=utf-8"} {
		eachCall(t, func(t *testing.T, _ string, shape auth.StreamType, option connect.ClientOption) {
			test(t, shape, []connect.ClientOption{option, connect.WithCodec(codec)})
		})
	}
}

func TestStrictJSONRefusesWhatIsNoRequestOfTheMethod(t *testing.T) {
	t.Parallel()
	server := newServer(t, pageMux(connectauth.StrictJSON(nil)))
	tests := map[string]struct{ json, want string }{
		"an unknown field":         {`{"pageSize": 1, "pageTokn": "x"}`, `unknown field "pageTokn"`},
		"a value of another type":  {`{"pageSize": "many"}`, `invalid value for int32 field pageSize: "many"`},
		"a field that comes twice": {`{"pageSize": 1, "page_size": 2}`, `duplicate field "page_size"`},
		"text that is no JSON":     {`pageSize`, "syntax error"},
		"bytes that are no text":   {"\xff", "invalid value \ufffd"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachJSON(t, func(t *testing.T, shape auth.StreamType, options []connect.ClientOption) {
				err := send(t, server, shape, options, test.json)
				if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "proto:") {
					t.Errorf("%v; want code invalid_argument, and %q", err, test.want)
				}
			})
		})
	}
}

func TestStrictJSONAcceptsWhatIsARequestOfTheMethod(t *testing.T) {
	t.Parallel()
	server := newServer(t, pageMux(connectauth.StrictJSON(nil)))
	eachJSON(t, func(t *testing.T, shape auth.StreamType, options []connect.ClientOption) {
		for _, json := range []string{`{}`, `{"pageSize": 1, "pageToken": "x"}`, `{"page_size": 1, "page_token": null}`} {
			if err := send(t, server, shape, options, json, json); err != nil {
				t.Errorf("%s: %v; want it accepted", json, err)
			}
		}
	})
}

func TestWithoutStrictJSONUnknownFieldsAreIgnored(t *testing.T) {
	t.Parallel()
	server := newServer(t, pageMux())
	eachJSON(t, func(t *testing.T, shape auth.StreamType, options []connect.ClientOption) {
		if err := send(t, server, shape, options, `{"pageTokn": "x"}`); err != nil {
			t.Errorf("%v; want it accepted", err)
		}
	})
}

func TestAStreamEndsWithTheFirstMessageThatIsNotValid(t *testing.T) {
	t.Parallel()
	server := newServer(t, pageMux(connectauth.StrictJSON(nil)))
	err := send(t, server, auth.ClientStream, []connect.ClientOption{connect.WithCodec(rawJSON("json"))}, `{"pageSize":1}`, `{"size":2}`, `{"pageSize":3}`)
	if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), `unknown field "size"`) {
		t.Errorf("%v; want code invalid_argument, and the second message's fault", err)
	}
}

func TestStrictJSONAppliesToGetRequests(t *testing.T) {
	t.Parallel()
	server := newServer(t, pageMux(connectauth.StrictJSON(nil)))
	for message, status := range map[string]int{`{"pageSize":1}`: http.StatusOK, `{"size":1}`: http.StatusBadRequest} {
		query := url.Values{"connect": {"v1"}, "encoding": {"json"}, "message": {message}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+guardtest.Procedures[auth.Unary]+"?"+query.Encode(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != status {
			t.Errorf("%s: status %d, %s, %v; want %d", message, res.StatusCode, body, err, status)
		}
	}
}

func TestStrictJSONSendsTheErrorThatItIsGiven(t *testing.T) {
	t.Parallel()
	refuse := func(fault error) error {
		return connect.NewError(connect.CodeFailedPrecondition, errors.New("look: "+fault.Error()))
	}
	server := newServer(t, pageMux(connectauth.StrictJSON(refuse)))
	eachJSON(t, func(t *testing.T, shape auth.StreamType, options []connect.ClientOption) {
		err := send(t, server, shape, options, `{"`+strings.Repeat("ä", 5000)+`":1}`)
		if connect.CodeOf(err) != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), "look: ") || len(err.Error()) > 600 {
			t.Errorf("%v; want code failed_precondition, and a short text", err)
		}
	})
}

func TestBinaryMessagesWithUnknownFieldsAreAccepted(t *testing.T) {
	t.Parallel()
	server := newServer(t, pageMux(connectauth.StrictJSON(nil)))
	in := new(page)
	in.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
	rpc := connect.NewClient[page, text](h2c(t), server.URL+guardtest.Procedures[auth.Unary])
	if _, err := rpc.CallUnary(t.Context(), connect.NewRequest(in)); err != nil {
		t.Errorf("%v; want it accepted", err)
	}
}

func TestTheGuardRefusesBeforeJSONIsRead(t *testing.T) {
	t.Parallel()
	server := newServer(t, pageMux(connectauth.StrictJSON(nil), connectauth.WithGuard(guardtest.NewGuard(nil))))
	eachJSON(t, func(t *testing.T, shape auth.StreamType, options []connect.ClientOption) {
		err := send(t, server, shape, options, `{"size":1}`)
		if reason, ok := connectauth.ReasonOf(err); !ok || reason != auth.TokenMissing {
			t.Errorf("%v; want reason %v", err, auth.TokenMissing)
		}
	})
}

// What cannot be read is refused alike, whatever its form, and names no type of Go.
func TestABinaryMessageThatCannotBeReadIsRefusedAsJSONIs(t *testing.T) {
	t.Parallel()
	server := newServer(t, pageMux(connectauth.StrictJSON(nil)))
	for name, test := range map[string]struct{ message, want string }{
		"half a message":       {"\x12\x05ab", "cannot parse invalid wire-format data"},
		"text that is no text": {"\x12\x01\xff", "contains invalid UTF-8"},
	} {
		eachCall(t, func(t *testing.T, _ string, shape auth.StreamType, option connect.ClientOption) {
			err := send(t, server, shape, []connect.ClientOption{option, connect.WithCodec(rawBinary{})}, test.message)
			if connect.CodeOf(err) != connect.CodeInvalidArgument || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "accessv1") {
				t.Errorf("%s: %v; want code invalid_argument, and %q", name, err, test.want)
			}
		})
	}
}

// rawBinary is rawJSON as a binary message.
type rawBinary struct{}

func (rawBinary) Name() string                  { return "proto" }
func (rawBinary) Marshal(m any) ([]byte, error) { return []byte(m.(*rawMessage).json), nil }
func (rawBinary) Unmarshal(data []byte, message any) error {
	return proto.Unmarshal(data, message.(proto.Message))
}
