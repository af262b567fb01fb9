package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
	"github.com/ostiary/ostiary/interceptors/policy"
)

// told are the changes as verdict and text.
func told(changes []policy.Change) []string {
	var all []string
	for _, c := range changes {
		all = append(all, c.Verdict.String()+" "+c.Text)
	}
	return all
}

func diff(t *testing.T, before, after protoreflect.FileDescriptor) []policy.Change {
	t.Helper()
	return policy.Diff([]protoreflect.FileDescriptor{before}, []protoreflect.FileDescriptor{after})
}

func TestDiffOfOneRule(t *testing.T) {
	t.Parallel()
	ignoring := &policyv1.Rule{Access: &policyv1.Rule_Public{Public: &policyv1.Public{IgnoreInvalid: true}}}
	kinds := func(kinds ...policyv1.Kind) *policyv1.Rule { return require(&policyv1.Require{Kinds: kinds}) }
	roles := func(names ...string) *policyv1.Rule { return require(&policyv1.Require{AnyRole: names}) }
	permissions := func(names ...string) *policyv1.Rule { return require(&policyv1.Require{AllPermissions: names}) }
	scopes := func(names ...string) *policyv1.Rule { return require(&policyv1.Require{AllScopes: names}) }
	features := func(names ...string) *policyv1.Rule { return require(&policyv1.Require{AnyFeature: names}) }
	plans := func(names ...string) *policyv1.Rule { return require(&policyv1.Require{AnyPlan: names}) }
	fresh := func(r *policyv1.Reverification) *policyv1.Rule {
		return require(&policyv1.Require{Reverification: r})
	}
	organization := require(&policyv1.Require{Organization: true})
	newer := authenticated()
	newer.ProtoReflect().SetUnknown([]byte("\xba\x3e\x01x"))
	const session, machine, oauth = policyv1.Kind_KIND_SESSION, policyv1.Kind_KIND_MACHINE, policyv1.Kind_KIND_OAUTH
	const unknown = "undecidable the rule has a part that this version does not know: update ostiary to compare it"
	const first, second, multi = policyv1.Reverification_LEVEL_FIRST, policyv1.Reverification_LEVEL_SECOND, policyv1.Reverification_LEVEL_MULTI

	for _, tt := range []struct {
		name          string
		before, after *policyv1.Rule
		want          []string
	}{
		{"nothing changed", roles("admin"), roles("admin"), nil},

		{"a token is no longer asked for", authenticated(), public(), []string{"looser public: open to anybody (before: a valid token)"}},
		{"a role is no longer asked for, nor a token", roles("admin"), public(), []string{`looser public: open to anybody (before: a valid token; the role "admin")`}},
		{"a token is asked for", public(), authenticated(), []string{"stricter asks for a valid token (before: anybody)"}},
		{"a role is asked for where anybody could call", public(), roles("admin"), []string{`stricter asks for a valid token; the role "admin" (before: anybody)`}},
		{"invalid tokens are ignored", public(), ignoring, []string{"looser ignore_invalid: a token that is not accepted no longer refuses its bearer"}},
		{"invalid tokens are refused", ignoring, public(), []string{"stricter ignore_invalid: a token that is not accepted refuses its bearer now"}},
		{"a public method that asked for a token ignores invalid ones", authenticated(), ignoring, []string{"looser public: open to anybody, whatever their token (before: a valid token)"}},

		{"every requirement is dropped", roles("admin"), authenticated(), []string{`looser any_role: "org:admin" is no longer required`}},
		{"the first requirement", authenticated(), permissions("a:b"), []string{`stricter all_permissions: "org:a:b" is required too`}},

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
		{"two permissions are added", roles("admin"), require(&policyv1.Require{AnyRole: []string{"admin"}, AllPermissions: []string{"a:b", "c:d"}}), []string{`stricter all_permissions: "org:a:b" and "org:c:d" are required too`}},

		{"a scope is dropped", scopes("email", "profile"), scopes("email"), []string{`looser all_scopes: "profile" is no longer required`}},
		{"a scope in another case is another", scopes("email"), scopes("Email"), []string{`looser all_scopes: "email" is no longer required`, `stricter all_scopes: "Email" is required too`}},

		{"a new feature is enough", features("notes"), features("notes", "files"), []string{`looser any_feature: "files" is enough too`}},
		{"the organization's feature is enough where either was", features("notes"), features("org:notes"), []string{`stricter any_feature: "user:notes" is no longer enough`}},
		{"either feature is enough where the organization's was", features("o:notes"), features("notes"), []string{`looser any_feature: "user:notes" is enough too`}},
		{"either's feature is that of one or of the other", features("notes"), features("org:notes", "user:notes"), nil},
		{"the feature of one or of the other is either's", features("u:notes", "o:notes"), features("notes"), nil},
		{"either's feature beside that of one", features("notes", "org:notes"), features("notes"), nil},
		{"the features of one each are not either's", features("org:notes", "user:files"), features("notes", "files"), []string{`looser any_feature: "user:notes" or "org:files" is enough too`}},
		{"a feature that was enough in either form", features("org:notes", "user:notes", "org:files"), features("files"), []string{`looser any_feature: "user:files" is enough too`, `stricter any_feature: "notes" is no longer enough`}},
		{"features in another order and number", features("a", "b", "a"), features("b", "a"), nil},
		{"either's plan is that of one or of the other", plans("pro"), plans("org:pro", "user:pro"), nil},
		{"the plan of one alone is not either's", plans("org:pro"), plans("pro"), []string{`looser any_plan: "user:pro" is enough too`}},
		{"features in another spelling", features("o:notes", "u:files"), features("organization:notes", "user:files"), nil},
		{"a plan is dropped", plans("org:pro"), authenticated(), []string{`looser any_plan: "org:pro" is no longer required`}},
		{"a plan beside a feature", features("notes"), require(&policyv1.Require{AnyFeature: []string{"notes"}, AnyPlan: []string{"pro"}}), []string{`stricter any_plan: "pro" is required`}},

		{"another kind of token is accepted", kinds(session), kinds(session, machine), []string{`looser kinds: "machine" is enough too`}},
		{"every kind of token is accepted", kinds(session), authenticated(), []string{`looser kinds: "session" is no longer required`}},
		{"fewer kinds of token are accepted", kinds(session, oauth), kinds(oauth), []string{`stricter kinds: "session" is no longer enough`}},
		{"every kind of token is named", authenticated(), kinds(session, policyv1.Kind_KIND_TEMPLATE, oauth, machine), nil},
		{"every kind of token was named", kinds(machine, oauth, policyv1.Kind_KIND_TEMPLATE, session), kinds(session), []string{`stricter kinds: "session" is required`}},
		{"kinds of token in another order and number", kinds(session, oauth, session), kinds(oauth, session), nil},
		{"kinds of token are named for the first time", authenticated(), kinds(session, oauth), []string{`stricter kinds: "session" or "oauth" is required`}},

		{"the handler asks for something", authenticated(), handled(authenticated(), "it is theirs"), []string{"stricter handler_requires: the handler asks for more: it is theirs"}},
		{"the handler asks for nothing any more", handled(roles("a"), "it is theirs"), roles("a"), []string{"looser handler_requires: the handler no longer asks for it: it is theirs"}},
		{"the handler asks for something else", handled(authenticated(), "it is theirs"), handled(authenticated(), "they are an operator"), []string{"undecidable handler_requires: they are an operator (before: it is theirs): which of the two lets more callers pass cannot be decided"}},
		{"the handler asks for the same with other spaces", handled(authenticated(), "it is theirs"), handled(authenticated(), " it is theirs\n"), nil},
		{"what the handler asked is open to anybody", handled(authenticated(), "it is theirs"), public(), []string{"looser public: open to anybody (before: a valid token; the handler also requires: it is theirs)"}},

		{"an organization is asked for", authenticated(), organization, []string{"stricter organization: is required"}},
		{"an organization is no longer asked for", organization, authenticated(), []string{"looser organization: is no longer required"}},

		{"a verification is asked for", authenticated(), fresh(preset(policyv1.Reverification_PRESET_STRICT)), []string{"stricter reverification: a verification within 10 minutes, level second is required"}},
		{"a verification is no longer asked for", fresh(preset(policyv1.Reverification_PRESET_STRICT)), authenticated(), []string{"looser reverification: a verification within 10 minutes, level second is no longer required"}},
		{"a verification may be older", fresh(preset(policyv1.Reverification_PRESET_STRICT)), fresh(preset(policyv1.Reverification_PRESET_LAX)), []string{"looser reverification: within 1440 minutes (before: 10)"}},
		{"a verification must be newer", fresh(custom(10, first)), fresh(custom(5, first)), []string{"stricter reverification: within 5 minutes (before: 10)"}},
		{"a verification of one factor is enough", fresh(preset(policyv1.Reverification_PRESET_STRICT_MFA)), fresh(preset(policyv1.Reverification_PRESET_STRICT)), []string{"looser reverification: level second (before: multi)"}},
		{"a verification of both factors is asked for", fresh(custom(10, first)), fresh(custom(10, multi)), []string{"stricter reverification: level multi (before: first)"}},
		{"neither factor's verification says the other", fresh(custom(10, second)), fresh(custom(10, first)), []string{"looser reverification: level first (before: second)"}},
		{"a newer verification of fewer factors", fresh(custom(60, multi)), fresh(custom(5, first)), []string{"stricter reverification: within 5 minutes (before: 60)", "looser reverification: level first (before: multi)"}},
		{"a limit that no duration holds", fresh(custom(5, first)), fresh(custom(1<<32-1, first)), []string{"looser reverification: within 5256001 minutes (before: 5)"}},
		{"a preset in its own words", fresh(preset(policyv1.Reverification_PRESET_MODERATE)), fresh(custom(60, second)), nil},

		{"a condition is added", authenticated(), condition("request.owner == 'x'"), []string{"stricter condition: is required: request.owner == 'x'"}},
		{"a condition is removed", condition("request.owner == 'x'"), authenticated(), []string{"looser condition: is no longer required: request.owner == 'x'"}},
		{"two conditions", condition("request.owner == 'x'"), condition("request.owner == 'y'"), []string{"undecidable condition: request.owner == 'y' (before: request.owner == 'x'): which of the two lets more callers pass cannot be decided"}},
		{"a condition with other spaces and quotes", condition("request.owner=='x'  &&  request.tags.all(t, t != '')"), condition("request.owner == \"x\" &&\n request.tags.all(t, t != \"\")"), nil},
		{"spaces in a text count", condition("request.owner == 'x'"), condition("request.owner == 'x '"), []string{"undecidable condition: request.owner == 'x ' (before: request.owner == 'x'): which of the two lets more callers pass cannot be decided"}},
		{"two conditions that are none", condition("request.owner =="), condition("request.owner ="), []string{"undecidable condition: request.owner = (before: request.owner ==): which of the two lets more callers pass cannot be decided"}},

		{"the rule is gone", authenticated(), nil, []string{"stricter there is no rule any more, and a server does not start without"}},
		{"the rule is empty", public(), &policyv1.Rule{}, []string{"stricter there is no rule any more, and a server does not start without"}},
		{"the first rule", nil, authenticated(), []string{"different a method that had no rule: asks for a valid token"}},
		{"the first rule is public", &policyv1.Rule{}, public(), []string{"looser a method that had no rule: open to anybody"}},
		{"no rule, before and after", nil, &policyv1.Rule{}, nil},
		{"a rule of a newer version", authenticated(), newer, []string{unknown}},
		{"the same rule of a newer version", newer, proto.CloneOf(newer), nil},
		{"a preset of a newer version", fresh(preset(policyv1.Reverification_PRESET_STRICT_MFA)), fresh(preset(7)), []string{unknown}},
		{"one preset of a newer version for another", fresh(preset(5)), fresh(preset(6)), []string{unknown}},
		{"one level of a newer version for another", fresh(custom(5, 4)), fresh(custom(5, 5)), []string{unknown}},
		{"one kind of a newer version for another", kinds(session, 5), kinds(session, 6), []string{unknown}},
		{"a kind of a newer version beside every other", kinds(session, policyv1.Kind_KIND_TEMPLATE, oauth, machine), kinds(session, policyv1.Kind_KIND_TEMPLATE, oauth, machine, 5), []string{unknown}},
		{"a lease of a newer version", terms(renewable, 0), terms(99, 0), []string{unknown}},
		{"the same kind of a newer version", kinds(session, 5), kinds(session, 5), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			changes := diff(t, newSchema(t, nil, rules{"M": tt.before}), newSchema(t, nil, rules{"M": tt.after}))
			if got := told(changes); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			for _, c := range changes {
				if c.Procedure != procedure("M") || c.Origin.File != schemaFile {
					t.Errorf("the change is said to be of %s in %s", c.Procedure, c.Origin)
				}
				if want := c.Verdict == policy.Looser || c.Verdict == policy.Undecidable; c.Verdict.Loosens() != want {
					t.Errorf("%v loosens: %t", c.Verdict, !want)
				}
			}
		})
	}
}

func TestDiffOfMethods(t *testing.T) {
	t.Parallel()
	admin := require(&policyv1.Require{AnyRole: []string{"admin"}})
	for _, tt := range []struct {
		name          string
		before, after protoreflect.FileDescriptor
		want          []string
	}{
		{
			"a new method: asks for a token",
			newSchema(t, nil, rules{}), newSchema(t, nil, rules{"New": admin}),
			[]string{`New different a new method: asks for a valid token; the role "admin"`},
		},
		{
			"a new method for everybody",
			newSchema(t, nil, rules{}), newSchema(t, nil, rules{"New": public()}),
			[]string{"New looser a new method: open to anybody"},
		},
		{
			"a new method without a rule",
			newSchema(t, nil, rules{}), newSchema(t, nil, rules{"New": nil}),
			[]string{"New different a new method: no rule; a server cannot start without one"},
		},
		{
			"a method that was removed",
			newSchema(t, nil, rules{"Old": public()}), newSchema(t, nil, rules{}),
			[]string{"Old stricter the method was removed"},
		},
		{
			"a new method by a rule of a newer version",
			newSchema(t, nil, rules{}), newSchema(t, nil, rules{"New": require(&policyv1.Require{Kinds: []policyv1.Kind{5}})}),
			[]string{"New undecidable a new method: the rule has a part that this version does not know"},
		},
		{
			"another default changes the methods that take it",
			newSchema(t, admin, rules{"A": nil, "B": nil, "Own": admin}), newSchema(t, authenticated(), rules{"A": nil, "B": nil, "Own": admin}),
			[]string{`A looser any_role: "org:admin" is no longer required`, `B looser any_role: "org:admin" is no longer required`},
		},
		{
			"a rule that moves to the default is the same",
			newSchema(t, nil, rules{"A": admin, "B": public()}), newSchema(t, admin, rules{"A": nil, "B": public()}),
			nil,
		},
		{
			"a rule of one's own that is dropped for the default",
			newSchema(t, authenticated(), rules{"A": admin}), newSchema(t, authenticated(), rules{"A": nil}),
			[]string{`A looser any_role: "org:admin" is no longer required`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, c := range diff(t, tt.before, tt.after) {
				got = append(got, strings.TrimPrefix(c.Procedure, procedure(""))+" "+c.Verdict.String()+" "+c.Text)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func ExampleDiff() {
	before, err := policy.ReadImage(exampleImage("org:owner"))
	if err != nil {
		fmt.Println(err)
		return
	}
	after, err := policy.ReadImage(exampleImage("org:owner", "org:member"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, change := range policy.Diff(before, after) {
		fmt.Println(change.Verdict, change.Procedure)
		fmt.Println(change.Text)
	}
	// Output:
	// looser /acme.note.v1.NoteService/Delete
	// any_role: "org:member" is enough too
}
