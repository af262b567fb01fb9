package settings

import (
	"reflect"
	"slices"
)

// reloaded are the settings that server.Server.Reload takes over.
var reloaded = []string{"rules", "feed_secret", "feed_secret_file"}

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
