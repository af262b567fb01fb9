package policydiff_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/internal/schematest"
	"github.com/ostiary/ostiary/interceptors/policydiff"
)

// lines are the changes as verdict and text.
func lines(changes []policydiff.Change) []string {
	var all []string
	for _, c := range changes {
		all = append(all, c.Verdict.String()+" "+c.Text)
	}
	return all
}

func diff(t *testing.T, before, after protoreflect.FileDescriptor) []policydiff.Change {
	t.Helper()
	return policydiff.Diff([]protoreflect.FileDescriptor{before}, []protoreflect.FileDescriptor{after})
}

func TestDiffOfOneRule(t *testing.T) {
	t.Parallel()
	ignoring := &policyv1.Rule{Access: &policyv1.Rule_Public{Public: &policyv1.Public{IgnoreInvalid: true}}}
	kinds := func(kinds ...policyv1.TokenKind) *policyv1.Rule {
		return schematest.Require(&policyv1.Require{Kinds: kinds})
	}
	roles := func(names ...string) *policyv1.Rule { return schematest.Require(&policyv1.Require{AnyRole: names}) }
	permissions := func(names ...string) *policyv1.Rule {
		return schematest.Require(&policyv1.Require{AllPermissions: names})
	}
	scopes := func(names ...string) *policyv1.Rule { return schematest.Require(&policyv1.Require{AllScopes: names}) }
	features := func(names ...string) *policyv1.Rule { return schematest.Require(&policyv1.Require{AnyFeature: names}) }
	plans := func(names ...string) *policyv1.Rule { return schematest.Require(&policyv1.Require{AnyPlan: names}) }
	fresh := func(r *policyv1.Reverification) *policyv1.Rule {
		return schematest.Require(&policyv1.Require{Reverification: r})
	}
	organization := schematest.Require(&policyv1.Require{Organization: true})
	newer := schematest.Authenticated()
	newer.ProtoReflect().SetUnknown([]byte("\xba\x3e\x01x"))
	const session, machine, oauth, id = policyv1.TokenKind_TOKEN_KIND_SESSION, policyv1.TokenKind_TOKEN_KIND_MACHINE, policyv1.TokenKind_TOKEN_KIND_OAUTH, policyv1.TokenKind_TOKEN_KIND_ID
	const unknown = "undecidable the rule has a part that this version does not know: update ostiary to compare it"
	ofClass := func(r *policyv1.Reverification, acr ...string) *policyv1.Reverification {
		return &policyv1.Reverification{Freshness: r.GetFreshness(), AnyAcr: acr}
	}
	const first, second, multi = policyv1.Reverification_LEVEL_FIRST, policyv1.Reverification_LEVEL_SECOND, policyv1.Reverification_LEVEL_MULTI

	for _, tt := range []struct {
		name          string
		before, after *policyv1.Rule
		want          []string
	}{
		{"nothing changed", roles("admin"), roles("admin"), nil},

		{"a token is no longer asked for", schematest.Authenticated(), schematest.Public(), []string{"looser public: open to anybody (before: a valid token)"}},
		{"a role is no longer asked for, nor a token", roles("admin"), schematest.Public(), []string{`looser public: open to anybody (before: a valid token; the role "admin")`}},
		{"a token is asked for", schematest.Public(), schematest.Authenticated(), []string{"stricter asks for a valid token (before: anybody)"}},
		{"a role is asked for where anybody could call", schematest.Public(), roles("admin"), []string{`stricter asks for a valid token; the role "admin" (before: anybody)`}},
		{"invalid tokens are ignored", schematest.Public(), ignoring, []string{"looser ignore_invalid: a token that is not accepted no longer refuses its bearer"}},
		{"invalid tokens are refused", ignoring, schematest.Public(), []string{"stricter ignore_invalid: a token that is not accepted refuses its bearer now"}},
		{"a public method that asked for a token ignores invalid ones", schematest.Authenticated(), ignoring, []string{"looser public: open to anybody, whatever their token (before: a valid token)"}},

		{"every requirement is dropped", roles("admin"), schematest.Authenticated(), []string{`looser any_role: "org:admin" is no longer required`}},
		{"the first requirement", schematest.Authenticated(), permissions("a:b"), []string{`stricter all_permissions: "org:a:b" is required too`}},

		{"a new role is enough", roles("admin"), roles("admin", "member"), []string{`looser any_role: "org:member" is enough too`}},
		{"a role is no longer enough", roles("admin", "member"), roles("admin"), []string{`stricter any_role: "org:member" is no longer enough`}},
		{"one role for another", roles("admin"), roles("owner"), []string{`looser any_role: "org:owner" is enough too`, `stricter any_role: "org:admin" is no longer enough`}},
		{"roles in another order, spelling and number", roles("admin", "org:owner"), roles("owner", "org:admin", "admin"), nil},

		{"a permission is dropped", permissions("a:b", "c:d"), permissions("a:b"), []string{`looser all_permissions: "org:c:d" is no longer required`}},
		{"a permission is added", permissions("a:b"), permissions("a:b", "c:d"), []string{`stricter all_permissions: "org:c:d" is required too`}},
		{"one permission for another", permissions("a:b"), permissions("c:d"), []string{`looser all_permissions: "org:a:b" is no longer required`, `stricter all_permissions: "org:c:d" is required too`}},
		{"permissions in another order and number", permissions("a:b", "c:d", "a:b"), permissions("c:d", "a:b"), nil},
		{"scopes in another order and number", scopes("a", "b", "a"), scopes("b", "a"), nil},
		{"permissions in another spelling", permissions("org:a:b"), permissions("a:b"), nil},
		{"all permissions become any of their roles", permissions("a:b", "c:d"), roles("admin", "owner"), []string{`stricter any_role: "org:admin" or "org:owner" is required`, `looser all_permissions: "org:a:b" and "org:c:d" are no longer required`}},
		{"two permissions are added", roles("admin"), schematest.Require(&policyv1.Require{AnyRole: []string{"admin"}, AllPermissions: []string{"a:b", "c:d"}}), []string{`stricter all_permissions: "org:a:b" and "org:c:d" are required too`}},

		{"a scope is dropped", scopes("email", "profile"), scopes("email"), []string{`looser all_scopes: "profile" is no longer required`}},
		{"a scope in another case is another", scopes("email"), scopes("Email"), []string{`looser all_scopes: "email" is no longer required`, `stricter all_scopes: "Email" is required too`}},

		{"a new feature is enough", features("notes"), features("notes", "files"), []string{`looser any_feature: "files" is enough too`}},
		{"the organization's feature is enough where either was", features("notes"), features("org:notes"), []string{`stricter any_feature: "user:notes" or any other "notes" is no longer enough`}},
		{"either feature is enough where the organization's was", features("o:notes"), features("notes"), []string{`looser any_feature: "user:notes" or any other "notes" is enough too`}},
		{"either's feature is that of one or of the other, but not one of no scope", features("notes"), features("org:notes", "user:notes"), []string{`stricter any_feature: any other "notes" is no longer enough`}},
		{"the feature of one or of the other is either's, and one of no scope", features("u:notes", "o:notes"), features("notes"), []string{`looser any_feature: any other "notes" is enough too`}},
		{"either's feature beside that of one", features("notes", "org:notes"), features("notes"), nil},
		{"the features of one each are not either's", features("org:notes", "user:files"), features("notes", "files"), []string{`looser any_feature: "org:files" or "user:notes" or any other "files" or any other "notes" is enough too`}},
		{"a feature that was enough in either form", features("org:notes", "user:notes", "org:files"), features("files"), []string{`looser any_feature: "user:files" or any other "files" is enough too`, `stricter any_feature: "org:notes" or "user:notes" is no longer enough`}},
		{"features in another order and number", features("a", "b", "a"), features("b", "a"), nil},
		{"either's plan is that of one or of the other", plans("pro"), plans("org:pro", "user:pro"), []string{`stricter any_plan: any other "pro" is no longer enough`}},
		{"the plan of one alone is not either's", plans("org:pro"), plans("pro"), []string{`looser any_plan: "user:pro" or any other "pro" is enough too`}},
		{"features in another spelling", features("o:notes", "u:files"), features("organization:notes", "user:files"), nil},
		{"a plan is dropped", plans("org:pro"), schematest.Authenticated(), []string{`looser any_plan: "org:pro" is no longer required`}},
		{"a plan beside a feature", features("notes"), schematest.Require(&policyv1.Require{AnyFeature: []string{"notes"}, AnyPlan: []string{"pro"}}), []string{`stricter any_plan: "pro" is required`}},

		{"another kind of token is accepted", kinds(session), kinds(session, machine), []string{`looser kinds: "machine" is enough too`}},
		{"every kind of token is accepted", kinds(session), schematest.Authenticated(), []string{`looser kinds: "session" is no longer required`}},
		{"fewer kinds of token are accepted", kinds(session, oauth), kinds(oauth), []string{`stricter kinds: "session" is no longer enough`}},
		{"every kind of token is named", schematest.Authenticated(), kinds(session, policyv1.TokenKind_TOKEN_KIND_TEMPLATE, oauth, machine, id), nil},
		{"every kind of token was named", kinds(id, machine, oauth, policyv1.TokenKind_TOKEN_KIND_TEMPLATE, session), kinds(session), []string{`stricter kinds: "session" is required`}},
		{"kinds of token in another order and number", kinds(session, oauth, session), kinds(oauth, session), nil},
		{"kinds of token are named for the first time", schematest.Authenticated(), kinds(session, oauth), []string{`stricter kinds: "oauth" or "session" is required`}},

		{"the handler asks for something", schematest.Authenticated(), schematest.Handled(schematest.Authenticated(), "it is theirs"), []string{"stricter handler_requires: the handler asks for more: it is theirs"}},
		{"the handler asks for nothing any more", schematest.Handled(roles("a"), "it is theirs"), roles("a"), []string{"looser handler_requires: the handler no longer asks for it: it is theirs"}},
		{"the handler asks for something else", schematest.Handled(schematest.Authenticated(), "it is theirs"), schematest.Handled(schematest.Authenticated(), "they are an operator"), []string{"undecidable handler_requires: they are an operator (before: it is theirs): which of the two lets more callers pass cannot be decided"}},
		{"the handler asks for the same with other spaces", schematest.Handled(schematest.Authenticated(), "it is theirs"), schematest.Handled(schematest.Authenticated(), " it is theirs\n"), nil},
		{"what the handler asked is open to anybody", schematest.Handled(schematest.Authenticated(), "it is theirs"), schematest.Public(), []string{"looser public: open to anybody (before: a valid token; the handler also requires: it is theirs)"}},

		{"an organization is asked for", schematest.Authenticated(), organization, []string{"stricter organization: is required"}},
		{"an organization is no longer asked for", organization, schematest.Authenticated(), []string{"looser organization: is no longer required"}},

		{"a verification is asked for", schematest.Authenticated(), fresh(schematest.Preset(policyv1.Reverification_PRESET_STRICT)), []string{"stricter reverification: a verification within 10 minutes, level second is required"}},
		{"a verification is no longer asked for", fresh(schematest.Preset(policyv1.Reverification_PRESET_STRICT)), schematest.Authenticated(), []string{"looser reverification: a verification within 10 minutes, level second is no longer required"}},
		{"a verification may be older", fresh(schematest.Preset(policyv1.Reverification_PRESET_STRICT)), fresh(schematest.Preset(policyv1.Reverification_PRESET_LAX)), []string{"looser reverification: within 1440 minutes (before: 10 minutes)"}},
		{"a verification must be newer", fresh(schematest.Custom(10, first)), fresh(schematest.Custom(5, first)), []string{"stricter reverification: within 5 minutes (before: 10 minutes)"}},
		{"a verification of one factor is enough", fresh(schematest.Preset(policyv1.Reverification_PRESET_STRICT_MFA)), fresh(schematest.Preset(policyv1.Reverification_PRESET_STRICT)), []string{"looser reverification: level second (before: multi)"}},
		{"a verification of both factors is asked for", fresh(schematest.Custom(10, first)), fresh(schematest.Custom(10, multi)), []string{"stricter reverification: level multi (before: first)"}},
		{"neither factor's verification says the other", fresh(schematest.Custom(10, second)), fresh(schematest.Custom(10, first)), []string{"looser reverification: level first (before: second)"}},
		{"a newer verification of fewer factors", fresh(schematest.Custom(60, multi)), fresh(schematest.Custom(5, first)), []string{"stricter reverification: within 5 minutes (before: 60 minutes)", "looser reverification: level first (before: multi)"}},
		{"a class is asked for", fresh(schematest.Custom(5, first)), fresh(ofClass(schematest.Custom(5, first), "phr")), []string{`stricter reverification.any_acr: "phr" is required`}},
		{"a class is no longer asked for", fresh(ofClass(schematest.Custom(5, first), "phr")), fresh(schematest.Custom(5, first)), []string{`looser reverification.any_acr: "phr" is no longer required`}},
		{"another class is enough", fresh(ofClass(nil, "phr")), fresh(ofClass(nil, "gold", "phr")), []string{`looser reverification.any_acr: "gold" is enough too`}},
		{"a class is no longer enough", fresh(ofClass(nil, "phr", "gold")), fresh(ofClass(nil, "gold")), []string{`stricter reverification.any_acr: "phr" is no longer enough`}},
		{"the same classes in another order", fresh(ofClass(nil, "phr", "gold")), fresh(ofClass(nil, "gold", "phr", "gold")), nil},
		{"a class alone is asked for", schematest.Authenticated(), fresh(ofClass(nil, "phr")), []string{`stricter reverification: a verification of class "phr" is required`}},
		{"a class alone is no longer asked for", fresh(ofClass(nil, "phr", "gold")), schematest.Authenticated(), []string{`looser reverification: a verification of class "phr" or "gold" is no longer required`}},
		{"a class and a limit are no longer asked for", fresh(ofClass(schematest.Custom(5, first), "phr")), schematest.Authenticated(), []string{`looser reverification: a verification within 5 minutes, level first of class "phr" is no longer required`}},
		{"a limit beside a class", fresh(ofClass(nil, "phr")), fresh(ofClass(schematest.Custom(5, first), "phr")), []string{"stricter reverification: a verification within 5 minutes, level first is required"}},
		{"no limit beside a class", fresh(ofClass(schematest.Custom(5, first), "phr")), fresh(ofClass(nil, "phr")), []string{"looser reverification: a verification within 5 minutes, level first is no longer required"}},
		{"a class in place of a limit", fresh(schematest.Custom(5, first)), fresh(ofClass(nil, "phr")), []string{`stricter reverification.any_acr: "phr" is required`, "looser reverification: a verification within 5 minutes, level first is no longer required"}},
		{"a limit that no duration holds", fresh(schematest.Custom(5, first)), fresh(schematest.Custom(1<<32-1, first)), []string{"looser reverification: within 315360001 seconds (before: 5 minutes)"}},
		{"a preset in its own words", fresh(schematest.Preset(policyv1.Reverification_PRESET_MODERATE)), fresh(schematest.Custom(60, second)), nil},

		{"a condition is added", schematest.Authenticated(), schematest.Condition("request.owner == 'x'"), []string{"stricter condition: is required: request.owner == 'x'"}},
		{"a condition is removed", schematest.Condition("request.owner == 'x'"), schematest.Authenticated(), []string{"looser condition: is no longer required: request.owner == 'x'"}},
		{"two conditions", schematest.Condition("request.owner == 'x'"), schematest.Condition("request.owner == 'y'"), []string{"undecidable condition: request.owner == 'y' (before: request.owner == 'x'): which of the two lets more callers pass cannot be decided"}},
		{"a condition with other spaces and quotes", schematest.Condition("request.owner=='x'  &&  request.tags.all(t, t != '')"), schematest.Condition("request.owner == \"x\" &&\n request.tags.all(t, t != \"\")"), nil},
		{"spaces in a text count", schematest.Condition("request.owner == 'x'"), schematest.Condition("request.owner == 'x '"), []string{"undecidable condition: request.owner == 'x ' (before: request.owner == 'x'): which of the two lets more callers pass cannot be decided"}},
		{"two conditions that are none", schematest.Condition("request.owner =="), schematest.Condition("request.owner ="), []string{"undecidable condition: request.owner = (before: request.owner ==): which of the two lets more callers pass cannot be decided"}},

		{"the rule is gone", schematest.Authenticated(), nil, []string{"stricter there is no rule any more, and a server does not start without"}},
		{"the rule is empty", schematest.Public(), &policyv1.Rule{}, []string{"stricter there is no rule any more, and a server does not start without"}},
		{"the first rule", nil, schematest.Authenticated(), []string{"different a method that had no rule: asks for a valid token"}},
		{"the first rule is public", &policyv1.Rule{}, schematest.Public(), []string{"looser a method that had no rule: open to anybody"}},
		{"no rule, before and after", nil, &policyv1.Rule{}, nil},
		{"a rule of a newer version", schematest.Authenticated(), newer, []string{unknown}},
		{"the same rule of a newer version", newer, proto.CloneOf(newer), nil},
		{"a preset of a newer version", fresh(schematest.Preset(policyv1.Reverification_PRESET_STRICT_MFA)), fresh(schematest.Preset(7)), []string{unknown}},
		{"one preset of a newer version for another", fresh(schematest.Preset(5)), fresh(schematest.Preset(6)), []string{unknown}},
		{"one level of a newer version for another", fresh(schematest.Custom(5, 4)), fresh(schematest.Custom(5, 5)), []string{unknown}},
		{"one kind of a newer version for another", kinds(session, 8), kinds(session, 9), []string{unknown}},
		{"a kind of a newer version beside every other", kinds(session, policyv1.TokenKind_TOKEN_KIND_TEMPLATE, oauth, machine, id), kinds(session, policyv1.TokenKind_TOKEN_KIND_TEMPLATE, oauth, machine, id, 9), []string{unknown}},
		{"a lease of a newer version", schematest.Streaming(renewable, 0), schematest.Streaming(99, 0), []string{unknown}},
		{"the same kind of a newer version", kinds(session, 9), kinds(session, 9), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			changes := diff(t, schematest.NewSchema(t, nil, schematest.Rules{"M": tt.before}), schematest.NewSchema(t, nil, schematest.Rules{"M": tt.after}))
			if got := lines(changes); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			for _, c := range changes {
				if c.Procedure != schematest.Procedure("M") || c.Origin.File != schematest.SchemaFile {
					t.Errorf("the change is said to be of %s in %s", c.Procedure, c.Origin)
				}
				if want := c.Verdict == policydiff.Looser || c.Verdict == policydiff.Undecidable; c.Verdict.Loosens() != want {
					t.Errorf("%v loosens: %t", c.Verdict, !want)
				}
			}
		})
	}
}

func TestDiffOfMethods(t *testing.T) {
	t.Parallel()
	admin := schematest.Require(&policyv1.Require{AnyRole: []string{"admin"}})
	for _, tt := range []struct {
		name          string
		before, after protoreflect.FileDescriptor
		want          []string
	}{
		{
			"a new method: asks for a token",
			schematest.NewSchema(t, nil, schematest.Rules{}), schematest.NewSchema(t, nil, schematest.Rules{"New": admin}),
			[]string{`New different a new method: asks for a valid token; the role "admin"`},
		},
		{
			"a new method for everybody",
			schematest.NewSchema(t, nil, schematest.Rules{}), schematest.NewSchema(t, nil, schematest.Rules{"New": schematest.Public()}),
			[]string{"New looser a new method: open to anybody"},
		},
		{
			"a new method without a rule",
			schematest.NewSchema(t, nil, schematest.Rules{}), schematest.NewSchema(t, nil, schematest.Rules{"New": nil}),
			[]string{"New different a new method: no rule; a server cannot start without one"},
		},
		{
			"a method that was removed",
			schematest.NewSchema(t, nil, schematest.Rules{"Old": schematest.Public()}), schematest.NewSchema(t, nil, schematest.Rules{}),
			[]string{"Old stricter the method was removed"},
		},
		{
			"a new method by a rule of a newer version",
			schematest.NewSchema(t, nil, schematest.Rules{}), schematest.NewSchema(t, nil, schematest.Rules{"New": schematest.Require(&policyv1.Require{Kinds: []policyv1.TokenKind{9}})}),
			[]string{"New undecidable a new method: the rule has a part that this version does not know"},
		},
		{
			"another default changes the methods that take it",
			schematest.NewSchema(t, admin, schematest.Rules{"A": nil, "B": nil, "Own": admin}), schematest.NewSchema(t, schematest.Authenticated(), schematest.Rules{"A": nil, "B": nil, "Own": admin}),
			[]string{`A looser any_role: "org:admin" is no longer required`, `B looser any_role: "org:admin" is no longer required`},
		},
		{
			"a rule that moves to the default is the same",
			schematest.NewSchema(t, nil, schematest.Rules{"A": admin, "B": schematest.Public()}), schematest.NewSchema(t, admin, schematest.Rules{"A": nil, "B": schematest.Public()}),
			nil,
		},
		{
			"a rule of one's own that is dropped for the default",
			schematest.NewSchema(t, schematest.Authenticated(), schematest.Rules{"A": admin}), schematest.NewSchema(t, schematest.Authenticated(), schematest.Rules{"A": nil}),
			[]string{`A looser any_role: "org:admin" is no longer required`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, c := range diff(t, tt.before, tt.after) {
				got = append(got, strings.TrimPrefix(c.Procedure, schematest.Procedure(""))+" "+c.Verdict.String()+" "+c.Text)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func ExampleDiff() {
	before, err := policydiff.ReadImage(exampleImage("org:owner"))
	if err != nil {
		fmt.Println(err)
		return
	}
	after, err := policydiff.ReadImage(exampleImage("org:owner", "org:member"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, change := range policydiff.Diff(before, after) {
		fmt.Println(change.Verdict, change.Procedure)
		fmt.Println(change.Text)
	}
	// Output:
	// looser /acme.note.v1.NoteService/Delete
	// any_role: "org:member" is enough too
}

// exampleImage is an image with one method for these roles.
func exampleImage(roles ...string) []byte {
	file := schematest.Describe(nil, schematest.Rules{"Delete": schematest.Require(&policyv1.Require{AnyRole: roles})})
	image, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	if err != nil {
		return nil // which no image is
	}
	return image
}

// What is built in is in force wherever the schema gives no other rule.
func TestDiffOfWhatHasABuiltInRule(t *testing.T) {
	t.Parallel()
	health := func(service, method string) []protoreflect.FileDescriptor {
		return []protoreflect.FileDescriptor{schematest.Parse(t, `
			name: "grpc/health/v1/health.proto" package: "grpc.health.v1" syntax: "proto3"
			message_type { name: "Nothing" }
			service { name: "Health" options { `+service+` } method {
				name: "Watch" input_type: ".grpc.health.v1.Nothing" output_type: ".grpc.health.v1.Nothing" server_streaming: true options { `+method+` }
			} }`)}
	}
	absent, plain := []protoreflect.FileDescriptor(nil), health("", "")
	const (
		forAll     = `[ostiary.policy.v1.default_rule] { authenticated {} }`
		ofOne      = `[ostiary.policy.v1.rule] { authenticated {} }`
		broken     = `[ostiary.policy.v1.rule] {}`
		anybody    = `[ostiary.policy.v1.rule] { public {} }`
		keptOpen   = `[ostiary.policy.v1.rule] { public {} stream { lease: LEASE_AT_OPEN } }`
		opened     = "looser public: open to anybody (before: a valid token)"
		restricted = "stricter asks for a valid token (before: anybody)"
	)
	for _, tt := range []struct {
		name          string
		before, after []protoreflect.FileDescriptor
		want          []string
	}{
		{"it loses its own rule", health("", ofOne), plain, []string{opened}},
		{"it loses the default of its service", health(forAll, ""), plain, []string{opened}},
		{"it goes, and its rule with it", health("", ofOne), absent, []string{opened}},
		{"it has the first rule of its own", plain, health("", ofOne), []string{restricted}},
		{"it comes with a rule of its own", absent, health(forAll, ""), []string{restricted}},
		{"it comes without", absent, plain, nil},
		{"it goes without", plain, absent, nil},
		{"its own rule is the built-in one", plain, health("", anybody), nil},
		{"its stream outlives the token by a rule of its own", absent, health("", keptOpen), []string{"looser stream: outlives its token (before: ends with its session)"}},
		{"its stream no longer does", health("", keptOpen), absent, []string{"stricter stream: ends with its session (before: outlives its token)"}},
		{"its own rule is empty, which is worse than none", plain, health("", broken), []string{"stricter there is no rule any more, and a server does not start without"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			changes := policydiff.Diff(tt.before, tt.after)
			if got := lines(changes); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			for _, c := range changes {
				if c.Procedure != "/grpc.health.v1.Health/Watch" {
					t.Errorf("the change is said to be of %s", c.Procedure)
				}
			}
		})
	}
}

// A service that moves to a module which is merely imported is still there.
func TestDiffOfAServiceThatIsImported(t *testing.T) {
	t.Parallel()
	// image has two files, of which the first may be an import of the second.
	image := func(imported bool, access string) []protoreflect.FileDescriptor {
		t.Helper()
		set := new(descriptorpb.FileDescriptorSet)
		text := fmt.Sprintf(`
			file {
				name: "acme/note.proto" package: "acme.v1" syntax: "proto3" message_type { name: "Note" }
				service { name: "NoteService" method {
					name: "Get" input_type: ".acme.v1.Note" output_type: ".acme.v1.Note" options { [ostiary.policy.v1.rule] { %s } }
				} }
			}
			file {
				name: "acme/list.proto" package: "acme.v1" syntax: "proto3" dependency: "acme/note.proto"
				service { name: "ListService" method {
					name: "List" input_type: ".acme.v1.Note" output_type: ".acme.v1.Note" options { [ostiary.policy.v1.rule] { authenticated {} } }
				} }
			}`, access)
		if err := prototext.Unmarshal([]byte(text), set); err != nil {
			t.Fatal(err)
		}
		set.GetFile()[0].ProtoReflect().SetUnknown(bufExtension(imported))
		data, err := proto.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		files, err := policydiff.ReadImage(data)
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	const (
		admin   = `require { any_role: "admin" }`
		anybody = `public {}`
		opened  = `looser public: open to anybody (before: a valid token; the role "admin")`
	)
	for _, tt := range []struct {
		name          string
		before, after []protoreflect.FileDescriptor
		want          []string
	}{
		{"it becomes an import, and open to anybody", image(false, admin), image(true, anybody), []string{opened}},
		{"it was an import, and is open to anybody", image(true, admin), image(false, anybody), []string{opened}},
		{"it becomes an import, as it was", image(false, admin), image(true, admin), nil},
		{"it was an import, and is as it was", image(true, admin), image(false, admin), nil},
		{"it is another's, before and after", image(true, admin), image(true, anybody), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := lines(policydiff.Diff(tt.before, tt.after)); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

// Options that nobody can read say nothing of who may call, on either side.
func TestDiffOfARuleThatCannotBeRead(t *testing.T) {
	t.Parallel()
	sound := schematest.NewSchema(t, nil, schematest.Rules{"M": schematest.Authenticated()})
	broken := schematest.Describe(nil, schematest.Rules{"M": nil})
	options := new(descriptorpb.MethodOptions)
	options.ProtoReflect().SetUnknown([]byte("\xea\x5e\x01\xff")) // the rule, of one byte that is no field
	broken.Service[0].Method[0].Options = options
	unreadable := schematest.NewFile(t, broken)
	want := []string{"undecidable the rule cannot be read; ask policy check for the remedy"}
	if got := lines(diff(t, sound, unreadable)); !slices.Equal(got, want) {
		t.Errorf("after: %q", got)
	}
	if got := lines(diff(t, unreadable, sound)); !slices.Equal(got, want) {
		t.Errorf("before: %q", got)
	}
}
