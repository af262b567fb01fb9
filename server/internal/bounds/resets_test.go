package bounds

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"
)

func peerAt(addr string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr)) }

// exhaust resets on a connection until it would be closed, and returns how often it could.
func exhaust(r *Resets, peer net.Addr) (resets int) {
	for own := newOwn(); r.allow(peer, own); {
		resets++
	}
	return resets
}

func TestToConnectAgainGivesNoNewAllowanceOfResets(t *testing.T) {
	t.Parallel()
	began := time.Now()
	r := &Resets{Exempt: func(peer string) bool { return peer == "10.0.0.9:1" }}
	// The allowance grows while the test runs.
	grown := func() int { return int(time.Since(began).Seconds()*(resetsPerSecond+ownPerSecond)) + 1 }
	if n := exhaust(r, peerAt("[2001:db8::1]:1")); n < resetsAtOnce+ownAtOnce || n > resetsAtOnce+ownAtOnce+grown() {
		t.Errorf("%d resets at first; want the allowance of the address and that of the connection", n)
	}
	for _, again := range []string{"[2001:db8::1]:2", "[2001:db8::ffff]:1"} {
		if n := exhaust(r, peerAt(again)); n < ownAtOnce || n > ownAtOnce+grown() {
			t.Errorf("%d resets from %s; want those of the connection", n, again)
		}
	}
	if n := exhaust(r, peerAt("[2001:db8:0:1::1]:1")); n < resetsAtOnce {
		t.Errorf("%d resets from another network; want its allowance", n)
	}
	own := newOwn()
	for range 2 * resetsAtOnce {
		if !r.allow(peerAt("10.0.0.9:1"), own) {
			t.Fatal("one that is exempt is not")
		}
	}
}

func TestResetsOfManyAddressesTakeLittleMemory(t *testing.T) {
	t.Parallel()
	r := new(Resets)
	for n := range uint32(2 * maxAddresses) {
		r.allow(&net.TCPAddr{IP: binary.BigEndian.AppendUint32(nil, n)}, newOwn())
	}
	if len(r.addresses.limiters) != maxAddresses {
		t.Errorf("%d addresses are known; want %d", len(r.addresses.limiters), maxAddresses)
	}
}
