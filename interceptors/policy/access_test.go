package policy_test

import (
	"testing"
	"time"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policy"
)

func TestAccessInWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rule *policyv1.Rule
		want string
	}{
		{nil, "nobody"},
		{&policyv1.Rule{}, "nobody"},
		{schematest.Public(), "anybody"},
		{&policyv1.Rule{Access: &policyv1.Rule_Public{Public: &policyv1.Public{IgnoreInvalid: true}}}, "anybody, whatever their token"},
		{schematest.Authenticated(), "a valid token"},
		{schematest.Handled(schematest.Authenticated(), " the note is the caller's own "), "a valid token; the handler also requires: the note is the caller's own"},
		{schematest.Handled(schematest.Require(&policyv1.Require{Organization: true}), "it is theirs"), "a valid token; an organization that the caller acts in; the handler also requires: it is theirs"},
		{schematest.Require(&policyv1.Require{
			Condition:      "request.owner == identity.subject",
			Reverification: schematest.Custom(5, policyv1.Reverification_LEVEL_FIRST),
			AnyPlan:        []string{"pro"},
			AnyFeature:     []string{"notes"},
			AllScopes:      []string{"email"},
			AllPermissions: []string{"a:b", "c:d"},
			AnyRole:        []string{"admin", "owner"},
			Organization:   true,
			Kinds:          []policyv1.TokenKind{policyv1.TokenKind_TOKEN_KIND_SESSION},
		}), `a valid token; a token of kind session; an organization that the caller acts in; the role "admin" or "owner"; ` +
			`the permission "a:b" and "c:d"; the scope "email"; the feature "notes"; the plan "pro"; ` +
			`a verification within 5 minutes, level first; the condition request.owner == identity.subject`},
	} {
		if got := (policy.Entry{Rule: tt.rule}).Access(); got != tt.want {
			t.Errorf("%q\nwant %q", got, tt.want)
		}
	}
}

// Whatever is not as usual about the streams of a method can be read beside who
// may open them.
func TestAccessShowsTheTermsOfStreams(t *testing.T) {
	t.Parallel()
	const (
		unary, stream = auth.Unary, auth.ServerStream

		unset, renewable    = policyv1.StreamTerms_LEASE_UNSPECIFIED, policyv1.StreamTerms_LEASE_RENEWABLE
		untilExpiry, atOpen = policyv1.StreamTerms_LEASE_UNTIL_EXPIRY, policyv1.StreamTerms_LEASE_AT_OPEN
	)
	for _, tt := range []struct {
		name string
		kind auth.StreamType
		rule *policyv1.Rule
		want string
	}{
		{"the usual terms", stream, schematest.Authenticated(), "a valid token"},
		{"the usual terms, written out", stream, schematest.Streaming(renewable, 24*time.Hour), "a valid token"},
		{"a stream that ends with its token", stream, schematest.Streaming(untilExpiry, 0), "a valid token; the stream ends with its token"},
		{"a stream that outlives its token", stream, schematest.Streaming(atOpen, 0), "a valid token; the stream outlives its token"},
		{"a stream that lives less long", stream, schematest.Streaming(unset, time.Hour), "a valid token; the stream lives for 1h at most"},
		{"a stream that lives longer", stream, schematest.Streaming(renewable, 36*time.Hour+30*time.Minute), "a valid token; the stream lives for 36h30m at most"},
		{"a lease and a lifetime", auth.BidiStream, schematest.Streaming(atOpen, 90*time.Second), "a valid token; the stream outlives its token and lives for 1m30s at most"},
		{"a stream to which the handler asks for more", auth.ClientStream, schematest.Handled(schematest.Streaming(untilExpiry, time.Minute), "it is theirs"), "a valid token; the handler also requires: it is theirs; the stream ends with its token and lives for 1m at most"},
		{"a stream for anybody", stream, streaming(schematest.Public(), &policyv1.StreamTerms{Lease: atOpen}), "anybody; the stream outlives its token"},
		{"terms that mean nothing to a unary method", unary, schematest.Streaming(atOpen, time.Hour), "a valid token"},
		{"terms that are not in order", stream, schematest.Streaming(99, time.Hour), "a valid token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			method := schematest.NewMethod(t, tt.kind, tt.rule).Services().Get(0).Methods().Get(0)
			if got := (policy.Entry{Rule: tt.rule, Method: method}).Access(); got != tt.want {
				t.Errorf("%q; want %q", got, tt.want)
			}
		})
	}
	if got, want := (policy.Entry{Rule: schematest.Streaming(policyv1.StreamTerms_LEASE_AT_OPEN, 0)}).Access(), "a valid token; the stream outlives its token"; got != want {
		t.Errorf("of a method without schema %q; want %q", got, want)
	}
}
