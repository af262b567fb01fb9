package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// fileOnly are the settings that no line of text can hold, so that the YAML file
// alone has them.
var fileOnly = [...]string{"issuers", "rules"}

// loadConfigFile reads the YAML file and returns what only it can hold, by key.
func (l *loader) loadConfigFile() map[string]any {
	path := l.option("config")
	if path == "" {
		return nil
	}
	source, err := readConfigFile(path)
	if err != nil {
		l.faults.add("--config", err)
		l.failed["issuer"] = true // which it may well have
		return nil
	}
	only := make(map[string]any)
	for _, key := range fileOnly {
		only[key] = source.Get(key)
		source.Delete(key)
	}
	l.refuseUnknown("", source.Raw(), keysOf(l.table))
	l.merge(source, func(key string) string { return key + " in " + path })
	return only
}

func readConfigFile(path string) (*koanf.Koanf, error) {
	source := koanf.New(delimiter)
	err := source.Load(file.Provider(path), yaml.Parser())
	var unreadable *fs.PathError
	switch {
	case errors.As(err, &unreadable):
		return nil, fmt.Errorf("%s cannot be read: %w", path, unreadable.Err)
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read as settings: %s", path, oneLine(err.Error()))
	}
	return source, nil
}

func (l *loader) refuseUnknown(place string, values map[string]any, known []string) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(known, key) {
			l.faults.add(place+key+" in "+l.option("config"), errors.New("there is no such setting; correct it or take it out"))
		}
	}
}
