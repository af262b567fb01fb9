package settings

import (
	"reflect"
	"strings"
	"testing"
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
