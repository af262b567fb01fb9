package ostiary_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"

	"github.com/ostiary/ostiary"
	identityv1 "github.com/ostiary/ostiary/gen/ostiary/identity/v1"
	"github.com/ostiary/ostiary/gen/ostiary/identity/v1/identityv1connect"
	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authclient"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/connectauth"
	"github.com/ostiary/ostiary/interceptors/grpcauth"
	"github.com/ostiary/ostiary/interceptors/httpauth"
	"github.com/ostiary/ostiary/interceptors/policy"
	"github.com/ostiary/ostiary/interceptors/token"
)

// secret is what an unguarded service would tell a stranger.
const secret = "served open"

func answer(ctx context.Context) *identityv1.WhoAmIResponse {
	subject := secret
	if id, ok := auth.FromContext(ctx); ok {
		subject = id.Subject
	}
	return &identityv1.WhoAmIResponse{Identity: &identityv1.Identity{Subject: subject}}
}

type connectService struct {
	identityv1connect.UnimplementedIdentityServiceHandler
}

func (connectService) WhoAmI(ctx context.Context, _ *identityv1.WhoAmIRequest) (*identityv1.WhoAmIResponse, error) {
	return answer(ctx), nil
}

func (connectService) WatchIdentity(ctx context.Context, _ *identityv1.WatchIdentityRequest, stream *connect.ServerStream[identityv1.WatchIdentityResponse]) error {
	return stream.Send(&identityv1.WatchIdentityResponse{Identity: answer(ctx).GetIdentity()})
}

type grpcService struct {
	identityv1.UnimplementedIdentityServiceServer
}

func (grpcService) WhoAmI(ctx context.Context, _ *identityv1.WhoAmIRequest) (*identityv1.WhoAmIResponse, error) {
	return answer(ctx), nil
}

// logged is a log that can be read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newGuard(t *testing.T, rules ...policy.Option) (*auth.Guard, *authtest.Issuer, *logged) {
	t.Helper()
	issuer, log := authtest.Start(t), new(logged)
	guard, err := ostiary.New(ostiary.Config{
		Issuer: issuer.URL(), Profile: "clerk", Rules: rules, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := guard.Close(); err != nil {
			t.Error(err)
		}
	})
	return guard, issuer, log
}

func serve(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func TestOneGuardServesConnect(t *testing.T) {
	t.Parallel()
	guard, issuer, log := newGuard(t)
	mux := http.NewServeMux()
	mux.Handle(identityv1connect.NewIdentityServiceHandler(connectService{}, connectauth.WithGuard(guard)))
	server := serve(t, httpauth.RequireGuard(guard, mux))
	ada := identityv1connect.NewIdentityServiceClient(server.Client(), server.URL,
		connectauth.WithToken(server.URL, authclient.StaticToken(issuer.Session("user_ada"))))
	if got, err := ada.WhoAmI(t.Context(), &identityv1.WhoAmIRequest{}); err != nil || got.GetIdentity().GetSubject() != "user_ada" {
		t.Errorf("WhoAmI = %v, %v; want user_ada", got, err)
	}
	stream, err := ada.WatchIdentity(t.Context(), &identityv1.WatchIdentityRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if !stream.Receive() || stream.Msg().GetIdentity().GetSubject() != "user_ada" {
		t.Errorf("WatchIdentity = %v, %v; want user_ada", stream.Msg(), stream.Err())
	}
	_ = stream.Close()
	stranger := identityv1connect.NewIdentityServiceClient(server.Client(), server.URL)
	_, err = stranger.WhoAmI(t.Context(), &identityv1.WhoAmIRequest{})
	if reason, _ := connectauth.ReasonOf(err); reason != auth.TokenMissing {
		t.Errorf("a stranger's error is %v; want %v", err, auth.TokenMissing)
	}
	if !strings.Contains(log.String(), "reason=TOKEN_MISSING") {
		t.Errorf("the refusal was not logged:\n%s", log)
	}
}

func TestOneGuardServesGRPC(t *testing.T) {
	t.Parallel()
	guard, issuer, _ := newGuard(t)
	server := grpcauth.NewServer(guard)
	identityv1.RegisterIdentityServiceServer(server, grpcService{})
	healthv1.RegisterHealthServer(server, health.NewServer())
	client := identityv1.NewIdentityServiceClient(dial(t, server))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+issuer.Session("user_ada"))
	if got, err := client.WhoAmI(ctx, &identityv1.WhoAmIRequest{}); err != nil || got.GetIdentity().GetSubject() != "user_ada" {
		t.Errorf("WhoAmI = %v, %v; want user_ada", got, err)
	}
	_, err := client.WhoAmI(t.Context(), &identityv1.WhoAmIRequest{})
	if reason, _ := grpcauth.ReasonOf(err); reason != auth.TokenMissing {
		t.Errorf("a stranger's error is %v; want %v", err, auth.TokenMissing)
	}
}

// dial serves until the end of the test.
func dial(t *testing.T, server *grpcauth.Server) *grpc.ClientConn {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestAServiceWhoseGuardWasForgottenIsServedToNobody(t *testing.T) {
	t.Parallel()
	guard, issuer, log := newGuard(t)
	mux := http.NewServeMux()
	mux.Handle(identityv1connect.NewIdentityServiceHandler(connectService{}))
	mux.HandleFunc("GET /export", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(secret)) })
	server := serve(t, httpauth.RequireGuard(guard, mux))
	got, err := server.Client().Get(server.URL + "/export")
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Body.Close()
	if got.StatusCode != http.StatusInternalServerError {
		t.Errorf("an unguarded page answers a stranger with %s; want 500, since the fault is the server's", got.Status)
	}
	for name, options := range map[string][]connect.ClientOption{
		"Connect":  nil,
		"GET":      {connect.WithHTTPGet()},
		"gRPC-Web": {connect.WithGRPCWeb()},
	} {
		for _, bearer := range []string{"", issuer.Session("user_ada")} {
			options := options
			if bearer != "" {
				options = append(options, connectauth.WithToken(server.URL, authclient.StaticToken(bearer)))
			}
			client := identityv1connect.NewIdentityServiceClient(server.Client(), server.URL, options...)
			if got, err := client.WhoAmI(t.Context(), &identityv1.WhoAmIRequest{}); err == nil {
				t.Errorf("%s: WhoAmI = %v; want a refusal", name, got)
			}
			stream, err := client.WatchIdentity(t.Context(), &identityv1.WatchIdentityRequest{})
			if err != nil {
				continue
			}
			if stream.Receive() {
				t.Errorf("%s: WatchIdentity sends %v", name, stream.Msg())
			}
			_ = stream.Close()
		}
	}
	const line = "level=ERROR.* reason=AUTH_FAILURE cause=\"no guard decided about "
	if !regexp.MustCompile(line+"GET /export").MatchString(log.String()) || !regexp.MustCompile(line+"/ostiary.identity.v1.IdentityService/").MatchString(log.String()) {
		t.Errorf("the log does not name what is unguarded:\n%s", log)
	}
}

// account is an application's own user.
type account struct{ name string }

// database has accounts by subject.
type database map[string]*account

func (d database) FindAccount(_ context.Context, subject string) (*account, error) {
	return d[subject], nil
}

func TestTheConfigLoadsUsers(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	db := database{"user_ada": {"Ada"}}
	config := ostiary.Config{Issuer: issuer.URL(), Profile: "clerk", Logger: slog.New(slog.DiscardHandler)}
	config.LoadUser = func(ctx context.Context, caller *auth.Identity) (any, error) {
		return db.FindAccount(ctx, caller.Subject)
	}
	guard, err := ostiary.New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = guard.Close() }()
	const procedure = "/ostiary.identity.v1.IdentityService/WhoAmI"
	call := func(subject string) (context.Context, error) {
		header := http.Header{"Authorization": {"Bearer " + issuer.Session(subject)}}
		return guard.Admit(t.Context(), auth.Call{Procedure: procedure, Header: header})
	}
	ctx, err := call("user_ada")
	if err != nil {
		t.Fatal(err)
	}
	user, ok := auth.User[*account](ctx)
	if !ok || user.name != "Ada" {
		t.Errorf("User = %v, %t; want Ada's account", user, ok)
	}
	_, err = call("user_ben")
	if reason, _ := auth.ReasonOf(err); reason != auth.UserUnknown {
		t.Errorf("a caller without an account gets %v; want %v", err, auth.UserUnknown)
	}
}

func TestAServiceWithoutAnyRuleIsRefusedCallByCall(t *testing.T) {
	t.Parallel()
	guard, issuer, log := newGuard(t)
	const procedure = "/acme.v1.ForgottenService/Do"
	mux := http.NewServeMux()
	mux.Handle(procedure, connect.NewUnaryHandlerSimple(procedure, connectService{}.WhoAmI, connectauth.WithGuard(guard)))
	if line := `level=ERROR msg="a procedure has no rule`; !strings.Contains(log.String(), line) || !strings.Contains(log.String(), "procedure="+procedure) {
		t.Errorf("the start does not name the method:\n%s", log)
	}
	server := serve(t, httpauth.RequireGuard(guard, mux))
	client := connect.NewClient[identityv1.WhoAmIRequest, identityv1.WhoAmIResponse](server.Client(), server.URL+procedure,
		connectauth.WithToken(server.URL, authclient.StaticToken(issuer.Session("user_ada"))))
	_, err := client.CallUnary(t.Context(), connect.NewRequest(&identityv1.WhoAmIRequest{}))
	if reason, _ := connectauth.ReasonOf(err); reason != auth.AuthFailure {
		t.Errorf("%v; want %v", err, auth.AuthFailure)
	}
}

func TestAMethodWithoutARuleDoesNotStart(t *testing.T) {
	t.Parallel()
	guard, _, log := newGuard(t)
	server := grpcauth.NewServer(guard)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "acme.v1.ForgottenService",
		Methods:     []grpc.MethodDesc{{MethodName: "Do"}},
	}, nil)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if err := server.Serve(listener); err == nil || !strings.Contains(err.Error(), "/acme.v1.ForgottenService/Do") {
		t.Errorf("Serve = %v; want an error that names the method", err)
	}
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "procedure=/acme.v1.ForgottenService/Do") {
		t.Errorf("the log does not name it, for those who drop the error of Serve:\n%s", log)
	}
}

// TestReflectionIsLogged where it is served to everybody.
func TestReflectionIsLogged(t *testing.T) {
	t.Parallel()
	const line = "reflection is served to everybody"
	guard, _, log := newGuard(t)
	reflection.Register(grpcauth.NewServer(guard))
	if strings.Count(log.String(), line) != 2 { // of v1 and of v1alpha
		t.Errorf("logged %s", log)
	}
	guard, _, log = newGuard(t, policy.OverrideService("grpc.reflection.v1.ServerReflection", policy.Authenticated()),
		policy.OverrideService("grpc.reflection.v1alpha.ServerReflection", policy.Authenticated()))
	reflection.Register(grpcauth.NewServer(guard))
	if strings.Contains(log.String(), line) {
		t.Errorf("logged %s, of what is closed", log)
	}
}

func TestALoopbackIssuerNeedsNoAudience(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	for name, config := range map[string]ostiary.Config{
		"as Issuer":      {Issuer: issuer.URL(), Profile: "clerk"},
		"one of Issuers": {Issuers: []token.Issuer{{URL: issuer.URL(), Profile: token.Clerk()}}},
	} {
		log := new(logged)
		config.Logger = slog.New(slog.NewTextHandler(log, nil))
		guard, err := ostiary.New(config)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = guard.Close()
		if !strings.Contains(log.String(), "for any service") {
			t.Errorf("%s: no warning in %s", name, log)
		}
	}
}

// forMachines is a rule that only machines meet.
var forMachines = []policy.Option{policy.Override("/acme.v1.Files/Export", policy.Require(&policyv1.Require{
	Kinds: []policyv1.TokenKind{policyv1.TokenKind_TOKEN_KIND_MACHINE},
}))}

func TestNewNamesEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	quiet := slog.New(slog.DiscardHandler)
	for _, tt := range []struct {
		name   string
		config ostiary.Config
		want   []string
	}{
		{"an issuer for whose tokens there is no audience", ostiary.Config{Issuer: "https://issuer.test"}, []string{"AllowAnyAudience"}},
		{"a profile that nobody knows", ostiary.Config{Issuer: ostiary.DevIssuer, Profile: "clrk"}, []string{`unknown profile "clrk"`}},
		{"an issuer on plain http", ostiary.Config{Issuer: "http://issuer.test", Audiences: []string{"api"}}, []string{"http://issuer.test"}},
		{
			"a rule for a service that is not linked, and an issuer without an audience",
			ostiary.Config{Issuer: "https://issuer.test", Rules: []policy.Option{policy.OverrideService("acme.v1.Gone", policy.Public())}},
			[]string{"AllowAnyAudience", "acme.v1.Gone"},
		},
		{
			"settings of an issuer that is not named, beside others",
			ostiary.Config{Issuers: []token.Issuer{{URL: "https://issuer.test"}}, Kinds: []auth.TokenKind{auth.KindMachine}},
			[]string{"Issuer, which is empty"},
		},
		{"a profile of an issuer that is not named", ostiary.Config{Profile: "clerk"}, []string{"Issuer, which is empty", "ostiary.DevIssuer"}},
		{"audiences", ostiary.Config{Audiences: []string{"api"}}, []string{"Issuer, which is empty"}},
		{"authorized parties", ostiary.Config{AuthorizedParties: []string{"web"}}, []string{"Issuer, which is empty"}},
		{"any audience", ostiary.Config{AllowAnyAudience: true}, []string{"Issuer, which is empty"}},
		{"first-party clients", ostiary.Config{FirstPartyClients: []string{"web"}}, []string{"Issuer, which is empty"}},
		{"kinds", ostiary.Config{Kinds: []auth.TokenKind{auth.KindMachine}}, []string{"Issuer, which is empty"}},
		{
			"a rule for machines, which the issuer's tokens are not by default",
			ostiary.Config{Issuer: "https://clerk.example.com", Profile: "clerk", Audiences: []string{"api"}, Rules: forMachines},
			[]string{"/acme.v1.Files/Export", "nobody can call it"},
		},
		{
			"a rule that no token of the issuer can meet",
			ostiary.Config{
				Issuers: []token.Issuer{{URL: "https://issuer.test", Audiences: []string{"api"}}},
				Rules:   []policy.Option{policy.Override("/acme.v1.Files/Export", policy.Require(&policyv1.Require{AnyPlan: []string{"pro"}}))},
			},
			[]string{"/acme.v1.Files/Export", "nobody can call it"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.config.Logger = quiet
			_, err := ostiary.New(tt.config)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("New = %v; want an error with %s", err, want)
				}
			}
		})
	}
}

func TestTheZeroConfigAcceptsTheDevelopmentIssuer(t *testing.T) {
	t.Parallel()
	log := new(logged)
	guard, err := ostiary.New(ostiary.Config{Rules: forMachines, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = guard.Close() }()
	verifier, _ := guard.Authenticator.(*token.Verifier)
	if issuers := verifier.Issuers(); len(issuers) != 1 || issuers[0].URL != ostiary.DevIssuer || issuers[0].Profile.Name != "clerk" {
		t.Errorf("it trusts %+v; want the development issuer", issuers)
	}
	for _, want := range []string{"level=WARN", `kinds="session, machine"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
}

func TestKindsAndFirstPartyClientsAreThoseOfTheIssuer(t *testing.T) {
	t.Parallel()
	issuer := authtest.Start(t)
	web := issuer.UserOf("keycloak", "ada", authtest.With("azp", "web"), authtest.ExpiresIn(time.Hour))
	job := issuer.MachineOf("keycloak", "job", authtest.ExpiresIn(time.Hour))
	for _, tt := range []struct {
		name   string
		config ostiary.Config
		token  string
		kind   auth.TokenKind // of the token; 0 if it is refused
	}{
		{"a user through a client is of kind oauth", ostiary.Config{}, web, auth.KindOAuth},
		{"through one that is first-party, a session", ostiary.Config{FirstPartyClients: []string{"web"}}, web, auth.KindSession},
		{"kinds that are named are accepted", ostiary.Config{Kinds: []auth.TokenKind{auth.KindMachine}}, job, auth.KindMachine},
		{"and no others", ostiary.Config{Kinds: []auth.TokenKind{auth.KindMachine}}, web, 0},
		{"a machine is not accepted by default, even on loopback", ostiary.Config{}, job, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.config.Issuer, tt.config.Profile, tt.config.Logger = issuer.URL(), "keycloak", slog.New(slog.DiscardHandler)
			guard, err := ostiary.New(tt.config)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = guard.Close() }()
			id, err := guard.Authenticator.Authenticate(t.Context(), auth.Call{Header: http.Header{"Authorization": {"Bearer " + tt.token}}})
			if tt.kind == 0 {
				if reason, _ := auth.ReasonOf(err); reason != auth.TokenKindUnsupported {
					t.Errorf("%v; want %v", err, auth.TokenKindUnsupported)
				}
				return
			}
			if err != nil || id.Kind != tt.kind {
				t.Errorf("%+v, %v; want kind %v", id, err, tt.kind)
			}
		})
	}
}
