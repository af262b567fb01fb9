package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	policyv1 "github.com/ostiary/ostiary/gen/ostiary/policy/v1"
)

// ruleIn reads the rule that a YAML file has under the key rule.
func ruleIn(text string) (*policyv1.Rule, error) {
	file, err := parseYAML([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("no YAML: %w", err)
	}
	return asRule(file["rule"])
}

func TestRulesAreWrittenAsProtobufIsInJSON(t *testing.T) {
	t.Parallel()
	authenticated := &policyv1.Rule_Authenticated{Authenticated: &policyv1.Authenticated{}}
	tests := map[string]struct {
		text string
		want *policyv1.Rule
	}{
		"authenticated": {"rule: {authenticated: {}}", &policyv1.Rule{Access: authenticated}},
		"public with names as the schema has them": {"rule: {public: {ignore_invalid: true}}", &policyv1.Rule{
			Access: &policyv1.Rule_Public{Public: &policyv1.Public{IgnoreInvalid: true}},
		}},
		"names as JSON has them": {"rule: {require: {anyRole: [org:admin], allScopes: [email]}}", &policyv1.Rule{
			Access: &policyv1.Rule_Require{Require: &policyv1.Require{AnyRole: []string{"org:admin"}, AllScopes: []string{"email"}}},
		}},
		"a stream beside the access": {"rule:\n  authenticated: {}\n  stream:\n    lease: LEASE_UNTIL_EXPIRY", &policyv1.Rule{
			Access: authenticated, Stream: &policyv1.StreamTerms{Lease: policyv1.StreamTerms_LEASE_UNTIL_EXPIRY},
		}},
		"a duration": {"rule: {authenticated: {}, stream: {max_lifetime: 3600s}}", &policyv1.Rule{
			Access: authenticated, Stream: &policyv1.StreamTerms{MaxLifetime: durationpb.New(time.Hour)},
		}},
		"an empty rule, which the server refuses": {"rule: {}", &policyv1.Rule{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ruleIn(test.text)
			if err != nil || !proto.Equal(got, test.want) {
				t.Errorf("%v, %v; want %v", got, err, test.want)
			}
		})
	}
}

func TestInvalidRulesAreRefusedWithARemedy(t *testing.T) {
	t.Parallel()
	const remedy = "; see docs/policy.md for the parts of a rule"
	tests := map[string]struct{ text, want string }{
		"nothing":                   {"rule:", "not a rule; write public: {}, authenticated: {}, or require: with its requirements"},
		"a word":                    {"rule: public", "not a rule; write public: {}, authenticated: {}, or require: with its requirements"},
		"a list":                    {"rule: [public]", "not a rule; write public: {}, authenticated: {}, or require: with its requirements"},
		"an unknown part":           {"rule: {publik: {}}", `unknown field "publik"` + remedy},
		"an unknown part of one":    {"rule: {require: {role: [admin]}}", `unknown field "role"` + remedy},
		"two kinds of access":       {"rule: {authenticated: {}, public: {}}", `error parsing "public", oneof ostiary.policy.v1.Rule.access is already set` + remedy},
		"one part in two spellings": {"rule: {require: {any_role: [a], anyRole: [b]}}", `duplicate field "any_role"` + remedy},
		"a value of another type":   {"rule: {public: {ignore_invalid: perhaps}}", `invalid value for bool field ignoreInvalid: "perhaps"` + remedy},
		"a duration as in a schema": {
			"rule: {require: {reverification: {custom: {max_age: {seconds: 300}, level: LEVEL_SECOND}}}}",
			"require.reverification.custom.max_age is not a duration; write seconds with an s, such as 300s",
		},
		"a duration without its unit": {"rule: {authenticated: {}, stream: {maxLifetime: 300}}", "stream.maxLifetime is not a duration; write seconds with an s, such as 300s"},
		"a duration in minutes":       {"rule: {authenticated: {}, stream: {max_lifetime: 5m}}", "stream.max_lifetime is not a duration; write seconds with an s, such as 300s"},
		"a value that JSON lacks":     {"rule: {public: {ignore_invalid: .nan}}", "not a rule; it has a value that JSON cannot represent"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if rule, err := ruleIn(test.text); err == nil || err.Error() != test.want {
				t.Errorf("%v, %v; want %s", rule, err, test.want)
			}
		})
	}
}

// Protobuf drops such values silently, and the rest of the rule would require less.
func TestPartsThatRequireNothingAreRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, part string }{
		"a part without a value":                    {"rule: {public: }", "public"},
		"a requirement that lost its value":         {"rule: {require: {organization: true, any_role: }}", "require.any_role"},
		"no role":                                   {"rule: {require: {organization: true, any_role: []}}", "require.any_role"},
		"no role, by its name in JSON":              {"rule: {require: {organization: true, anyRole: []}}", "require.anyRole"},
		"no condition":                              {`rule: {require: {organization: true, condition: ""}}`, "require.condition"},
		"no organization":                           {"rule: {require: {any_role: [a], organization: false}}", "require.organization"},
		"no level, by name":                         {"rule: {require: {reverification: {custom: {max_age: 60s, level: LEVEL_UNSPECIFIED}}}}", "require.reverification.custom.level"},
		"no reverification":                         {"rule: {require: {organization: true, reverification: {}}}", "require.reverification"},
		"nothing about invalid tokens":              {"rule: {public: {ignore_invalid: false}}", "public.ignore_invalid"},
		"nothing of a stream":                       {"rule: {authenticated: {}, stream: {}}", "stream"},
		"nothing of the handler":                    {`rule: {authenticated: {}, handler_requires: ""}`, "handler_requires"},
		"a part that is whole, and one that is not": {`rule: {authenticated: {}, stream: {max_lifetime: 3s, lease: 0}}`, "stream.lease"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := test.part + " is empty, false or 0, so it requires nothing; give it a value or remove it (only public and authenticated may be {})"
			if rule, err := ruleIn(test.text); err == nil || err.Error() != want {
				t.Errorf("%v, %v; want %s", rule, err, want)
			}
		})
	}
}

func FuzzRuleOfAFile(f *testing.F) {
	for _, seed := range []string{
		"rule: {authenticated: {}}", "rule: {public: {ignoreInvalid: true}}", "rule: {require: {any_role: [admin]}}", "rule: [",
		"rule: {1: {}}", "rule: {public: null}", "rule: {require: {condition: 'true'}, stream: {max_lifetime: 3s}}", "rule: .inf",
		"rule: {require: {organization: false}}", "rule: {authenticated: {}, stream: {}}", "rule: {require: {any_role: []}}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := ruleIn(text)
		if rule != nil && err != nil {
			t.Errorf("%v, and yet %v", rule, err)
		}
		if err != nil && strings.HasPrefix(err.Error(), "proto:") {
			t.Errorf("%v: not our own words", err)
		}
	})
}

func TestRulesInForce(t *testing.T) {
	t.Parallel()
	write := func(content string) string {
		path := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, test := range map[string]struct {
		path string
		want string // in the error
	}{
		"no file":              {"", ""},
		"a file without rules": {write("log_level: warn"), ""},
		"a rule":               {write("rules: {/grpc.health.v1.Health/Check: {authenticated: {}}}"), ""},
		"a rule of a service, which need not fit a method with its own": {
			write("rules:\n  /ostiary.identity.v1.IdentityService/*: {public: {}}\n" +
				"  /ostiary.identity.v1.IdentityService/WhoAmI: {authenticated: {}}\n" +
				"  /ostiary.identity.v1.IdentityService/WatchIdentity: {authenticated: {}}\n"), "",
		},
		"a file that is not":     {"/nowhere/f.yaml", "--config: /nowhere/f.yaml cannot be read: no such file"},
		"a file that is no YAML": {write("["), "cannot be parsed: yaml"},
		"an unknown key":         {write("rule: {}"), "unknown setting"},
		"rules that are none":    {write("rules: 1"), "not a map"},
		"rules without a value":  {write("rules:"), "rules in "},
		"one rule that is none":  {write("rules: {/grpc.health.v1.Health/Check: public}"), "not a rule; write public"},
		"a rule that is none, and one for nothing": {
			write("rules: {/b.B/B: {authenticated: {}}, /a.A/A: public}"),
			"/a.A/A", // the first by name
		},
	} {
		rules, err := RulesInForce(test.path)
		switch {
		case test.want == "" && (err != nil || rules == nil):
			t.Errorf("%s: %v", name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v; want %s", name, err, test.want)
		}
	}
}
