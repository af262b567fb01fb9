package lease

// deadlines are a heap of leases, the next to end first. It implements
// heap.Interface.
type deadlines[K comparable, V any] []deadline[K, V]

// A deadline is no later than the holder's own, which a renewal puts off.
type deadline[K comparable, V any] struct {
	at    Instant
	entry *Entry[K, V]
}

func (d *deadlines[K, V]) Len() int           { return len(*d) }
func (d *deadlines[K, V]) Less(i, j int) bool { return (*d)[i].at < (*d)[j].at }

func (d *deadlines[K, V]) Swap(i, j int) {
	all := *d
	all[i], all[j] = all[j], all[i]
	all[i].entry.place, all[j].entry.place = i, j
}

// Push adds an *Entry.
func (d *deadlines[K, V]) Push(x any) {
	e := x.(*Entry[K, V]) //nolint:forcetypeassert // nothing else is pushed
	e.place = len(*d)
	*d = append(*d, deadline[K, V]{e.holder.Deadline(), e})
}

// Pop removes the last one.
func (d *deadlines[K, V]) Pop() any {
	last := len(*d) - 1
	e := (*d)[last].entry
	(*d)[last] = deadline[K, V]{}
	*d = (*d)[:last]
	return e
}
