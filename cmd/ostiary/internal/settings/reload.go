package settings

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// reloaded are the settings that server.Server.Reload takes over, or TakeLogLevel. secrets are
// those of an entry of signals.
var reloaded = []string{
	"rules", "operator_subjects", "operator_permission", "backends", "log_level",
	"feed_secret", "feed_secret_file", "follow_secret", "follow_secret_file", "secrets", "secrets_file",
}

// reloadedIfSet are those that are taken over where they were set at the start, by themselves or
// by a file, and still are.
var reloadedIfSet = []string{"clerk_webhook_secret", "secret_key", "client_secret"}

// TakeLogLevel has the Loggers of l write from the log_level of other on. It may be called while
// they are in use.
func (l *Loaded) TakeLogLevel(other *Loaded) { l.logFrom.Set(other.level()) }

// NeedRestart returns the keys of the settings that differ from those that a server was
// started with, and that it takes over only when it is started again, such as request_timeout and
// issuers[0].audiences; or issuers if there are more or fewer of them. Settings that name a file
// differ if they name another one, whatever is in it.
func (l *Loaded) NeedRestart(started *Loaded) (keys []string) {
	return differing("", l.values, started.values)
}

// differing returns where two values differ in what is not reloaded.
func differing(place string, now, before any) (keys []string) {
	switch now := now.(type) {
	case map[string]any:
		if before, ok := before.(map[string]any); ok {
			now, before := withoutReloaded(now), withoutReloaded(before)
			all := maps.Clone(now)
			maps.Copy(all, before)
			for _, key := range slices.Sorted(maps.Keys(all)) {
				keys = append(keys, differing(strings.TrimPrefix(place+"."+key, "."), now[key], before[key])...)
			}
			return keys
		}
	case []any:
		if before, ok := before.([]any); ok && len(now) == len(before) && slices.ContainsFunc(now, isEntry) {
			for i := range now {
				keys = append(keys, differing(fmt.Sprintf("%s[%d]", place, i), now[i], before[i])...)
			}
			return keys
		}
	}
	if reflect.DeepEqual(now, before) {
		return nil
	}
	return []string{place}
}

// isEntry reports whether an item of a list has settings of its own.
func isEntry(item any) bool {
	_, ok := item.(map[string]any)
	return ok
}

// withoutReloaded returns settings without those that are reloaded. Of those that are reloaded if
// they are set it says whether they are.
func withoutReloaded(values map[string]any) map[string]any {
	rest := maps.Clone(values)
	for _, key := range reloaded {
		delete(rest, key)
	}
	for _, key := range reloadedIfSet {
		_, set := rest[key]
		_, inFile := rest[key+"_file"]
		delete(rest, key+"_file")
		rest[key] = set || inFile
	}
	return rest
}
