package settings

import (
	"slices"
	"strings"
	"testing"
)

func TestMistypedVariablesAreNamed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sources sources
		want    []string // the beginning of each fault
	}{
		"one letter is missing": {
			sources{environ: []string{"OSTIARY_AUDIENCE=invoices"}},
			[]string{"OSTIARY_AUDIENCE: no setting has this name, so the variable does nothing; did you mean OSTIARY_AUDIENCES"},
		},
		"the setting has no prefix": {
			sources{environ: []string{"OSTIARY_DATABASE_URL=postgres://ada:secret@db/x"}},
			[]string{"OSTIARY_DATABASE_URL: no setting has this name, so the variable does nothing; did you mean DATABASE_URL"},
		},
		"in lower case": {
			sources{environ: []string{"ostiary_issuer=https://clerk.example.com"}},
			[]string{"ostiary_issuer: no setting has this name, so the variable does nothing; did you mean OSTIARY_ISSUER"},
		},
		"in the .env file": {
			sources{envFile: "OSTIARY_SKEWS=5s\nSOMETHING=else\n"},
			[]string{"OSTIARY_SKEWS in ENVFILE: no setting has this name, so the variable does nothing; did you mean OSTIARY_SKEW"},
		},
		"like no other": {
			sources{environ: []string{"OSTIARY_SOMETHING_ELSE_ALTOGETHER=1"}},
			[]string{"OSTIARY_SOMETHING_ELSE_ALTOGETHER: no setting has this name, so the variable does nothing; correct it or remove it"},
		},
		"a port that Kubernetes would not set": {
			sources{environ: []string{"OSTIARY_HTTP_PORT=8080"}},
			[]string{"OSTIARY_HTTP_PORT: no setting has this name"},
		},
		"known, empty, foreign, or set by Kubernetes for a service": {
			sources{environ: []string{
				"OSTIARY_TOKEN=x", "OSTIARY_SKEW=5s", "OSTIARY_SKEWS=", "OTHER=1", "CLERK_JWT_AUDIENCE=x",
				"OSTIARY_SERVICE_HOST=10.0.0.1", "OSTIARY_SERVICE_PORT=8080", "OSTIARY_SERVICE_PORT_HTTP=8080", "OSTIARY_PORT=tcp://10.0.0.1:8080",
				"OSTIARY_PORT_8080_TCP=tcp://10.0.0.1:8080", "OSTIARY_PORT_8080_TCP_PROTO=tcp", "OSTIARY_PORT_8080_TCP_PORT=8080",
				"OSTIARY_PORT_8080_TCP_ADDR=10.0.0.1", "OSTIARY_DB_SERVICE_HOST=10.0.0.2",
			}},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loaded, _ := test.sources.read(t, All())
			var got []string
			for _, fault := range loaded.Unknown() {
				got = append(got, fault.String())
			}
			if !slices.EqualFunc(got, test.want, func(got, want string) bool {
				before, file, inFile := strings.Cut(want, "ENVFILE")
				return strings.HasPrefix(got, before) && (!inFile || strings.Contains(got, file))
			}) {
				t.Errorf("unknown are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if strings.Contains(strings.Join(got, "\n"), "secret") {
				t.Error("a value is shown")
			}
		})
	}
}

// The names that ostiary dev does not take are those of settings all the same.
func TestVariablesOfOtherCommandsAreKnown(t *testing.T) {
	t.Parallel()
	loaded, _ := sources{environ: []string{"OSTIARY_ISSUER=https://clerk.example.com"}}.read(t, Dev(nil))
	if unknown := loaded.Unknown(); unknown != nil {
		t.Errorf("unknown are %v", unknown)
	}
}

// Other users of the machine can read the arguments of a program.
func TestSecretsAreRefusedAsFlags(t *testing.T) {
	t.Parallel()
	secrets := map[string]string{"database-url": "postgres://ada:hush-hush@db/ostiary"}
	for _, s := range table() {
		if s.secret {
			secrets[s.flag()] = "hush-hush"
		}
	}
	if len(secrets) < 5 {
		t.Fatalf("the secrets are %v", secrets)
	}
	for flag, value := range secrets {
		_, faults := sources{flags: []string{"--" + flag + "=" + value}, environ: []string{"OSTIARY_ISSUER=https://clerk.example.com", "OSTIARY_AUDIENCES=invoices"}}.read(t, All())
		text := strings.Join(faults, "\n")
		if !strings.Contains(text, "--"+flag+": refused, since other users of the machine can read a secret there; set the variable ") || strings.Contains(text, "hush-hush") {
			t.Errorf("--%s: %q", flag, text)
		}
	}
	if _, faults := (sources{flags: []string{"--database-url=postgres://ada@db/ostiary"}, environ: []string{"OSTIARY_ISSUER=https://clerk.example.com", "OSTIARY_AUDIENCES=invoices"}}).read(t, All()); faults != nil {
		t.Errorf("a URL without a password: %q", faults)
	}
}
