package interceptors_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/authtest"
	"github.com/ostiary/ostiary/interceptors/jwks"
	"github.com/ostiary/ostiary/interceptors/token"
)

// The methods of each service, one for each shape of a call.
const (
	unary        = "Unary"
	get          = "Get" // unary, without side effects
	clientStream = "ClientStream"
	serverStream = "ServerStream"
	bidiStream   = "BidiStream"
	plain        = "HTTP" // an ordinary handler
)

func procedure(service, method string) string { return "/ostiary.test.v1." + service + "/" + method }

// A service answers every method with who calls and what they sent.
type service struct {
	ran   atomic.Int32
	inner *auth.Guard // a second guard behind the first; nil where there is none
}

func (s *service) answer(ctx context.Context, sent string) string {
	s.ran.Add(1)
	return s.say(ctx, sent)
}

// say is the answer of a handler that has counted itself when it began, since it reads
// the message itself and may be refused it.
func (s *service) say(ctx context.Context, sent string) string {
	if user, ok := auth.User[*account](ctx); ok {
		return user.name + " " + sent
	}
	if id, ok := auth.FromContext(ctx); ok {
		return id.Subject + " " + sent
	}
	return nobody + " " + sent
}

func (s *service) echo(ctx context.Context, in *text) (*text, error) {
	return wrapperspb.String(s.answer(ctx, in.GetValue())), nil
}

const (
	ada    = "user_ada"
	nobody = "nobody"

	party    = "https://app.example.com"
	audience = "https://api.example.com"
)

// A kit is four issuers and the clock that they share with the server.
type kit struct {
	now   time.Time
	clerk *authtest.Issuer // session tokens for party
	oidc  *authtest.Issuer // every algorithm, for audience
	wide  *authtest.Issuer // OAuth and machine tokens as well
	down  *authtest.Issuer // whose keys cannot be had
}

func newKit(t *testing.T) *kit {
	t.Helper()
	k := &kit{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	for _, issuer := range []**authtest.Issuer{&k.clerk, &k.oidc, &k.wide, &k.down} {
		*issuer = authtest.Start(t, authtest.WithNow(func() time.Time { return k.now }))
	}
	k.down.Fail(authtest.Status(500))
	return k
}

// guard returns a real guard. Keys that are made later take a while to be seen,
// so call it once the tokens are there.
func (k *kit) guard(t *testing.T) *auth.Guard {
	t.Helper()
	keys := func(issuer *authtest.Issuer) jwks.Set {
		remote, err := jwks.NewRemote(jwks.RemoteConfig{URL: issuer.JWKSURL(), Now: k.clock})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := remote.Close(); err != nil {
				t.Error(err)
			}
		})
		return remote
	}
	verifier, err := token.New(token.Config{Now: k.clock, Issuers: []token.Issuer{
		{URL: k.clerk.URL(), Keys: keys(k.clerk), Profile: token.Clerk(), AuthorizedParties: []string{party}},
		{URL: k.oidc.URL(), Keys: keys(k.oidc), Profile: token.OIDC(), Audiences: []string{audience}},
		{
			URL: k.wide.URL(), Keys: keys(k.wide), Profile: token.Clerk(), AllowAnyAudience: true,
			Kinds: []auth.TokenKind{auth.KindSession, auth.KindOAuth, auth.KindMachine},
		},
		{URL: k.down.URL(), Keys: keys(k.down), Profile: token.Clerk(), AllowAnyAudience: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return &auth.Guard{Authenticator: verifier, Policy: compile(t), Now: k.clock}
}

// observed returns a guard like this one with an observer.
func observed(guard *auth.Guard, observer auth.Observer) *auth.Guard {
	return &auth.Guard{
		Authenticator: guard.Authenticator, Policy: guard.Policy, Revocations: guard.Revocations, Now: guard.Now, Observer: observer,
	}
}

func (k *kit) clock() time.Time { return k.now }

// session returns a session token of ada's that is accepted, or what the edits
// make of it.
func (k *kit) session(edits ...authtest.Edit) string {
	return k.clerk.Session(ada, append([]authtest.Edit{authtest.With("azp", party)}, edits...)...)
}

// access returns a token of the OpenID Connect provider's that is accepted, or
// what the edits make of it.
func (k *kit) access(edits ...authtest.Edit) string {
	return k.oidc.OIDC(ada, append([]authtest.Edit{authtest.With("aud", audience)}, edits...)...)
}

// forged returns a token that names a published key and was signed with another.
func (k *kit) forged() string {
	return k.session(authtest.SignedBy(authtest.NewKey("RS256").WithID(k.clerk.Key().ID())))
}

// The services differ by their rule alone.
const (
	public        = "PublicService"
	lenient       = "LenientService"
	authenticated = "AuthenticatedService"
	usersOnly     = "UserService"
	membersOnly   = "MemberService"
	adminsOnly    = "AdminService"
	readersOnly   = "ReaderService"
	scopedOnly    = "ScopedService"
	featureOnly   = "FeatureService"
	planOnly      = "PlanService"
	freshOnly     = "FreshService"
	acmeOnly      = "AcmeService"
	helloOnly     = "HelloService"
	unruled       = "UnruledService" // served, but the policy does not know it
)

var rules = map[string]*policyv1.Rule{
	public:        {Access: &policyv1.Rule_Public{Public: &policyv1.Public{}}},
	lenient:       {Access: &policyv1.Rule_Public{Public: &policyv1.Public{IgnoreInvalid: true}}},
	authenticated: {Access: &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}},
	usersOnly:     require(&policyv1.Require{Kinds: []policyv1.TokenKind{policyv1.TokenKind_TOKEN_KIND_SESSION}}),
	membersOnly:   require(&policyv1.Require{Organization: true}),
	adminsOnly:    require(&policyv1.Require{AnyRole: []string{"org:admin", "org:owner"}}),
	readersOnly:   require(&policyv1.Require{AllPermissions: []string{"org:invoices:read"}}),
	scopedOnly:    require(&policyv1.Require{AllScopes: []string{"email"}}),
	featureOnly:   require(&policyv1.Require{AnyFeature: []string{"user:exports", "org:reports"}}),
	planOnly:      require(&policyv1.Require{AnyPlan: []string{"org:pro", "org:enterprise"}}),
	freshOnly: require(&policyv1.Require{Reverification: &policyv1.Reverification{
		Freshness: &policyv1.Reverification_Preset_{Preset: policyv1.Reverification_PRESET_STRICT_MFA},
	}}),
	acmeOnly:  require(&policyv1.Require{Condition: "identity.organization.slug == 'acme'"}),
	helloOnly: require(&policyv1.Require{Condition: "request == 'hello' && identity.organization.slug == 'acme'"}),
	unruled:   nil,
}

func require(r *policyv1.Require) *policyv1.Rule {
	return &policyv1.Rule{Access: &policyv1.Rule_Require{Require: r}}
}

// newSchema declares the services that have a rule.
func newSchema(t *testing.T) protoreflect.FileDescriptor {
	t.Helper()
	file := &descriptorpb.FileDescriptorProto{
		Name:       proto.String("ostiary/test/v1/services.proto"),
		Package:    proto.String("ostiary.test.v1"),
		Dependency: []string{"google/protobuf/wrappers.proto"},
	}
	for name, rule := range rules {
		if rule == nil {
			continue
		}
		service := &descriptorpb.ServiceDescriptorProto{Name: proto.String(name), Options: new(descriptorpb.ServiceOptions)}
		proto.SetExtension(service.Options, policyv1.E_DefaultRule, rule)
		for _, method := range []string{unary, get, clientStream, serverStream, bidiStream, plain} {
			service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
				Name:       proto.String(method),
				InputType:  proto.String(".google.protobuf.StringValue"),
				OutputType: proto.String(".google.protobuf.StringValue"),
			})
		}
		file.Service = append(file.Service, service)
	}
	descriptor, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return descriptor
}
