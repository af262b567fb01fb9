package settings

import (
	"reflect"
	"slices"
)

// reloaded are the settings that server.Server.Reload takes over, or TakeLogLevel.
var reloaded = []string{"rules", "feed_secret", "feed_secret_file", "log_level"}

// TakeLogLevel has the Loggers of l write from the log_level of other on. It may be called while
// they are in use.
func (l *Loaded) TakeLogLevel(other *Loaded) { l.logFrom.Set(other.level()) }

// NeedRestart returns the keys of the settings that differ from those that a server was
// started with, and that it takes over only when it is started again. Settings that name a
// file differ if they name another one, whatever is in it.
func (l *Loaded) NeedRestart(started *Loaded) (keys []string) {
	for _, key := range slices.Concat(keysOf(l.table), fileOnly[:]) {
		if !slices.Contains(reloaded, key) && !reflect.DeepEqual(l.values[key], started.values[key]) {
			keys = append(keys, key)
		}
	}
	return keys
}
