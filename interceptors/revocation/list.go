package revocation

import (
	"fmt"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"
	"unique"
)

// DefaultRetention is the longest lifetime of a token that is accepted by
// default, and the default skew.
const DefaultRetention = 24*time.Hour + 5*time.Second

// Config says how long a [List] remembers. Its zero value is ready for use.
type Config struct {
	// Retention is how long a revocation is remembered. It must be no less than
	// the longest lifetime of a token that is accepted from any issuer, and the
	// skew besides; else a token is accepted again in the last of its hours.
	// 0 is DefaultRetention.
	Retention time.Duration
	// Now is the clock. nil is time.Now.
	Now func() time.Time
}

// A List is what is revoked in this process. It is an auth.Revocations: give it
// to the Guard. To ask it takes no lock and allocates nothing, however much it
// holds. It is safe for concurrent use.
type List struct {
	retention time.Duration
	now       func() time.Time
	seed      maphash.Seed
	tables    [len(kindNames)]atomic.Pointer[table] // by kind

	mu       sync.Mutex // of whoever adds or watches
	watchers map[*func()]struct{}
}

// New returns an empty list.
func New(cfg Config) *List {
	l := &List{
		retention: cfg.Retention,
		now:       cfg.Now,
		seed:      maphash.MakeSeed(),
		watchers:  make(map[*func()]struct{}),
	}
	if l.retention <= 0 {
		l.retention = DefaultRetention
	}
	if l.now == nil {
		l.now = time.Now
	}
	return l
}

// Prepare checks a revocation, and fills in when it may be forgotten, without
// adding it: to be kept elsewhere first. Errors: [ErrInvalid].
func (l *List) Prepare(r Revocation) (Revocation, error) {
	if err := r.validate(); err != nil {
		return Revocation{}, err
	}
	if r.Expires.IsZero() {
		from := l.now()
		if r.Before.After(from) {
			from = r.Before
		}
		r.Expires = from.Add(l.retention)
	}
	return r, nil
}

// Add revokes. When it returns, every call that is checked from then on knows,
// and whoever watches was told, once for all that is added together.
//
// It never weakens what is revoked already: of two revocations of the same thing
// the later Before and the later Expires hold. One that has expired is left out.
//
// Errors: [ErrInvalid], and then none of them was added. What was prepared is
// never refused.
func (l *List) Add(revocations ...Revocation) error {
	prepared := make([]Revocation, len(revocations))
	for i, r := range revocations {
		var err error
		if prepared[i], err = l.Prepare(r); err != nil {
			return fmt.Errorf("revocation %d of %d: %w", i+1, len(revocations), err)
		}
	}
	for _, changed := range l.add(prepared) {
		changed()
	}
	return nil
}

// add returns whom to tell.
func (l *List) add(revocations []Revocation) (tell []func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now().UnixMicro()
	changed := false
	for _, r := range revocations {
		if l.put(r, now) {
			changed = true
		}
	}
	if !changed {
		return nil
	}
	for watcher := range l.watchers {
		tell = append(tell, *watcher)
	}
	return tell
}

// put reports whether anything changed.
func (l *List) put(r Revocation, now int64) bool {
	e := entry{owner: unique.Make(owner{r.Issuer, r.Subject}), id: r.ID, before: math.MaxInt64, expires: ceilMicro(r.Expires)}
	if !r.Before.IsZero() {
		e.before = ceilMicro(r.Before)
	}
	if e.expires <= now {
		return false
	}
	t := l.tables[r.Kind].Load()
	old := t.find(scopeOf(l.seed, r.Issuer).of(l.seed, r.Subject), r.ID)
	merged := merge(old, e, now)
	if merged == old {
		return false
	}
	switch {
	case t == nil:
		t = newTable(l.seed, 0)
	case t.full():
		t = t.renewed(now)
	default:
		t.put(merged)
		return true
	}
	t.put(merged)
	l.tables[r.Kind].Store(t)
	return true
}

// ceilMicro rounds up, lest a revocation cover less than it says.
func ceilMicro(t time.Time) int64 { return t.Add(time.Microsecond - time.Nanosecond).UnixMicro() }

// Watch has changed called whenever something was revoked that was not before,
// until stop is called. It is called by the goroutine that adds, and not told
// what was added: ask Revoked. It must be quick and safe for concurrent use. A
// call may still be under way when stop returns; to call stop again does nothing.
func (l *List) Watch(changed func()) (stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers[&changed] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers, &changed)
	}
}

// Len returns how many revocations are held. Those that have expired are among
// them until their room is needed.
func (l *List) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for i := range l.tables {
		if t := l.tables[i].Load(); t != nil {
			n += t.used
		}
	}
	return n
}
