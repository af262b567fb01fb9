package settings

import (
	"fmt"
	"os"
	"slices"
)

// fileOnly are the settings that do not fit into one line of text, so that only
// the YAML file has them.
var fileOnly = [...]string{"issuers", "rules"}

// readConfigFile reads the YAML file, and returns the settings that only it can
// hold, by key.
func (l *Loaded) readConfigFile() map[string]any {
	path := l.option(configFlag)
	if path == "" {
		return nil
	}
	values, err := readFile(path)
	if err != nil {
		l.faults.add("--"+configFlag, err)
		l.failed["issuer"] = true // the file may well set it
		return nil
	}
	known := keysOf(l.table)
	l.faults.addBadKeys(path, "", values, slices.Concat(known, fileOnly[:]))
	for key, value := range values {
		if value != nil && slices.Contains(known, key) {
			l.set(key, value, key+" in "+path)
		}
	}
	return values
}

// readFile returns the values in a YAML file, by key.
func readFile(path string) (map[string]any, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, withoutPath(err))
	}
	values, err := parseYAML(text)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be parsed: %w", path, err)
	}
	return values, nil
}
