package settings

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/server/settings"
)

func TestFlags(t *testing.T) {
	t.Parallel()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	All().AddFlags(flags)
	if flags.SortFlags {
		t.Error("the flags are sorted; want the order of the table")
	}
	addr := flags.Lookup("http-addr")
	if addr.DefValue != ":8080" || addr.Value.Type() != "text" || addr.NoOptDefVal != "" || !strings.HasSuffix(addr.Usage, "free port [OSTIARY_HTTP_ADDR]") {
		t.Errorf("--http-addr: %+v", addr)
	}
	if key := flags.Lookup("publishable-key"); !strings.HasSuffix(key.Usage, " [OSTIARY_PUBLISHABLE_KEY, CLERK_PUBLISHABLE_KEY, NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY]") {
		t.Errorf("--publishable-key: %s", key.Usage)
	}
	if reflection := flags.Lookup("reflection"); reflection.NoOptDefVal != "true" {
		t.Errorf("--reflection alone means %q; want true", reflection.NoOptDefVal)
	}
}

func TestLogger(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings Settings
		want     string
	}{
		"text from info":  {Settings{logFormat: "text", logLevel: "info"}, "level=INFO msg=two\nlevel=WARN msg=three\n"},
		"JSON from warn":  {Settings{logFormat: "json", logLevel: "warn"}, `"level":"WARN","msg":"three"}` + "\n"},
		"text from debug": {Settings{logLevel: "debug"}, "level=DEBUG msg=one\nlevel=INFO msg=two\nlevel=WARN msg=three\n"},
	} {
		var b strings.Builder
		loaded := Loaded{Settings: test.settings}
		loaded.TakeLogLevel(&loaded)
		log := loaded.Logger(&b)
		log.Debug("one")
		log.Info("two")
		log.Warn("three")
		var got strings.Builder
		for line := range strings.Lines(b.String()) {
			_, rest, _ := strings.Cut(line, "level") // after the time
			got.WriteString("level" + rest)
		}
		if want := strings.ReplaceAll(test.want, `"level"`, `level"`); got.String() != want {
			t.Errorf("%s: %q; want %q", name, got.String(), want)
		}
	}
}

func TestOstiaryDevTakesItsOwnSettings(t *testing.T) {
	t.Parallel()
	set := Dev(map[string]string{"http_addr": "127.0.0.1:8080", "reflection": "true"})
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	set.AddFlags(flags)
	for name, want := range map[string]bool{"http-addr": true, "cors-allowed-headers": true, "issuer": false, "tls-cert": false, "config": false, "env-file": false} {
		if got := flags.Lookup(name) != nil; got != want {
			t.Errorf("flag --%s: %v; want %v", name, got, want)
		}
	}
	if got := flags.Lookup("http-addr").DefValue; got != "127.0.0.1:8080" {
		t.Errorf("--http-addr has the default %s; want that of ostiary dev", got)
	}
	loaded := set.Load(flags, []string{"CLERK_JWT_ISSUER=https://clerk.example.com", "OSTIARY_GRPC_ADDR=:1"})
	if s := loaded.Server; s.HTTPAddr != "127.0.0.1:8080" || !s.Reflection || s.GRPCAddr != ":1" || len(s.Issuers) > 0 {
		t.Errorf("%+v; want the defaults of ostiary dev, a variable, and no issuer", s)
	}
	loaded.Check("http_addr", errors.New("no"))
	loaded.Server.HTTPAddr = "wrong as well"
	loaded.Server.Issuers = []settings.Issuer{{URL: "http://localhost"}}
	if got, want := loaded.Faults().Error(), "OSTIARY_HTTP_ADDR: no"; got != want {
		t.Errorf("faults %s; want %s, and no second one of the same setting", got, want)
	}
}

func TestSettingsOfIssuersAlone(t *testing.T) {
	t.Parallel()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	set := Issuers()
	set.AddFlags(flags)
	for name, want := range map[string]bool{"issuer": true, "publishable-key": true, "roles-claim": true, "config": true, "env-file": true, "keys-snapshot": false, "http-addr": false} {
		if got := flags.Lookup(name) != nil; got != want {
			t.Errorf("flag --%s: %v; want %v", name, got, want)
		}
	}
	loaded := set.Load(flags, []string{"OSTIARY_HTTP_ADDR=:1"})
	if loaded.Server.HTTPAddr != ":1" {
		t.Errorf("HTTPAddr %q; want that of the environment", loaded.Server.HTTPAddr)
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
	const clerk = "OSTIARY_ISSUER=https://clerk.example.com"
	tests := map[string]struct {
		environ []string
		args    []string
		want    settings.Issuer
	}{
		"lists have commas, and blanks that do not count": {
			environ: []string{clerk, "OSTIARY_AUDIENCES= one, two ,,", "OSTIARY_ACCEPT_KINDS=session,machine"},
			want: settings.Issuer{
				URL: "https://clerk.example.com", Audiences: []string{"one", "two"},
				Kinds: []auth.TokenKind{auth.KindSession, auth.KindMachine},
			},
		},
		"a flag wins over a variable": {
			environ: []string{clerk, "OSTIARY_AUDIENCES=one"},
			args:    []string{"--audiences", "two"},
			want:    settings.Issuer{URL: "https://clerk.example.com", Audiences: []string{"two"}},
		},
		"an empty variable counts as not set": {
			environ: []string{clerk, "OSTIARY_AUDIENCES=one", "OSTIARY_SKEW=", "OSTIARY_ALLOW_ANY_AUDIENCE= "},
			want:    settings.Issuer{URL: "https://clerk.example.com", Audiences: []string{"one"}},
		},
		"no skew is none, and not the default": {
			environ: []string{clerk},
			args:    []string{"--skew=0s", "--allow-any-audience", "--max-lifetime=1h"},
			want: settings.Issuer{
				URL: "https://clerk.example.com", Skew: -1, AllowAnyAudience: true, MaxLifetime: time.Hour,
			},
		},
		"the publishable key names the issuer": {
			environ: []string{"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk_live_Y2xlcmsuZXhhbXBsZS5jb20k"},
			args:    []string{"--audiences=one"},
			want:    settings.Issuer{URL: "https://clerk.example.com", Audiences: []string{"one"}},
		},
		"the same publishable key by two of its names": {
			environ: []string{
				"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk_live_Y2xlcmsuZXhhbXBsZS5jb20k",
				"CLERK_PUBLISHABLE_KEY=pk_live_Y2xlcmsuZXhhbXBsZS5jb20k",
			},
			args: []string{"--audiences=one"},
			want: settings.Issuer{URL: "https://clerk.example.com", Audiences: []string{"one"}},
		},
		"an issuer wins over the publishable key": {
			environ: []string{"CLERK_PUBLISHABLE_KEY=pk_live_Y2xlcmsuZXhhbXBsZS5jb20k", "CLERK_JWT_ISSUER=https://other.example.com"},
			args:    []string{"--authorized-parties=https://app.example.com", "--allow-missing-authorized-party"},
			want: settings.Issuer{
				URL: "https://other.example.com", AuthorizedParties: []string{"https://app.example.com"},
				AllowMissingAuthorizedParty: true,
			},
		},
		"Clerk's own names": {
			environ: []string{"CLERK_JWT_ISSUER=https://clerk.example.com", "CLERK_JWT_AUD=one", "CLERK_AUTHORIZED_PARTIES=https://app.example.com"},
			want: settings.Issuer{
				URL:       "https://clerk.example.com",
				Audiences: []string{"one"}, AuthorizedParties: []string{"https://app.example.com"},
			},
		},
		"any other provider": {
			args: []string{"--issuer=https://t.auth0.com/", "--profile=oidc", "--audiences=one", "--algorithms=ES256", "--jwks-url=https://keys.example.com/jwks"},
			want: settings.Issuer{
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
			if want := []settings.Issuer{test.want}; !reflect.DeepEqual(s.Server.Issuers, want) {
				t.Errorf("issuers %+v; want %+v", s.Server.Issuers, want)
			}
		})
	}
}
