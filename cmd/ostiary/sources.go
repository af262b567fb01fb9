package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/dotenv"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
)

// delimiter keeps koanf from taking keys apart: no key has one.
const delimiter = "\x00"

// defaultEnvFile is read where it exists.
const defaultEnvFile = ".env"

// merge puts a source over those before it. name says how the operator wrote a
// key there.
func (l *loader) merge(source *koanf.Koanf, name func(key string) string) {
	for key := range source.Raw() {
		l.origin[key] = name(key)
	}
	_ = l.values.Merge(source) // fails only for koanf's strict merging
}

func (l *loader) loadDefaults() {
	_ = l.values.Load(confmap.Provider(l.defaults, ""), nil) // cannot fail
}

func (l *loader) loadEnvFile() {
	path := l.option("env-file")
	if path == "" {
		path = defaultEnvFile
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
	variables := l.newVariables(" in " + path)
	source := koanf.New(delimiter)
	err := source.Load(file.Provider(path), dotenv.ParserEnvWithValue("", "", variables.key))
	var unreadable *fs.PathError
	switch {
	case errors.As(err, &unreadable):
		l.faults.add(path, fmt.Errorf("cannot be read: %w", unreadable.Err))
	case err != nil: // the parser's own words quote the file, secrets and all
		l.faults.add(path, errors.New("cannot be parsed as NAME=value lines; quote multi-line values"))
	default:
		l.merge(source, variables.name)
	}
}

func (l *loader) loadEnvironment() {
	variables := l.newVariables("")
	source := koanf.New(delimiter)
	_ = source.Load(env.Provider("", env.Opt{ // cannot fail
		EnvironFunc:   func() []string { return l.environ },
		TransformFunc: variables.key,
	}), nil)
	l.merge(source, variables.name)
}

func (l *loader) loadFlags() {
	source := koanf.New(delimiter)
	known := keysOf(l.table)
	_ = source.Load(posflag.ProviderWithValue(l.flags, "", nil, func(flag, value string) (string, any) { // cannot fail
		key := strings.ReplaceAll(flag, "-", "_")
		if value == "" && l.flags.Changed(flag) {
			l.faults.add("--"+flag, errEmptyFlag)
			return "", nil
		}
		if !slices.Contains(known, key) {
			return "", nil
		}
		return key, value
	}), nil)
	l.merge(source, func(key string) string { return "--" + strings.ReplaceAll(key, "_", "-") })
}

// option returns a flag that says where settings are.
func (l *loader) option(name string) string {
	if flag := l.flags.Lookup(name); flag != nil {
		return flag.Value.String()
	}
	return ""
}

// variables finds settings by the names of environment variables.
type variables struct {
	loader *loader
	where  string            // follows the name in messages
	keys   map[string]string // the key of each variable
	used   map[string]string // the variable of each key
	values map[string]string
}

func (l *loader) newVariables(where string) *variables {
	v := &variables{loader: l, where: where, keys: make(map[string]string), used: make(map[string]string), values: make(map[string]string)}
	for _, s := range l.table {
		for _, name := range s.env {
			v.keys[name] = s.key
		}
	}
	return v
}

// key is a transformation for koanf: "" leaves a variable out. One that is empty
// counts as not set.
func (v *variables) key(variable, value string) (string, any) {
	key := v.keys[variable]
	if key == "" || strings.TrimSpace(value) == "" {
		return "", nil
	}
	if other, again := v.used[key]; again && v.values[key] != value {
		v.loader.faults.add(variable+v.where, fmt.Errorf("conflicts with %s, which sets the same thing; keep one of them", other))
	}
	v.used[key], v.values[key] = variable, value
	return key, value
}

func (v *variables) name(key string) string { return v.used[key] + v.where }

func keysOf[T any](table []setting[T]) []string {
	keys := make([]string, len(table))
	for i, s := range table {
		keys[i] = s.key
	}
	return keys
}
