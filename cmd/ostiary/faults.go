package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// faults is everything that is wrong with the settings, a line for each.
type faults struct{ lines []string }

func (f *faults) add(name string, err error) {
	f.lines = append(f.lines, fmt.Sprintf("%s: %v", name, err))
}

// refuseUnknown adds a fault for each key of a file's values, which stand at the
// place there, that is not among the known.
func (f *faults) refuseUnknown(file, place string, values map[string]any, known []string) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(known, key) {
			f.add(place+key+" in "+file, errors.New("unknown setting; correct it or remove it"))
		}
	}
}

func (f *faults) orNil() error {
	if len(f.lines) == 0 {
		return nil
	}
	return f
}

// Error returns the lines.
func (f *faults) Error() string { return strings.Join(f.lines, "\n") }

// quotedKey is how the server's faults name a setting.
var quotedKey = regexp.MustCompile("`[a-z_]+`")

// inWords replaces the settings that a fault of the server names by what the
// operator would write.
func inWords(message string, name func(key string) string) string {
	return quotedKey.ReplaceAllStringFunc(message, func(quoted string) string {
		return name(strings.Trim(quoted, "`"))
	})
}
