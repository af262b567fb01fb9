package settings

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server"
)

// A default in help and documentation that is not what happens is worse than
// none.
func TestDefaultsOfTheTableAreThoseOfTheServer(t *testing.T) {
	t.Parallel()
	s := new(Settings)
	for _, setting := range table() {
		if setting.def == "" {
			continue
		}
		if err := setting.format.set(s, setting.def); err != nil {
			t.Errorf("%s: the default %q: %v", setting.key, setting.def, err)
		}
	}
	got, want := s.Server.WithDefaults(), server.Config{}.WithDefaults()
	got.Now, want.Now = nil, nil // functions cannot be compared
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the table's defaults give %+v; the server's are %+v", got, want)
	}
	issuer := server.Issuer{Profile: token.Clerk().Name, Skew: token.DefaultSkew, MaxLifetime: token.DefaultMaxLifetime}
	if !reflect.DeepEqual(s.Issuer, issuer) {
		t.Errorf("the table's defaults give %+v; the server's are %+v", s.Issuer, issuer)
	}
	if s.logFormat != "text" || s.level().String() != "INFO" {
		t.Errorf("log %s %v; want text INFO", s.logFormat, s.level())
	}
}

func TestTheTableIsComplete(t *testing.T) {
	t.Parallel()
	var keys, variables []string
	for _, s := range table() {
		keys, variables = append(keys, s.key), append(variables, s.env...)
		if len(s.env) == 0 || !strings.HasSuffix(s.help, ".") {
			t.Errorf("%s: has no variable, or its help is no sentence", s.key)
		}
	}
	for _, names := range [][]string{keys, variables} {
		slices.Sort(names)
		if n := len(names); n != len(slices.Compact(names)) {
			t.Errorf("a name is used twice among %q", names)
		}
	}
}

// load reads settings from variables and flags alone.
func load(t *testing.T, environ []string, args ...string) (Settings, error) {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	set := All()
	set.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	loaded := set.Load(flags, environ)
	return loaded.Settings, loaded.Faults()
}

func TestLoad(t *testing.T) {
	t.Parallel()
	const clerk = "CLERK_JWT_ISSUER=https://clerk.example.com"
	tests := map[string]struct {
		environ []string
		args    []string
		want    server.Issuer
	}{
		"lists have commas, and blanks that do not count": {
			environ: []string{clerk, "CLERK_JWT_AUD= one, two ,,", "OSTIARY_ACCEPT_KINDS=session,machine"},
			want: server.Issuer{
				URL: "https://clerk.example.com", Audiences: []string{"one", "two"},
				Kinds: []auth.TokenKind{auth.KindSession, auth.KindMachine},
			},
		},
		"a flag wins over a variable": {
			environ: []string{clerk, "CLERK_JWT_AUD=one"},
			args:    []string{"--audiences", "two"},
			want:    server.Issuer{URL: "https://clerk.example.com", Audiences: []string{"two"}},
		},
		"an empty variable counts as not set": {
			environ: []string{clerk, "CLERK_JWT_AUD=one", "OSTIARY_SKEW=", "OSTIARY_ALLOW_ANY_AUDIENCE= "},
			want:    server.Issuer{URL: "https://clerk.example.com", Audiences: []string{"one"}},
		},
		"no skew is none, and not the default": {
			environ: []string{clerk},
			args:    []string{"--skew=0s", "--allow-any-audience", "--max-lifetime=1h"},
			want: server.Issuer{
				URL: "https://clerk.example.com", Skew: -1, AllowAnyAudience: true, MaxLifetime: time.Hour,
			},
		},
		"the publishable key names the issuer": {
			environ: []string{"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk_live_Y2xlcmsuZXhhbXBsZS5jb20k"},
			args:    []string{"--audiences=one"},
			want:    server.Issuer{URL: "https://clerk.example.com", Audiences: []string{"one"}},
		},
		"the same publishable key by both its names": {
			environ: []string{
				"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk_live_Y2xlcmsuZXhhbXBsZS5jb20k",
				"CLERK_PUBLISHABLE_KEY=pk_live_Y2xlcmsuZXhhbXBsZS5jb20k",
			},
			args: []string{"--audiences=one"},
			want: server.Issuer{URL: "https://clerk.example.com", Audiences: []string{"one"}},
		},
		"an issuer wins over the publishable key": {
			environ: []string{"CLERK_PUBLISHABLE_KEY=pk_live_Y2xlcmsuZXhhbXBsZS5jb20k", "CLERK_JWT_ISSUER=https://other.example.com"},
			args:    []string{"--authorized-parties=https://app.example.com", "--allow-missing-authorized-party"},
			want: server.Issuer{
				URL: "https://other.example.com", AuthorizedParties: []string{"https://app.example.com"},
				AllowMissingAuthorizedParty: true,
			},
		},
		"any other provider": {
			args: []string{"--issuer=https://t.auth0.com/", "--profile=oidc", "--audiences=one", "--algorithms=ES256", "--jwks-url=https://keys.example.com/jwks"},
			want: server.Issuer{
				URL: "https://t.auth0.com/", Profile: "oidc", JWKSURL: "https://keys.example.com/jwks",
				Audiences: []string{"one"}, Algorithms: []string{"ES256"},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := load(t, test.environ, test.args...)
			if err != nil {
				t.Fatal(err)
			}
			if want := []server.Issuer{test.want}; !reflect.DeepEqual(s.Server.Issuers, want) {
				t.Errorf("issuers %+v; want %+v", s.Server.Issuers, want)
			}
		})
	}
}

func TestDocumentationNamesEverySetting(t *testing.T) {
	t.Parallel()
	doc := Documentation()
	for _, s := range table() {
		for _, want := range append([]string{s.key, "--" + s.flag()}, s.env...) {
			if !strings.Contains(doc, "`"+want+"`") {
				t.Errorf("docs/configuration.md does not name %s", want)
			}
		}
	}
}
