package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/internal/logsample"
)

const somewhere = "/acme.note.v1.NoteService/Get"

// callLog writes to a buffer, from a level on.
func callLog(level slog.Level) (CallLog, *bytes.Buffer) {
	log := new(bytes.Buffer)
	return CallLog{
		Strangers: &logsample.Sampler{Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level}))},
		Quiet:     func(procedure string) bool { return procedure == "/health" },
	}, log
}

func TestWhatTheLogSaysOfACall(t *testing.T) {
	t.Parallel()
	ada := &auth.Identity{Issuer: "https://clerk.example.com", Subject: "user_ada"}
	admitted := func(procedure string) *auth.Decision {
		return &auth.Decision{Procedure: procedure, Protocol: "grpc", Identity: ada}
	}
	refused := func(reason auth.Reason, cause error) *auth.Decision {
		return &auth.Decision{Procedure: somewhere, Protocol: "connect", Refusal: auth.NewError(reason, cause)}
	}
	for name, test := range map[string]struct {
		record record
		want   string
	}{
		"a call that was served":          {record{decision: admitted(somewhere), hasCode: true}, "level=INFO msg=call procedure=" + somewhere + " protocol=grpc peer=\"\" code=ok subject=user_ada issuer=https://clerk.example.com"},
		"a message that cannot be read":   {record{decision: admitted(somewhere)}, "level=INFO code=unreadable_message"},
		"a handler that failed":           {record{decision: admitted(somewhere), hasCode: true, code: connect.CodeInternal}, "level=ERROR code=internal"},
		"an error without a code":         {record{decision: admitted(somewhere), hasCode: true, code: connect.CodeUnknown}, "level=ERROR code=unknown"},
		"what was lost":                   {record{decision: admitted(somewhere), hasCode: true, code: connect.CodeDataLoss}, "level=ERROR code=data_loss"},
		"a store that fails":              {record{decision: admitted(somewhere), hasCode: true, code: connect.CodeUnavailable}, "level=WARN code=unavailable"},
		"a health check":                  {record{decision: admitted("/health"), hasCode: true}, "level=DEBUG procedure=/health code=ok"},
		"a health check that is not well": {record{decision: admitted("/health"), hasCode: true, code: connect.CodeUnavailable}, "level=DEBUG code=unavailable"},
		"a health check that failed":      {record{decision: admitted("/health"), hasCode: true, code: connect.CodeInternal}, "level=ERROR code=internal"},
		"a refusal": {
			record{decision: refused(auth.TokenExpired, errors.New("expired an hour ago")), hasCode: true, code: connect.CodeUnknown},
			`level=INFO protocol=connect code=unauthenticated reason=TOKEN_EXPIRED cause="expired an hour ago"`,
		},
		"an error with a reason": {
			record{decision: admitted(somewhere), hasCode: true, code: connect.CodeUnavailable, failure: auth.NewError(auth.KeysUnavailable, errors.New("no route"))},
			`level=WARN code=unavailable reason=KEYS_UNAVAILABLE cause="no route"`,
		},
		"a refusal without a cause":     {record{decision: refused(auth.TokenMissing, nil)}, "level=INFO code=unauthenticated reason=TOKEN_MISSING"},
		"our own fault":                 {record{decision: refused(auth.AuthFailure, nil)}, "level=ERROR code=internal reason=AUTH_FAILURE"},
		"a route":                       {record{protocol: "http", route: "GET /{$}", status: 200, peer: "192.0.2.1:5"}, `level=INFO procedure="GET /{$}" protocol=http peer=192.0.2.1:5 code=ok`},
		"a status that is no fault":     {record{protocol: "http", status: 399}, "level=INFO procedure=unknown code=ok"},
		"a path that leads nowhere":     {record{protocol: "http", status: 400}, "level=INFO code=http_400"},
		"a route that failed":           {record{protocol: "http", status: 500}, "level=ERROR code=http_500"},
		"a route that is not available": {record{protocol: "http", status: 503}, "level=INFO code=http_503"},
	} {
		l, log := callLog(slog.LevelDebug)
		l.write(t.Context(), &test.record)
		for _, part := range strings.Split(test.want, " ") {
			if !strings.Contains(log.String(), part) {
				t.Errorf("%s: %swant %s", name, log, part)
			}
		}
		if test.record.decision == nil && strings.Contains(log.String(), "subject=") || !strings.Contains(test.want, "cause=") && strings.Contains(log.String(), "cause=") {
			t.Errorf("%s: %ssays too much", name, log)
		}
	}
}

func TestTheLogOmitsRecordsBelowItsLevel(t *testing.T) {
	t.Parallel()
	l, log := callLog(slog.LevelInfo)
	l.write(t.Context(), &record{route: "/health"})
	if log.Len() > 0 {
		t.Errorf("%s", log)
	}
}

func TestTheOutcomeIsThatOfTheHandler(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want connect.Code
	}{
		{nil, 0},
		{context.Canceled, connect.CodeCanceled},
		{fmt.Errorf("read: %w", context.DeadlineExceeded), connect.CodeDeadlineExceeded},
		{connect.NewError(connect.CodeNotFound, errors.New("none")), connect.CodeNotFound},
		{errors.New("odd"), connect.CodeUnknown},
	} {
		for _, stream := range []bool{false, true} {
			rec := new(record)
			ctx := context.WithValue(t.Context(), recordKey{}, rec)
			outer := t.Context() // without a record, which must not matter
			var got, without error
			if stream {
				wrapped := RecordOutcome{}.WrapStreamingHandler(func(context.Context, connect.StreamingHandlerConn) error { return test.err })
				got, without = wrapped(ctx, nil), wrapped(outer, nil)
			} else {
				wrapped := RecordOutcome{}.WrapUnary(func(context.Context, connect.AnyRequest) (connect.AnyResponse, error) { return nil, test.err })
				_, got = wrapped(ctx, nil)
				_, without = wrapped(outer, nil)
			}
			if !errors.Is(got, test.err) || !errors.Is(without, test.err) || !rec.hasCode || rec.code != test.want {
				t.Errorf("%v, stream %v: %v, %v, recorded %v %v; want %v", test.err, stream, got, without, rec.hasCode, rec.code, test.want)
			}
		}
	}
}

// grpc-go reports a call at its end, and much before.
func TestANativeCallIsLoggedOnceAtItsEnd(t *testing.T) {
	t.Parallel()
	l, log := callLog(slog.LevelInfo)
	ctx := l.TagRPC(l.TagConn(t.Context(), nil), &stats.RPCTagInfo{})
	for _, event := range []stats.RPCStats{&stats.Begin{}, &stats.InHeader{}, &stats.OutTrailer{}} {
		l.HandleRPC(ctx, event)
	}
	l.HandleConn(ctx, &stats.ConnEnd{})
	if log.Len() > 0 {
		t.Errorf("logged before its end: %s", log)
	}
	RecordDecision(ctx, auth.Decision{Procedure: somewhere, Protocol: "grpc"})
	RecordDecision(t.Context(), auth.Decision{}) // of a call that is not logged
	l.HandleRPC(t.Context(), &stats.End{})
	l.HandleRPC(ctx, &stats.End{Error: status.Error(codes.NotFound, "none")})
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "procedure="+somewhere+" protocol=grpc") || !strings.Contains(got, "code=not_found") {
		t.Errorf("logged: %s", got)
	}
}

func TestTheUserAgentIsThatOfTheTransport(t *testing.T) {
	t.Parallel()
	native := metadata.NewIncomingContext(t.Context(), metadata.Pairs("user-agent", "grpc-go/1", "user-agent", "acme/2"))
	overHTTP := context.WithValue(native, recordKey{}, &record{userAgent: "Browser/1.0"})
	for want, ctx := range map[string]context.Context{
		"Browser/1.0":      overHTTP,
		"grpc-go/1 acme/2": context.WithValue(native, recordKey{}, new(record)),
		"":                 t.Context(),
	} {
		if got := UserAgent(ctx); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
}

func TestTheRouteIsThatOfTheMux(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /notes/{id}", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_ = http.NewResponseController(w).Flush()
	})
	for path, want := range map[string]string{"/notes/7": `procedure="GET /notes/{id}" protocol=http peer=192.0.2.1:1234 code=http_418`, "/secret": "procedure=unknown protocol=http peer=192.0.2.1:1234 code=http_404"} {
		l, log := callLog(slog.LevelInfo)
		response := httptest.NewRecorder()
		Chain(mux, l.Middleware, RecordRoute).ServeHTTP(response, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		if got := log.String(); !strings.Contains(got, want) || strings.Contains(got, "secret") || path != "/secret" && !response.Flushed {
			t.Errorf("%s: %s; want %s", path, got, want)
		}
	}
	RecordRoute(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/notes/7", http.NoBody)) // without a log
}
