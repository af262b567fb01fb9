package jwks

import (
	"log/slog"
	"slices"
	"time"
)

// A generation is the outcome of one successful fetch. It is immutable.
type generation struct {
	keyring
	document  document
	fetchedAt time.Time
	changed   bool // its keys are not those of the generation before
}

// publish makes the keys of a document the current ones. r.mu must be held, unless r
// is not shared yet.
//
// A key that is current already stays the same Key, so that cached verdicts remain
// valid. Every other key becomes a new Key, even if an equal one was there before:
// a Key that has left its set never comes back to life.
func (r *Remote) publish(d document, fetchedAt time.Time) *generation {
	var before generation
	if g := r.current.Load(); g != nil {
		before = *g
	}
	keys := make([]*Key, len(d.keys))
	kept := 0
	for i, key := range d.keys {
		if j := slices.IndexFunc(before.all, key.same); j >= 0 {
			keys[i] = before.all[j]
			kept++
			continue
		}
		fresh := *key
		fresh.set = r
		keys[i] = &fresh
	}
	// Round takes the monotonic reading off, which stands still while a machine
	// sleeps; its keys grow old all the same.
	g := &generation{keyring: newKeyring(keys), document: d, fetchedAt: fetchedAt.Round(0)}
	g.changed = kept < len(keys) || kept < len(before.all)
	r.current.Store(g)
	if g.changed || !slices.Equal(d.skipped, before.document.skipped) {
		r.note(slog.LevelInfo, "the key set changed", "keys", g.ids(), "skipped", d.skipped)
	}
	return g
}

func (k keyring) ids() []string {
	ids := make([]string, len(k.all))
	for i, key := range k.all {
		ids[i] = key.id
	}
	return ids
}
