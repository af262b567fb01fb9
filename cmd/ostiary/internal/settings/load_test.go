package settings

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/settings"
)

// sources are what settings are read from.
type sources struct {
	file    string // YAML; "" for none
	envFile string // "" for none
	environ []string
	flags   []string
}

// read loads a set. In want and in messages, FILE and ENVFILE stand for the names
// of the files.
func (s sources) read(t *testing.T, set *Set) (loaded *Loaded, faults []string) {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	set.AddFlags(flags)
	args, dir := s.flags, t.TempDir()
	names := []string{}
	for flag, content := range map[string]string{"FILE": s.file, "ENVFILE": s.envFile} {
		if content == "" {
			continue
		}
		path := filepath.Join(dir, flag)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, map[string]string{"FILE": "--config=", "ENVFILE": "--env-file="}[flag]+path)
		names = append(names, path, flag)
	}
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	loaded = set.Load(flags, s.environ)
	var wrong *Error
	if err := loaded.Faults(); errors.As(err, &wrong) {
		for _, line := range strings.Split(wrong.Error(), "\n") {
			faults = append(faults, strings.NewReplacer(names...).Replace(line))
		}
	}
	return loaded, faults
}

// whole is an issuer with which nothing is wrong, so that faults are those of what
// is looked at.
const whole = "\nissuers:\n  - url: https://clerk.example.com\n    audiences: [invoices]\n"

func TestTheFirstSourceThatSetsASettingCounts(t *testing.T) {
	t.Parallel()
	all := sources{
		file:    "log_level: debug" + whole,
		envFile: "OSTIARY_LOG_LEVEL=info",
		environ: []string{"PATH=/bin", "OSTIARY_LOG_LEVEL=warn"},
		flags:   []string{"--log-level=error"},
	}
	for name, test := range map[string]struct {
		without func(*sources)
		want    slog.Level
	}{
		"the flag":        {func(*sources) {}, slog.LevelError},
		"the environment": {func(s *sources) { s.flags = nil }, slog.LevelWarn},
		"the .env file":   {func(s *sources) { s.flags, s.environ = nil, nil }, slog.LevelInfo},
		"a .env file of an editor that marks it": {func(s *sources) {
			s.flags, s.environ, s.envFile = nil, nil, "\ufeffOSTIARY_LOG_LEVEL=info\r\nA=b\r\n"
		}, slog.LevelInfo},
		"an empty variable":    {func(s *sources) { s.flags, s.environ = nil, []string{"OSTIARY_LOG_LEVEL= "} }, slog.LevelInfo},
		"the YAML file":        {func(s *sources) { s.flags, s.environ, s.envFile = nil, nil, "" }, slog.LevelDebug},
		"an empty .env":        {func(s *sources) { s.flags, s.environ, s.envFile = nil, nil, "OSTIARY_LOG_LEVEL=" }, slog.LevelDebug},
		"none, so the default": {func(s *sources) { *s = sources{file: whole} }, slog.LevelInfo},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := all
			test.without(&s)
			loaded, faults := s.read(t, All())
			if loaded.level() != test.want || faults != nil {
				t.Errorf("level %v, faults %q; want %v", loaded.level(), faults, test.want)
			}
		})
	}
}

func TestFaultsNameASettingAsItWasWritten(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		sources sources
		want    []string
	}{
		"nothing is wrong":              {sources{file: whole}, nil},
		"in a flag":                     {sources{file: whole, flags: []string{"--log-level=loud"}}, []string{"--log-level: " + loud}},
		"in a variable":                 {sources{file: whole, environ: []string{"OSTIARY_LOG_LEVEL=loud"}}, []string{"OSTIARY_LOG_LEVEL: " + loud}},
		"in the .env file":              {sources{file: whole, envFile: "OSTIARY_LOG_LEVEL=loud"}, []string{"OSTIARY_LOG_LEVEL in ENVFILE: " + loud}},
		"in the YAML file":              {sources{file: "log_level: loud" + whole}, []string{"log_level in FILE: " + loud}},
		"only where it counts":          {sources{file: "log_level: loud" + whole, flags: []string{"--log-level=warn"}}, nil},
		"in an empty flag":              {sources{file: whole, environ: []string{"OSTIARY_LOG_LEVEL=warn"}, flags: []string{"--log-level="}}, []string{"--log-level: is empty; omit the flag to use the default"}},
		"in quotes":                     {sources{file: whole, environ: []string{`OSTIARY_LOG_LEVEL="warn"`}}, []string{"OSTIARY_LOG_LEVEL: the value begins and ends with a quote, which docker run --env-file passes on as a part of it; remove the quotes"}},
		"in quotes in the .env file":    {sources{file: whole, envFile: `OSTIARY_LOG_LEVEL="warn"`}, nil},
		"an issuer by its flag's name":  {sources{file: "issuers: [{url: https://a.example.com, audiences: [a], issuer: https://a.example.com}]"}, []string{"issuers[0].issuer in FILE: unknown setting; did you mean url?"}},
		"unknown in the YAML file":      {sources{file: "loglevel: warn" + whole}, []string{"loglevel in FILE: unknown setting; did you mean log_level?"}},
		"without a value":               {sources{file: "log_level:" + whole}, []string{"log_level in FILE: has no value; give it one, or remove the key"}},
		"without a value, of two kinds": {sources{file: "rules:\nlog_level: ~" + whole}, []string{"log_level in FILE: has no value; give it one, or remove the key", "rules in FILE: has no value; give it one, or remove the key"}},
		"of the server, by its flag": {
			sources{file: whole, flags: []string{"--http-addr=:1", "--grpc-addr=:1"}},
			[]string{"--grpc-addr: :1 is --http-addr already; the two listeners need a port each"},
		},
		"of the server, by a variable that is not set": {
			sources{file: whole, flags: []string{"--tls-key=key.pem"}},
			[]string{"OSTIARY_TLS_CERT: missing, though --tls-key is set; set both or neither"},
		},
		"no issuer": {
			sources{},
			[]string{"OSTIARY_ISSUER: no issuer is given, so no token could be accepted; set it to the iss claim of your tokens, such as https://clerk.example.com"},
		},
		"of the issuer that flags describe": {
			sources{flags: []string{"--issuer=https://clerk.example.com"}},
			[]string{"OSTIARY_AUDIENCES: neither OSTIARY_AUDIENCES nor OSTIARY_AUTHORIZED_PARTIES is given, so a token made for any other service would be accepted here; give one of them, or set OSTIARY_ALLOW_ANY_AUDIENCE"},
		},
		"of the issuer that flags describe, beside others": {
			sources{file: whole, flags: []string{"--issuer=https://other.example.com", "--jwks-url=ftp://a"}, environ: []string{"CLERK_JWT_KEY=x", "CLERK_JWT_AUD=a"}},
			[]string{`--jwks-url: "ftp://a" is not a URL; write https://host/path`, "CLERK_JWT_KEY: given beside --jwks-url; keep one of them: a fixed key, or keys that are fetched"},
		},
		"of the URL of the issuer that flags describe": {
			sources{flags: []string{"--issuer=https://*.example.com", "--audiences=a"}},
			[]string{`--issuer: "https://*.example.com" is a pattern, and iss is compared exactly; write it out`},
		},
		"of one that has settings and no URL": {
			sources{environ: []string{"CLERK_JWT_AUD=a"}},
			[]string{"OSTIARY_ISSUER: missing; set it to the exact iss claim of the tokens, such as https://clerk.example.com"},
		},
		"of one whose URL is named by another": {
			sources{environ: []string{"CLERK_JWT_AUD=a", "OSTIARY_TENANTS=t1"}, flags: []string{"--issuer=https://a.example"}},
			[]string{"OSTIARY_TENANTS: given, though --issuer has no {tenantid} for them; write it in place of the tenant's id"},
		},
		"of the second of a list": {
			sources{file: whole + "  - url: https://a.example?x=1\n    jwks_url: ftp://a\n    jwt_key: x\n    skew: soon\n"},
			[]string{
				"issuers[1].skew in FILE: \"soon\" is not a duration; write one such as 10s, 5m or 24h",
				"issuers[1].url in FILE: has a query; write scheme, host and path alone, as the iss claim has them",
				"issuers[1].jwks_url in FILE: \"ftp://a\" is not a URL; write https://host/path",
				"issuers[1].jwt_key in FILE: given beside `jwks_url`; keep one of them: a fixed key, or keys that are fetched",
				"issuers[1].audiences in FILE: neither `audiences` nor `authorized_parties` is given, so a token made for any other service would be accepted here; give one of them, or set `allow_any_audience`",
			},
		},
		"a list that is none":            {sources{file: "issuers: https://a.example"}, []string{"issuers in FILE: not a list; start each issuer with a dash", noIssuer}},
		"entries of a list":              {sources{file: whole + "  - https://a.example\n  - issuer: https://b.example\n    url:\n"}, []string{"issuers[1] in FILE: not an issuer; write url: and its other settings", "issuers[2].issuer in FILE: unknown setting; did you mean url?", "issuers[2].url in FILE: has no value; give it one, or remove the key", "issuers[2].url in FILE: missing; set it to the exact iss claim of the tokens, such as https://clerk.example.com", "issuers[2].audiences in FILE: neither `audiences` nor `authorized_parties` is given, so a token made for any other service would be accepted here; give one of them, or set `allow_any_audience`"}},
		"rules that are none":            {sources{file: "rules: []" + whole}, []string{"rules in FILE: not a map; write one entry per method, such as /grpc.health.v1.Health/Watch: {authenticated: {}}"}},
		"a rule that is none":            {sources{file: "rules: {/grpc.health.v1.Health/Check: public}" + whole}, []string{"rules[/grpc.health.v1.Health/Check] in FILE: not a rule; write public: {}, authenticated: {}, or require: with its requirements"}},
		"a rule for nothing":             {sources{file: "rules: {/acme.v1.Notes/Get: {authenticated: {}}}" + whole}, []string{"rules[/acme.v1.Notes/Get] in FILE: this server has no such method; correct the name, or see: ostiary policy list"}},
		"a publishable key that is none": {sources{environ: []string{"CLERK_JWT_AUD=a", "CLERK_PUBLISHABLE_KEY=pk_live_!"}}, []string{"CLERK_PUBLISHABLE_KEY: not a publishable key: its last part is not base64; copy it whole from the dashboard"}},
		"a publishable key that is none, where the issuer is given": {
			sources{environ: []string{"OSTIARY_ISSUER=https://clerk.example.com", "OSTIARY_AUDIENCES=a", "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk_live_!"}},
			[]string{"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: not a publishable key: its last part is not base64; copy it whole from the dashboard"},
		},
		"a .env file that is none, and nothing of it": {
			sources{file: whole, envFile: "CLERK_SECRET_KEY sk_live_secret"},
			[]string{"ENVFILE: cannot be parsed as NAME=value lines; quote multi-line values"},
		},
		"two names of one setting that differ": {
			sources{environ: []string{"OSTIARY_AUDIENCES=a", "CLERK_JWT_AUD=b", "CLERK_PUBLISHABLE_KEY=pk_live_Y2xlcmsuZXhhbXBsZS5jb20k", "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk_test_aGFwcHktaGlwcG8tMS5jbGVyay5hY2NvdW50cy5kZXYk"}},
			[]string{
				"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: conflicts with CLERK_PUBLISHABLE_KEY, which sets the same thing; keep one of them",
				"CLERK_JWT_AUD: conflicts with OSTIARY_AUDIENCES, which sets the same thing; keep one of them",
			},
		},
		"two names of one setting that differ in the .env file": {
			sources{envFile: "CLERK_JWT_ISSUER=https://a.example\nOSTIARY_ISSUER=https://b.example\nOSTIARY_AUDIENCES=a"},
			[]string{"CLERK_JWT_ISSUER in ENVFILE: conflicts with OSTIARY_ISSUER, which sets the same thing; keep one of them"},
		},
		"two names of one setting that are equal, and the environment's before the other of the .env file": {
			sources{
				envFile: "CLERK_JWT_AUD=b",
				environ: []string{"OSTIARY_ISSUER=https://a.example", "CLERK_JWT_ISSUER=https://a.example", "OSTIARY_AUDIENCES=a"},
			},
			nil,
		},
		"of Clerk's name, if that was used": {
			sources{environ: []string{"CLERK_JWT_ISSUER=https://clerk.example.com", "CLERK_JWT_AUD=*", "CLERK_AUTHORIZED_PARTIES=https://app.example.com/"}, envFile: "CLERK_JWT_KEY=x"},
			[]string{
				"CLERK_JWT_KEY in ENVFILE: unusable key: the PEM key is not base64: give a public key, whole",
				`CLERK_JWT_AUD: "*" would match nothing, since it is compared exactly; write each value out`,
				`CLERK_AUTHORIZED_PARTIES: "https://app.example.com/" would match nothing, since azp is an origin: leave out everything after the host and the port, a trailing slash too`,
			},
		},
		"of an issuer that the publishable key names": {
			sources{file: whole, environ: []string{"CLERK_PUBLISHABLE_KEY=pk_live_Y2xlcmsuZXhhbXBsZS5jb20k", "OSTIARY_AUDIENCES=a"}},
			[]string{"CLERK_PUBLISHABLE_KEY: https://clerk.example.com is issuers[0] already; merge the two"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, faults := test.sources.read(t, All()); !slices.Equal(faults, test.want) {
				t.Errorf("faults\n%s\nwant\n%s", strings.Join(faults, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

const (
	loud     = `"loud" is not valid; use one of: debug, info, warn, error`
	noIssuer = "OSTIARY_ISSUER: no issuer is given, so no token could be accepted; set it to the iss claim of your tokens, such as https://clerk.example.com"
)

func TestAFileThatCannotBeReadHidesNoOtherFault(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "no")
	_, faults := sources{flags: []string{"--config=" + missing, "--env-file=" + missing, "--log-level=loud", "--data-dir="}}.read(t, All())
	want := []string{
		"--config: " + missing + " cannot be read: no such file or directory",
		missing + ": cannot be read: no such file or directory",
		"--data-dir: is empty; omit the flag to use the default",
		"--log-level: " + loud,
	} // and not that there is no issuer, which the file may have
	if !slices.Equal(faults, want) {
		t.Errorf("faults %q; want %q", faults, want)
	}
}

func TestIssuersOfTheListComeBeforeTheOneThatIsDescribed(t *testing.T) {
	t.Parallel()
	loaded, faults := sources{
		file: "issuers:\n  - url: https://one.example.com\n    audiences: [a]\n    accept_kinds: [machine]\n    max_token_bytes: 16384\n" +
			"    roles_claim: [/realm_access/roles]\n    insecure_http: true\n  - url: https://two.example.com\n    allow_any_audience: true\naudiences: [b]\n",
		flags: []string{"--issuer=https://three.example.com"},
	}.read(t, All())
	want := []settings.Issuer{
		{URL: "https://one.example.com", Audiences: []string{"a"}, Kinds: []auth.TokenKind{auth.KindMachine}, MaxTokenBytes: 16384,
			Claims: settings.Claims{Roles: []string{"/realm_access/roles"}}, InsecureHTTP: true},
		{URL: "https://two.example.com", AllowAnyAudience: true},
		{URL: "https://three.example.com", Audiences: []string{"b"}},
	}
	if faults != nil || !reflect.DeepEqual(loaded.Server.Issuers, want) {
		t.Errorf("issuers %+v, faults %q; want %+v", loaded.Server.Issuers, faults, want)
	}
	if !reflect.DeepEqual(loaded.Issuer, want[2]) {
		t.Errorf("the issuer that is described is %+v; want %+v", loaded.Issuer, want[2])
	}
}
