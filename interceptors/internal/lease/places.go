package lease

import "sync"

// Places counts what is open, by its owner K. The zero value counts nothing yet. It is safe
// for concurrent use.
type Places[K comparable] struct {
	mu    sync.Mutex
	taken map[K]int
	total int
}

// Take counts one more place of the owner. It fails if the owner has maxPerOwner already, or
// all owners together maxTotal, and then reports whether it is the owner that has too many. A
// bound of 0 or less is none.
func (p *Places[K]) Take(owner K, maxPerOwner, maxTotal int) (taken, tooManyOwn bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if maxPerOwner > 0 && p.taken[owner] >= maxPerOwner {
		return false, true
	}
	if maxTotal > 0 && p.total >= maxTotal {
		return false, false
	}
	if p.taken == nil {
		p.taken = make(map[K]int)
	}
	p.taken[owner]++
	p.total++
	return true, false
}

// Leave counts one less of an owner.
func (p *Places[K]) Leave(owner K) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total--
	if p.taken[owner]--; p.taken[owner] == 0 {
		delete(p.taken, owner)
	}
}
