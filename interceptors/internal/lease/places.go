package lease

import "sync"

// Places counts what is open, by its owner K. The zero value counts nothing yet. It is safe
// for concurrent use.
type Places[K comparable] struct {
	mu    sync.Mutex
	taken map[K]int
	inAll int
}

// Take counts one more of an owner, unless the owner has each of them already, or there are
// all in all. It reports whether it has, and otherwise whether it is the owner that has too
// many. A bound of 0 or less is none.
func (p *Places[K]) Take(owner K, each, all int) (taken, tooManyOwn bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if each > 0 && p.taken[owner] >= each {
		return false, true
	}
	if all > 0 && p.inAll >= all {
		return false, false
	}
	if p.taken == nil {
		p.taken = make(map[K]int)
	}
	p.taken[owner]++
	p.inAll++
	return true, false
}

// Leave counts one less of an owner.
func (p *Places[K]) Leave(owner K) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inAll--
	if p.taken[owner]--; p.taken[owner] == 0 {
		delete(p.taken, owner)
	}
}
