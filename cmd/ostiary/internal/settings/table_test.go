package settings

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/interceptors/token"
	"github.com/ostiary/ostiary/server"
)

// TestEachSettingSetsItsField compares what a value other than the default changes
// with the setting's name.
func TestEachSettingSetsItsField(t *testing.T) {
	t.Parallel()
	otherNames := map[string]string{
		"issuer":                  "Issuer.URL",
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
	}
	values := map[string]any{"text": "a", "PEM": "a", "list": "session", "bool": "true", "duration": "1s", "bytes": "1"}
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

// The examples of docs/configuration.md are read as they are shown.
func TestExamplesOfIssuersAreValid(t *testing.T) {
	t.Parallel()
	shown := 0
	for _, block := range strings.Split(Documentation(), "```yaml\n")[1:] {
		example, _, _ := strings.Cut(block, "```")
		if !strings.HasPrefix(example, "issuers:") {
			continue
		}
		example = strings.ReplaceAll(example, "/var/run/secrets/kubernetes.io/serviceaccount/", "/nowhere/")
		loaded, faults := sources{file: example}.read(t, All())
		shown += len(loaded.Server.Issuers)
		faults = slices.DeleteFunc(faults, func(fault string) bool { return strings.Contains(fault, "/nowhere/") })
		if len(faults) > 0 {
			t.Errorf("%s\n%q", example, faults)
		}
	}
	if shown != 6 {
		t.Errorf("%d issuers are shown; want 6", shown)
	}
}
