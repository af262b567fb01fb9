package lease

import "testing"

func TestPlacesAreTakenUpToTheirBounds(t *testing.T) {
	t.Parallel()
	var p Places[string]
	take := func(owner string, each, all int, want, wantOwn bool) {
		t.Helper()
		if taken, tooManyOwn := p.Take(owner, each, all); taken != want || tooManyOwn != wantOwn {
			t.Errorf("%s takes one of %d, and of %d in all: %t, %t; want %t, %t", owner, each, all, taken, tooManyOwn, want, wantOwn)
		}
	}
	take("a", 2, 3, true, false)
	take("a", 2, 3, true, false)
	take("a", 2, 3, false, true)
	take("b", 2, 3, true, false)
	take("b", 2, 3, false, false)
	take("b", 0, 0, true, false) // no bounds
	p.Leave("a")
	take("b", 0, 3, false, false)
	p.Leave("b")
	take("a", 2, 3, true, false)
	for _, owner := range []string{"a", "a", "b"} {
		p.Leave(owner)
	}
	if len(p.taken) > 0 || p.total != 0 {
		t.Errorf("%v, %d are left", p.taken, p.total)
	}
}
