package revocation

import (
	"fmt"
	"hash/maphash"
	"iter"
	"math"
	"sync"
	"sync/atomic"
	"time"
	"unique"
)

// DefaultRetention is the sum of the longest token lifetime that is accepted by
// default and the default skew.
const DefaultRetention = 24*time.Hour + 5*time.Second

// Config says how long a [List] remembers. Its zero value is ready for use.
type Config struct {
	// Retention is how long a revocation is kept. It must be at least the longest
	// token lifetime that is accepted from any issuer, plus the skew. If it is
	// shorter, a revoked token is accepted again before it expires. 0 is
	// DefaultRetention.
	Retention time.Duration
	// Now is the clock. nil is time.Now.
	Now func() time.Time
}

// A List holds the revocations of this process. It implements auth.Revocations: set
// it in the Guard. Lookups take no lock and do not allocate, whatever the size. It is
// safe for concurrent use.
type List struct {
	retention time.Duration
	now       func() time.Time
	seed      maphash.Seed
	tables    [len(kindNames)]atomic.Pointer[table] // by kind

	mu       sync.Mutex // held while adding, and while changing watchers
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

// Prepare checks a revocation and fills in Expires, without adding it. Use it to
// store a revocation before it is added. Errors: [ErrInvalid].
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

// Add adds revocations to the list. When it returns, they apply to every later
// check, and it has called each watcher once.
//
// Add never weakens an earlier revocation: of two revocations of the same target the
// later Before and the later Expires apply. An expired revocation is skipped.
//
// Errors: [ErrInvalid], and then none was added. A revocation that Prepare returned
// is always valid.
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

// add returns the watchers to call.
func (l *List) add(revocations []Revocation) (watchers []func()) {
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
		watchers = append(watchers, *watcher)
	}
	return watchers
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

// ceilMicro rounds up, so that a revocation covers all that it says.
func ceilMicro(t time.Time) int64 { return t.Add(time.Microsecond - time.Nanosecond).UnixMicro() }

// Watch calls changed after each Add that revoked something new, until stop is
// called. The goroutine that adds calls it, without saying what was added: ask
// Revoked. changed must be quick and safe for concurrent use. A call may still be
// running when stop returns. Calling stop again does nothing.
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

// Len returns the number of revocations in the list. Expired revocations count until
// their space is needed.
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

// All returns the revocations that have not expired, in no order, to store them: a list
// to which they are added refuses what this one refuses. Revocations of the same target
// are merged into one. What is added meanwhile may be missing.
func (l *List) All() iter.Seq[Revocation] {
	return func(yield func(Revocation) bool) {
		now := l.now().UnixMicro()
		for kind := range l.tables {
			t := l.tables[kind].Load()
			if t == nil {
				continue
			}
			for e := range t.entries {
				if e.expires > now && !yield(e.revocation(TargetKind(kind))) { //nolint:gosec // a kind is small
					return
				}
			}
		}
	}
}
