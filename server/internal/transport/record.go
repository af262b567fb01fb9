package transport

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/metadata"

	"github.com/ostiary/ostiary/interceptors/auth"
)

// A record collects what is known of one call, on the call's own goroutine: the
// guard adds its caller and its refusal, the transport its outcome, which may be a
// refusal of the handler.
type record struct {
	protocol  string
	peer      string
	userAgent string // of what came over HTTP
	route     string // of what is not an RPC: the pattern of its handler
	start     time.Time

	decision *auth.Decision // nil when no guard was asked
	failure  failure        // in the error that ended the call; nil for none that says more
	code     connect.Code   // 0 is success
	hasCode  bool
	status   int // of HTTP
}

// A failure is an error that shows its reason and its cause to logs, as *auth.Error
// does.
type failure interface {
	error
	slog.LogValuer
}

type recordKey struct{}

func recordOf(ctx context.Context) *record {
	rec, _ := ctx.Value(recordKey{}).(*record)
	return rec
}

// RecordDecision adds a guard's decision to the record of the call. It is for the
// guard's observer, which sees refusals that no interceptor does, since they come
// before a message is read.
func RecordDecision(ctx context.Context, d auth.Decision) {
	if rec := recordOf(ctx); rec != nil {
		rec.decision = &d
	}
}

// UserAgent returns the user agent of the caller.
func UserAgent(ctx context.Context) string {
	if rec := recordOf(ctx); rec != nil && rec.userAgent != "" {
		return rec.userAgent
	}
	return strings.Join(metadata.ValueFromIncomingContext(ctx, "user-agent"), " ")
}

// end records how the call ended.
func (r *record) end(code connect.Code, err error) {
	r.code, r.hasCode = code, true
	errors.As(err, &r.failure)
}

// reason returns why the call was refused or has failed: attributes for the log, none
// where there is nothing to say.
func (r *record) reason() []slog.Attr {
	if r.decision != nil && r.decision.Refusal != nil {
		return r.decision.Refusal.LogValue().Group()
	}
	if r.failure != nil {
		return r.failure.LogValue().Group()
	}
	return nil
}

// kind is what lines about strangers are counted by: why the call was refused, or else its
// outcome.
func (r *record) kind(outcome string) string {
	if r.decision != nil && r.decision.Refusal != nil {
		return r.decision.Refusal.Reason.String()
	}
	return outcome
}

// outcome names the code that the caller got.
func (r *record) outcome() string {
	switch {
	case r.decision != nil && r.decision.Refusal != nil:
		return r.decision.Refusal.Code().String()
	case r.hasCode && r.code == 0:
		return "ok"
	case r.hasCode:
		return r.code.String()
	case r.decision != nil && r.decision.Protocol != "http": // which has no messages
		return "unreadable_message" // admitted, and yet its handler never ran
	case r.status >= http.StatusBadRequest:
		return "http_" + strconv.Itoa(r.status)
	default:
		return "ok"
	}
}

// RecordRoute adds the route to the record of the call. It must be the last
// before the http.ServeMux, which sets the pattern of the very request that it is
// given.
func RecordRoute(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rec := recordOf(r.Context()); rec != nil {
			defer func() { rec.route = r.Pattern }()
		}
		mux.ServeHTTP(w, r)
	})
}

// RecordOutcome is the connect interceptor that adds the code of a call to its
// record: streams and gRPC answer 200 whatever their outcome.
type RecordOutcome struct{}

func (RecordOutcome) record(ctx context.Context, err error) {
	rec := recordOf(ctx)
	if rec == nil {
		return
	}
	var code connect.Code
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled): // connect gives these two their codes further out
		code = connect.CodeCanceled
	case errors.Is(err, context.DeadlineExceeded):
		code = connect.CodeDeadlineExceeded
	default:
		code = connect.CodeOf(err)
	}
	rec.end(code, err)
}

// WrapUnary implements connect.Interceptor.
func (n RecordOutcome) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		res, err := next(ctx, req)
		n.record(ctx, err)
		return res, err
	}
}

// WrapStreamingHandler implements connect.Interceptor.
func (n RecordOutcome) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		err := next(ctx, conn)
		n.record(ctx, err)
		return err
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (RecordOutcome) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}
