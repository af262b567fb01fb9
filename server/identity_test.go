package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/server/settings"
)

// whoAmI is the unary call of one protocol.
type whoAmI func(ctx context.Context, t *testing.T, token string) (*identityv1.WhoAmIResponse, error)

// protocols are all the ways to call.
func (r *running) protocols() map[string]whoAmI {
	over := func(http2 bool, options ...connect.ClientOption) whoAmI {
		return func(ctx context.Context, t *testing.T, token string) (*identityv1.WhoAmIResponse, error) {
			t.Helper()
			options := append(options, connect.WithInterceptors(bearer(token)))
			client := identityv1connect.NewIdentityServiceClient(httpClient(t, http2), r.url, options...)
			return client.WhoAmI(ctx, &identityv1.WhoAmIRequest{})
		}
	}
	return map[string]whoAmI{
		"Connect over HTTP/1.1":          over(false),
		"Connect over HTTP/2":            over(true),
		"Connect with GET":               over(false, connect.WithHTTPGet()),
		"Connect with JSON and gzip":     over(false, connect.WithProtoJSON(), connect.WithSendGzip()),
		"gRPC on the HTTP port":          over(true, connect.WithGRPC()),
		"gRPC-Web over HTTP/1.1":         over(false, connect.WithGRPCWeb()),
		"native gRPC on the port beside": r.native,
	}
}

func (r *running) native(ctx context.Context, t *testing.T, token string) (*identityv1.WhoAmIResponse, error) {
	t.Helper()
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	return r.nativeClient(t).WhoAmI(ctx, &identityv1.WhoAmIRequest{})
}

// reasonOf reads the reason from either transport's error.
func reasonOf(err error) (auth.Reason, bool) {
	if reason, ok := connectauth.ReasonOf(err); ok {
		return reason, true
	}
	return grpcauth.ReasonOf(err)
}

func TestWhoAmIIsTheSameOnEveryProtocol(t *testing.T) {
	t.Parallel()
	r := start(t)
	issued := time.Now().Truncate(time.Second)
	token := r.issuer.Session("user_ada",
		authtest.IssuedAt(issued), authtest.ExpiresIn(time.Hour),
		authtest.With("sid", "sess_1"), authtest.With("jti", "jti_1"), authtest.With("nbf", issued.Unix()-10), authtest.With("fva", []int{3, -1}),
		authtest.With("act", map[string]any{"iss": "https://support.example.com", "sub": "user_support", "sid": "sess_2"}),
		authtest.InOrganization("org_acme", "acme", "admin", "invoices:read"))
	want := &identityv1.WhoAmIResponse{Identity: &identityv1.Identity{
		Issuer:        r.issuer.URL(),
		Subject:       "user_ada",
		Kind:          policyv1.TokenKind_TOKEN_KIND_SESSION,
		TokenId:       "jti_1",
		SessionId:     "sess_1",
		Organization:  &identityv1.Organization{Id: "org_acme", Slug: "acme", Role: "org:admin"},
		Roles:         []string{"org:admin"},
		Permissions:   []string{"org:invoices:read"},
		Actor:         &identityv1.Actor{Issuer: "https://support.example.com", Subject: "user_support", SessionId: "sess_2"},
		Features:      []string{"o:invoices"},
		FactorAges:    &identityv1.FactorAges{First: durationpb.New(3 * time.Minute)},
		IssueTime:     timestamppb.New(issued),
		NotBeforeTime: timestamppb.New(issued.Add(-10 * time.Second)),
		ExpireTime:    timestamppb.New(issued.Add(time.Hour)),
	}}
	for name, call := range r.protocols() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := call(t.Context(), t, token)
			if err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

func TestEveryKindOfTokenIsOnTheWire(t *testing.T) {
	t.Parallel()
	for kind, want := range map[auth.TokenKind]policyv1.TokenKind{
		auth.KindSession: policyv1.TokenKind_TOKEN_KIND_SESSION, auth.KindTemplate: policyv1.TokenKind_TOKEN_KIND_TEMPLATE,
		auth.KindOAuth: policyv1.TokenKind_TOKEN_KIND_OAUTH, auth.KindMachine: policyv1.TokenKind_TOKEN_KIND_MACHINE,
		0: policyv1.TokenKind_TOKEN_KIND_UNSPECIFIED,
	} {
		expires := time.Unix(1_700_000_000, 0)
		got := identityMessage(&auth.Identity{
			Issuer: "https://clerk.example.com", Subject: "x", Kind: kind, ClientID: "client_1", Scopes: []string{"read"}, ExpiresAt: expires,
		})
		// What the token does not say is left out.
		want := &identityv1.Identity{
			Issuer: "https://clerk.example.com", Subject: "x", Kind: want, ClientId: "client_1", Scopes: []string{"read"}, ExpireTime: timestamppb.New(expires),
		}
		if !proto.Equal(got, want) {
			t.Errorf("%v: %v\nwant %v", kind, got, want)
		}
	}
}

// fullIdentity says something in every field.
func fullIdentity() *auth.Identity {
	at := func(seconds int64) time.Time { return time.Unix(1_700_000_000+seconds, 0) }
	return &auth.Identity{
		Issuer: "https://issuer.example.com", Subject: "user_ada", Kind: auth.KindOAuth, TokenID: "jti_1", SessionID: "sess_1",
		ClientID: "client_1", AuthorizedParty: "https://app.example.com", Audience: []string{"invoices"},
		Organization: auth.Organization{ID: "org_1", Slug: "acme", Role: "org:admin"},
		Roles:        []string{"org:admin"}, Permissions: []string{"org:invoices:read"}, Scopes: []string{"read"},
		Features: []string{"o:export"}, Plans: []string{"u:pro"},
		Actor:    &auth.Actor{Issuer: "https://support.example.com", Subject: "user_support", SessionID: "sess_2", Type: "support"},
		IssuedAt: at(1), NotBefore: at(2), ExpiresAt: at(3), AuthTime: at(4),
		FactorAges: &auth.FactorAges{First: time.Minute, Second: 0},
		ACR:        "urn:high", AMR: []string{"pwd", "otp"},
	}
}

func TestEveryFieldOfAnIdentityIsOnTheWire(t *testing.T) {
	t.Parallel()
	got := identityMessage(fullIdentity())
	var unset func(message protoreflect.Message)
	unset = func(message protoreflect.Message) {
		fields := message.Descriptor().Fields()
		for i := range fields.Len() {
			field := fields.Get(i)
			if !message.Has(field) {
				t.Errorf("%s is not set", field.FullName())
			} else if field.Message() != nil && field.Message().ParentFile().Package() == message.Descriptor().ParentFile().Package() {
				unset(message.Get(field).Message())
			}
		}
	}
	unset(got.ProtoReflect())
	want := &identityv1.Identity{
		Issuer: "https://issuer.example.com", Subject: "user_ada", Kind: policyv1.TokenKind_TOKEN_KIND_OAUTH, TokenId: "jti_1", SessionId: "sess_1",
		ClientId: "client_1", AuthorizedParty: "https://app.example.com", Audience: []string{"invoices"},
		Organization: &identityv1.Organization{Id: "org_1", Slug: "acme", Role: "org:admin"},
		Roles:        []string{"org:admin"}, Permissions: []string{"org:invoices:read"}, Scopes: []string{"read"},
		Features: []string{"o:export"}, Plans: []string{"u:pro"},
		Actor:     &identityv1.Actor{Issuer: "https://support.example.com", Subject: "user_support", SessionId: "sess_2", Type: "support"},
		IssueTime: &timestamppb.Timestamp{Seconds: 1_700_000_001}, NotBeforeTime: &timestamppb.Timestamp{Seconds: 1_700_000_002},
		ExpireTime: &timestamppb.Timestamp{Seconds: 1_700_000_003}, AuthTime: &timestamppb.Timestamp{Seconds: 1_700_000_004},
		FactorAges: &identityv1.FactorAges{First: durationpb.New(time.Minute), Second: durationpb.New(0)},
		Acr:        "urn:high", Amr: []string{"pwd", "otp"},
	}
	if !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestAFactorThatWasNeverVerifiedHasNoAge(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ages *auth.FactorAges
		want *identityv1.FactorAges
	}{
		"a token that does not say": {nil, nil},
		"the first factor alone":    {&auth.FactorAges{First: time.Hour, Second: -1}, &identityv1.FactorAges{First: durationpb.New(time.Hour)}},
		"none":                      {&auth.FactorAges{First: -1, Second: -1}, &identityv1.FactorAges{}},
	} {
		id := fullIdentity()
		id.FactorAges = test.ages
		if got := identityMessage(id).GetFactorAges(); !proto.Equal(got, test.want) || (got == nil) != (test.want == nil) {
			t.Errorf("%s: %v; want %v", name, got, test.want)
		}
	}
}

func TestAWatchSendsHeartbeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(auth.NewContext(t.Context(), fullIdentity()))
		defer cancel()
		began := time.Now()
		var sent []string
		err := (&identityService{heartbeat: heartbeatInterval}).watch(ctx, func(message *identityv1.WatchIdentityResponse) error {
			sent = append(sent, fmt.Sprint(time.Since(began), " ", message.GetIdentity().GetSubject()))
			if len(sent) == 3 {
				cancel()
			}
			return nil
		})
		want := []string{"0s user_ada", "20s ", "40s "}
		if !errors.Is(err, context.Canceled) || !slices.Equal(sent, want) {
			t.Errorf("sent %q, ended with %v; want %q", sent, err, want)
		}
	})
}

func TestACallWithoutATokenIsRefusedOnEveryProtocol(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, call := range r.protocols() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := call(t.Context(), t, "")
			if reason, ok := reasonOf(err); !ok || reason != auth.TokenMissing {
				t.Errorf("%v; want %v", err, auth.TokenMissing)
			}
		})
	}
}

// watching is an open WatchIdentity stream of either transport.
type watching interface {
	next() (*identityv1.WatchIdentityResponse, error)
}

type connectWatch struct {
	*connect.ServerStreamForClient[identityv1.WatchIdentityResponse]
}

func (w connectWatch) next() (*identityv1.WatchIdentityResponse, error) {
	if !w.Receive() {
		return nil, errors.Join(w.Err(), w.Close())
	}
	return w.Msg(), nil
}

type nativeWatch struct {
	receive func() (*identityv1.WatchIdentityResponse, error)
}

func (w nativeWatch) next() (*identityv1.WatchIdentityResponse, error) { return w.receive() }

// watch opens the stream on every transport and reads the first message.
func (r *running) watch(t *testing.T, token string) map[string]watching {
	t.Helper()
	streams := make(map[string]watching)
	for name, options := range map[string][]connect.ClientOption{
		"Connect": nil, "gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()},
	} {
		stream, err := r.identityClient(t, token, options...).WatchIdentity(t.Context(), &identityv1.WatchIdentityRequest{})
		if err != nil {
			t.Fatal(err)
		}
		streams[name] = connectWatch{stream}
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	stream, err := r.nativeClient(t).WatchIdentity(ctx, &identityv1.WatchIdentityRequest{})
	if err != nil {
		t.Fatal(err)
	}
	streams["native gRPC"] = nativeWatch{stream.Recv}
	for name, stream := range streams {
		first, err := stream.next()
		if err != nil || first.GetIdentity().GetSubject() != "user_ada" {
			t.Fatalf("%s: first message %v, error %v; want user_ada", name, first, err)
		}
	}
	return streams
}

func TestAWatchEndsWhenTheTokenExpires(t *testing.T) {
	t.Parallel()
	// The server's clock is where two seconds are left of the token and its skew:
	// time to start, and to open every stream, on a machine that is busy.
	issued := time.Now().Truncate(time.Second)
	ahead := time.Until(issued.Add(time.Minute + 5*time.Second - 2*time.Second))
	r := start(t, func(c *settings.Config) { c.Now = func() time.Time { return time.Now().Add(ahead) } })
	token := r.issuer.Session("user_ada", authtest.IssuedAt(issued), authtest.ExpiresIn(time.Minute))
	for name, stream := range r.watch(t, token) {
		_, err := stream.next()
		if reason, ok := reasonOf(err); !ok || reason != auth.TokenExpired {
			t.Errorf("%s ended with %v; want %v", name, err, auth.TokenExpired)
		}
	}
}

func TestAWatchEndsWithUnavailableWhenTheServerStops(t *testing.T) {
	t.Parallel()
	r := start(t)
	streams := r.watch(t, r.issuer.Session("user_ada"))
	began := time.Now()
	if err := r.stop(); err != nil {
		t.Errorf("Run returned %v; want nil", err)
	}
	if took := time.Since(began); took > settings.DefaultShutdownTimeout/2 {
		t.Errorf("stopping took %s with nothing but watches open", took)
	}
	for name, stream := range streams {
		_, err := stream.next()
		code := connect.CodeOf(err)
		if s, ok := status.FromError(err); ok && s.Code() == codes.Unavailable {
			code = connect.CodeUnavailable
		}
		if reason := errorInfoOf(t, err).GetReason(); code != connect.CodeUnavailable || reason != "SERVER_STOPPING" || detailOf[*errdetails.RetryInfo](err) == nil {
			t.Errorf("%s ended with %v, %s; want unavailable, SERVER_STOPPING", name, err, reason)
		}
	}
}

func TestAWatchEndsWhenItsCallerLeaves(t *testing.T) {
	t.Parallel()
	r := start(t)
	ctx, leave := context.WithCancel(t.Context())
	stream, err := r.identityClient(t, r.issuer.Session("user_ada")).WatchIdentity(ctx, &identityv1.WatchIdentityRequest{})
	if err != nil || !stream.Receive() {
		t.Fatalf("no first message: %v", errors.Join(err, stream.Err()))
	}
	leave()
	if stream.Receive() || connect.CodeOf(stream.Err()) != connect.CodeCanceled {
		t.Errorf("ended with %v; want canceled", stream.Err())
	}
	eventually(t, "the log has the call", func() bool {
		return contains(r.log, "WatchIdentity", "code=canceled")
	})
}

// TestAWatchGoesOnWithTheNextTokenOfItsSession renews the streams of every
// transport by one call of another, and has the next token lose nothing but time.
func TestAWatchGoesOnWithTheNextTokenOfItsSession(t *testing.T) {
	t.Parallel()
	r := start(t)
	issued := time.Now().Truncate(time.Second)
	mint := func(after time.Duration, session string) string {
		return r.issuer.Session("user_ada", authtest.With("sid", session), authtest.IssuedAt(issued.Add(after)), authtest.ExpiresIn(time.Minute))
	}
	streams := r.watch(t, mint(-2*time.Second, "sess_1"))
	for _, token := range []string{mint(-time.Second, "sess_2"), mint(-time.Second, "sess_1"), mint(-2*time.Second, "sess_1")} {
		if _, err := r.native(t.Context(), t, token); err != nil {
			t.Fatal(err)
		}
	}
	for name, stream := range streams {
		next, err := stream.next()
		if err != nil {
			t.Errorf("%s ended with %v; want another message", name, err)
			continue
		}
		if got, want := next.GetIdentity().GetIssueTime().AsTime(), issued.Add(-time.Second); !got.Equal(want) {
			t.Errorf("%s: the identity is now of %v; want %v", name, got, want)
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for name, stream := range streams {
		if _, err := stream.next(); err == nil {
			t.Errorf("%s had another message; want it renewed once", name)
		} else if reason, refused := reasonOf(err); refused {
			t.Errorf("%s was refused with %v; want it to live on until the server stopped", name, reason)
		}
	}
}

// An administrator who is one no longer sees no more of the organization, in a
// stream that goes on.
func TestAWatchShowsNoMoreThanTheNewestTokenMaySee(t *testing.T) {
	t.Parallel()
	for _, protocol := range transportNames() {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			cast := r.cast()
			issued := time.Now().Truncate(time.Second)
			mint := func(after time.Duration, role string) string {
				return r.issuer.Session("user_ada", authtest.With("sid", "ada-1"), authtest.InOrganization("org_acme", "acme", role),
					authtest.IssuedAt(issued.Add(after)), authtest.ExpiresIn(time.Minute))
			}
			happen := func(session, token string) {
				t.Helper()
				r.seen(t, map[string]string{session: token})
				r.ledger.Flush(t.Context())
			}
			admin := mint(-3*time.Second, "admin")
			happen("ada-1", admin)
			watch := r.transports()[protocol].watchSessions(t, admin)
			happen("ben", cast["ben"])
			wantEvents(t, "the administrator", watch, "SEEN ben")
			happen("ada-1", mint(-2*time.Second, "member"))
			wantEvents(t, "the member", watch, "RENEWED ada-1")
			if _, err := r.sessions(t, cast["ben"]).RevokeSession(t.Context(), revokeCurrent()); err != nil {
				t.Fatal(err)
			}
			happen("bea", r.issuer.Session("user_bea", authtest.With("sid", "bea"), authtest.InOrganization("org_acme", "acme", "member")))
			happen("ada-2", cast["ada-2"])
			wantEvents(t, "the member", watch, "SEEN ada-2")
		})
	}
}
