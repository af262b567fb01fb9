package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/knadh/koanf/providers/confmap"
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
	l.faults.refuseUnknown(path, "", source.Raw(), keysOf(l.table))
	l.merge(source, func(key string) string { return key + " in " + path })
	return only
}

func readConfigFile(path string) (*koanf.Koanf, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		var unreadable *fs.PathError
		if errors.As(err, &unreadable) {
			err = unreadable.Err // which does not name the file again
		}
		return nil, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	values, err := parseYAML(text)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be parsed: %s", path, oneLine(err.Error()))
	}
	source := koanf.New(delimiter)
	_ = source.Load(confmap.Provider(values, ""), nil) // cannot fail
	return source, nil
}
