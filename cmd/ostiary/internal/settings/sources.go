package settings

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// A Source says where the value of a setting comes from.
type Source struct {
	// Key is the setting in the YAML file, such as http_addr or issuers[0].url.
	Key string
	// From is the source as the operator knows it: --http-addr, OSTIARY_HTTP_ADDR in .env, or
	// http_addr in ostiary.yaml; "default" where nothing sets it.
	From string
	// Value is as it was written, or the default. What is secret, or looks it, is masked.
	Value string
}

// Masked is the Value of a secret.
const Masked = "(set)"

// Sources returns every setting that has a value, in the order of the table; then what only
// the YAML file has.
func (l *Loaded) Sources() []Source {
	var sources []Source
	for _, setting := range l.table {
		source := Source{Key: setting.key, From: "default", Value: setting.def}
		if value, ok := l.values[setting.key]; ok {
			if listed, structured := value.([]any); structured && slices.ContainsFunc(listed, isEntry) {
				sources = append(sources, l.inList(setting.key, value)...)
				continue
			}
			source.From, source.Value = l.name(setting.key), mask(setting.key, value)
		}
		if source.Value != "" {
			sources = append(sources, source)
		}
	}
	for _, key := range fileOnly {
		sources = append(sources, l.inList(key, l.lists[key])...)
	}
	return sources
}

// inList returns the settings below a key of the YAML file.
func (l *Loaded) inList(key string, value any) []Source {
	from := "in " + l.option(configFlag)
	var sources []Source
	switch value := value.(type) {
	case []any:
		for i, entry := range value {
			sources = append(sources, l.inList(fmt.Sprintf("%s[%d]", key, i), entry)...)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if key == "rules" {
				sources = append(sources, Source{Key: key + "[" + name + "]", From: from, Value: "a rule"})
				continue
			}
			sources = append(sources, Source{Key: key + "." + name, From: from, Value: mask(name, value[name])})
		}
	}
	return sources
}

// secretMarks are parts of what must not be shown, wherever it was put by mistake: keys of
// Clerk, of webhooks and in PEM, and tokens.
var secretMarks = []string{"sk_test_", "sk_live_", "whsec_", "PRIVATE KEY", "eyJ"}

// mask returns a value as text, without what is secret in it.
func mask(key string, value any) string {
	text := fmt.Sprint(value)
	if items, ok := value.([]any); ok {
		texts := make([]string, len(items))
		for i, item := range items {
			texts[i] = mask(key, item)
		}
		text = strings.Join(texts, ", ")
	}
	switch {
	case isSecret(key), slices.ContainsFunc(secretMarks, func(mark string) bool { return strings.Contains(text, mark) }):
		return Masked
	case key == "jwt_key":
		return "(a public key)"
	case strings.Contains(text, "@") || key == "database_url":
		return withoutPassword(text)
	default:
		return text
	}
}

// isSecret reports whether the value of a setting is a secret, and not a file with one.
func isSecret(key string) bool {
	return (strings.Contains(key, "secret") || strings.Contains(key, "password")) && !strings.HasSuffix(key, "_file")
}

// withoutPassword returns a URL without its user and its query, either of which may hold a
// password. It is masked where the user may be elsewhere in it, as in a mistyped one.
func withoutPassword(text string) string {
	if path, isFile := strings.CutPrefix(text, "sqlite:"); isFile && !strings.ContainsAny(path, "?@") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return Masked
	}
	if u.User, u.RawQuery, u.Fragment = nil, "", ""; strings.Contains(u.Path, "@") {
		return Masked
	}
	return u.String()
}

// Variables returns the environment variables of all settings.
func (s *Set) Variables() []string {
	var names []string
	for _, setting := range s.table {
		names = append(names, setting.env...)
	}
	return names
}

// EnvFile returns the file with variables that Load reads: that of --env-file, or .env.
func (l *Loaded) EnvFile() string {
	if path := l.option(envFileFlag); path != "" {
		return path
	}
	return defaultEnvFile
}

// NameOf returns what the operator knows a setting by: how its value was written, or else
// how one could be.
func (l *Loaded) NameOf(key string) string { return l.name(key) }

// NameOfIssuer is NameOf for a setting of an entry of Server.Issuers.
func (l *Loaded) NameOfIssuer(i int, key string) string {
	if entryOf(i) == l.described {
		return l.name(keyOfDescribed(key))
	}
	return l.name(entryOf(i) + "." + key)
}
