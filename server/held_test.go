package server

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	revocationv1 "github.com/ostiary/ostiary/gen/ostiary/revocation/v1"
	"github.com/ostiary/ostiary/gen/ostiary/session/v1/sessionv1connect"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/server/internal/ledger"
	"github.com/ostiary/ostiary/server/internal/store"
	"github.com/ostiary/ostiary/server/settings"
)

// A wire is one way to send a unary call byte by byte.
type wire struct {
	url         string
	http2       bool
	contentType string
}

func (r *running) wires() map[string]wire {
	native := "http://" + r.GRPCAddr().String()
	return map[string]wire{
		"Connect over HTTP/1.1":  {r.url, false, "application/proto"},
		"Connect over HTTP/2":    {r.url, true, "application/proto"},
		"gRPC":                   {r.url, true, "application/grpc+proto"},
		"gRPC-Web over HTTP/1.1": {r.url, false, "application/grpc-web+proto"},
		"gRPC-Web over HTTP/2":   {r.url, true, "application/grpc-web+proto"},
		"native gRPC":            {native, true, "application/grpc+proto"},
	}
}

// body is the message as it goes over the wire.
func (w wire) body(t *testing.T, message proto.Message) []byte {
	t.Helper()
	encoded, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	if w.contentType == "application/proto" {
		return encoded
	}
	return enveloped(encoded)
}

// enveloped is a message with the prefix of gRPC.
func enveloped(message []byte) []byte {
	prefix := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return append(prefix, message...)
}

// A heldCall is a unary call whose headers were sent, and of whose body a byte.
type heldCall struct {
	body   *io.PipeWriter
	rest   []byte
	answer chan string
}

func (w wire) hold(t *testing.T, procedure, token string, message proto.Message) *heldCall {
	t.Helper()
	reader, writer := io.Pipe()
	body := w.body(t, message)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+procedure, reader)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.contentType)
	req.Header.Set("Te", "trailers")
	bearer(token).set(req.Header)
	client := httpClient(t, w.http2)
	call := &heldCall{body: writer, rest: body[1:], answer: make(chan string, 1)}
	go func() {
		res, err := client.Do(req)
		if err != nil {
			call.answer <- err.Error()
			return
		}
		defer res.Body.Close()
		content, _ := io.ReadAll(res.Body)
		call.answer <- fmt.Sprintf("%d Grpc-Status: %s%s %s", res.StatusCode, res.Header.Get("Grpc-Status"), res.Trailer.Get("Grpc-Status"), content)
	}()
	if _, err := writer.Write(body[:1]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = writer.Close() })
	return call
}

// finish sends the rest of the body and returns the answer.
func (c *heldCall) finish() string {
	_, _ = c.body.Write(c.rest) // which fails where the answer is here already
	_ = c.body.Close()
	return <-c.answer
}

// ended reports whether an answer is an error with the code.
func ended(answer string, code connect.Code) bool {
	return strings.Contains(answer, `"code":"`+code.String()+`"`) || // Connect
		strings.Contains(answer, fmt.Sprintf("Grpc-Status: %d ", code)) || // gRPC, and gRPC-Web without a message
		strings.Contains(answer, fmt.Sprintf("grpc-status: %d\r\n", code)) // gRPC-Web
}

// A caller who is no longer an operator must not act as one by a call that was sent
// earlier and held back.
func TestAHeldCallIsRefusedWhenItsTokenIsNoLongerValid(t *testing.T) {
	t.Parallel()
	for how, test := range map[string]struct {
		end  func(t *testing.T, r *running, now *clock)
		want auth.Reason
	}{
		"its sessions were revoked": {func(t *testing.T, r *running, _ *clock) {
			t.Helper()
			_, err := r.sessions(t, r.issuer.Session("user_olga")).RevokeSubject(t.Context(), r.subjectReq("user_otto"))
			if err != nil {
				t.Fatal(err)
			}
		}, auth.TokenRevoked},
		"it has expired": {func(_ *testing.T, _ *running, now *clock) { now.move(2 * time.Minute) }, auth.TokenExpired},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			now := newClock()
			r := start(t, now.set, func(c *settings.Config) { c.OperatorSubjects = []string{"user_otto", "user_olga"} })
			eventually(t, "the keys are there", r.ready)
			long := authtest.ExpiresIn(time.Hour)
			ada := r.issuer.Session("user_ada", authtest.With("sid", "ada"), long)
			calls := make(map[string]*heldCall)
			for protocol, w := range r.wires() {
				otto := r.issuer.Session("user_otto", authtest.With("sid", protocol), authtest.ExpiresIn(time.Minute))
				calls[protocol] = w.hold(t, sessionv1connect.SessionServiceRevokeSessionProcedure, otto, r.revokeReq("ada"))
			}
			eventually(t, "the calls were admitted", func() bool {
				seen, err := r.ledger.Sessions(t.Context(), ledger.Listing{Listing: store.List(store.View{{Subject: "user_otto"}})}, 10)
				return err == nil && len(seen.Sessions) == len(calls)
			})
			test.end(t, r, now)
			for protocol, call := range calls {
				answer := call.finish()
				if !ended(answer, connect.CodeUnauthenticated) {
					t.Errorf("%s: %q; want it refused", protocol, answer)
				}
			}
			r.wantAdmitted(t, "the session that was to be ended", ada)
			if !contains(r.log, "RevokeSession", "reason="+test.want.String()) {
				t.Errorf("the log does not say %v", test.want)
			}
		})
	}
}

func TestARequestMustArriveWholeWithinItsLimit(t *testing.T) {
	t.Parallel()
	const limit = 300 * time.Millisecond
	r := start(t, withOperator, func(c *settings.Config) { c.RequestTimeout = limit })
	eventually(t, "the keys are there", r.ready)
	ada := r.issuer.Session("user_ada", authtest.With("sid", "ada"))
	calls := make(map[string]*heldCall)
	for protocol, w := range r.wires() {
		calls[protocol] = w.hold(t, sessionv1connect.SessionServiceRevokeSessionProcedure, ada, r.revokeReq("ada"))
	}
	for protocol, call := range calls {
		answer := <-call.answer // without the rest of its request
		if !ended(answer, connect.CodeDeadlineExceeded) || strings.Contains(answer, "127.0.0.1") {
			t.Errorf("%s: %q; want deadline exceeded", protocol, answer)
		}
	}
	r.wantAdmitted(t, "the session that was to be ended", ada)
	for _, protocol := range []string{"connect", "grpc", "grpcweb"} {
		eventually(t, "the log has the call with "+protocol, func() bool {
			return contains(r.log, "RevokeSession", "protocol="+protocol, "code=deadline_exceeded")
		})
	}
	// A stream takes as long as it likes.
	otto := r.issuer.Session("user_otto")
	for protocol, tr := range r.transports() {
		stream, err := tr.revocations(t, otto).ImportRevocations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			if err := stream.Send(&revocationv1.ImportRevocationsRequest{Revocations: []*revocationv1.NewRevocation{r.ofSession(fmt.Sprint("sess_", i))}}); err != nil {
				t.Errorf("%s: %v", protocol, err)
			}
			<-time.After(limit)
		}
		if summary, err := stream.CloseAndReceive(); err != nil || summary.GetImportedCount() != 2 {
			t.Errorf("%s: %v, error %v; want both imported", protocol, summary, err)
		}
	}
}

// TestARefusedCallOverHTTP1AndItsBody calls without a token.
func TestARefusedCallOverHTTP1AndItsBody(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, test := range map[string]struct {
		body string
		kept bool
	}{
		"a short body is dropped, and the connection kept": {"Content-Length: 2\r\n\r\n{}", true},
		"a chunked body that stays open is not waited for": {"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", false},
		"a long body is not waited for":                    {"Content-Length: 1000000\r\n\r\n{}", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(8 * time.Second)) // less than a body may take
			if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n%s", whoAmIProcedure, test.body); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || res.StatusCode != http.StatusUnauthorized || !strings.Contains(string(answer), "TOKEN_MISSING") || res.Close == test.kept {
				t.Errorf("%s, close %t, %s, %v; want TOKEN_MISSING, and the connection kept: %t", res.Status, res.Close, answer, err, test.kept)
			}
		})
	}
}
