package policydiff_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
)

// What rules name, and tokens say, in every spelling that counts as the same, and in
// some that do not.
var (
	ruleRoles     = []string{"admin", "org:admin", "org:org:admin", "member", "org:member", "owner"}
	tokenRoles    = []string{"admin", "org:admin", "member", "org:org:member", "owner", "team:admin"}
	ruleScopes    = []string{"email", "Email", "org:email", "profile"}
	ruleFeatures  = []string{"notes", "org:notes", "o:notes", "user:notes", "u:notes", "organization:files", "files", "user:files"}
	tokenFeatures = []string{"notes", "o:notes", "u:notes", "uo:notes", "x:notes", "files", "o:files", "u:files"}
	conditions    = []string{
		"identity.hasRole('admin')", "identity.hasRole( 'admin' )", "identity.hasRole('org:admin')", "has(identity.actor)", "!has(identity.actor)",
		"identity.kind == 'session'", "identity.kind != 'machine'", "'email' in identity.scopes",
		"request.owner == identity.subject", "(request.owner) == identity.subject", "identity.subject == request.owner", "request.owner != identity.subject",
		"request.tags.all(t, t == identity.subject)", "request.tags.exists(t, t == identity.subject)", "request.tags.size() > 0",
		"has(identity.organization) && request.organization_id == identity.organization.id",
	}
)

func (o *oracle) rule() *policyv1.Rule {
	rule := new(policyv1.Rule)
	switch n := o.IntN(10); n {
	case 0:
		rule.Access = &policyv1.Rule_Public{Public: &policyv1.Public{IgnoreInvalid: o.chance(50)}}
	case 1:
		rule = schematest.Authenticated()
	default:
		rule = schematest.Require(new(policyv1.Require))
		for range 1 + o.IntN(3) {
			o.part(rule.GetRequire())
		}
	}
	o.stream(rule)
	return rule
}

// part sets one part of a rule, or leaves it out.
func (o *oracle) part(r *policyv1.Require) {
	switch o.IntN(9) {
	case 0:
		r.AnyRole = some(o, 30, ruleRoles...)
	case 1:
		r.AllPermissions = some(o, 20, ruleRoles...)
	case 2:
		r.AllScopes = some(o, 30, ruleScopes...)
	case 3:
		r.Kinds = some(o, 50, policyv1.TokenKind_TOKEN_KIND_SESSION, policyv1.TokenKind_TOKEN_KIND_TEMPLATE, policyv1.TokenKind_TOKEN_KIND_OAUTH, policyv1.TokenKind_TOKEN_KIND_MACHINE)
	case 4:
		r.Organization = !r.GetOrganization()
	case 5:
		r.AnyFeature = some(o, 20, ruleFeatures...)
	case 6:
		r.AnyPlan = some(o, 20, ruleFeatures...)
	case 7:
		r.Reverification = o.reverification()
	case 8:
		r.Condition = pick(o, append(conditions, "")...)
	}
}

func (o *oracle) reverification() *policyv1.Reverification {
	var r *policyv1.Reverification
	switch o.IntN(4) {
	case 0:
		return nil
	case 1:
		return &policyv1.Reverification{AnyAcr: []string{pick(o, "phr", "gold")}}
	case 2:
		r = schematest.Preset(policyv1.Reverification_Preset(1 + o.IntN(4)))
	default:
		r = schematest.Custom(pick(o, uint32(1), 10, 60, 1440), policyv1.Reverification_Level(1+o.IntN(3)))
	}
	if o.chance(30) {
		r.AnyAcr = some(o, 50, "phr", "gold")
	}
	return r
}

func (o *oracle) stream(rule *policyv1.Rule) {
	rule.Stream = nil
	if o.chance(50) {
		rule.Stream = &policyv1.StreamTerms{Lease: policyv1.StreamTerms_Lease(o.IntN(4))}
		if o.chance(50) {
			rule.Stream.MaxLifetime = durationpb.New(pick(o, time.Minute, time.Hour, 24*time.Hour, 48*time.Hour))
		}
	}
}

// changed returns a rule like the other, or another one.
func (o *oracle) changed(rule *policyv1.Rule) *policyv1.Rule {
	rule = proto.CloneOf(rule)
	switch {
	case o.chance(20):
		return o.rule()
	case rule.GetPublic() != nil:
		rule.GetPublic().IgnoreInvalid = o.chance(50)
	case rule.GetRequire() != nil:
		o.part(rule.GetRequire())
	}
	if o.chance(20) {
		o.stream(rule)
	}
	return rule
}

// caller returns somebody who meets a part of what rules ask for; nil for nobody.
func (o *oracle) caller() *auth.Identity {
	if o.chance(5) {
		return nil
	}
	id := &auth.Identity{
		Issuer: "https://issuer", Subject: pick(o, "user_ada", "user_eve"),
		Kind:  pick(o, auth.KindSession, auth.KindSession, auth.KindTemplate, auth.KindOAuth, auth.KindMachine),
		Roles: some(o, 30, tokenRoles...), Permissions: some(o, 50, tokenRoles...), Scopes: some(o, 60, ruleScopes...),
		Features: some(o, 25, tokenFeatures...), Plans: some(o, 25, tokenFeatures...),
	}
	if o.chance(70) {
		id.Organization = auth.Organization{ID: pick(o, "org_acme", "org_other")}
	}
	if o.chance(20) {
		id.Actor = &auth.Actor{Subject: "user_root"}
	}
	if o.chance(60) {
		id.ACR = pick(o, "phr", "gold", "0")
	}
	if o.chance(20) {
		id.AuthTime = time.Now().Add(-time.Duration(pick(o, 30, 9*60, 59*60, 1439*60)) * time.Second)
		id.AMR = some(o, 50, "pwd", "otp")
	} else if o.chance(80) {
		age := func() time.Duration { return time.Duration(pick(o, -1, 0, 1, 9, 10, 59, 60, 1439, 1440)) * time.Minute }
		id.FactorAges = &auth.FactorAges{First: age(), Second: age()}
	}
	return id
}

// TestOracleOfRules changes the rules of methods, and their kind of call.
func TestOracleOfRules(t *testing.T) {
	t.Parallel()
	o := newOracle(t)
	pairs := *oraclePairs * 6 / 10
	const each = 50 // methods of one schema
	for range pairs / each {
		was, is := make(schematest.Rules), make(schematest.Rules)
		for i := range each {
			name := fmt.Sprintf("M%d", i)
			was[name], is[name] = o.valid(o.rule), nil
			is[name] = o.valid(func() *policyv1.Rule { return o.changed(was[name]) })
		}
		before, after := schematest.Describe(nil, was), schematest.Describe(nil, is)
		for i, method := range before.GetService()[0].GetMethod() {
			method.ClientStreaming, method.ServerStreaming = proto.Bool(o.chance(30)), proto.Bool(o.chance(30))
			changed := after.GetService()[0].GetMethod()[i]
			changed.ClientStreaming, changed.ServerStreaming = method.ClientStreaming, method.ServerStreaming
			if o.chance(5) {
				changed.ClientStreaming = proto.Bool(!method.GetClientStreaming())
			}
		}
		old, now := schematest.NewFile(t, before), schematest.NewFile(t, after)
		changes := diff(t, old, now)
		p, q := schematest.NewPolicy(t, old), schematest.NewPolicy(t, now)
		for name := range was {
			procedure := schematest.Procedure(name)
			o.judge(t, pair{
				before: p, after: q, was: procedure, is: procedure, changes: changes,
				wasMethod: old.Services().Get(0).Methods().ByName(protoreflect.Name(name)),
				isMethod:  now.Services().Get(0).Methods().ByName(protoreflect.Name(name)),
			}, o.noteCalls(t, 40))
		}
		if t.Failed() {
			return
		}
	}
	o.assertPower(t, pairs)
}

// valid returns a rule with which a server starts.
func (o *oracle) valid(next func() *policyv1.Rule) *policyv1.Rule {
	for {
		rule := next()
		if require := rule.GetRequire(); require != nil {
			if proto.Equal(require, new(policyv1.Require)) || require.GetReverification() != nil && slices.Equal(require.GetKinds(), []policyv1.TokenKind{policyv1.TokenKind_TOKEN_KIND_MACHINE}) {
				continue
			}
		}
		return rule
	}
}

// noteCalls returns calls with the messages of schematest.
func (o *oracle) noteCalls(t *testing.T, n int) []call {
	t.Helper()
	file := schematest.NewSchema(t, nil, nil)
	calls := make([]call, n)
	for i := range calls {
		calls[i] = call{caller: o.caller(), invalid: o.chance(5)}
		for range pick(o, 0, 1, 1, 1, 1, 1, 2) {
			owners := some(o, 40, "user_ada", "user_eve")
			note := schematest.NewNote(file, pick(o, "", "org_acme", "org_other"), pick(o, "", "user_ada", "user_eve"), owners...)
			encoded, err := proto.Marshal(note)
			if err != nil {
				t.Fatal(err)
			}
			calls[i].messages = append(calls[i].messages, encoded)
		}
	}
	return calls
}
