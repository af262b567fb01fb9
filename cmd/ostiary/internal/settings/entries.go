package settings

import (
	"fmt"
	"strings"
)

// entries reads a list of the YAML file whose entries have settings of their own. Messages call
// an entry what, and show the setting that it begins with.
func entries[T any](l *Loaded, key string, value any, table []setting[T], what, first string) []T {
	listed, ok := value.([]any)
	if value != nil && !ok {
		l.Check(key, fmt.Errorf("not a list; start each %s with a dash", what))
	}
	read := make([]T, len(listed))
	for i, entry := range listed {
		place := fmt.Sprintf("%s[%d]", key, i)
		values, ok := entry.(map[string]any)
		if !ok {
			article := "a"
			if strings.ContainsRune("aeiou", rune(what[0])) {
				article = "an"
			}
			l.Check(place, fmt.Errorf("not %s %s; write %s: and its other settings", article, what, first))
			continue
		}
		l.faults.addBadKeys(l.option(configFlag), place+".", values, keysOf(table))
		for _, setting := range table {
			if value := values[setting.key]; value != nil {
				l.Check(place+"."+setting.key, setting.format.set(&read[i], value))
			}
		}
	}
	return read
}
