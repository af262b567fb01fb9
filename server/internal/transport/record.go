package transport

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/internal/logtext"
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
	failure  error          // that ended the call; nil for none
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
	r.code, r.hasCode, r.failure = code, true, err
}

// reason returns why the call was refused or has failed: attributes for the log, none
// where there is nothing to say.
func (r *record) reason() []slog.Attr {
	if r.decision != nil && r.decision.Refusal != nil {
		return r.decision.Refusal.LogValue().Group()
	}
	var known failure
	switch {
	case errors.As(r.failure, &known):
		return known.LogValue().Group()
	case r.failure == nil, slices.Contains(quoting, r.code):
		return nil
	}
	text := status.Convert(r.failure).Message()
	var failed *connect.Error
	if errors.As(r.failure, &failed) {
		text = failed.Message()
	}
	return []slog.Attr{slog.String("cause", logtext.Bounded(text))}
}

// quoting are the codes of errors whose text can quote the request, or is of no use.
var quoting = []connect.Code{connect.CodeInvalidArgument, connect.CodeUnimplemented, connect.CodeCanceled}

// caller returns who called: attributes for the log. Of a call that was refused or has failed
// it names the token too, so that it can be found and revoked.
func (r *record) caller() []slog.Attr {
	if r.decision == nil {
		return nil
	}
	if r.decision.Refusal == nil && r.failure == nil {
		if id := r.decision.Identity; id != nil {
			return []slog.Attr{slog.String("subject", id.Subject), slog.String("issuer", id.Issuer)}
		}
		return nil
	}
	return r.decision.Token().LogValue().Group()
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
// record: streams and gRPC answer 200 whatever their outcome. It also adds the id of the
// call to the details of its error.
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
		return res, identified(ctx, err)
	}
}

// WrapStreamingHandler implements connect.Interceptor.
func (n RecordOutcome) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		err := next(ctx, conn)
		n.record(ctx, err)
		return identified(ctx, err)
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (RecordOutcome) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}
