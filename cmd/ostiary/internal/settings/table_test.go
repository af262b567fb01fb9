package settings

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server/settings"
)

// TestEachSettingSetsItsField compares what a value other than the default changes
// with the setting's name.
func TestEachSettingSetsItsField(t *testing.T) {
	t.Parallel()
	otherNames := map[string]string{
		"issuer":                  "Issuer.URL",
		"backchannel_logout":      "Issuer.BackChannelLogout.ClientIDs",
		"accept_kinds":            "Issuer.Kinds",
		"allow_unbound_cnf":       "Issuer.AllowUnboundConfirmation",
		"roles_claim":             "Issuer.Claims.Roles",
		"groups_claim":            "Issuer.Claims.Groups",
		"permissions_claim":       "Issuer.Claims.Permissions",
		"scopes_claim":            "Issuer.Claims.Scopes",
		"organization_claim":      "Issuer.Claims.Organization",
		"organization_role_claim": "Issuer.Claims.OrganizationRole",
		"session_claim":           "Issuer.Claims.Session",
		"cors_allow_credentials":  "Server.CORS.WithoutCredentials",
		"console":                 "Server.Console.Enabled",

		"signals_transmitter_allow_private": "Server.AllowPrivateReceivers",
		"follow":                            "Server.Follow.Hubs",
	}
	values := map[string]any{"text": "a", "PEM": "a", "list": "session", "bool": "true", "duration": "1s", "bytes": "1", "number": "1", "name=where": "a=b"}
	for _, s := range table() {
		value := values[s.format.name]
		switch s.key {
		case "cors_allow_credentials":
			value = "false"
		case "log_format":
			value = "json"
		case "log_level":
			value = "warn"
		}
		got := new(Settings)
		if err := s.format.set(got, value); err != nil {
			t.Errorf("%s: %v", s.key, err)
		}
		changed := nonZero("", reflect.ValueOf(*got))
		if len(changed) != 1 {
			t.Errorf("%s sets %q; want one field", s.key, changed)
			continue
		}
		field := strings.ToLower(strings.ReplaceAll(changed[0], ".", ""))
		if want := otherNames[s.key]; changed[0] != want && (want != "" || !strings.HasSuffix(field, strings.ReplaceAll(s.key, "_", ""))) {
			t.Errorf("%s sets %s, which has another name", s.key, changed[0])
		}
	}
}

// nonZero returns the paths of the fields that are not zero.
func nonZero(path string, v reflect.Value) []string {
	if v.Kind() != reflect.Struct {
		if v.IsZero() {
			return nil
		}
		return []string{path}
	}
	var paths []string
	for field := range v.Type().NumField() {
		name := v.Type().Field(field).Name
		if path != "" {
			name = path + "." + name
		}
		paths = append(paths, nonZero(name, v.Field(field))...)
	}
	return paths
}

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
	got, want := s.Server.WithDefaults(), settings.Config{}.WithDefaults()
	got.Now, want.Now = nil, nil // functions cannot be compared
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the table's defaults give %+v; the server's are %+v", got, want)
	}
	issuer := settings.Issuer{Skew: token.DefaultSkew, MaxLifetime: token.DefaultMaxLifetime}
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
		if !strings.HasSuffix(s.help, ".") {
			t.Errorf("%s: its help is no sentence", s.key)
		}
	}
	for _, names := range [][]string{keys, variables} {
		slices.Sort(names)
		if n := len(names); n != len(slices.Compact(names)) {
			t.Errorf("a name is used twice among %q", names)
		}
	}
}

// TestVariablesAreNamedForTheirKey has the first variable of each setting follow from its
// key. DATABASE_URL and CORS_… are names that other programs use as well; what Clerk calls
// a setting is a further name of it.
func TestVariablesAreNamedForTheirKey(t *testing.T) {
	t.Parallel()
	for _, s := range table() {
		want := "OSTIARY_" + strings.ToUpper(s.key)
		if s.key == "database_url" || strings.HasPrefix(s.key, "cors_") {
			want = strings.ToUpper(s.key)
		}
		if len(s.env) == 0 || s.env[0] != want {
			t.Errorf("%s has the variables %q; want %s first", s.key, s.env, want)
			continue
		}
		for _, other := range s.env[1:] {
			if !strings.HasPrefix(other, "CLERK_") && !strings.HasPrefix(other, "NEXT_PUBLIC_CLERK_") {
				t.Errorf("%s has the variable %s as well; only Clerk's names are", s.key, other)
			}
		}
	}
}

func TestDocumentationNamesEverySetting(t *testing.T) {
	t.Parallel()
	doc := Documentation()
	for _, s := range table() {
		names := append([]string{s.key}, s.env...)
		if !s.secret {
			names = append(names, "--"+s.flag())
		}
		for _, want := range names {
			if !strings.Contains(doc, "`"+want+"`") {
				t.Errorf("docs/configuration.md does not name %s", want)
			}
		}
	}
}

// Every YAML in the documents is a settings file that is read as it is shown, but for what
// is a file of buf, which bufproject tests, or of Prometheus.
func TestExamplesOfSettingsAreValid(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("../../../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := make(map[string]int) // issuers, by document
	for _, name := range append(names, "../../../../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		name = filepath.Base(name)
		if name == "configuration.md" {
			text = []byte(Documentation())
		}
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```\n").FindAllStringSubmatch(string(text), -1) {
			example := block[1]
			if regexp.MustCompile(`^(version: v|# (buf|kustomization)\.yaml\n|# prometheus\.yml\n)`).MatchString(example) {
				continue
			}
			if strings.HasPrefix(example, "name: ") { // a source, without what is the reader's own
				example = "signals:\n  - " + strings.ReplaceAll(example, "\n", "\n    ") + "secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]\n"
			}
			if !strings.Contains(example, "issuers:") {
				example += "issuers: [{url: https://clerk.example.com, authorized_parties: [https://app.example.com], accept_kinds: [session, machine]}]\n"
			}
			example = strings.ReplaceAll(example, "/var/run/secrets/kubernetes.io/serviceaccount/", "/nowhere/")
			example = strings.ReplaceAll(example, "image: ", "image: /nowhere/")
			loaded, faults := sources{file: example}.read(t, All())
			shown[name] += len(loaded.Server.Issuers)
			faults = slices.DeleteFunc(faults, func(fault string) bool { return strings.Contains(fault, "/nowhere/") })
			if len(faults) > 0 {
				t.Errorf("%s:\n%s\n%q", name, example, faults)
			}
		}
	}
	if shown["configuration.md"] != 10 || shown["providers.md"] != len(token.Profiles()) {
		t.Errorf("issuers shown: %v; want 10 in configuration.md, those of the rules and the backends among them, and one for each profile in providers.md", shown)
	}
}

// TestCommandsThatServeAreShownAsTheyWork has no fault in the settings of any command line
// of ostiary serve in the documents, but for those in a file.
func TestCommandsThatServeAreShownAsTheyWork(t *testing.T) {
	t.Parallel()
	line := regexp.MustCompile(`(?m)^ *((?:[A-Z_]+=\S+ )*)(?:bin/)?ostiary serve((?: -\S+(?: [^-#\s]\S*)?)*)(?: +#.*)?$`)
	for name, want := range map[string]int{"README.md": 2, "docs/commands.md": 4} {
		text, err := os.ReadFile("../../../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		shown := 0
		for _, command := range line.FindAllStringSubmatch(regexp.MustCompile(`\\\n\s*`).ReplaceAllString(string(text), ""), -1) {
			if strings.Contains(command[2], "--config") {
				continue
			}
			shown++
			if _, err := load(t, strings.Fields(command[1]), strings.Fields(command[2])...); err != nil {
				t.Errorf("%s: %s: %v", name, command[0], err)
			}
		}
		if shown != want {
			t.Errorf("%s shows ostiary serve %d times; want %d", name, shown, want)
		}
	}
}

// TestProvidersAreShownWithTheirOwnProfile has each section of docs/providers.md set the
// profile that it is about.
func TestProvidersAreShownWithTheirOwnProfile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../../docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, profile := range token.Profiles() {
		_, section, _ := strings.Cut(string(text), "\n## "+profile.Name+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if !strings.Contains(section, "\n    profile: "+profile.Name+"\n") {
			t.Errorf("docs/providers.md does not set profile %s in its section", profile.Name)
		}
	}
}
