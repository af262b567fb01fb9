package auth

// deadlines are a heap of leases, the next to end first. It implements
// heap.Interface.
type deadlines []deadline

// A deadline is no later than the lease's own, which a renewal puts off.
type deadline struct {
	at    moment
	lease *Lease
}

func (d *deadlines) Len() int           { return len(*d) }
func (d *deadlines) Less(i, j int) bool { return (*d)[i].at < (*d)[j].at }

func (d *deadlines) Swap(i, j int) {
	all := *d
	all[i], all[j] = all[j], all[i]
	all[i].lease.place, all[j].lease.place = i, j
}

// Push adds a *Lease.
func (d *deadlines) Push(x any) {
	l := x.(*Lease) //nolint:forcetypeassert // nothing else is pushed
	l.place = len(*d)
	*d = append(*d, deadline{l.deadline(), l})
}

// Pop takes the last one off.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	l := (*d)[last].lease
	(*d)[last] = deadline{}
	*d = (*d)[:last]
	return l
}
