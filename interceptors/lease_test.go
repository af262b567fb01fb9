package interceptors_test

import (
	"testing"
	"time"

	"github.com/ostiary/ostiary/interceptors/auth"
	"github.com/ostiary/ostiary/interceptors/revocation"
)

// lifetime is how long the token of a stream lasts that is to expire: not long,
// as there are many streams.
const lifetime = 100 * time.Millisecond

// leaseEvents are what ends a stream, or does not, and why it then ends.
var leaseEvents = []struct {
	name   string
	before func(t *testing.T, h *leaseHouse)
	during func(t *testing.T, h *leaseHouse)
	want   auth.Reason
}{
	{
		name:   "expires",
		before: func(_ *testing.T, h *leaseHouse) { h.present(lifetime, "reader") },
		during: func(*testing.T, *leaseHouse) {},
		want:   auth.TokenExpired,
	},
	{
		name:   "is renewed, and revoked later",
		before: func(_ *testing.T, h *leaseHouse) { h.present(time.Minute, "reader") },
		during: func(t *testing.T, h *leaseHouse) {
			h.present(time.Hour, "reader")
			h.call(t)
			h.revoke(t)
		},
		want: auth.TokenRevoked,
	},
	{
		name:   "is revoked",
		before: func(*testing.T, *leaseHouse) {},
		during: func(t *testing.T, h *leaseHouse) { h.revoke(t) },
		want:   auth.TokenRevoked,
	},
	{
		name:   "loses its key",
		before: func(*testing.T, *leaseHouse) {},
		during: func(_ *testing.T, h *leaseHouse) { h.withdrawKey() },
		want:   auth.KeyUnknown,
	},
	{
		name:   "is renewed, and loses its new key",
		before: func(*testing.T, *leaseHouse) {},
		during: func(t *testing.T, h *leaseHouse) {
			h.present(time.Hour, "reader")
			h.call(t)
			h.withdrawKey()
		},
		want: auth.KeyUnknown,
	},
	{
		name:   "loses its permission",
		before: func(*testing.T, *leaseHouse) {},
		during: func(t *testing.T, h *leaseHouse) {
			h.present(time.Hour, "writer")
			h.call(t)
		},
		want: auth.RoleRequired,
	},
}

func (h *leaseHouse) revoke(t *testing.T) {
	t.Helper()
	err := h.revoked.Add(revocation.Revocation{Kind: revocation.TargetSession, Issuer: "https://issuer.test", ID: "sess_1"})
	if err != nil {
		t.Fatal(err)
	}
}

// what a handler of each shape can be about.
var activitiesOf = map[string][]string{
	clientStream: {"receiving", "idle"},
	serverStream: {"sending", "idle"},
	bidiStream:   {"receiving", "sending", "idle"},
}

// TestAStreamEndsWithItsLease goes through every protocol, shape of stream, way
// to end and activity of the handler.
func TestAStreamEndsWithItsLease(t *testing.T) {
	t.Parallel()
	for _, transport := range leaseTransports() {
		for _, method := range transport.methods {
			for _, activity := range activitiesOf[method] {
				for _, event := range leaseEvents {
					t.Run(transport.name+", "+method+", "+activity+", "+event.name, func(t *testing.T) {
						t.Parallel()
						h := newLeaseHouse(t, activity)
						event.before(t, h)
						client := transport.start(t, h, method)
						ended := make(chan error, 1)
						go func() { ended <- client.run(t.Context()) }()
						h.untilEntered(ended)
						event.during(t, h)

						err := <-ended
						if reason, ok := client.reasonOf(err); !ok || reason != event.want || client.codeOf(err) != event.want.Code() {
							t.Errorf("the client's stream ended with %v; want %v", err, event.want)
						}
						h.assertEnded(t, event.want)
					})
				}
			}
		}
	}
}
